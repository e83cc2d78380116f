// The OAUTHBEARER client of the package `@platformatic/kafka`, which says to the gateway what it would say to a broker.

import { WebSocket } from "ws";

// Its package exports the whole client alone.
const module = new URL("../node_modules/@platformatic/kafka/dist/protocol/sasl/oauth-bearer.js", import.meta.url);
const { authenticate } = await import(module);

const [address, token] = process.argv.slice(2);
const socket = new WebSocket(`ws://${address}/sasl`);
await new Promise((resolve) => socket.once("open", resolve));
const told = () => new Promise((resolve) => socket.once("message", (data) => resolve(data.toString())));

async function send(_, bytes, callback) {
  const answer = told();
  socket.send(JSON.stringify({ auth: { type: "authenticate", mechanism: "oauthbearer", message: bytes.toString() } }));
  const { type, error } = JSON.parse(await answer).auth;
  callback(type === "accepted" ? null : new Error(error));
}

authenticate(send, socket, token, { logicalCluster: "lkc-1" }, async (failed) => {
  if (failed) {
    console.log(failed.message);
  } else {
    const echoed = told();
    socket.send("who");
    console.log(await echoed);
  }
  socket.terminate();
});
