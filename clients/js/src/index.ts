/// <reference lib="esnext.disposable" preserve="true" />
// What the package exports.

export type { Auth, CredentialRequest, TokenProvider } from "./auth.js";
export { bearer, cookie } from "./auth.js";
export type { StopReason, Verdict } from "./codes.js";
export type { Environment } from "./environment.js";
export type { ErrorCode } from "./errors.js";
export { VestibuleError } from "./errors.js";
export type {
  AuthDetail,
  AuthEvent,
  ReconnectingDetail,
  ReconnectingEvent,
  SocketCloseEvent,
  SocketErrorEvent,
  VestibuleEventMap,
} from "./events.js";
export type { Options, QueueOptions, ReconnectOptions, SocketLike, WebSocketConstructor } from "./options.js";
export type { Data, Overflow } from "./queue.js";
export type { BoundConstructor } from "./socket.js";
export { VestibuleSocket } from "./socket.js";
export type { AskReason, Carrier } from "./vocabulary.js";
