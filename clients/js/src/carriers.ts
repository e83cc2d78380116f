// Carriers of the handshake (docs/protocol.md, sections 4.3 and 4.4).

import type { Handshake } from "./auth.js";
import { VestibuleError } from "./errors.js";

/** A token beside the real subprotocols: `bearer(provider, { carrier: subprotocol })`. */
export function subprotocol(token: string, address: string, protocols: readonly string[]): Handshake {
  if (!/[/=]/.test(token)) {
    // Without a real subprotocol there would be nothing to answer with, but for the marker.
    return [address, protocols.length > 0 ? [...protocols, `vestibule.bearer.${token}`] : ["bearer", token]];
  }
  if (protocols.length === 0) {
    throw new VestibuleError("credential_unavailable");
  }
  const text = btoa(token).replace(/[+/=]/g, (sign) => (sign === "+" ? "-" : sign === "/" ? "_" : ""));
  return [address, [...protocols, `base64url.bearer.authorization.k8s.io.${text}`]];
}

/** A ticket in the query. What the application has there is left as it is. */
export function query(token: string, address: string, protocols: readonly string[]): Handshake {
  return [`${address}${address.includes("?") ? "&" : "?"}ticket=${encodeURIComponent(token)}`, protocols];
}
