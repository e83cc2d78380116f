// What an application sees: a WebSocket.

import assert from "node:assert/strict";
import { inspect } from "node:util";
import { test } from "node:test";
import { bearer, cookie, subprotocol, VestibuleSocket } from "../dist/index.js";
import { fakeImplementation, settled } from "./fakes.js";
import { ADDRESS, open, setUp } from "./set-up.js";

test("nothing is told before the call that caused it has returned", async () => {
  const { socket } = setUp();
  socket.close();
  let closed = 0;
  socket.onclose = () => {
    closed += 1;
  };
  await settled();
  assert.equal(closed, 1);
});

test("a listener can do anything, and is told in order", async () => {
  const { socket, made, world, lines } = setUp();
  socket.addEventListener("open", () => {
    socket.send("from open");
    socket.close(1000, "done");
    assert.equal(socket.readyState, socket.CLOSING);
  });
  await settled();
  made[0].open();
  made[0].accept();
  assert.deepEqual(made[0].sent.slice(1), ["from open"]);
  assert.deepEqual(made[0].closes, [[1000, "done"]]);
  made[0].end(1000, "done");
  await world.pass(0);
  assert.deepEqual(lines.slice(1), ["auth authenticated", "open", "auth stopped closed", "close 1000 done"]);
});

test("using ends it", async () => {
  const { socket, made } = await open();
  socket[Symbol.dispose]();
  assert.deepEqual(made[0].closes, [[]]);
});

test("nothing that is shown holds the token", async () => {
  const secret = "s3cr3t-token";
  const failing = { auth: bearer(() => Promise.reject(new Error(`no use for ${secret}`))) };
  const throwing = class {
    constructor(_, protocols) {
      throw new SyntaxError(`bad: ${protocols}`);
    }
  };
  const cases = [
    failing,
    { auth: bearer(() => `${secret} with a space`) },
    { auth: bearer(() => secret, { carrier: subprotocol }), webSocket: throwing },
    { auth: bearer(() => secret) },
  ];
  for (const options of cases) {
    const { socket, made, world, lines } = setUp({ ...options, reconnect: { attempts: 1 } });
    const seen = [];
    for (const type of ["auth", "error", "reconnecting", "close"]) {
      socket.addEventListener(type, (event) => seen.push(inspect([event, event.detail, event.error, event.error?.stack], { depth: 9 })));
    }
    await settled();
    made[0]?.open();
    seen.push(inspect(socket, { depth: 9, showHidden: true }));
    made[0]?.auth({ type: "rejected", error: secret, retry: false });
    made[0]?.end(4401, secret.replace(/\W/g, "_"));
    await world.pass(60_000);
    assert.ok(lines.length > 1);
    // What a Close says is what a WebSocket shows. Everything else is ours.
    const ours = seen.filter((text) => !text.includes("type: 'close'"));
    assert.ok(!ours.join("\n").includes(secret), inspect(options));
  }
});

test("arguments are judged as a WebSocket judges them", async () => {
  const { FakeSocket } = fakeImplementation();
  const options = { auth: bearer(() => "t"), webSocket: FakeSocket };
  const make = (url, protocols = [], more = {}) => () => new VestibuleSocket(url, protocols, { ...options, ...more }).close();
  for (const url of ["", "/relative", "ftp://example.com", "wss://example.com/#fragment"]) {
    assert.throws(make(url), { name: "SyntaxError" }, url);
  }
  for (const protocols of [["a", "a"], ["a b"], [""], "a,b"]) {
    assert.throws(make(ADDRESS, protocols), { name: "SyntaxError" });
  }
  assert.throws(make("ws://example.com"), { name: "SecurityError" });
  assert.throws(make("http://example.com"), { name: "SecurityError" });
  assert.throws(make(ADDRESS, [], { connectTimeout: -1 }), RangeError);
  assert.throws(make(ADDRESS, [], { reconnect: { max: Number.NaN } }), RangeError);
  for (const url of ["ws://localhost/", "ws://app.localhost/", "ws://127.0.0.1:8080/", "ws://[::1]/", "https://example.com/"]) {
    make(url)();
  }
  make("ws://example.com", [], { dangerouslyAllowInsecure: true })();
  make("ws://example.com", [], { auth: cookie() })();
  const { socket } = await open();
  assert.equal(socket.url, ADDRESS);
  for (const code of [0, 999, 1001, 2999, 5000]) {
    assert.throws(() => socket.close(code), { name: "InvalidAccessError" });
  }
  assert.throws(() => socket.close(1000, "é".repeat(62)), { name: "SyntaxError" });
});

