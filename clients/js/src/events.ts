// What the application hears.

import type { StopReason } from "./codes.js";
import type { ErrorCode, VestibuleError } from "./errors.js";
import type { AskReason } from "./vocabulary.js";

/** Detail of an `auth` event. */
export type AuthDetail =
  /** A credential has been asked for, or will be. */
  | { readonly state: "waiting"; readonly reason: AskReason }
  /** `subject` and `expiresIn` (seconds) where the gateway said them. */
  | { readonly state: "authenticated"; readonly subject?: string | undefined; readonly expiresIn?: number | undefined }
  /** A newer credential has been asked for. */
  | { readonly state: "refreshing" }
  | { readonly state: "refreshed"; readonly subject: string; readonly expiresIn: number }
  /** The gateway warns: the connection ends in so many seconds unless it is refreshed. */
  | { readonly state: "expiring"; readonly expiresIn: number }
  /** A credential was refused. `error` is the gateway's name for it. */
  | { readonly state: "rejected"; readonly error: string; readonly retry: boolean }
  /** There will be no further connection. `unsent`: how many messages had been queued, and are dropped. */
  | { readonly state: "stopped"; readonly reason: StopReason; readonly unsent: number };

/** Detail of a `reconnecting` event. */
export interface ReconnectingDetail {
  /** Why the last connection, or the attempt, ended. */
  readonly cause: ErrorCode;
  /** The Close of the last connection: its code (1006: there was none), and the server's error name, or nothing. */
  readonly code: number;
  readonly error: string;
  /** Which attempt comes next. */
  readonly attempt: number;
  /** In how many milliseconds. */
  readonly delay: number;
}

export type AuthEvent = CustomEvent<AuthDetail>;

export type ReconnectingEvent = CustomEvent<ReconnectingDetail>;

/** Has what the browser's CloseEvent has. Node 20 has none. */
export interface SocketCloseEvent extends Event {
  readonly code: number;
  readonly reason: string;
  readonly wasClean: boolean;
}

export interface SocketErrorEvent extends Event {
  readonly error: VestibuleError;
}

/** The events of a `VestibuleSocket`. */
export interface VestibuleEventMap {
  /** Authenticated. Also after each reconnection. */
  open: Event;
  message: MessageEvent;
  /** It is over, for good. */
  close: SocketCloseEvent;
  /** It is over because something failed; `close` follows. */
  error: SocketErrorEvent;
  auth: AuthEvent;
  reconnecting: ReconnectingEvent;
}
