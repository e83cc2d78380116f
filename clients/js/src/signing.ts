// What keys that sign have in common.

import type { Challenge } from "./auth.js";

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

/** How WebCrypto and a JWT (RFC 7518, RFC 8037) name the algorithm of these keys. Throws for one that is not taken. */
export function algorithmOf(
  privateKey: SigningKey,
  publicKey: SigningKey,
): readonly [{ readonly name: string; readonly hash: string }, "EdDSA" | "ES256"] {
  const { name, namedCurve } = publicKey.algorithm as { name: string; namedCurve?: string };
  if ((name !== "Ed25519" && namedCurve !== "P-256") || privateKey.algorithm.name !== name || !privateKey.usages.includes("sign")) {
    throw new TypeError("a key that signs with Ed25519 or P-256 is needed");
  }
  return [{ name, hash: "SHA-256" }, name === "Ed25519" ? "EdDSA" : "ES256"];
}

/** 32 bytes. What could be read as something else is not signed. */
export function nonceOf(challenge: Challenge): string {
  const { nonce } = challenge as { nonce?: string };
  if (!/^[\w-]{43}$/.test(nonce as string)) {
    throw new TypeError("nonce");
  }
  return nonce as string;
}