test("codes and reasons at the edge of what is allowed", async () => {
  for (const [code, reason] of [[1000, "a".repeat(123)], [3000, ""], [4999, "é"]]) {
    const { socket, made } = await open();
    socket.close(code, reason);
    assert.deepEqual(made[0].closes, [[code, reason]]);
  }
});

test("details of events", async () => {
  const { socket, made, world } = setUp();
  const details = [];
  socket.addEventListener("auth", ({ detail }) => details.push(detail));
  socket.addEventListener("reconnecting", ({ detail }) => details.push(detail));
  await settled();
  made[0].open();
  made[0].accept(600);
  made[0].auth({ type: "expiring", expires_in: 30 });
  await settled();
  made[0].auth({ type: "rejected", error: "temporarily_unavailable", retry: true });
  made[0].accept(300, "bob");
  made[0].end(1013, "temporarily_unavailable; retry-after=1");
  socket.send("left");
  await world.pass(0);
  socket.close();
  assert.deepEqual(details, [
    { state: "waiting", reason: "connect" },
    { state: "authenticated", subject: "alice", expiresIn: 600 },
    { state: "expiring", expiresIn: 30 },
    { state: "refreshing" },
    { state: "rejected", error: "temporarily_unavailable", retry: true },
    { state: "waiting", reason: "refresh" },
    { state: "refreshed", subject: "bob", expiresIn: 300 },
    { cause: "connection_lost", code: 1013, error: "temporarily_unavailable", attempt: 2, delay: 1250 },
  ]);
  await settled();
  assert.deepEqual(details.at(-1), { state: "stopped", reason: "closed", unsent: 1 });
});

test("an error says what, and what the gateway said", async () => {
  const { socket, made } = await open();
  let error;
  socket.onerror = (event) => {
    ({ error } = event);
  };
  made[0].end(4403, "insufficient_scope");
  const { name, message, code, closeCode, error: said } = error;
  assert.deepEqual([name, message, code, closeCode, said], ["VestibuleError", "refused", "refused", 4403, "insufficient_scope"]);
});

test("what a listener causes is told after what it was told", async () => {
  const { socket, made } = setUp();
  const heard = [];
  socket.addEventListener("open", () => made[0].say("nested"));
  socket.addEventListener("open", () => heard.push("open"));
  socket.addEventListener("message", () => heard.push("message"));
  await settled();
  made[0].open();
  made[0].accept();
  assert.deepEqual(heard, ["open", "message"]);
});

test("handlers are properties, and come and go", async () => {
  const { socket, made } = await open();
  const heard = [];
  socket.onmessage = ({ data }) => heard.push(`a ${data}`);
  made[0].say("1");
  socket.onmessage = ({ data }) => heard.push(`b ${data}`);
  made[0].say("2");
  socket.onmessage = null;
  made[0].say("3");
  assert.deepEqual(heard, ["a 1", "b 2"]);
  assert.equal(socket.onmessage, null);
});

test("binaryType reaches the sockets of now and later", async () => {
  const { socket, made, world } = setUp();
  assert.equal(socket.binaryType, "blob");
  socket.binaryType = "arraybuffer";
  socket.binaryType = "nonsense";
  await settled();
  assert.equal(made[0].binaryType, "arraybuffer");
  made[0].end();
  socket.binaryType = "blob";
  await world.pass(250);
  assert.equal(made[1].binaryType, "blob");
});

test("with() gives a class that is constructed as a WebSocket", async () => {
  const { FakeSocket, made } = fakeImplementation();
  const Bound = VestibuleSocket.with({ auth: bearer(() => "t"), webSocket: FakeSocket });
  const socket = new Bound(ADDRESS, "chat.v1");
  assert.ok(socket instanceof VestibuleSocket);
  assert.deepEqual([Bound.CONNECTING, Bound.OPEN, Bound.CLOSING, Bound.CLOSED], [0, 1, 2, 3]);
  await settled();
  assert.deepEqual(made[0].protocols, ["chat.v1"]);
  socket.close();
});
