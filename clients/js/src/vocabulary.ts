// What goes into the machine and what comes out of it. The names are those of vectors/client-machine.json.

import type { StopReason, Verdict } from "./codes.js";
import type { ErrorCode } from "./errors.js";

/** Where the credential travels. */
export type Carrier = "message" | "subprotocol" | "query" | "cookie" | "per-message";

/** Why a credential is asked for. */
export type AskReason =
  /** The first connection. */
  | "connect"
  /** Another connection. A credential that is still good will do. */
  | "reconnect"
  /** The lease ends soon. A newer credential is needed. */
  | "refresh"
  /** The last credential was refused, or has ended. Another one is needed. */
  | "refused"
  /** The gateway wants something stronger of who is in already, and ends the connection without it. */
  | "step-up";

/** All times in milliseconds. */
export interface Settings {
  readonly carrier: Carrier;
  readonly connectTimeout: number;
  /** For the provider, and for the server's answer to what it provided. */
  readonly authTimeout: number;
  /** How long a refusal may follow a handshake that carried the credential. */
  readonly settle: number;
  readonly reconnect: "on" | "off";
  readonly base: number;
  readonly max: number;
  /** How long a connection must have been open to be taken for a success. */
  readonly stable: number;
  /** Failures in a row before it stops; 0: no bound. */
  readonly attempts: number;
  /** Whether a newer credential can be presented on an open connection. Default: with every carrier but `cookie`, without challenges. */
  readonly renew?: "on" | "off" | undefined;
  readonly codes: Readonly<Record<number, Verdict>>;
}

export type StateName =
  | "stopped"
  | "asking"
  | "connecting"
  | "settling"
  | "authenticating"
  | "open"
  | "waiting"
  | "closing";

export type Input =
  /** From any state: begins anew. */
  | { readonly type: "start" }
  | { readonly type: "credential" }
  /** `repeated`: it is the one that was spent. `denied`: there will be none. */
  | { readonly type: "no_credential"; readonly failure: "failed" | "repeated" | "denied" }
  /** To the challenge. `proof`: the `message` without which `accepted` is not believed. */
  | { readonly type: "response"; readonly proof?: string | undefined }
  /** The challenge must not be answered, or cannot be. */
  | { readonly type: "no_response" }
  | { readonly type: "socket_open" }
  | { readonly type: "text"; readonly text: string }
  | { readonly type: "binary" }
  /** The socket did what no WebSocket may do. */
  | { readonly type: "fault" }
  | { readonly type: "socket_closed"; readonly code: number; readonly reason: string; readonly clean: boolean }
  | { readonly type: "close"; readonly code: number; readonly reason: string }
  | { readonly type: "abort" }
  | { readonly type: "logout" }
  | { readonly type: "refresh" }
  | { readonly type: "online" }
  | { readonly type: "tick" };

export type Effect =
  /** Ask the provider, or join the question that is under way. */
  | { readonly type: "ask"; readonly reason: AskReason; readonly attempt: number }
  /** Give up the question. */
  | { readonly type: "cancel" }
  /** The credential that was presented last must not be presented again. */
  | { readonly type: "spend" }
  | { readonly type: "connect" }
  | { readonly type: "present"; readonly as: "authenticate" | "refresh" }
  /** Ask the provider for the response to what the gateway demands: its `nonce`, its `message`, or a person. */
  | { readonly type: "challenge"; readonly nonce: string }
  | { readonly type: "challenge"; readonly message: string }
  | { readonly type: "challenge"; readonly options: Readonly<Record<string, unknown>>; readonly expires_in: number }
  /** Send the response. */
  | { readonly type: "respond" }
  | { readonly type: "logout" }
  /** Close the socket, and hear it until it has closed. */
  | { readonly type: "close"; readonly code: number; readonly reason: string }
  /** Close the socket, and hear nothing more of it. */
  | { readonly type: "drop"; readonly code: number }
  /** Send what waits, and say that it is open. */
  | { readonly type: "open"; readonly how: "first" | "again" }
  /** The message that came in is the application's. */
  | { readonly type: "deliver" }
  | ({ readonly type: "auth" } & AuthTold)
  | {
      readonly type: "reconnecting";
      readonly cause: ErrorCode;
      /** 1006 where there was no Close. */
      readonly code: number;
      readonly error: string;
      readonly attempt: number;
      readonly delay: number;
    }
  | { readonly type: "error"; readonly cause: ErrorCode; readonly code: number; readonly error: string }
  | { readonly type: "closed"; readonly code: number; readonly reason: string; readonly clean: boolean };

/** What the application is told of its authentication. */
export type AuthTold =
  | { readonly state: "waiting"; readonly reason: AskReason }
  | { readonly state: "authenticated"; readonly subject?: string; readonly expires_in?: number }
  | { readonly state: "refreshing" }
  | { readonly state: "refreshed"; readonly subject: string; readonly expires_in: number }
  | { readonly state: "expiring"; readonly expires_in: number }
  | { readonly state: "rejected"; readonly error: string; readonly retry: boolean }
  | { readonly state: "stopped"; readonly reason: StopReason };
