// Tokens that are bound to a key, with the proofs of the package `dpop`: by header, in band, and for a ticket.

import { createInterface } from "node:readline/promises";
import { once } from "node:events";
import { calculateThumbprint, generateKeyPair, generateProof } from "dpop";
import { WebSocket } from "ws";

const [address, algorithm] = process.argv.slice(2);
const keys = await generateKeyPair(algorithm);
const stranger = await generateKeyPair(algorithm);
const line = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
console.log(await calculateThumbprint(keys.publicKey));
const token = (await line.next()).value;

/** What an echo of the upstream comes to, or how it was refused. */
async function outcome(socket) {
  const status = once(socket, "unexpected-response").then(([, { statusCode, headers }]) => ({ statusCode, nonce: headers["dpop-nonce"], challenge: headers["www-authenticate"] }));
  const open = once(socket, "open").then(() => undefined);
  const refused = await Promise.race([status, open]);
  if (refused) {
    socket.on("error", () => {});
    socket.terminate();
    return refused;
  }
  socket.send("hello");
  const [data] = await once(socket, "message");
  socket.terminate();
  return { said: data.toString() };
}

const connect = (fields) => outcome(new WebSocket(`ws://${address}/bound`, { headers: fields }));

async function byHeader(pair = keys, { method = "GET", path = "/bound" } = {}) {
  const htu = `http://${address}${path}`;
  let nonce;
  for (let attempt = 0; attempt < 2; attempt += 1) {
    const proof = await generateProof(pair, htu, method, nonce, token);
    const answer = await connect({ Authorization: `DPoP ${token}`, DPoP: proof });
    if (answer.said) {
      return { ...answer, proof };
    }
    // Without a nonce of its own the gateway takes nothing (RFC 9449 section 8).
    if (nonce !== undefined || !answer.nonce) {
      return { said: `${answer.statusCode} ${/error="(\w+)"/.exec(answer.challenge)?.[1]}` };
    }
    ({ nonce } = answer);
  }
  return { said: "no answer" };
}

async function inBand(pair = keys) {
  const socket = new WebSocket(`ws://${address}/bound`);
  await once(socket, "open");
  const say = async (auth) => {
    const answer = once(socket, "message");
    socket.send(JSON.stringify({ auth }));
    return JSON.parse((await answer)[0]).auth;
  };
  const { nonce } = await say({ type: "authenticate", mechanism: "dpop", token });
  const proof = await generateProof(pair, `http://${address}/bound`, "GET", nonce, token);
  const { type, error } = await say({ type: "respond", proof });
  socket.terminate();
  return error ?? type;
}

async function ticket() {
  const endpoint = `http://${address}/auth/ticket`;
  let nonce;
  for (;;) {
    const proof = await generateProof(keys, endpoint, "POST", nonce, token);
    const answer = await fetch(endpoint, {
      method: "POST",
      headers: { Authorization: `DPoP ${token}`, DPoP: proof, "Content-Type": "application/json" },
      body: JSON.stringify({ path: "/ticketed" }),
    });
    if (answer.ok) {
      const bought = (await answer.json()).ticket;
      const { said } = await outcome(new WebSocket(`ws://${address}/ticketed?ticket=${bought}`));
      return said;
    }
    if (nonce !== undefined) {
      return `${answer.status} ${(await answer.json()).error}`;
    }
    nonce = answer.headers.get("DPoP-Nonce");
  }
}

const { said, proof } = await byHeader();
const replayed = await connect({ Authorization: `DPoP ${token}`, DPoP: proof ?? "" });
console.log(
  JSON.stringify({
    header: said,
    "the same proof again": replayed.statusCode,
    "another key": (await byHeader(stranger)).said,
    "another method": (await byHeader(keys, { method: "POST" })).said,
    "another path": (await byHeader(keys, { path: "/other" })).said,
    "as a bearer token": (await connect({ Authorization: `Bearer ${token}` })).statusCode,
    "in band": await inBand(),
    "in band, another key": await inBand(stranger),
    ticket: await ticket(),
  }),
);
process.exit();
