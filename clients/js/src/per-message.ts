// For servers that keep no state: each message carries the token.

import { type Auth, credential, source, type TokenProvider } from "./auth.js";
import { VestibuleError } from "./errors.js";
import type { Data } from "./queue.js";

/**
 * A token in each message: `{"auth":{"token":…},"data":…}`, with what is sent as `data`, which must be JSON. The provider
 * is asked again when a message is refused with `invalid_token` or `token_expired`. That message is lost; what is sent
 * until there is another token waits.
 */
export function perMessage(provider: TokenProvider): Auth {
  return {
    [source]: () => ({
      carrier: "per-message",
      provide: async (request) => credential("bearer", await provider(request)),
      seal: (data, token) => {
        if (!isJson(data)) {
          throw new VestibuleError("not_json");
        }
        return `{"auth":{"token":"${token}"},"data":${data}}`;
      },
    }),
  };
}

function isJson(data: Data): data is string {
  try {
    JSON.parse(data as string);
    // A byte array can look like a number.
    return typeof data === "string";
  } catch {
    return false;
  }
}
