// What the mechanisms that ask back have in common.

import type { Auth, Challenge, Credential, CredentialRequest } from "./auth.js";
import { source } from "./auth.js";
import { exchange } from "./exchange.js";
import { control } from "./wire.js";

/** What is said in an exchange: first, and to the challenge. */
export interface Round {
  /** Tells whether another one presents the same. Default: none does. */
  readonly id?: string;
  /** The members of `authenticate`. */
  readonly presented: Readonly<Record<string, unknown>>;
  /**
   * Gives the response. Whatever it throws is the end, and is not looked at: it may hold a secret. `signal`: aborted when
   * nobody waits for it any more.
   */
  respond(challenge: Challenge, address: string, signal: AbortSignal): Promise<Response>;
}

export interface Response {
  /** The members of `respond`. */
  readonly members: Readonly<Record<string, unknown>>;
  /** The `message` without which `accepted` is not believed. */
  readonly proof?: string;
}

/**
 * `begin`: prepares an exchange. It is called for each credential. `renew`: whether it is worth one to keep a connection
 * for which the credential ends soon.
 */
export function exchanging(begin: (request: CredentialRequest) => Promise<Round>, renew: "on" | "off" = "off"): Auth {
  return {
    [source]: () => {
      let round: Round | undefined;
      let count = 0;
      let text = "";
      let pending: AbortController | undefined;
      return {
        carrier: "message",
        renew,
        exchange,
        provide: async (request): Promise<Credential> => {
          pending?.abort();
          const begun = await begin(request);
          count += 1;
          return {
            id: begun.id ?? `${count}`,
            message: (as) => {
              round = begun;
              return control(as, begun.presented);
            },
          };
        },
        respond: (demand, address, send, answer) => {
          const asked = round;
          if (demand.type === "respond") {
            return send(text);
          }
          pending?.abort();
          if (demand.type === "cancel") {
            return;
          }
          const { signal } = (pending = new AbortController());
          Promise.resolve()
            .then(() => asked?.respond(demand, address, signal) as Promise<Response>)
            .then(({ members, proof }) => () => {
              text = control("respond", members);
              answer({ type: "response", proof });
            })
            .catch(() => () => answer({ type: "no_response" }))
            // What comes too late is of no connection that there still is.
            .then((say) => (round === asked ? say() : undefined));
        },
      };
    },
  };
}

/** From Base64 or base64url, with padding or without. */
export function bytesOf(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (sign) => sign.charCodeAt(0));
}

export const utf8 = (text: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(text);

export function base64(bytes: ArrayBuffer | Uint8Array): string {
  return btoa(String.fromCharCode(...new Uint8Array(bytes)));
}

export function base64url(bytes: ArrayBuffer | Uint8Array): string {
  return base64(bytes).replace(/[+/=]/g, (sign) => (sign === "+" ? "-" : sign === "/" ? "_" : ""));
}
