// Servers that do the wrong thing. The sockets are real; the clock is not, so that a bound can be seen without waiting.

import assert from "node:assert/strict";
import { once as onceEmitted } from "node:events";
import { test } from "node:test";
import WebSocket from "ws";
import { bearer, perMessage, subprotocol, VestibuleSocket } from "../dist/index.js";
import { FakeEnvironment, once, record } from "./fakes.js";
import { accepted, says, tcpServer, webSocketServer } from "./servers.js";

/** A client of a server, and what it said. */
function client(url, options = {}, protocols = []) {
  const world = new FakeEnvironment();
  const socket = new VestibuleSocket(url, protocols, {
    auth: bearer(() => "token"),
    webSocket: WebSocket,
    environment: world.environment,
    reconnect: false,
    ...options,
  });
  return { socket, world, lines: record(socket), over: once(socket, "close") };
}

/** Runs a test against a server, and ends both. */
async function against(server, run, ...rest) {
  const all = client(server.url, ...rest);
  try {
    await run(all);
  } finally {
    all.socket.close();
    await server.close();
  }
}

test("a server that never answers the handshake", async () => {
  let reached;
  const seen = new Promise((resolve) => {
    reached = resolve;
  });
  await against(await tcpServer(reached), async ({ world, lines, over }) => {
    const socket = await seen;
    await world.pass(10_000);
    await over;
    assert.deepEqual(lines.slice(-3), ["auth stopped ended", "error connect_timeout", "close 1006"]);
    socket.resume();
    await onceEmitted(socket, "close");
  });
});

const REPLIES = [
  ["closes at once", (socket) => socket.destroy()],
  ["answers 403", (socket) => socket.end("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")],
  ["answers 200", (socket) => socket.end("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")],
  ["does not speak HTTP", (socket) => socket.end("220 mail.example.com ESMTP\r\n")],
  [
    "accepts with the wrong key",
    (socket) =>
      socket.end("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: AAAA\r\n\r\n"),
  ],
];

for (const [name, reply] of REPLIES) {
  test(`a server that ${name}`, async () => {
    const server = await tcpServer((socket) => socket.once("data", () => reply(socket)));
    await against(server, async ({ over, lines }) => {
      await over;
      assert.deepEqual(lines, ["auth waiting connect", "auth stopped ended", "error connect_failed", "close 1006"]);
    });
  });
}

test("a server that is not there", async () => {
  const server = await tcpServer(() => {});
  await server.close();
  const { over, lines } = client(server.url);
  await over;
  assert.deepEqual(lines.slice(-3), ["auth stopped ended", "error connect_failed", "close 1006"]);
});

test("a server that chooses a subprotocol that was not offered", async () => {
  const server = await webSocketServer(() => {}, { handleProtocols: () => "other" });
  await against(
    server,
    async ({ over, lines }) => {
      await over;
      assert.deepEqual(lines.slice(-3), ["auth stopped ended", "error connect_failed", "close 1006"]);
    },
    {},
    ["chat.v1"],
  );
});

test("a server that echoes the entry with the token", async () => {
  const server = await webSocketServer(() => {}, { handleProtocols: (offered) => [...offered].at(-1) });
  await against(
    server,
    async ({ socket, over, lines }) => {
      await over;
      assert.equal(socket.protocol, "");
      assert.deepEqual(lines.slice(-3), ["auth stopped protocol", "error protocol", "close 1006"]);
    },
    { auth: bearer(() => "token", { carrier: subprotocol }) },
    ["chat.v1"],
  );
});

test("a server that never answers the credential", async () => {
  let heard;
  const authenticated = new Promise((resolve) => {
    heard = resolve;
  });
  const server = await webSocketServer((peer) => peer.on("message", () => heard(peer)));
  await against(server, async ({ world, over, lines }) => {
    const peer = await authenticated;
    const closed = onceEmitted(peer, "close");
    await world.pass(10_000);
    await over;
    assert.deepEqual(lines.slice(-3), ["auth stopped ended", "error auth_timeout", "close 1006"]);
    const [code] = await closed;
    assert.equal(code, 4408);
  });
});

/** Ends with a protocol error, and says so to the server. */
const NONSENSE = [
  ["greets before it accepts", (peer) => peer.send("welcome")],
  ["sends bytes before it accepts", (peer) => peer.send(Buffer.from([1, 2, 3]))],
  ["sends what is no JSON", (peer) => peer.send('{"auth":')],
  ["sends a control message of no type", (peer) => peer.send('{"auth":{"type":7}}')],
  ["accepts nobody", (peer) => peer.send(says({ type: "accepted", expires_in: 5 }))],
  ["accepts for half a second", (peer) => peer.send(says({ type: "accepted", subject: "a", expires_in: 0.5 }))],
  ["sends an endless control message", (peer) => peer.send(says({ type: "accepted", subject: "a".repeat(20_000), expires_in: 5 }))],
  [
    "floods with control messages",
    (peer) => {
      for (let count = 0; count < 10_000; count += 1) {
        peer.send(says({ type: "later" }));
      }
    },
  ],
  [
    "accepts without end",
    (peer) => {
      for (let count = 0; count < 10_000; count += 1) {
        peer.send(accepted());
      }
    },
  ],
];

for (const [name, misbehave] of NONSENSE) {
  test(`a server that ${name}`, async () => {
    let ended;
    const told = new Promise((resolve) => {
      ended = resolve;
    });
    const server = await webSocketServer((peer) => {
      peer.on("close", ended);
      peer.once("message", () => misbehave(peer));
    });
    await against(server, async ({ socket, over, lines }) => {
      await over;
      assert.deepEqual(lines.slice(-3), ["auth stopped protocol", "error protocol", "close 1006"]);
      assert.equal(socket.readyState, socket.CLOSED);
      assert.equal(await told, 4400);
    });
  });
}

