// Tokens that are bound to a key, and are worth nothing without it (DPoP, RFC 9449).

import { type Auth, credential, type TokenProvider } from "./auth.js";
import { base64url, exchanging, utf8 } from "./challenge.js";
import { algorithmOf, nonceOf, type SigningKeys } from "./signing.js";

/** Makes proofs for requests: made by `dpopKey()`. */
export interface DpopKey {
  /**
   * The field `DPoP` of a request. `url`: where it goes; query and fragment do not count. `token`: the access token that
   * goes with it; `nonce`: the last one that the server gave in `DPoP-Nonce`, where it gives any.
   */
  proof(method: string, url: string | URL, more?: { readonly token?: string; readonly nonce?: string | undefined }): Promise<string>;
}

/**
 * A key to bind tokens to: Ed25519, or ECDSA on P-256, made by `crypto.subtle.generateKey()`. The private half need not be
 * extractable, and should not be. Your identity provider binds a token to it where the request for the token has such a
 * proof too.
 */
export function dpopKey({ privateKey, publicKey }: SigningKeys): DpopKey {
  const [algorithm, alg] = algorithmOf(privateKey, publicKey);
  const { subtle } = globalThis.crypto;
  const encoded = (value: unknown): string => base64url(utf8(JSON.stringify(value)));
  return {
    proof: async (method, url, { token, nonce } = {}) => {
      const htu = new URL(url);
      htu.search = htu.hash = "";
      const { kty, crv, x, y } = (await subtle.exportKey("jwk", publicKey as CryptoKey)) as Record<string, string>;
      const claims = {
        jti: crypto.randomUUID(),
        htm: method,
        htu: htu.href,
        iat: Math.floor(Date.now() / 1000),
        ath: token && base64url(await subtle.digest("SHA-256", utf8(token))),
        nonce,
      };
      const signed = `${encoded({ typ: "dpop+jwt", alg, jwk: { kty, crv, x, y } })}.${encoded(claims)}`;
      return `${signed}.${base64url(await subtle.sign(algorithm, privateKey as CryptoKey, utf8(signed)))}`;
    },
  };
}

export interface DpopOptions {
  /** Gives the token that is bound to the key. */
  readonly token: TokenProvider;
  readonly key: DpopKey;
}

/** A bound token, sent with a proof over a nonce of the gateway, for each connection. */
export function dpop({ token, key }: DpopOptions): Auth {
  return exchanging(async (request) => {
    const given = credential("dpop", await token(request)).id;
    return {
      id: given,
      presented: { mechanism: "dpop", token: given },
      respond: async (challenge, address) => {
        const proof = await key.proof("GET", address.replace(/^ws/, "http"), { token: given, nonce: nonceOf(challenge) });
        return { members: { proof } };
      },
    };
  }, "on");
}
