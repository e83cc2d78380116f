// Node's `ws` as a client.

import { strict as assert } from "node:assert";
import { once } from "node:events";

import { WebSocket } from "ws";

const GUARD = 60_000;
const spec = JSON.parse(process.argv[2]);

const say = (type, token) =>
  JSON.stringify({ auth: { type, mechanism: "bearer", token } });

function connect(token, url = spec.url) {
  const headers = {};
  const protocols = ["chat"];
  switch (spec.carrier) {
    case "header":
      headers.Authorization = `Bearer ${token}`;
      break;
    case "cookie":
      headers.Cookie = `theme=dark; session=${token}`;
      break;
    case "subprotocol":
      protocols.push(`vestibule.bearer.${token}`);
      break;
  }
  const origin = spec.carrier === "cookie" ? spec.origin : undefined;
  const socket = new WebSocket(url, protocols, {
    headers,
    origin,
    perMessageDeflate: { threshold: 0 },
  });
  socket.arrived = [];
  socket.waiting = [];
  const hand = (item) => {
    const next = socket.waiting.shift();
    if (next) next(item);
    else socket.arrived.push(item);
  };
  socket.on("message", (data, isBinary) => hand(isBinary ? data : data.toString()));
  socket.on("close", (code, reason) => hand({ code, reason: reason.toString() }));
  return socket;
}

function next(socket) {
  if (socket.arrived.length) return Promise.resolve(socket.arrived.shift());
  return new Promise((resolve) => socket.waiting.push(resolve));
}

async function opened(token, url) {
  const socket = connect(token, url);
  await once(socket, "open");
  if (spec.carrier === "message") {
    socket.send(say("authenticate", token));
    assert.equal(JSON.parse(await next(socket)).auth.type, "accepted");
  }
  assert.equal(socket.protocol, "chat");
  return socket;
}

async function echoed(...messages) {
  const socket = await opened(spec.token);
  for (const message of messages) {
    socket.send(message);
    assert.deepEqual(await next(socket), message);
  }
  socket.terminate();
}

async function closedWith(socket) {
  for (;;) {
    const item = await next(socket);
    if (item.code) return item;
  }
}

const checks = {
  async identity() {
    const socket = await opened(spec.token);
    socket.send("who");
    assert.equal(await next(socket), "alice");
    socket.terminate();
  },
  text: () => echoed("hello", "", "na\u00efve \u{1f980}"),
  binary: () => echoed(Buffer.from([...Array(256).keys()]), Buffer.alloc(0)),
  async fragments() {
    const socket = await opened(spec.token);
    socket.send("one, ", { fin: false });
    socket.send("", { fin: false });
    socket.send("two", { fin: true });
    assert.equal(await next(socket), "one, two");
    socket.terminate();
  },
  large: () => echoed("x".repeat(1 << 20), Buffer.alloc(1 << 20)),
  async ping() {
    const socket = await opened(spec.token);
    socket.ping("are you there?");
    const [payload] = await once(socket, "pong");
    assert.equal(payload.toString(), "are you there?");
    socket.terminate();
  },
  async close() {
    const socket = await opened(spec.token);
    socket.close(4321, "goodbye");
    assert.equal((await closedWith(socket)).code, 4321);
  },
  async closed() {
    const socket = await opened(spec.token);
    socket.send("close 4555");
    assert.deepEqual(await closedWith(socket), { code: 4555, reason: "as you wish" });
  },
  async expiry() {
    const socket = await opened(spec.short);
    assert.deepEqual(await closedWith(socket), { code: 4401, reason: "token_expired" });
  },
  async refresh() {
    const socket = await opened(spec.token, spec.band);
    socket.send(say("refresh", spec.another));
    assert.equal(JSON.parse(await next(socket)).auth.type, "accepted");
    socket.send("still here");
    assert.equal(await next(socket), "still here");
    socket.terminate();
  },
  async refused() {
    const socket = connect(spec.forged);
    if (spec.carrier === "message") {
      await once(socket, "open");
      for (let attempt = 0; attempt < 3; attempt += 1) {
        socket.send(say("authenticate", spec.forged));
      }
    }
    if (spec.carrier === "message" || spec.carrier === "cookie") {
      assert.deepEqual(await closedWith(socket), { code: 4401, reason: "invalid_token" });
      return;
    }
    const [, answer] = await once(socket, "unexpected-response");
    assert.equal(answer.statusCode, 401);
    assert.match(answer.headers["www-authenticate"], /error="invalid_token"/);
    answer.destroy();
  },
  async compressed() {
    const socket = await opened(spec.token);
    const wanted = spec.carrier === "message" ? "" : "permessage-deflate";
    assert.equal(socket.extensions.split(";")[0], wanted);
    socket.terminate();
  },
};

for (const [check, run] of Object.entries(checks)) {
  let guard;
  const late = new Promise((_, reject) => {
    guard = setTimeout(() => reject(new Error("took too long")), GUARD);
  });
  let result = "ok";
  try {
    await Promise.race([run(), late]);
  } catch (fault) {
    result = String(fault.message ?? fault).slice(0, 300);
  }
  clearTimeout(guard);
  console.log(JSON.stringify({ check, result }));
}
process.exit(0);
