// Keys that never leave their owner (docs/protocol.md, section 6.5).

import type { Auth } from "./auth.js";
import { base64, base64url, exchanging, utf8 } from "./challenge.js";

export interface PublicKeyOptions {
  /** The `Origin` of the handshake. Default: that of the page; outside of a browser none is sent. */
  readonly origin?: string;
}

/** What `crypto.subtle.generateKey()` makes: two `CryptoKey`s, whose type not every runtime's declarations have. */
export interface SigningKeys {
  readonly privateKey: SigningKey;
  readonly publicKey: SigningKey;
}

/** What is looked at of a `CryptoKey`. */
export interface SigningKey {
  readonly algorithm: { readonly name: string };
  readonly usages: readonly string[];
}

/** The WebCrypto name of each algorithm, and its names in an SSH key (RFC 8709, RFC 5656). */
const ECDSA = { name: "ECDSA", hash: "SHA-256" };

/**
 * Signs the challenge of each connection with a key whose public half is registered with a user: Ed25519, or ECDSA on
 * P-256. The private half need not be extractable, and should not be.
 */
export function publicKey({ privateKey, publicKey }: SigningKeys, options: PublicKeyOptions = {}): Auth {
  const { origin = globalThis.location?.origin ?? "" } = options;
  const { name, namedCurve } = publicKey.algorithm as { name: string; namedCurve?: string };
  if ((name !== "Ed25519" && namedCurve !== "P-256") || privateKey.algorithm.name !== name || !privateKey.usages.includes("sign")) {
    throw new TypeError("publicKey() needs a key that signs with Ed25519 or P-256");
  }
  return exchanging(async () => ({
    presented: { mechanism: "public-key", key: await fingerprint(publicKey) },
    respond: async (challenge, address) => {
      const { nonce } = challenge as { nonce?: string };
      if (!/^[\w-]{43}$/.test(nonce as string)) {
        throw new TypeError("nonce");
      }
      // As the socket sends them: without the port that goes without saying, and without the query.
      const { host, pathname } = new URL(address);
      const signed = ["vestibule-public-key-v1", nonce, host.replace(/\.(?=:|$)/, ""), pathname, origin].join("\0");
      const algorithm = name === "Ed25519" ? { name } : ECDSA;
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