/** Says something that asks for patience, and nothing more. */
const PATIENCE = [
  ["asks what nobody here can answer", { type: "challenge", nonce: "AAAA", expires_in: 5 }],
  ["announces itself, and nothing more", { type: "required", mechanisms: ["bearer"], timeout: 5 }],
  ["refuses for good, and does not close", { type: "rejected", error: "insufficient_scope", retry: false }],
];

for (const [name, auth] of PATIENCE) {
  test(`a server that ${name}`, async () => {
    let heard;
    const asked = new Promise((resolve) => {
      heard = resolve;
    });
    const server = await webSocketServer((peer) =>
      peer.once("message", () => {
        peer.send(says(auth));
        heard(peer);
      }),
    );
    await against(server, async ({ world, over, lines }) => {
      const closed = onceEmitted(await asked, "close");
      await world.pass(10_000);
      await over;
      assert.deepEqual(lines.slice(-3), ["auth stopped ended", "error auth_timeout", "close 1006"]);
      await closed;
    });
  });
}

test("a server that warns without end is refreshed no more often than it is heard", async () => {
  let questions = 0;
  const server = await webSocketServer((peer) =>
    peer.on("message", () => {
      peer.send(accepted());
      peer.send(says({ type: "expiring", expires_in: 1 }));
    }),
  );
  const auth = bearer(() => `token-${(questions += 1)}`);
  await against(
    server,
    async ({ over, lines }) => {
      await over;
      assert.deepEqual(lines.slice(-3), ["auth stopped protocol", "error protocol", "close 1006"]);
      assert.ok(questions <= 16, `${questions} questions`);
    },
    { auth },
  );
});

test("a server that refuses each message is not given a new token for each", async () => {
  let questions = 0;
  let refused = 0;
  const server = await webSocketServer((peer) => {
    peer.send("welcome");
    peer.once("message", () => {
      for (let count = 0; count < 10_000; count += 1) {
        peer.send(says({ type: "rejected", error: "token_expired", retry: true }));
      }
      peer.send("that was all");
    });
  });
  const auth = perMessage(() => `token-${(questions += 1)}`);
  await against(
    server,
    async ({ socket }) => {
      socket.onauth = ({ detail }) => {
        refused += detail.state === "rejected" ? 1 : 0;
      };
      await once(socket, "message");
      socket.send("1");
      await once(socket, "message");
      assert.equal(refused, 10_000);
      assert.equal(questions, 2);
      assert.equal(socket.readyState, socket.OPEN);
    },
    { auth },
  );
});

test("a server that breaks the rules of frames", async () => {
  const server = await webSocketServer((peer) => {
    peer.once("message", () => {
      peer.send(accepted());
      // A frame with a reserved opcode.
      peer._socket.write(Buffer.from([0x8b, 0x00]));
    });
  });
  await against(server, async ({ over, lines }) => {
    await over;
    assert.equal(lines[2], "open");
    assert.match(lines.at(-1), /^close 10(02|06)/);
  });
});

test("a flood of messages is the application's", async () => {
  const server = await webSocketServer((peer) => {
    peer.once("message", () => {
      peer.send(accepted());
      for (let count = 0; count < 5_000; count += 1) {
        peer.send(String(count));
      }
      peer.close(1000);
    });
  });
  await against(server, async ({ over, lines }) => {
    await over;
    assert.equal(lines.filter((line) => line.startsWith("message ")).length, 5_000);
    assert.equal(lines.at(-1), "close 1000");
  });
});

test("a server that never answers a close", async () => {
  let script;
  const closing = new Promise((resolve) => {
    script = resolve;
  });
  const server = await webSocketServer((peer) => {
    // Reads nothing any more once it has accepted.
    peer.once("message", () => {
      peer.send(accepted());
      peer.pause();
      script();
    });
  });
  await against(server, async ({ socket, world, over, lines }) => {
    await once(socket, "open");
    await closing;
    socket.close(1000);
    assert.equal(socket.readyState, socket.CLOSING);
    await world.pass(3_000);
    await over;
    assert.deepEqual(lines.slice(-2), ["auth stopped closed", "close 1006"]);
  });
});

test("a server that accepts and refuses without end", async () => {
  let connections = 0;
  const server = await webSocketServer((peer) => {
    connections += 1;
    peer.once("message", () => {
      peer.send(accepted());
      peer.close(4401, "token_expired");
    });
  });
  let tokens = 0;
  const options = { reconnect: {}, auth: bearer(() => `token-${(tokens += 1)}`) };
  await against(
    server,
    async ({ socket, world, over, lines }) => {
      await once(socket, "reconnecting");
      await world.pass(0);
      await over;
      assert.equal(connections, 2);
      assert.equal(lines.at(-1), "close 4401 token_expired");
      assert.equal(lines.at(-2), "error credential_refused");
    },
    options,
  );
});

test("a server that closes at once is not asked without pause", async () => {
  let connections = 0;
  const server = await webSocketServer((peer) => {
    connections += 1;
    peer.close(1013, "temporarily_unavailable; retry-after=5");
  });
  await against(
    server,
    async ({ socket, world }) => {
      await once(socket, "reconnecting");
      await world.pass(5_000);
      assert.equal(connections, 1);
      const again = once(socket, "reconnecting");
      await world.pass(250);
      assert.equal((await again).detail.error, "temporarily_unavailable");
      assert.equal(connections, 2);
    },
    { reconnect: {} },
  );
});
