/// <reference lib="esnext.disposable" preserve="true" />
// What the package exports.

export { apiKey } from "./api-key.js";
export type { Auth, CredentialRequest, Handshake, HandshakeCarrier, TokenProvider } from "./auth.js";
export { bearer, cookie } from "./auth.js";
export { subprotocol } from "./carriers.js";
export type { StopReason, Verdict } from "./codes.js";
export type { DpopKey, DpopOptions } from "./dpop.js";
export { dpop, dpopKey } from "./dpop.js";
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
export type { Authenticators, PasskeyOptions, RegisterPasskeyOptions } from "./passkey.js";
export { passkey, registerPasskey } from "./passkey.js";
export { perMessage } from "./per-message.js";
export type { PublicKeyOptions } from "./public-key.js";
export { publicKey } from "./public-key.js";
export type { Data, Overflow } from "./queue.js";
export { scram } from "./scram.js";
export { session } from "./session.js";
export { stepUp } from "./step-up.js";
export type { SigningKey, SigningKeys } from "./signing.js";
export type { BoundConstructor } from "./socket.js";
export { VestibuleSocket } from "./socket.js";
export type { TicketOptions } from "./ticket.js";
export { ticket } from "./ticket.js";
export type { AskReason, Carrier } from "./vocabulary.js";
