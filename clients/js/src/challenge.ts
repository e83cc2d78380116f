// What the mechanisms that ask back have in common.

import type { Auth, Credential, Demand } from "./auth.js";
import { source } from "./auth.js";
import { exchange } from "./exchange.js";
import { control } from "./wire.js";

/** What is said in an exchange: first, and to the challenge. */
export interface Round {
  /** The members of `authenticate`. */
  readonly presented: Readonly<Record<string, string>>;
  /** Gives the response. Whatever it throws is the end, and is not looked at: it may hold a secret. */
  respond(challenge: Demand, address: string): Promise<Response>;
}

export interface Response {
  /** The members of `respond`. */
  readonly members: Readonly<Record<string, string>>;
  /** The `message` without which `accepted` is not believed. */
  readonly proof?: string;
}

/** `begin`: prepares an exchange. It is called for each connection. */
export function exchanging(begin: (signal: AbortSignal) => Promise<Round>): Auth {
  return {
    [source]: () => {
      let round: Round | undefined;
      let count = 0;
      let text = "";
      return {
        carrier: "message",
        exchange,
        provide: async ({ signal }): Promise<Credential> => {
          const begun = await begin(signal);
          // No two exchanges are the same.
          count += 1;
          return {
            id: `${count}`,
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
          Promise.resolve()
            .then(() => asked?.respond(demand, address) as Promise<Response>)
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

const TEXT = new TextEncoder();
export const utf8 = (text: string): Uint8Array<ArrayBuffer> => TEXT.encode(text);

export function base64(bytes: ArrayBuffer | Uint8Array): string {
  return btoa(String.fromCharCode(...new Uint8Array(bytes)));
}

export function base64url(bytes: ArrayBuffer | Uint8Array): string {
  return base64(bytes).replace(/[+/=]/g, (sign) => (sign === "+" ? "-" : sign === "/" ? "_" : ""));
}
