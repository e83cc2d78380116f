// What is proven instead of shown. The proofs are those of the client package; this page only wants to see what is said.

import { type Auth, base64url, type Challenge, type DpopKey, dpopKey, publicKey, source } from "./client.js";

/** How a connection begins to authenticate. */
export interface Opening {
  /** The first control message. */
  readonly first: string;
  /** The same for a connection that is authenticated already. */
  readonly again: string;
  /** Answers the challenge that follows, where one does. */
  readonly answer?: (challenge: Challenge) => Promise<Answer>;
}

export interface Answer {
  readonly text: string;
  /** What the gateway must say in `accepted`, where it has to prove something, too. */
  readonly proof?: string | undefined;
}

/** Shows a token, as it is. */
export function shown(mechanism: string, token: string): Opening {
  const said = (type: string): string => JSON.stringify({ auth: { type, mechanism, token } });
  return { first: said("authenticate"), again: said("refresh") };
}

/** Shows an access token as SASL does (RFC 7628, section 3.1). */
export function saslShown(token: string): Opening {
  const message = `n,,\u0001auth=Bearer ${token}\u0001\u0001`;
  const said = (type: string): string => JSON.stringify({ auth: { type, mechanism: "oauthbearer", message } });
  return { first: said("authenticate"), again: said("refresh") };
}

/** Begins the exchange of a provider that answers challenges, for a socket at this address. */
export async function proven(auth: Auth, address: string): Promise<Opening> {
  const { provide, respond } = auth[source]();
  const credential = await provide({ reason: "connect", attempt: 1, signal: new AbortController().signal }, address);
  if (!credential || !respond) {
    throw new Error("this provider answers no challenge");
  }
  const answer = (challenge: Challenge): Promise<Answer> =>
    new Promise((resolve, reject) => {
      respond(challenge, address, () => {}, (input) => {
        if (input.type !== "response") {
          return reject(new Error("the challenge was not answered: it cannot be, or nobody wanted to"));
        }
        const { proof } = input;
        respond({ type: "respond" }, address, (text) => resolve({ text, proof }), () => {});
      });
    });
  return { first: credential.message("authenticate"), again: credential.message("refresh"), answer };
}

/** A key of this page: nobody can read the private half, this script neither. It goes when the page does. */
export class Keys {
  readonly #made = new Map<string, Promise<CryptoKeyPair>>();
  readonly #register: (user: string, key: JsonWebKey) => Promise<void>;

  /** `register`: has an operator register the public half. */
  constructor(register: (user: string, key: JsonWebKey) => Promise<void>) {
    this.#register = register;
  }

  /** The proof by the user's key, which is made and registered where there is none. */
  async of(user: string): Promise<Auth> {
    const made = this.#made.get(user) ?? this.#make(user);
    this.#made.set(user, made);
    try {
      return publicKey(await made);
    } catch (error) {
      this.forget(user);
      throw error;
    }
  }

  /** The next proof takes a new key. */
  forget(user: string): void {
    this.#made.delete(user);
  }

  async #make(user: string): Promise<CryptoKeyPair> {
    const keys = await generated();
    await this.#register(user, await crypto.subtle.exportKey("jwk", keys.publicKey));
    return keys;
  }
}

/** A key to bind tokens to, and its thumbprint (RFC 7638). */
export async function bindingKey(): Promise<{ readonly key: DpopKey; readonly thumbprint: string }> {
  const keys = await generated();
  const { crv, kty, x, y } = await crypto.subtle.exportKey("jwk", keys.publicKey);
  const members = new TextEncoder().encode(JSON.stringify({ crv, kty, x, y }));
  return { key: dpopKey(keys), thumbprint: base64url(await crypto.subtle.digest("SHA-256", members)) };
}

/** Ed25519, or P-256 in browsers that do not have it. */
async function generated(): Promise<CryptoKeyPair> {
  try {
    return (await crypto.subtle.generateKey({ name: "Ed25519" }, false, ["sign", "verify"])) as CryptoKeyPair;
  } catch {
    return crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, false, ["sign", "verify"]);
  }
}
