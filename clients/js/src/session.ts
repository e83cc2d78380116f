// Resuming with what the gateway handed out.

import { type Auth, type Credential, credential, source } from "./auth.js";

/**
 * Reconnects with the session that the gateway handed out when it accepted, where it did; the provider of `primary` is
 * asked for the first connection, for each refresh, and when the session is refused (with the reason `refused`).
 * The session is of one socket, and is forgotten when that stops.
 */
export function session(primary: Auth): Auth {
  return {
    [source]: () => {
      const { provide, exchange, ...first } = primary[source]();
      if (first.carrier !== "message") {
        throw new TypeError("session() needs a provider whose carrier is message");
      }
      let kept: Credential | undefined;
      let given: "kept" | "primary" = "primary";
      return {
        ...first,
        // A session is not asked back.
        ...(exchange && { exchange: (...all) => (given === "kept" ? undefined : exchange(...all)) }),
        provide: async (request, address) => {
          if (request.reason === "reconnect" && kept) {
            given = "kept";
            return kept;
          }
          if (request.reason !== "refresh" && request.reason !== "step-up") {
            kept = undefined;
          }
          given = "primary";
          return provide(request, address);
        },
        accepted: (text) => {
          const { session } = JSON.parse(text).auth;
          try {
            kept = session === undefined ? kept : credential("session", session);
          } catch {
            kept = undefined;
          }
        },
      };
    },
  };
}
