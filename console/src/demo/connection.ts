// One connection, and what is known about it. A page learns that it is authenticated from what it
// hears: `accepted` from the gateway, or the welcome of the chat server behind it.

import type { Challenge } from "./client.js";
import type { Answer, Opening } from "./proofs.js";

const PREFIX = '{"auth":';

/** `waiting`: open, and not authenticated. `challenged`: the gateway has asked back. */
export type State = "idle" | "connecting" | "waiting" | "challenged" | "inside" | "closed";

/** Who answers a challenge: the page, at once, or a person who presses a button. */
export type Answering = "at once" | "by hand";

/** Something that was said, or noted. */
export interface Line {
  readonly mark: "in" | "out" | "note";
  readonly kind: "auth" | "chat" | "note";
  readonly text: string;
}

/** Who the gateway, or the chat server behind it, says is here. */
export interface Identity {
  readonly subject?: string;
  readonly issuer?: string;
  readonly scopes?: readonly string[];
  readonly mechanism?: string;
  readonly expires?: number;
  readonly connection?: string;
}

/** What the gateway says. Nothing of it is checked: this page shows it. */
interface Told {
  readonly type: string;
  readonly timeout?: number;
  readonly expires_in?: number;
  readonly subject?: string;
  readonly mechanism?: string;
  readonly session?: string;
  readonly error?: string;
  readonly nonce?: string;
  readonly message?: string;
  readonly options?: Readonly<Record<string, unknown>>;
  readonly mechanisms?: readonly string[];
}

/** A time that runs out, in milliseconds. */
interface Clock {
  readonly ends: number;
  readonly length: number;
}

/** Events: `change` when the state is another, `line` for everything that was said, with a `Line` as detail. */
export class Connection extends EventTarget {
  #socket: WebSocket | null = null;
  readonly #deadline: number;

  state: State = "idle";
  identity: Identity = {};
  /** When this state ends by itself, and how long it lasts, in milliseconds. */
  clock: Clock | null = null;
  /** When the gateway's patience with who has not authenticated ends. */
  #patience: Clock | null = null;
  /** What is being proven, from `authenticate` until it was believed or refused. */
  #opening: Opening | null = null;
  #asked: Challenge | null = null;
  #answer: Answer | null = null;
  answering: Answering = "at once";
  /** The token that goes along with each message, on a route that wants that. */
  each: string | null = null;
  /** The exchange that was completed last, for those who want to repeat it. */
  exchange: { readonly first: string; readonly answer: string } | null = null;
  /** Whether the gateway has said that the credential ends soon. */
  expiring = false;
  /** What the gateway wants one of, of who is inside already. */
  wanted: readonly string[] | null = null;
  /** Why the last credential was rejected, where that did not end the connection. */
  rejected: string | null = null;
  end: { readonly code: number; readonly reason: string } | null = null;
  /** The session that the gateway handed out, for a reconnect; kept in this page alone. */
  session: string | null = null;

  /** `deadline`: how long the gateway waits for a credential, in seconds. */
  constructor(deadline: number) {
    super();
    this.#deadline = deadline;
  }

  get isOpen(): boolean {
    return this.state === "waiting" || this.state === "challenged" || this.state === "inside";
  }

  /** Whether a challenge waits for somebody to answer it. */
  get isAsked(): boolean {
    return this.#asked !== null && this.#answer === null;
  }

