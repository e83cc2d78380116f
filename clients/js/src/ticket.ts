// Single-use tickets.

import { type Auth, type CredentialRequest, credential, source, type TokenProvider } from "./auth.js";
import { query } from "./carriers.js";
import type { DpopKey } from "./dpop.js";
import { VestibuleError } from "./errors.js";
import { endpointOf } from "./options.js";

export interface TicketOptions {
  /** Gives the access token with which a ticket is asked for. Default: none, the browser's cookies are sent. */
  readonly bearer?: TokenProvider;
  /** The key to which what `bearer` gives is bound (DPoP, RFC 9449): then each request has a proof. */
  readonly dpop?: DpopKey;
  /** Where the ticket travels: in the handshake's query, or in the first message. Default: `query`. */
  readonly carrier?: "query" | "message";
  /** Default: the global one. */
  readonly fetch?: typeof globalThis.fetch;
  /** Allows `http:` to hosts other than the loopback. */
  readonly dangerouslyAllowInsecure?: boolean;
}

/**
 * A new ticket for each connection and each refresh, from `url`, usually `/auth/ticket` of the gateway. Where that answers
 * 401, a token is asked for once more with the reason `refused`; a second 401, a 403, or a 401 without `bearer`, stops.
 */
export function ticket(url: string | URL, options: TicketOptions = {}): Auth {
  const { bearer, dpop, carrier = "query" } = options;
  /** The last one that the gateway gave. */
  let nonce: string | undefined;
  const endpoint = endpointOf(url, options);
  if (dpop && !bearer) {
    throw new TypeError("a proof is of a token: bearer is missing");
  }

  async function ask(request: CredentialRequest, address: string): Promise<Response> {
    const token = bearer && credential("bearer", await bearer(request)).id;
    const asked = nonce;
    const answer = await send(request, address, token);
    // It wants its own nonce in the proof (`use_dpop_nonce`).
    return answer.status === 401 && nonce !== asked ? send(request, address, token) : answer;
  }

  async function send({ signal }: CredentialRequest, address: string, token: string | undefined): Promise<Response> {
    const headers: Record<string, string> = { "Content-Type": "application/json" };
    if (token) {
      headers.Authorization = `${dpop ? "DPoP" : "Bearer"} ${token}`;
    }
    if (token && dpop) {
      headers.DPoP = await dpop.proof("POST", endpoint, { token, nonce });
    }
    // A redirect is no ticket, and what it leads to is not to be told who asks.
    const answer = await (options.fetch ?? globalThis.fetch)(endpoint, {
      method: "POST",
      headers,
      body: JSON.stringify({ path: new URL(address).pathname }),
      credentials: bearer ? "omit" : "include",
      cache: "no-store",
      redirect: "error",
      signal,
    });
    if (dpop) {
      nonce = answer.headers.get("DPoP-Nonce") ?? nonce;
    }
    return answer;
  }

  async function provide(request: CredentialRequest, address: string): Promise<ReturnType<typeof credential>> {
    let answer = await ask(request, address);
    if (answer.status === 401 && bearer && request.reason !== "refused") {
      answer = await ask({ ...request, reason: "refused" }, address);
    }
    if (answer.status === 401 || answer.status === 403) {
      throw new VestibuleError("credential_refused");
    }
    if (!answer.ok) {
      throw new VestibuleError("credential_unavailable");
    }
    return credential("ticket", (await answer.json()).ticket, carrier === "query" ? query : undefined);
  }

  return { [source]: () => ({ carrier, provide }) };
}
