// A second proof of who is in already.

import { type Auth, source } from "./auth.js";

/**
 * Connects by `primary`, and shows `second` when the gateway asks for something stronger on an open connection, such as
 * `stepUp(bearer(getToken), passkey())`.
 */
export function stepUp(primary: Auth, second: Auth): Auth {
  return {
    [source]: () => {
      const first = primary[source]();
      const other = second[source]();
      if (first.seal || other.carrier !== "message") {
        throw new TypeError("stepUp() needs a connection that is authenticated once, and a second way whose carrier is message");
      }
      let asked = first;
      return {
        ...first,
        renew: first.renew ?? (first.exchange ? "off" : "on"),
        exchange: (...all) => asked.exchange?.(...all),
        provide: (request, address) => {
          asked = request.reason === "step-up" ? other : first;
          return asked.provide(request, address);
        },
        respond: (...all) => asked.respond?.(...all),
      };
    },
  };
}
