// What codes and states mean, in words; and what must not be shown.

type Words = readonly [title: string, text: string];

const CODES: Readonly<Record<number, Words>> = {
  1000: ["Closed", "A normal end."],
  1001: ["Closed", "The gateway or this page is going away."],
  1005: ["Closed", "A normal end, without a code."],
  1006: [
    "Failed",
    "The handshake was refused by HTTP, or the network failed. A browser does not tell a page which.",
  ],
  1011: ["Failed", "The server failed."],
  1012: ["Closed", "The server restarts: connect again."],
  1013: ["Not now", "A key set or store cannot answer: connect again later."],
  1014: ["Not now", "The credential was fine, but the chat server cannot be reached."],
  4400: ["Refused", "Not a message of the protocol: a bug in the client."],
  4401: ["Refused", "The credential is missing, invalid or expired: get a new one and reconnect."],
  4403: ["Refused", "Not allowed: origin, scope, mechanism or identity."],
  4404: ["Refused", "No such route."],
  4408: ["Refused", "Nobody presented a credential in time."],
  4410: ["Signed out", "Revoked or logged out: sign in again."],
  4429: ["Refused", "Too many attempts or connections: come back later."],
};

const REASONS: Readonly<Record<string, string>> = {
  token_expired: "The token is genuine, and over.",
  invalid_token:
    "The token is not believed. What was wrong with it is told to the operator alone: it would help a forger.",
  invalid_credentials:
    "The proof is not good. Whether a user, password or key is wrong or unknown, the gateway tells nobody.",
  too_many_attempts:
    "A password may be tried five times, and then once in half a minute, also by who knows it. Come back then.",
  insufficient_scope: "The token is genuine, but does not allow this chat.",
  identity_changed: "A refresh named somebody else. A connection keeps its user for life.",
  credential_required: "No credential came, by no carrier that counts here.",
  auth_timeout: "The time to authenticate is over.",
  invalid_request:
    "Not a message of the protocol. Before authentication nothing else is taken, and nothing is passed on.",
  logged_out: "You logged out.",
  token_revoked: "Somebody has revoked it: it is refused from now on, everywhere.",
  step_up_required: "No second proof came in time.",
  origin_not_allowed: "This page is not on the list.",
  mechanism_not_allowed: "This route does not take that.",
};

const CALM = ["Closed", "Signed out"];

export interface Closing {
  readonly title: string;
  readonly text: string;
  /** Whether it is an end that somebody wanted. */
  readonly calm: boolean;
}

/** A title and a sentence for a close code and its reason. */
export function closing(code: number, reason: string): Closing {
  const [title, general] = CODES[code] ?? ["Closed", "A code of the application."];
  const [name = ""] = reason.split(";");
  return { title, text: REASONS[name] ?? general, calm: CALM.includes(title) };
}

/** What is wrong with a credential, by the name of the error. */
export const fault = (error: string): string => REASONS[error] ?? `The gateway says ${error}.`;

/** A text without the tokens in it. */
export function masked(text: string): string {
  const hidden = (token: string): string => `[token, ${token.length} characters]`;
  return text.replace(/[\w-]{10,}\.[\w-]{10,}\.[\w-]{10,}|(?:vs[a-z]|demo)_[\w-]{10,}/g, hidden);
}

/** Seconds, for people: 42 s, 9 min 05 s, or 30 days. */
export function span(seconds: number): string {
  const whole = Math.max(0, Math.ceil(seconds));
  if (whole < 100) {
    return `${whole} s`;
  }
  const hours = Math.round(whole / 3600);
  if (hours >= 3) {
    return hours < 72 ? `${hours} hours` : `${Math.round(hours / 24)} days`;
  }
  return `${Math.floor(whole / 60)} min ${String(whole % 60).padStart(2, "0")} s`;
}
