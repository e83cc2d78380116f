// A client and a server that follows a script: real sockets, and a clock that is not.

import WebSocket from "ws";
import { VestibuleSocket } from "../dist/index.js";
import { FakeEnvironment, once, record } from "./fakes.js";
import { controlOf, says, webSocketServer } from "./servers.js";

export const NONCE = "uT3hV0Yx1mQ9rW7kLz5cN8bS2dF4gH6jP0aE1iO3uY5";
/** What the client says of a challenge that it does not answer, and of nonsense. */
export const FAILED = ["auth waiting connect", "auth stopped challenge_failed", "error challenge_failed", "close 1006"];
export const NONSENSE = ["auth waiting connect", "auth stopped protocol", "error protocol", "close 1006"];

export const nonce = (value = NONCE, expires_in = 5) => says({ type: "challenge", nonce: value, expires_in });
export const accepted = (message) =>
  says({ type: "accepted", subject: "alice", mechanism: "scram-sha-256", expires_in: 600, message });

/**
 * Runs a client against a server that gives these answers to what it is sent, in order, until the client says so much; what
 * the server heard, and what the client told.
 */
export async function against(auth, answers, until = "close", path = "", connections = { count: 0 }) {
  const heard = [];
  const server = await webSocketServer((peer) => {
    connections.count += 1;
    peer.on("message", (data) => {
      heard.push(controlOf(data));
      for (const answer of [answers[heard.length - 1]].flat()) {
        if (typeof answer === "function") {
          answer(peer);
        } else if (answer) {
          peer.send(answer);
        }
      }
    });
  });
  const world = new FakeEnvironment();
  const socket = new VestibuleSocket(server.url + path, [], { auth, webSocket: WebSocket, environment: world.environment });
  const lines = record(socket);
  const errors = [];
  socket.addEventListener("error", ({ error }) => errors.push(error));
  try {
    if (typeof until === "function") {
      await until({ socket, world, lines, heard });
    } else {
      // What ends before is seen in what it told.
      await Promise.race([once(socket, until), once(socket, "close")]);
    }
    return { heard, lines: [...lines], errors, host: new URL(server.url).host, world };
  } finally {
    socket.close();
    await server.close();
  }
}
