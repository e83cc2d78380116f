// Keys that never leave their owner (docs/protocol.md, section 6.5).

import type { Auth } from "./auth.js";
import { base64, base64url, exchanging, utf8 } from "./challenge.js";
import { algorithmOf, nonceOf, type SigningKey, type SigningKeys } from "./signing.js";

export interface PublicKeyOptions {
  /** The `Origin` of the handshake. Default: that of the page; outside of a browser none is sent. */
  readonly origin?: string;
}

/**
 * Signs the challenge of each connection with a key whose public half is registered with a user: Ed25519, or ECDSA on
 * P-256. The private half need not be extractable, and should not be.
 */
export function publicKey({ privateKey, publicKey }: SigningKeys, options: PublicKeyOptions = {}): Auth {
  const { origin = globalThis.location?.origin ?? "" } = options;
  const [algorithm] = algorithmOf(privateKey, publicKey);
  return exchanging(async () => ({
    presented: { mechanism: "public-key", key: await fingerprint(publicKey) },
    respond: async (challenge, address) => {
      // As the socket sends them: without the port that goes without saying, and without the query.
      const { host, pathname } = new URL(address);
      const signed = ["vestibule-public-key-v1", nonceOf(challenge), host.replace(/\.(?=:|$)/, ""), pathname, origin].join("\0");
      return { members: { signature: base64url(await crypto.subtle.sign(algorithm, privateKey as CryptoKey, utf8(signed))) } };
    },
  }));
}

/** As OpenSSH shows it: `SHA256:` and the hash of the key in the form of RFC 4253 section 6.6. */
async function fingerprint(key: SigningKey): Promise<string> {
  const raw = new Uint8Array(await crypto.subtle.exportKey("raw", key as CryptoKey));
  const names = key.algorithm.name === "Ed25519" ? ["ssh-ed25519"] : ["ecdsa-sha2-nistp256", "nistp256"];
  const blob = [...names.map(utf8), raw].flatMap((part) => [0, 0, 0, part.length, ...part]);
  return `SHA256:${base64(await crypto.subtle.digest("SHA-256", new Uint8Array(blob))).replace("=", "")}`;
}
