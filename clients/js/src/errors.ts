/** What went wrong. */
export type ErrorCode =
  /** The connection ended before it was open; a browser does not say why. */
  | "connect_failed"
  /** No connection within `connectTimeout`. */
  | "connect_timeout"
  /** No answer to a credential within `authTimeout`. */
  | "auth_timeout"
  /** The provider threw, took longer than `authTimeout`, or gave something that is no credential. */
  | "credential_unavailable"
  /** See the stop reason of the same name. */
  | "credential_refused"
  | "refused"
  | "revoked"
  | "protocol"
  | "challenge_failed"
  | "attempts_exhausted"
  /** An open connection ended. */
  | "connection_lost"
  /** `send()`: more is waiting than `queue.maxBytes`. */
  | "queue_full"
  /** `send()`: the text begins like a control message. */
  | "reserved_message"
  /** `send()`, with `perMessage`: what is not JSON cannot carry a token. */
  | "not_json";

/**
 * An error of this library. Its text is its code: it holds nothing that the provider, the application or the server
 * said. What a provider throws is not attached either, as it may hold a secret.
 */
export class VestibuleError extends Error {
  declare readonly code: ErrorCode;
  /** The close code; 1006 where there was no Close. */
  declare readonly closeCode: number;
  /** The server's error name, such as `invalid_token`; empty where it gave none. */
  declare readonly error: string;

  constructor(code: ErrorCode, closeCode = 1006, error = "") {
    super(code.replace(/_/g, " "));
    Object.assign(this, { name: "VestibuleError", code, closeCode, error });
  }
}
