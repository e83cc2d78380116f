// What must compile, and what must not, in a program for browsers. Each `@ts-expect-error` is an expectation.

import {
  apiKey,
  type AuthDetail,
  type Auth,
  bearer,
  cookie,
  dpop,
  dpopKey,
  type ErrorCode,
  passkey,
  perMessage,
  publicKey,
  registerPasskey,
  scram,
  session,
  stepUp,
  type StopReason,
  subprotocol,
  ticket,
  VestibuleError,
  VestibuleSocket,
} from "@vestibule/client";

const auth = bearer(async ({ reason, attempt, signal }) => {
  const why: "connect" | "reconnect" | "refresh" | "refused" | "step-up" = reason;
  const answer = await fetch(`/token?why=${why}&attempt=${attempt.toFixed()}`, { signal });
  return answer.text();
});

// It goes where a WebSocket goes.
const socket: WebSocket = new VestibuleSocket("wss://example.com/chat", [], { auth });
socket.onclose = (event: CloseEvent) => event.code;
const implementation: new (url: string, protocols?: string | string[]) => WebSocket = VestibuleSocket.with({ auth });
new implementation("wss://example.com/chat", "chat.v1").send("hello");

const own = new VestibuleSocket(new URL("wss://example.com/chat"), "chat.v1", {
  auth: bearer(() => "token", { carrier: subprotocol }),
  reconnect: { base: 250, max: 10_000, attempts: 5 },
  queue: { maxBytes: 0, overflow: "drop-oldest", resend: "none" },
  codes: { 3000: "fresh" },
  signal: AbortSignal.timeout(1000),
});
const state: 0 | 1 | 2 | 3 = own.readyState;
own.addEventListener("auth", ({ detail }) => told(detail));
own.addEventListener("reconnecting", ({ detail }) => detail.delay.toFixed());
own.addEventListener("error", ({ error }) => {
  const code: ErrorCode = error.code;
  return error instanceof VestibuleError && code === "connect_timeout";
});
own.addEventListener("message", (event) => event.data);
own.addEventListener("something else", (event) => event.type);
own.onauth = (event) => event.detail.state;
own.binaryType = "arraybuffer";
own.send(new Blob([]));
own.send(new Uint8Array(1));
own.close(1000, "done");
own.reconnect();
{
  using disposed = new VestibuleSocket("wss://example.com/", [], { auth: cookie() });
  disposed.logout();
}

const ways: Auth[] = [
  bearer(() => "token", { carrier: subprotocol }),
  ticket("/auth/ticket"),
  ticket(new URL("https://example.com/auth/ticket"), { bearer: async () => "token", carrier: "message", fetch }),
  apiKey("key"),
  apiKey(async ({ reason }) => reason),
  session(bearer(() => "token")),
  session(passkey({ user: "alice" })),
  perMessage(() => "token"),
  stepUp(bearer(({ reason }) => (reason === "step-up" ? "strong" : "token")), passkey()),
  scram("alice", async () => "password"),
  cookie(({ signal }) => signal.throwIfAborted()),
  bearer(() => {
    throw new VestibuleError("credential_refused");
  }),
];

async function keys(): Promise<Auth[]> {
  const pair = await crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, false, ["sign", "verify"]);
  const key = dpopKey(pair);
  const proof: string = await key.proof("POST", "https://id.example.com/token", { nonce: "n" });
  await registerPasskey("/auth/webauthn", { bearer: () => proof, credentials: navigator.credentials });
  return [publicKey(pair), dpop({ token: () => "token", key }), ticket("/auth/ticket", { bearer: () => "token", dpop: key })];
}

/** A detail is told apart by its state. */
function told(detail: AuthDetail): string {
  switch (detail.state) {
    case "authenticated":
      return detail.subject ?? "";
    case "refreshed":
      return detail.subject;
    case "expiring":
      return detail.expiresIn.toFixed();
    case "rejected":
      return detail.error;
    case "waiting":
      return detail.reason;
    case "refreshing":
      return "";
    case "stopped":
      return stopped(detail.reason) + detail.unsent.toFixed();
  }
}

function stopped(reason: StopReason): string {
  return reason;
}

// @ts-expect-error There is no socket without a way to authenticate.
new VestibuleSocket("wss://example.com/", []);
// @ts-expect-error Nor with one that is not made by the package.
const made: Auth = { carrier: "message" };
// @ts-expect-error A provider gives a token.
bearer(() => 7);
// @ts-expect-error A carrier that there is not.
bearer(() => "token", { carrier: "query" });
// @ts-expect-error A ticket has no such carrier.
ticket("/auth/ticket", { carrier: "subprotocol" });
// @ts-expect-error A session resumes what another way began.
session(() => "token");
// @ts-expect-error A key that makes no proofs.
ticket("/auth/ticket", { bearer: () => "token", dpop: "key" });
// @ts-expect-error An option that there is not.
new VestibuleSocket("wss://example.com/", [], { auth, retries: 3 });
// @ts-expect-error A state that there is not.
own.onauth = ({ detail }) => detail.state === "gone";
// @ts-expect-error What is not there in every state.
own.onauth = ({ detail }) => detail.subject;
// @ts-expect-error What a WebSocket cannot send.
own.send({ hello: "world" });
// @ts-expect-error What is read only.
own.url = "wss://example.org/";
// @ts-expect-error
own.binaryType = "fragments";

export { made, state, ways };
