// The face of it: a WebSocket, as browsers define it (https://websockets.spec.whatwg.org/).

import { type Driver, driver } from "./driver.js";
import type { AuthEvent, ReconnectingEvent, SocketCloseEvent, SocketErrorEvent, VestibuleEventMap } from "./events.js";
import { addressOf, type Options, protocolsOf } from "./options.js";
import { type Data, sizeOf } from "./queue.js";
import type { StateName } from "./vocabulary.js";

/** Longest close reason, in bytes (RFC 6455 section 5.5). */
const REASON_BYTES = 123;

const READY: Readonly<Partial<Record<StateName, 1 | 2 | 3>>> = { open: 1, closing: 2, stopped: 3 };

const TYPES = ["open", "message", "close", "error", "auth", "reconnecting"];

type Handler<E> = ((event: E) => unknown) | null;

/** What `VestibuleSocket.with()` gives: a class with the constructor of a WebSocket. */
export interface BoundConstructor {
  new (url: string | URL, protocols?: string | readonly string[]): VestibuleSocket;
  readonly CONNECTING: 0;
  readonly OPEN: 1;
  readonly CLOSING: 2;
  readonly CLOSED: 3;
}

type Listener<E> = ((event: E) => void) | { handleEvent(event: E): void } | null;

/** The types of the events; the methods are those of `EventTarget`. */
export interface VestibuleSocket {
  addEventListener<Type extends keyof VestibuleEventMap>(
    type: Type,
    listener: Listener<VestibuleEventMap[Type]>,
    options?: Parameters<EventTarget["addEventListener"]>[2],
  ): void;
  addEventListener(...all: Parameters<EventTarget["addEventListener"]>): void;
  removeEventListener<Type extends keyof VestibuleEventMap>(
    type: Type,
    listener: Listener<VestibuleEventMap[Type]>,
    options?: Parameters<EventTarget["removeEventListener"]>[2],
  ): void;
  removeEventListener(...all: Parameters<EventTarget["removeEventListener"]>): void;
}

/**
 * A WebSocket that authenticates, stays authenticated, and reconnects.
 *
 * Unlike a plain one, it is CONNECTING again while a connection is being replaced, and queues what is sent then;
 * `open` comes after authentication, each time; `close` comes once, when it is over.
 */
export class VestibuleSocket extends EventTarget {
  declare static readonly CONNECTING: 0;
  declare static readonly OPEN: 1;
  declare static readonly CLOSING: 2;
  declare static readonly CLOSED: 3;
  declare readonly CONNECTING: 0;
  declare readonly OPEN: 1;
  declare readonly CLOSING: 2;
  declare readonly CLOSED: 3;

  readonly url: string;
  declare onopen: Handler<Event>;
  declare onmessage: Handler<MessageEvent>;
  declare onclose: Handler<SocketCloseEvent>;
  /** The event always has an `error`; its type is such that a `WebSocket`'s handler is one for this. */
  declare onerror: Handler<Event & { readonly error?: SocketErrorEvent["error"] }>;
  declare onauth: Handler<AuthEvent>;
  declare onreconnecting: Handler<ReconnectingEvent>;
  /** `close()`, for `using`. Where the runtime has no `Symbol.dispose`, it is not there. */
  declare [Symbol.dispose]: () => void;

  readonly #driver: Driver;
  readonly #protocols: readonly string[];
  readonly #handlers: Record<string, Handler<Event>> = {};

  static {
    for (const target of [this, this.prototype]) {
      Object.assign(target, { CONNECTING: 0, OPEN: 1, CLOSING: 2, CLOSED: 3 });
    }
    for (const type of TYPES) {
      Object.defineProperty(this.prototype, `on${type}`, {
        get(this: VestibuleSocket) {
          return this.#handlers[type] ?? null;
        },
        set(this: VestibuleSocket, run: Handler<Event>) {
          this.#handlers[type] = typeof run === "function" ? run : null;
        },
      });
    }
    if (Symbol.dispose) {
      this.prototype[Symbol.dispose] = function () {
        this.close();
      };
    }
  }

  /** Connects at once. Throws what `new WebSocket` throws, and a `SecurityError` where a token would go over `ws:`. */
  constructor(url: string | URL, protocols: string | readonly string[], options: Options) {
    super();
    // A handler comes before all listeners.
    for (const type of TYPES) {
      super.addEventListener(type, (event) => this.#handlers[type]?.call(this, event));
    }
    this.url = addressOf(url, options);
    this.#protocols = protocolsOf(protocols);
    this.#driver = driver(this.url, this.#protocols, options, (event) => this.dispatchEvent(event));
    this.#driver.order({ type: "start" });
  }

  /** A class that others can construct as they construct a WebSocket, such as `webSocketImpl` of `graphql-ws`. */
  static with(options: Options): BoundConstructor {
    return class extends VestibuleSocket {
      constructor(url: string | URL, protocols: string | readonly string[] = []) {
        super(url, protocols, options);
      }
    };
  }

  get readyState(): 0 | 1 | 2 | 3 {
    return READY[this.#driver.state()] ?? 0;
  }

  /** Bytes that have not left yet, those in the queue included. */
  get bufferedAmount(): number {
    return this.#driver.queued() + (this.#driver.socket()?.bufferedAmount ?? 0);
  }

  /** Never the entry that holds a token, nor the marker beside it. */
  get protocol(): string {
    const { protocol = "" } = this.#driver.socket() ?? {};
    return this.#protocols.includes(protocol) ? protocol : "";
  }

  get extensions(): string {
    return this.#driver.socket()?.extensions ?? "";
  }

  get binaryType(): "blob" | "arraybuffer" {
    return this.#driver.binaryType as "blob" | "arraybuffer";
  }

  set binaryType(type: "blob" | "arraybuffer") {
    if (type === "blob" || type === "arraybuffer") {
      this.#driver.binaryType = type;
      Object.assign(this.#driver.socket() ?? {}, { binaryType: type });
    }
  }

  /**
   * Sends, or queues while there is no connection. Does nothing once it is closing or closed, as a WebSocket does.
   * Throws a `VestibuleError`: `queue_full`, or `reserved_message` for a text that would be a control message.
   */
  send(data: Data): void {
    this.#driver.send(data);
  }

  /** Ends it for good, whatever it is doing. `close` follows. */
  close(code?: number, reason = ""): void {
    if (code !== undefined && code !== 1000 && !(code >= 3000 && code <= 4999)) {
      throw new DOMException("bad code", "InvalidAccessError");
    }
    if (sizeOf(reason, REASON_BYTES) > REASON_BYTES) {
      throw new DOMException("bad reason", "SyntaxError");
    }
    this.#driver.order({ type: "close", code: code ?? 1005, reason });
  }

  /** Connects anew, from any state: after `close`, too. What waits stays in the queue. */
  reconnect(): void {
    this.#driver.order({ type: "start" });
  }

  /** Presents a newer credential now, where the connection can carry one. */
  refresh(): void {
    this.#driver.order({ type: "refresh" });
  }

  /** Tells the gateway to end this connection as logged out; where it cannot be told, closes it. */
  logout(): void {
    this.#driver.order({ type: "logout" });
  }
}
