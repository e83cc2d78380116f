// Control messages (docs/protocol.md, section 6.2).

/** With exactly these bytes a control message begins, in both directions. */
export const PREFIX = '{"auth":';
/** Longest control message, in UTF-16 units. A longer one is garbage, and is not parsed. */
export const LONGEST = 16_384;

/** What the gateway says. */
export type ServerMessage =
  | { readonly type: "required" }
  | { readonly type: "accepted"; readonly subject: string; readonly expires_in: number }
  | { readonly type: "expiring"; readonly expires_in: number }
  | { readonly type: "rejected"; readonly error: string; readonly retry: boolean }
  /** Of a type that a later version may define. */
  | { readonly type: "unknown" }
  | { readonly type: "garbage" };

/** Reads a text that begins with the prefix. Members that it does not know are ignored. */
export function parse(text: string): ServerMessage {
  let auth: Record<string, unknown> | null | undefined;
  try {
    auth = text.length > LONGEST ? null : JSON.parse(text).auth;
  } catch {
    // Below.
  }
  const { type, subject, expires_in, error, retry } = auth ?? {};
  const timed = Number.isSafeInteger(expires_in) && (expires_in as number) >= 0;
  const valid: Readonly<Record<string, boolean>> = {
    // It is read by `exchange`, where one can be answered.
    challenge: false,
    accepted: timed && typeof subject === "string",
    expiring: timed,
    rejected: typeof error === "string" && typeof retry === "boolean",
  };
  // What is said by others is not repeated unless it is a name as the protocol has them.
  const name = /^[a-z_]{1,40}$/.test(error as string) ? error : "";
  const known = typeof type === "string" && valid[type] !== false ? type : "garbage";
  return { type: known, subject, expires_in, error: name, retry } as ServerMessage;
}

/** A client's control message. */
export function control(type: string, members: Readonly<Record<string, unknown>> = {}): string {
  return JSON.stringify({ auth: { type, ...members } });
}
