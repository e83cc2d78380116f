// Programs that were written for a WebSocket, and implementations of it that are not the browser's.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import ReconnectingWebSocket from "reconnecting-websocket";
import WebSocket from "ws";
import { bearer, VestibuleSocket } from "../dist/index.js";
import { once } from "./fakes.js";
import { accepted, controlOf, webSocketServer } from "./servers.js";

const run = promisify(execFile);
const root = fileURLToPath(new URL("..", import.meta.url));

/** Echoes to those who have authenticated; `tokens` is what they presented. */
async function echoServer(tokens = []) {
  return webSocketServer(
    (peer) => {
      peer.on("message", (data, isBinary) => {
        const auth = isBinary ? undefined : controlOf(data);
        if (auth) {
          tokens.push(auth.token);
          peer.send(accepted());
        } else {
          peer.send(data, { binary: isBinary });
        }
      });
    },
    { handleProtocols: (offered) => [...offered][0] ?? false },
  );
}

test("reconnecting-websocket reconnects, and each connection authenticates", async () => {
  const tokens = [];
  const server = await echoServer(tokens);
  let asked = 0;
  const auth = bearer(() => `token-${(asked += 1)}`);
  const socket = new ReconnectingWebSocket(server.url, ["chat.v1"], {
    WebSocket: VestibuleSocket.with({ auth, webSocket: WebSocket, reconnect: false }),
    minReconnectionDelay: 1,
    maxReconnectionDelay: 1,
  });
  try {
    socket.send("queued by the wrapper");
    assert.equal((await once(socket, "message")).data, "queued by the wrapper");
    assert.equal(socket.protocol, "chat.v1");
    for (const end of [(peer) => peer.terminate(), (peer) => peer.close(4401, "token_expired"), (peer) => peer.close(1012)]) {
      const again = once(socket, "open");
      end(server.server.clients.values().next().value);
      await again;
      socket.send("again");
      assert.equal((await once(socket, "message")).data, "again");
    }
    assert.deepEqual(tokens, ["token-1", "token-2", "token-3", "token-4"]);
  } finally {
    socket.close();
    await server.close();
  }
});

/** What a page does that has never heard of this package. */
async function page(Socket, url) {
  const socket = new Socket(url, "chat.v1");
  const heard = [];
  const over = new Promise((resolve) => {
    socket.onopen = () => {
      heard.push(`open ${socket.readyState} ${socket.protocol}`);
      socket.binaryType = "arraybuffer";
      socket.send("text");
      socket.send(new Uint8Array([1, 2, 3]).subarray(1));
    };
    socket.onmessage = ({ data }) => {
      heard.push(typeof data === "string" ? data : `bytes ${[...new Uint8Array(data)]}`);
      if (heard.length === 3) {
        socket.close(3000, "enough");
      }
    };
    socket.onclose = ({ code, reason, wasClean }) => resolve(heard.push(`close ${code} ${reason} ${wasClean}`));
  });
  await over;
  return heard;
}

const HEARD = ["open 1 chat.v1", "text", "bytes 2,3", "close 3000 enough true"];

test("a page that knows nothing of it behaves as with a WebSocket", async () => {
  const server = await echoServer();
  const plain = await page(WebSocket, server.url);
  assert.deepEqual(plain, HEARD);
  assert.deepEqual(await page(VestibuleSocket.with({ auth: bearer(() => "token"), webSocket: WebSocket }), server.url), plain);
  await server.close();
});

test("without a WebSocket one is asked for; the global one is taken where there is one", async () => {
  const server = await echoServer();
  const before = Object.getOwnPropertyDescriptor(globalThis, "WebSocket");
  const define = (value) => Object.defineProperty(globalThis, "WebSocket", { value, configurable: true, writable: true });
  try {
    define(undefined);
    assert.throws(() => new VestibuleSocket(server.url, [], { auth: bearer(() => "token") }), TypeError);
    define(WebSocket);
    assert.deepEqual(await page(VestibuleSocket.with({ auth: bearer(() => "token") }), server.url), HEARD);
  } finally {
    delete globalThis.WebSocket;
    if (before) {
      Object.defineProperty(globalThis, "WebSocket", before);
    }
    await server.close();
  }
});

test("Node's own WebSocket will do", async () => {
  const server = await echoServer();
  const script = `
    import { bearer, VestibuleSocket } from "@vestibule/client";
    ${page}
    const heard = await page(VestibuleSocket.with({ auth: bearer(() => "token") }), ${JSON.stringify(server.url)});
    process.stdout.write(JSON.stringify(heard));
  `;
  // Node 20 has it behind a flag, which later ones take as well.
  const line = ["--no-warnings", "--experimental-websocket", "--input-type=module", "--eval", script];
  const { stdout } = await run(process.execPath, line, { cwd: root, timeout: 30_000 });
  assert.deepEqual(JSON.parse(stdout), HEARD);
  await server.close();
});
