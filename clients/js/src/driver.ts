// Does what the machine says, and tells it what happened. It decides nothing.

import { type Credential, type Handshake, source } from "./auth.js";
import { environment } from "./environment.js";
import { VestibuleError } from "./errors.js";
import type { SocketCloseEvent } from "./events.js";
import { machine } from "./machine.js";
import { type Options, settingsOf, type SocketLike, webSocketOf } from "./options.js";
import { type Data, queue } from "./queue.js";
import type { AskReason, AuthTold, Effect, Input, StateName } from "./vocabulary.js";
import { control, PREFIX } from "./wire.js";

/** The readyState of an open WebSocket. */
const OPEN = 1;
/** Longest time of a timer: 31 bits. Later deadlines are waited for in parts. */
const LONGEST_TIMER = 2 ** 31 - 1;

/** The effects that the application hears of. */
type Told = Extract<Effect, { type: "open" | "deliver" | "auth" | "reconnecting" | "error" | "closed" }>;

export interface Driver {
  state(): StateName;
  /** The socket of the moment. */
  socket(): SocketLike | undefined;
  /** Bytes in the queue. */
  queued(): number;
  binaryType: string;
  /** Something that the application wants. Nothing is told before it has returned. */
  order(input: Input): void;
  send(data: Data): void;
}

