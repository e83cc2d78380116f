// What the end of a connection means (docs/protocol.md, sections 7.2 and 9).

/** What follows from a close code. */
export type Verdict =
  /** Nothing changes by itself. */
  | "stop"
  /** A new credential, then again, once at once. */
  | "fresh"
  /** Again, after a while. */
  | "wait";

/** Why there will be no further connection. */
export type StopReason =
  /** `close()` or `logout()`. */
  | "closed"
  /** The abort signal. */
  | "aborted"
  /** The server closed with 1000. */
  | "completed"
  /** The connection ended, and `reconnect` is off. */
  | "ended"
  /** A fresh credential was refused too, or the provider repeated one that had been refused. */
  | "credential_refused"
  /** Refused for a reason that another credential of the same kind does not mend (4403, 4404). */
  | "refused"
  /** Revoked or logged out (4410). */
  | "revoked"
  /** The gateway's challenge could not be answered, or it did not prove what it has to. */
  | "challenge_failed"
  /** One side does not understand the other (1002, 4400, or nonsense of the server's). */
  | "protocol"
  /** `reconnect.attempts` failed in a row. */
  | "attempts_exhausted";

/** Those that are no failure. */
export type Quiet = "closed" | "aborted" | "completed" | "ended";

const STOPS: Readonly<Record<number, StopReason>> = {
  1000: "completed",
  1002: "protocol",
  4400: "protocol",
  4403: "refused",
  4404: "refused",
  4410: "revoked",
};

/** How a connection ended. */
export interface End {
  readonly code: number;
  readonly reason: string;
  readonly clean: boolean;
}

/** How a connection ends that nobody closed. */
export const LOST: End = { code: 1006, reason: "", clean: false };

/** Longest wait that a server can ask for, in seconds: a day. */
const LONGEST_WAIT = 86_400;

/** The verdict on a code, and the reason where it is to stop. `codes`: those that a route maps. */
export function verdictOf(code: number, codes: Readonly<Record<number, Verdict>>): Verdict | StopReason {
  const verdict = codes[code] ?? STOPS[code] ?? (code === 4401 ? "fresh" : "wait");
  return verdict === "stop" ? "refused" : verdict;
}

/** `error-name; retry-after=N` of a Close: the name, and the seconds, 0 where none are given. */
export function readReason(reason: string): { readonly error: string; readonly retryAfter: number } {
  const [, error = "", seconds = 0] = /^([a-z_]{1,40})(?:; retry-after=(\d{1,9}))?$/.exec(reason) ?? [];
  return { error, retryAfter: Math.min(Number(seconds), LONGEST_WAIT) };
}
