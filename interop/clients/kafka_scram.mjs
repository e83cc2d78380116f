// The SCRAM client of the package `@platformatic/kafka`, which says to the gateway what it would say to a broker.

import { WebSocket } from "ws";

// Its package exports the whole client alone.
const module = new URL("../node_modules/@platformatic/kafka/dist/protocol/sasl/scram-sha.js", import.meta.url);
const { authenticate, defaultCrypto } = await import(module);

const [address, user, password] = process.argv.slice(2);
const socket = new WebSocket(`ws://${address}/band`);
await new Promise((resolve) => socket.once("open", resolve));
const told = () => new Promise((resolve) => socket.once("message", (data) => resolve(data.toString())));

let subject;
let refused;

/** One message to the server, and what it answers. */
async function exchange(message) {
  const asked = told();
  const kind = message.startsWith("n,,") ? { type: "authenticate", mechanism: "scram-sha-256" } : { type: "respond" };
  socket.send(JSON.stringify({ auth: { ...kind, message } }));
  const { auth } = JSON.parse(await asked);
  ({ subject } = auth);
  refused = auth.error;
  return Buffer.from(auth.message ?? `e=${refused}`);
}

function send(_, bytes, callback) {
  exchange(bytes.toString()).then((authBytes) => callback(null, { authBytes }), callback);
}

authenticate(send, socket, "SHA-256", user, password, defaultCrypto, async (failed) => {
  // It fails, too, where the gateway did not know the password.
  if (failed) {
    console.log(refused ?? failed.message);
  } else {
    const echoed = told();
    socket.send("hello");
    console.log((await echoed) === "hello" ? subject : "no echo");
  }
  socket.terminate();
});