export function driver(
  address: string,
  protocols: readonly string[],
  options: Options,
  dispatch: (event: Event) => void,
): Driver {
  const { auth, signal, queue: queueing = {} } = options;
  const made = auth[source]();
  const { carrier, provide, exchange, respond, accepted, seal } = made;
  const { now, random, setTimeout, clearTimeout, watch } = { ...environment(), ...options.environment };
  const Implementation = webSocketOf(options);
  const { handle, state, deadline } = machine(settingsOf(options, made), exchange);
  const waiting = queue(queueing, flows, pass);

  let socket: SocketLike | undefined;
  /** The question to the provider that is under way. */
  let question: AbortController | undefined;
  /** What it answered, until it is presented. */
  let credential: Credential | undefined;
  let handshake: Handshake = [address, protocols];
  /** The ids of the credential that was presented last, and of the one that was refused last. */
  let presented: string | undefined;
  let spent: string | undefined;

  let timer: unknown;
  let armed = Infinity;
  let unwatch: (() => undefined) | undefined;
  /** The message that came in. */
  let incoming!: { readonly data: unknown; readonly origin: string };
  const events: Event[] = [];
  /** The event that is told at the moment. */
  let telling: Event | undefined;

  /** Something that happened. */
  function happened(input: Input): void {
    step(input);
    tell();
  }

  function step(input: Input): void {
    for (const effect of handle(input, now(), random())) {
      perform(effect);
    }
    arm();
    unwatch = state() === "stopped" ? unwatch?.() : (unwatch ?? watched());
  }

  function perform(effect: Effect): void {
    switch (effect.type) {
      case "ask":
        return ask(effect.reason, effect.attempt);
      case "cancel":
        question?.abort();
        question = undefined;
        return respond?.(effect, address, hand, happened);
      case "spend":
        spent = presented;
        return;
      case "connect":
        return connect();
      case "present":
        if (credential && !seal) {
          hand(credential.message(effect.as));
        }
        use();
        return waiting.flush();
      case "challenge":
      case "respond":
        return respond?.(effect, address, hand, happened);
      case "logout":
        return hand(control("logout"));
      case "close":
        // A browser takes an undefined code for 0.
        return effect.code === 1005 ? socket?.close() : socket?.close(effect.code, effect.reason);
      case "drop": {
        const last = socket;
        socket = undefined;
        return last?.close(effect.code);
      }
      case "open":
        if (effect.how === "again" && queueing.resend === "none") {
          waiting.clear();
        }
        waiting.flush();
        break;
      case "auth":
        if ("subject" in effect) {
          accepted?.(incoming.data as string);
        }
    }
    events.push(eventOf(effect));
  }

  function eventOf(effect: Told): Event {
    switch (effect.type) {
      case "open":
        return new Event("open");
      case "deliver":
        return new MessageEvent("message", incoming);
      case "auth":
      case "reconnecting": {
        const { type, expires_in, ...told } = effect as { type: string; expires_in?: number } & Partial<AuthTold>;
        const lease = expires_in === undefined ? {} : { expiresIn: expires_in };
        const rest = told.state === "stopped" ? { unsent: waiting.clear() } : {};
        return new CustomEvent(type, { detail: { ...told, ...lease, ...rest } });
      }
      case "error":
        return Object.assign(new Event("error"), {
          error: new VestibuleError(effect.cause, effect.code, effect.error),
        });
      case "closed": {
        const { code, reason, clean } = effect;
        return Object.assign(new Event("close"), { code, reason, wasClean: clean });
      }
    }
  }

  // The provider.

  function ask(reason: AskReason, attempt: number): void {
    if (question) {
      return;
    }
    const asked = new AbortController();
    question = asked;
    Promise.resolve({ reason, attempt, signal: asked.signal })
      .then((request) => provide(request, address))
      .then((given): Input => {
        if (given && given.id === spent) {
          return { type: "no_credential", failure: "repeated" };
        }
        const carried = given?.handshake?.(given.id, address, protocols) ?? [address, protocols];
        if (question === asked) {
          handshake = carried;
          credential = given;
        }
        return { type: "credential" };
      })
      // What others throw is not looked at: it may hold a secret.
      .catch((thrown): Input => {
        const denied = thrown instanceof VestibuleError && thrown.code === "credential_refused";
        return { type: "no_credential", failure: denied ? "denied" : "failed" };
      })
      .then((input) => {
        if (question === asked) {
          question = undefined;
          happened(input);
        }
      });
  }

  // The socket.

  const ready = (): boolean => socket?.readyState === OPEN;

  function hand(data: Data): void {
    if (ready()) {
      socket?.send(data);
    }
  }

  /** Whether a message of the application can go now. */
  function flows(): boolean {
    return state() === "open" && ready() && !(seal && presented === spent);
  }

  function pass(data: Data): void {
    hand(seal ? seal(data, presented as string) : data);
  }

  /** The credential is on its way. */
  function use(): void {
    presented = credential?.id;
    credential = undefined;
  }

  function connect(): void {
    let made: SocketLike;
    try {
      made = new Implementation(handshake[0], [...handshake[1]]);
      made.binaryType = face.binaryType;
    } catch {
      // The text of such an error can repeat the subprotocols, and one of them holds a token.
      return step({ type: "fault" });
    }
    socket = made;
    if (carrier !== "message") {
      use();
    }
    // A socket that was let go of goes on to say things; nobody hears them.
    const hear = <Heard>(type: string, read: (event: Heard) => Input): void =>
      made.addEventListener(type, (event: Heard) => {
        if (socket === made) {
          happened(read(event));
        }
      });
    // A server must not choose the entry that holds the token.
    const legal = ["", "bearer", ...protocols];
    hear("open", () => ({ type: legal.includes(made.protocol) ? "socket_open" : "fault" }));
    hear("message", ({ data, origin = "" }: MessageEvent) => {
      incoming = { data, origin };
      return typeof data === "string" ? { type: "text", text: data } : { type: "binary" };
    });
    hear("close", ({ code, reason, wasClean }: SocketCloseEvent) => {
      socket = undefined;
      return { type: "socket_closed", code, reason, clean: wasClean };
    });
    // `close` follows. Without a listener `ws` would throw.
    made.addEventListener("error", () => {});
  }

  // Time, and events.

  function arm(): void {
    const until = deadline();
    if (until !== armed) {
      armed = until;
      clearTimeout(timer);
      if (until < Infinity) {
        timer = setTimeout(() => {
          armed = Infinity;
          happened({ type: "tick" });
        }, Math.min(Math.ceil(until - now()), LONGEST_TIMER));
      }
    }
  }

  /** Listens for what wakes it up, while there is something to wake up for. */
  function watched(): () => undefined {
    const end = watch((type) => happened({ type }));
    // `order` looks at the signal.
    const abort = (): void => face.order({ type: "tick" });
    signal?.addEventListener("abort", abort);
    return () => {
      end();
      return signal?.removeEventListener("abort", abort) as undefined;
    };
  }

  /** One after the other: what a listener does is done at once, and told after what was before it. */
  function tell(): void {
    for (; !telling && (telling = events.shift()); telling = undefined) {
      dispatch(telling);
    }
  }

  const face: Driver = {
    state,
    socket: () => socket,
    queued: waiting.bytes,
    binaryType: "blob",
    order: (input) => {
      step(input);
      if (signal?.aborted) {
        step({ type: "abort" });
      }
      queueMicrotask(tell);
    },
    send: (data) => {
      if (typeof data === "string" && data.startsWith(PREFIX) && carrier === "message") {
        throw new VestibuleError("reserved_message");
      }
      seal?.(data, "");
      if (flows()) {
        pass(data);
      } else if (state() !== "closing" && state() !== "stopped") {
        waiting.push(data);
      }
    },
  };
  return face;
}
