// Servers on the loopback, for tests.

import { once } from "node:events";
import { createServer } from "node:net";
import { WebSocketServer } from "ws";

/** A WebSocket server that does what the script says to each connection. */
export async function webSocketServer(script, options = {}) {
  const server = new WebSocketServer({ host: "127.0.0.1", port: 0, ...options });
  server.on("connection", script);
  await once(server, "listening");
  return {
    server,
    url: `ws://127.0.0.1:${server.address().port}/`,
    close: () => {
      server.clients.forEach((client) => client.terminate());
      return new Promise((resolve) => server.close(resolve));
    },
  };
}

/** A TCP server that does what the script says to each connection. */
export async function tcpServer(script) {
  const sockets = new Set();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    script(socket);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `ws://127.0.0.1:${server.address().port}/`,
    close: () => {
      sockets.forEach((socket) => socket.destroy());
      return new Promise((resolve) => server.close(resolve));
    },
  };
}

/** What a client's control message says; undefined for another message. */
export function controlOf(data) {
  const text = data.toString();
  return text.startsWith('{"auth":') ? JSON.parse(text).auth : undefined;
}

/** A gateway's message. */
export const says = (auth) => JSON.stringify({ auth });
export const accepted = (expires_in = 600) => says({ type: "accepted", subject: "alice", mechanism: "bearer", expires_in });
