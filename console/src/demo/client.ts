// What this page takes of the client package: the proofs, and the seam behind them. It makes its sockets itself, because it
// shows what the package's socket spares its users.

export { type Auth, type Challenge, source } from "../../../clients/js/src/auth.js";
export { base64url } from "../../../clients/js/src/challenge.js";
export { dpop, type DpopKey, dpopKey } from "../../../clients/js/src/dpop.js";
export { passkey, registerPasskey } from "../../../clients/js/src/passkey.js";
export { publicKey } from "../../../clients/js/src/public-key.js";
export { scram } from "../../../clients/js/src/scram.js";
