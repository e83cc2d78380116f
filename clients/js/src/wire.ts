// Control messages (docs/protocol.md, section 6.2).

/** With exactly these bytes a control message begins, in both directions. */
export const PREFIX = '{"auth":';
/** Longest control message, in UTF-16 units. A longer one is garbage, and is not parsed. */
const LONGEST = 16_384;

/** What the gateway says. */
export type ServerMessage =
  | { readonly type: "required" }
  | { readonly type: "accepted"; readonly subject: string; readonly expires_in: number }
  | { readonly type: "expiring"; readonly expires_in: number }
  | { readonly type: "rejected"; readonly error: string; readonly retry: boolean }
  /** Of a type that a later version may define. */
  | { readonly type: "unknown" }
  | { readonly type: "garbage" };

const GARBAGE: ServerMessage = { type: "garbage" };

/** Reads a text that begins with the prefix. Members that it does not know are ignored. */
export function parse(text: string): ServerMessage {
  let auth: Record<string, unknown> | null;
  try {
    auth = text.length > LONGEST ? null : JSON.parse(text).auth;
  } catch {
    return GARBAGE;
  }
  if (typeof auth?.type !== "string") {
    return GARBAGE;
  }
  const { type, subject, expires_in, error, retry } = auth;
  switch (type) {
    case "required":
      return { type };
    case "accepted":
      return typeof subject === "string" && isSeconds(expires_in) ? { type, subject, expires_in } : GARBAGE;
    case "expiring":
      return isSeconds(expires_in) ? { type, expires_in } : GARBAGE;
    case "rejected":
      return typeof error === "string" && typeof retry === "boolean"
        ? // What is said by others is not repeated unless it is a name as the protocol has them.
          { type, error: /^[a-z_]{1,40}$/.test(error) ? error : "", retry }
        : GARBAGE;
    default:
      return { type: "unknown" };
  }
}

/** A client's control message. */
export function control(type: string, members: Readonly<Record<string, string>> = {}): string {
  return JSON.stringify({ auth: { type, ...members } });
}

function isSeconds(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
