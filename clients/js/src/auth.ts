// Where credentials come from. Bearer tokens and cookies; the other providers have files of their own, and none of them is
// in a bundle that does not use it.

import { VestibuleError } from "./errors.js";
import type { Data } from "./queue.js";
import type { Exchange } from "./states.js";
import type { AskReason, Carrier, Effect, Input } from "./vocabulary.js";
import { control } from "./wire.js";

/** What a provider is told. */
export interface CredentialRequest {
  readonly reason: AskReason;
  /** 1, and more when it is asked again because something failed. */
  readonly attempt: number;
  /** Aborted when nobody waits for the answer any more. */
  readonly signal: AbortSignal;
}

/**
 * Gives a token. It is called for each connection and each refresh, never twice at once for one socket. For the reasons
 * `refresh` and `refused` it must give another token than before; a token that was refused is not sent again.
 * What it throws is swallowed: report it yourself, where you need to know. A `VestibuleError("credential_refused")`
 * alone is understood: there will be no token, and the socket stops.
 */
export type TokenProvider = (request: CredentialRequest) => string | PromiseLike<string>;

/** Not exported by the package: only its own functions can make an `Auth`. */
export const source: unique symbol = Symbol("source");

/** How a client authenticates: made by `bearer()` and the like, and given to the `auth` option. */
export interface Auth {
  /** One for each socket. */
  readonly [source]: () => Source;
}

export interface Source {
  readonly carrier: Carrier;
  /** Gives a credential, or nothing where none is sent. `address`: where it will be presented. */
  readonly provide: (request: CredentialRequest, address: string) => Promise<Credential | undefined>;
  /** See `Settings`. */
  readonly renew?: "on" | "off";
  /** Where challenges are answered. */
  readonly exchange?: Exchange;
  /** Has one answered, and sends the response. It does not throw, and does not answer one when there is another. */
  readonly respond?: (effect: Demand, address: string, send: (text: string) => void, answer: Answer) => void;
  /** Hears what the gateway said when it accepted. */
  readonly accepted?: (text: string) => void;
  /** Puts a message and the token together, where each message carries it. Throws for what cannot be sent so. */
  readonly seal?: (data: Data, token: string) => Data;
}

export type Challenge = Extract<Effect, { type: "challenge" }>;

/** What the machine wants of who answers challenges. With `cancel`, nobody waits for an answer any more. */
export type Demand = Challenge | Extract<Effect, { type: "respond" | "cancel" }>;

/** Takes what there is to say of a challenge. */
export type Answer = (input: Input) => void;

/** One credential, in the forms in which it can travel. */
export interface Credential {
  /** Tells whether another one is the same. */
  readonly id: string;
  /** The control message that presents it. */
  message(as: "authenticate" | "refresh"): string;
  /** The handshake that carries it, where one does. */
  handshake?: HandshakeCarrier | undefined;
}

/** Address and subprotocols of a handshake. */
export type Handshake = readonly [address: string, protocols: readonly string[]];

/** Puts a token into a handshake. */
export type HandshakeCarrier = (token: string, ...handshake: Handshake) => Handshake;

/** A bearer token (RFC 6750), sent in the first message, or with `subprotocol` in the handshake. */
export function bearer(provider: TokenProvider, options: { readonly carrier?: HandshakeCarrier } = {}): Auth {
  const { carrier } = options;
  return {
    [source]: () => ({
      carrier: carrier ? "subprotocol" : "message",
      provide: async (request) => credential("bearer", await provider(request), carrier),
    }),
  };
}

/**
 * Nothing is sent: the browser attaches a cookie. `renew` is called where a token provider would be, for example to
 * have a session prolonged before a reconnection.
 */
export function cookie(renew?: (request: CredentialRequest) => void | PromiseLike<void>): Auth {
  return {
    [source]: () => ({
      carrier: "cookie",
      provide: async (request) => {
        await renew?.(request);
        return undefined;
      },
    }),
  };
}

/** RFC 6750 section 2.1, and the gateway's limit. */
const TOKEN = /^[\w\-.~+/]{1,12288}=*$/;

export function credential(mechanism: string, token: unknown, handshake?: HandshakeCarrier): Credential {
  if (typeof token !== "string" || !TOKEN.test(token)) {
    throw new VestibuleError("credential_unavailable");
  }
  return { id: token, message: (as) => control(as, { mechanism, token }), handshake };
}
