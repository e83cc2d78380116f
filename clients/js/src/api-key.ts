// API keys.

import { type Auth, credential, source, type TokenProvider } from "./auth.js";

/** An API key, or what gives one, sent in the first message. A key in a page is a key for everybody who opens it. */
export function apiKey(key: string | TokenProvider): Auth {
  return {
    [source]: () => ({
      carrier: "message",
      provide: async (request) => credential("api-key", typeof key === "function" ? await key(request) : key),
    }),
  };
}