  /** Opens; `first` is what to authenticate with at once, `each` the token that goes along with each message. */
  open(url: string, protocols: string[], { first, each }: { first?: Opening; each?: string } = {}): void {
    this.#socket?.close();
    this.each = each ?? null;
    this.identity = {};
    this.rejected = null;
    this.wanted = null;
    this.end = null;
    this.#forget();
    this.#line("note", "note", `new WebSocket("${url}"${offer(protocols)})`);
    this.#become("connecting", null);
    const socket = new WebSocket(url, protocols);
    this.#socket = socket;
    const mine =
      <Heard>(act: (event: Heard) => void) =>
      (event: Heard): void => {
        if (this.#socket === socket) {
          act(event);
        }
      };
    socket.addEventListener("open", mine(() => this.#opened(socket, first)));
    socket.addEventListener("message", mine((event: MessageEvent) => this.#heard(event.data)));
    socket.addEventListener("close", mine((event: CloseEvent) => this.#closed(event)));
  }

  /** Sends a message of the application. */
  say(text: string): void {
    if (this.each === null) {
      return this.#send("chat", text);
    }
    this.#send("chat", JSON.stringify({ auth: { token: this.each }, data: text }));
    this.rejected = null;
    this.#become(this.state, this.state === "inside" ? left(this.each) : undefined);
  }

  /** Whether each message carries its token. */
  get isSealed(): boolean {
    return this.each !== null;
  }

  authenticate(opening: Opening): void {
    this.#forget();
    this.#opening = opening;
    this.#send("auth", opening.first);
  }

  /** Renews what there is, by the same or by something stronger. */
  renew(opening: Opening): void {
    this.#forget();
    this.#opening = opening;
    this.#send("auth", opening.again);
  }

  /** Answers the challenge that is out. */
  async respond(): Promise<void> {
    const [opening, asked] = [this.#opening, this.#asked];
    if (!opening?.answer || !asked || this.#answer) {
      return;
    }
    const answer = await opening.answer(asked);
    // Another challenge, or another connection, may have come in the meantime.
    if (this.#asked === asked && this.#answer === null) {
      this.#answer = answer;
      this.exchange = { first: opening.first, answer: answer.text };
      this.#send("auth", answer.text);
      this.#become(this.state);
    }
  }

  logout(): void {
    this.#send("auth", JSON.stringify({ auth: { type: "logout" } }));
  }

  close(): void {
    this.#socket?.close(1000);
  }

  #opened({ protocol }: WebSocket, first?: Opening): void {
    this.#line("note", "note", protocol ? `open, subprotocol ${protocol}` : "open");
    this.#become("waiting", this.#deadline);
    this.#patience = this.clock;
    if (first) {
      this.authenticate(first);
    }
  }

  #heard(data: unknown): void {
    if (typeof data !== "string") {
      this.#line("in", "chat", "a binary message");
      return;
    }
    const message = parsed(data);
    const told = data.startsWith(PREFIX) ? message?.auth : undefined;
    this.#line("in", told ? "auth" : "chat", data);
    if (told) {
      this.#told(told);
    } else if (message?.welcome) {
      this.#welcomed(message.welcome);
    }
  }

  #told(auth: Told): void {
    switch (auth.type) {
      case "required":
        if (this.state === "inside") {
          this.wanted = auth.mechanisms ?? [];
          this.#become("inside", auth.timeout);
          break;
        }
        this.#become("waiting", auth.timeout);
        this.#patience = this.clock;
        break;
      case "challenge":
        this.#challenged(auth);
        break;
      case "accepted":
        if (!this.#believes(auth)) {
          break;
        }
        this.#forget();
        this.identity = { ...this.identity, ...named(auth) };
        this.session = auth.session ?? this.session;
        this.expiring = false;
        this.rejected = null;
        this.wanted = null;
        this.#become("inside", auth.expires_in);
        break;
      case "expiring":
        this.expiring = true;
        this.#become("inside", auth.expires_in, this.clock?.length);
        break;
      case "rejected":
        this.rejected = auth.error ?? null;
        this.#forget();
        if (this.state === "challenged") {
          this.clock = this.#patience;
          this.#become("waiting");
        } else {
          this.#become(this.state);
        }
        break;
      default:
        break;
    }
  }

  #challenged({ nonce, message, options, expires_in = 0 }: Told): void {
    if (options !== undefined) {
      this.#asked = { type: "challenge", options, expires_in };
    } else if (nonce !== undefined) {
      this.#asked = { type: "challenge", nonce };
    } else if (message !== undefined) {
      this.#asked = { type: "challenge", message };
    }
    this.#answer = null;
    this.rejected = null;
    if (this.state === "inside") {
      // Messages pass meanwhile, for as long as the lease lasts.
      this.#become("inside");
    } else {
      this.#become("challenged", expires_in);
    }
    if (this.answering === "at once") {
      this.respond().catch((error: Error) => this.#giveUp(error.message));
    }
  }

  /** Who demands a proof must get it: a gateway that accepts without has proved nothing. */
  #believes({ message }: Told): boolean {
    if (!this.#opening?.answer) {
      return true;
    }
    if (this.#answer === null || (this.#answer.proof !== undefined && this.#answer.proof !== message)) {
      this.#giveUp("the gateway could not prove that it knows the secret");
      return false;
    }
    if (this.#answer.proof !== undefined) {
      this.#line("note", "note", "checked: the gateway knows the password's keys, too");
    }
    return true;
  }

  #giveUp(why: string): void {
    this.#line("note", "note", `failed: ${why}`);
    this.close();
  }

  #forget(): void {
    this.#opening = null;
    this.#asked = null;
    this.#answer = null;
  }

  #welcomed(identity: Identity): void {
    // The gateway's own word on the lease, where it gave one, is the newer.
    const known = this.state === "inside";
    this.identity = { ...identity, ...this.identity };
    if (known) {
      this.#become("inside");
    } else {
      this.expiring = false;
      this.#become("inside", (identity.expires ?? 0) - Date.now() / 1000);
    }
  }

  #closed({ code, reason }: CloseEvent): void {
    this.#socket = null;
    this.#forget();
    this.end = { code, reason };
    this.#line("note", "note", reason ? `closed ${code} ${reason}` : `closed ${code}`);
    this.#become("closed", null);
  }

  #send(kind: Line["kind"], text: string): void {
    if (this.#socket?.readyState === WebSocket.OPEN) {
      this.#line("out", kind, text);
      this.#socket.send(text);
    }
  }

  /** `seconds`: how long this state lasts at the most; undefined leaves the clock as it is. `whole`: of how long. */
  #become(state: State, seconds?: number | null, whole?: number): void {
    this.state = state;
    if (seconds === null) {
      this.clock = null;
    } else if (seconds !== undefined) {
      this.clock = { ends: performance.now() + seconds * 1000, length: whole ?? seconds * 1000 };
    }
    this.dispatchEvent(new Event("change"));
  }

  #line(mark: Line["mark"], kind: Line["kind"], text: string): void {
    this.dispatchEvent(new CustomEvent<Line>("line", { detail: { mark, kind, text } }));
  }
}

/** How many seconds a token is still good for; undefined where it does not say so. */
function left(token: string): number | undefined {
  const [, claims = ""] = token.split(".");
  const { exp } = (claims && parsed(atob(claims.replace(/-/g, "+").replace(/_/g, "/")))) as { exp?: number };
  return exp === undefined ? undefined : Math.max(0, exp - Date.now() / 1000);
}

function offer(protocols: readonly string[]): string {
  return protocols.length > 0 ? `, ${JSON.stringify(protocols)}` : "";
}

/** Only what was said of it. */
function named({ subject, mechanism }: Told): Identity {
  return { ...(subject === undefined ? {} : { subject }), ...(mechanism === undefined ? {} : { mechanism }) };
}

function parsed(text: string): { auth?: Told; welcome?: Identity } | null {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
