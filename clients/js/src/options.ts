// What can be chosen, and what is chosen without.

import { type Auth, type Source, source } from "./auth.js";
import type { Verdict } from "./codes.js";
import type { Environment } from "./environment.js";
import type { Overflow } from "./queue.js";
import type { Settings } from "./vocabulary.js";

/** The part of a WebSocket that is used. */
export interface SocketLike {
  readonly readyState: number;
  readonly bufferedAmount: number;
  readonly protocol: string;
  readonly extensions: string;
  binaryType: string;
  // `any`, because implementations differ in what they declare.
  send(data: any): void;
  close(code?: number, reason?: string): void;
  // `any`, because implementations have event types of their own.
  addEventListener(type: any, listener: (event: any) => void): void;
}

/** A WebSocket implementation: the global one, or the `WebSocket` of the package `ws`. */
export type WebSocketConstructor = new (url: string, protocols?: string[]) => SocketLike;

export interface ReconnectOptions {
  /** The first ceiling of the back-off, in milliseconds. Default: 500. */
  readonly base?: number;
  /** The last ceiling, in milliseconds. Default: 30 000. */
  readonly max?: number;
  /** How long a connection must be open for the next back-off to begin anew, in milliseconds. Default: 5 000. */
  readonly stable?: number;
  /** How many attempts may fail in a row. Default: 0, no bound. */
  readonly attempts?: number;
}

export interface QueueOptions {
  /** How many bytes may wait for a connection. 0: `send()` needs an open one. Default: 1 MiB. */
  readonly maxBytes?: number;
  /** What happens to a message for which there is no room. Default: `throw`. */
  readonly overflow?: Overflow;
  /**
   * What goes over a new connection of what was sent while there was none: all of it (`unsent`, the default), or
   * nothing (`none`), where the application starts anew on `open`.
   */
  readonly resend?: "unsent" | "none";
}

export interface Options {
  /** What `bearer()`, `cookie()`, `ticket()`, `apiKey()`, `publicKey()`, `scram()`, `passkey()`, `dpop()`, `session()`, `stepUp()` or `perMessage()` made. */
  readonly auth: Auth;
  /**
   * `false`: an open connection that ends is not replaced, for a protocol above that reconnects itself. A credential
   * that is refused before `open` still gets its one retry.
   */
  readonly reconnect?: false | ReconnectOptions;
  readonly queue?: QueueOptions;
  /** Milliseconds until the handshake must be answered. Default: 10 000. */
  readonly connectTimeout?: number;
  /** Milliseconds for the provider, and again for the gateway's answer. Default: 10 000. */
  readonly authTimeout?: number;
  /**
   * With every carrier but `message` a refusal follows an accepted handshake: how long to wait for it before `open`, in
   * milliseconds, unless a message comes first. Default: 50.
   */
  readonly settle?: number;
  /** What other close codes mean, for a route with `close_codes`, such as `{ 3000: "fresh" }`. */
  readonly codes?: Readonly<Record<number, Verdict>>;
  /** Ends it, like `close()`. */
  readonly signal?: AbortSignal;
  /** Default: the global WebSocket. */
  readonly webSocket?: WebSocketConstructor;
  /** Allows `ws:` to hosts other than the loopback. A bearer token is good for whoever reads it on the way. */
  readonly dangerouslyAllowInsecure?: boolean;
  /** For tests. */
  readonly environment?: Partial<Environment>;
}

/** The names by which a browser knows the loopback (W3C Secure Contexts, section 3.1). */
const LOOPBACK = /^(127(\.\d+){3}|\[::1\]|(.+\.)?localhost)$/;

/** The address as a WebSocket takes it. Throws what `new WebSocket` would. */
export function addressOf(url: string | URL, options: Options): string {
  let address: URL | undefined;
  try {
    address = new URL(url, globalThis.location?.href);
  } catch {
    // Below.
  }
  if (address) {
    address.protocol = address.protocol.replace(/^http/, "ws");
  }
  if (!address || !/^wss?:$/.test(address.protocol) || address.hash) {
    throw new DOMException("bad URL", "SyntaxError");
  }
  if (options.auth[source]().carrier !== "cookie" && isExposed(address, options)) {
    throw new DOMException("use wss:", "SecurityError");
  }
  return address.href;
}

/** An address to which a credential goes by HTTP. Throws where it is none, or can be read on the way. */
export function endpointOf(url: string | URL, options: Pick<Options, "dangerouslyAllowInsecure">): URL {
  const endpoint = new URL(url, globalThis.location?.href);
  if (!/^https?:$/.test(endpoint.protocol)) {
    throw new DOMException("bad URL", "SyntaxError");
  }
  if (isExposed(endpoint, options)) {
    throw new DOMException("a credential needs https:", "SecurityError");
  }
  return endpoint;
}

/** Whether what is sent there can be read on the way, and that is not allowed. */
export function isExposed({ protocol, hostname }: URL, options: Pick<Options, "dangerouslyAllowInsecure">): boolean {
  return /^(ws|http):/.test(protocol) && !LOOPBACK.test(hostname) && !options.dangerouslyAllowInsecure;
}

/** The subprotocols as a WebSocket takes them. */
export function protocolsOf(protocols: string | readonly string[]): readonly string[] {
  const list = typeof protocols === "string" ? [protocols] : [...protocols];
  if (new Set(list).size < list.length || !list.every((name) => /^[!#$%&'*+\-.^`|~\w]+$/.test(name))) {
    throw new DOMException("bad subprotocols", "SyntaxError");
  }
  return list;
}

/** What the machine is to know. */
export function settingsOf(options: Options, { carrier, renew }: Source): Settings {
  const { reconnect, connectTimeout = 10_000, authTimeout = 10_000, settle = 50, codes = {} } = options;
  const { base = 500, max = 30_000, stable = 5_000, attempts = 0 } = reconnect || {};
  const numbers = { connectTimeout, authTimeout, settle, base, max, stable, attempts };
  if (!Object.values(numbers).every((number) => number >= 0)) {
    throw new RangeError("negative option");
  }
  return { carrier, renew, ...numbers, codes, reconnect: reconnect === false ? "off" : "on" };
}

/** The implementation to use. */
export function webSocketOf(options: Options): WebSocketConstructor {
  const found = options.webSocket ?? (globalThis.WebSocket as unknown as WebSocketConstructor | undefined);
  if (!found) {
    throw new TypeError("no webSocket");
  }
  return found;
}
