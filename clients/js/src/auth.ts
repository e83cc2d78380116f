// Where credentials come from.

import { VestibuleError } from "./errors.js";
import type { AskReason, Carrier } from "./vocabulary.js";
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
 * Gives a token. It is called for each connection and each refresh, never twice at once. For the reasons `refresh`
 * and `refused` it must give another token than before; a token that was refused is not sent again.
 * What it throws is swallowed: report it yourself, where you need to know.
 */
export type TokenProvider = (request: CredentialRequest) => string | PromiseLike<string>;

/** Not exported by the package: only its own functions can make an `Auth`. */
export const source: unique symbol = Symbol("source");

/** How a client authenticates: made by `bearer()` or `cookie()`, and given to the `auth` option. */
export interface Auth {
  readonly [source]: Source;
}

export interface Source {
  readonly carrier: Carrier;
  /** Gives a credential, or nothing where none is sent. */
  readonly provide: (request: CredentialRequest) => Promise<Credential | undefined>;
}

/** One credential, in the forms in which it can travel. */
export interface Credential {
  /** Tells whether another one is the same. */
  readonly id: string;
  /** The control message that presents it. */
  message(as: "authenticate" | "refresh"): string;
  /** What to offer beside the real subprotocols. */
  offer(protocols: readonly string[]): readonly string[];
}

/** A bearer token (RFC 6750), sent in the first message, or in the handshake as a subprotocol. */
export function bearer(
  provider: TokenProvider,
  options: { readonly carrier?: "message" | "subprotocol" } = {},
): Auth {
  const { carrier = "message" } = options;
  return { [source]: { carrier, provide: async (request) => bearerCredential(await provider(request)) } };
}

/**
 * Nothing is sent: the browser attaches a cookie. `renew` is called where a token provider would be, for example to
 * have a session prolonged before a reconnection.
 */
export function cookie(renew?: (request: CredentialRequest) => void | PromiseLike<void>): Auth {
  return {
    [source]: {
      carrier: "cookie",
      provide: async (request) => {
        await renew?.(request);
        return undefined;
      },
    },
  };
}

/** RFC 6750 section 2.1, and the gateway's limit. */
const TOKEN = /^[\w\-.~+/]{1,12288}=*$/;

function bearerCredential(token: unknown): Credential {
  if (typeof token !== "string" || !TOKEN.test(token)) {
    throw new VestibuleError("credential_unavailable");
  }
  return {
    id: token,
    message: (as) => control(as, { mechanism: "bearer", token }),
    offer: (protocols) => offer(token, protocols),
  };
}

/** docs/protocol.md, section 4.4. */
function offer(token: string, protocols: readonly string[]): readonly string[] {
  if (!/[/=]/.test(token)) {
    // Without a real subprotocol there would be nothing to answer with, but for the marker.
    return protocols.length > 0 ? [...protocols, `vestibule.bearer.${token}`] : ["bearer", token];
  }
  if (protocols.length === 0) {
    throw new VestibuleError("credential_unavailable");
  }
  const text = btoa(token).replace(/[+/=]/g, (sign) => (sign === "+" ? "-" : sign === "/" ? "_" : ""));
  return [...protocols, `base64url.bearer.authorization.k8s.io.${text}`];
}
