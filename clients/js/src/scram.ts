// Passwords that do not travel: SCRAM-SHA-256 (RFC 5802, RFC 7677).

import type { Auth } from "./auth.js";
import { base64, bytesOf, exchanging, utf8 } from "./challenge.js";

/** RFC 7677 section 4 asks for the lower bound; the upper one is about a second of a slow device's time. */
const FEWEST_ITERATIONS = 4096;
const MOST_ITERATIONS = 1_000_000;

export interface ScramOptions {
  /** For tests: the client's nonce. */
  readonly nonce?: () => string;
}

/**
 * Proves a password without sending it, and has the gateway prove that it knows it too: without that nothing is opened.
 * `password`: it, or what gives it, which is asked for each connection.
 */
export function scram(user: string, password: string | (() => string | PromiseLike<string>), options: ScramOptions = {}): Auth {
  const { nonce = random } = options;
  const name = prepared(user).replace(/=/g, "=3D").replace(/,/g, "=2C");
  if (typeof password === "string") {
    // What can never do is said at once.
    prepared(password);
  }
  return exchanging(async () => {
    const secret = utf8(prepared(typeof password === "function" ? await password() : password));
    const mine = nonce();
    const bare = `n=${name},r=${mine}`;
    return {
      presented: { mechanism: "scram-sha-256", message: `n,,${bare}` },
      respond: async (challenge) => {
        const { message = "" } = challenge as { message?: string };
        const [, theirs, salt, count] = SERVER_FIRST.exec(message) ?? [];
        const iterations = Number(count);
        const fair = iterations >= FEWEST_ITERATIONS && iterations <= MOST_ITERATIONS;
        // A nonce that is only ours would let an old answer pass for a new one.
        if (!theirs || !salt || !fair || !theirs.startsWith(mine) || theirs === mine) {
          throw new TypeError("challenge");
        }
        const { subtle } = crypto;
        const bits = { name: "PBKDF2", hash: "SHA-256", salt: bytesOf(salt), iterations };
        const salted = await subtle.deriveBits(bits, await subtle.importKey("raw", secret, "PBKDF2", false, ["deriveBits"]), 256);
        const clientKey = await hmac(salted, "Client Key");
        // `biws` is `n,,`.
        const unproven = `c=biws,r=${theirs}`;
        const transcript = `${bare},${message},${unproven}`;
        const signature = await hmac(await subtle.digest("SHA-256", clientKey), transcript);
        const proof = clientKey.map((byte, at) => byte ^ (signature[at] as number));
        return {
          members: { message: `${unproven},p=${base64(proof)}` },
          proof: `v=${base64(await hmac(await hmac(salted, "Server Key"), transcript))}`,
        };
      },
    };
  });
}

/** RFC 5802 section 7. Extensions are refused: none is known. */
const SERVER_FIRST = /^r=([!-+\--~]{1,1024}),s=([A-Za-z\d+/]{2,1024}={0,2}),i=([1-9]\d{0,6})$/;

function random(): string {
  return base64(crypto.getRandomValues(new Uint8Array(18)));
}

async function hmac(key: ArrayBuffer | Uint8Array<ArrayBuffer>, text: string): Promise<Uint8Array<ArrayBuffer>> {
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  const imported = await crypto.subtle.importKey("raw", key, algorithm, false, ["sign"]);
  return new Uint8Array(await crypto.subtle.sign(algorithm, imported, utf8(text)));
}

/**
 * SASLprep (RFC 4013) as far as it can be had without its tables: other spaces become the space, what maps to nothing goes,
 * then NFKC; controls, private use, surrogates, and what is no character or not assigned are refused. The gateway looks
 * closer, and refuses more: text of both directions, and what Unicode assigned after its version 3.2.
 */
function prepared(text: string): string {
  const mapped = text
    .replace(/[\p{Zs}\u200b]/gu, " ")
    .replace(/[\u00ad\u034f\u1806\u180b-\u180d\u200c\u200d\u2060\ufe00-\ufe0f\ufeff]/g, "")
    .normalize("NFKC");
  if (!mapped || /[\p{C}\u2028\u2029\u2ff0-\u2ffb\ufffc\ufffd]/u.test(mapped)) {
    throw new TypeError("SASLprep refuses this");
  }
  return mapped;
}
