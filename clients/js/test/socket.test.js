import assert from "node:assert/strict";
import { inspect } from "node:util";
import { test } from "node:test";
import { bearer, cookie, VestibuleError, VestibuleSocket } from "../dist/index.js";
import { FakeEnvironment, fakeImplementation, record, settled } from "./fakes.js";

const URL = "wss://example.com/chat";
const AUTHENTICATE = (token) => JSON.stringify({ auth: { type: "authenticate", mechanism: "bearer", token } });
const REFRESH = (token) => JSON.stringify({ auth: { type: "refresh", mechanism: "bearer", token } });

/** A socket with everything that is faked. */
function setUp(options = {}, protocols = []) {
  const world = new FakeEnvironment();
  const { FakeSocket, made } = fakeImplementation();
  const asked = [];
  const provider = (request) => {
    asked.push(request);
    return `token-${asked.length}`;
  };
  const { carrier, auth, ...rest } = options;
  const socket = new VestibuleSocket(URL, protocols, {
    auth: auth ?? bearer(provider, carrier ? { carrier } : {}),
    webSocket: FakeSocket,
    environment: world.environment,
    ...rest,
  });
  return { socket, world, made, asked, lines: record(socket) };
}

/** The same, open. */
async function open(options, protocols) {
  const all = setUp(options, protocols);
  await settled();
  all.made[0].open();
  all.made[0].accept();
  return all;
}

test("open comes after accepted", async () => {
  const { socket, made, lines } = setUp();
  assert.equal(socket.readyState, VestibuleSocket.CONNECTING);
  await settled();
  assert.deepEqual(made[0].protocols, []);
  made[0].open();
  assert.deepEqual(made[0].sent, [AUTHENTICATE("token-1")]);
  assert.equal(socket.readyState, socket.CONNECTING);
  made[0].accept();
  assert.equal(socket.readyState, socket.OPEN);
  made[0].say("hello");
  assert.deepEqual(lines, ["auth waiting connect", "auth authenticated", "open", "message hello"]);
});

test("control messages are never delivered", async () => {
  const { made, lines } = await open();
  made[0].auth({ type: "later" });
  made[0].auth({ type: "expiring", expires_in: 30 });
  made[0].say('{ "auth":"mine"}');
  assert.deepEqual(lines.filter((line) => line.startsWith("message")), ['message { "auth":"mine"}']);
});

test("a subprotocol carries the token, and is not shown", async () => {
  const { socket, made } = setUp({ carrier: "subprotocol" }, ["chat.v1"]);
  await settled();
  assert.deepEqual(made[0].protocols, ["chat.v1", "vestibule.bearer.token-1"]);
  made[0].open("chat.v1");
  assert.equal(socket.protocol, "chat.v1");
  assert.deepEqual(made[0].sent, []);
});

test("without a real subprotocol the marker answers, and is not shown", async () => {
  const { socket, made, world, lines } = setUp({ carrier: "subprotocol" });
  await settled();
  assert.deepEqual(made[0].protocols, ["bearer", "token-1"]);
  made[0].open("bearer");
  await world.pass(50);
  assert.equal(socket.protocol, "");
  assert.equal(lines.at(-1), "open");
});

test("a token that is no subprotocol is encoded", async () => {
  const { made } = setUp({ auth: bearer(() => "a/b+c==", { carrier: "subprotocol" }) }, ["chat.v1"]);
  await settled();
  const [, entry] = made[0].protocols;
  assert.equal(entry, `base64url.bearer.authorization.k8s.io.${Buffer.from("a/b+c==").toString("base64url")}`);
});

test("a server that chooses the entry with the token is no server of ours", async () => {
  const { socket, made, lines } = setUp({ carrier: "subprotocol" }, ["chat.v1"]);
  await settled();
  made[0].open("vestibule.bearer.token-1");
  assert.equal(socket.protocol, "");
  assert.deepEqual(lines.slice(-3), ["auth stopped protocol", "error protocol", "close 1006"]);
});

test("a cookie sends nothing", async () => {
  const reasons = [];
  const { made, world, lines } = setUp({ auth: cookie(({ reason }) => void reasons.push(reason)) }, "chat.v1");
  await settled();
  assert.deepEqual(made[0].protocols, ["chat.v1"]);
  made[0].open("chat.v1");
  await world.pass(50);
  assert.deepEqual(made[0].sent, []);
  made[0].end(4401, "token_expired");
  await world.pass(0);
  assert.equal(made.length, 2);
  assert.deepEqual(reasons, ["connect", "refused"]);
  assert.deepEqual(lines.slice(0, 3), ["auth waiting connect", "auth authenticated", "open"]);
});

test("the refresh goes over the same socket, with a new token", async () => {
  const { made, world, asked, lines } = await open();
  await world.pass(495_000);
  assert.deepEqual(made[0].sent.slice(1), [REFRESH("token-2")]);
  made[0].accept();
  assert.deepEqual(asked.map(({ reason }) => reason), ["connect", "refresh"]);
  assert.deepEqual(lines.slice(3), ["auth refreshing", "auth refreshed"]);
  assert.equal(made.length, 1);
});

test("a device that slept refreshes when it wakes", async () => {
  const { made, world } = await open();
  world.sleep(3_600_000);
  world.awake("tick");
  await settled();
  assert.deepEqual(made[0].sent.slice(1), [REFRESH("token-2")]);
});

test("the provider is asked once at a time", async () => {
  const answers = [];
  const { made, world } = setUp({ auth: bearer(() => new Promise((resolve) => answers.push(resolve))) });
  await settled();
  answers[0]("first");
  await settled();
  made[0].open();
  made[0].accept();
  await world.pass(495_000);
  assert.equal(answers.length, 2);
  // The connection breaks while the provider thinks: the next connection uses what it says.
  made[0].end();
  await world.pass(250);
  assert.equal(answers.length, 2);
  answers[1]("second");
  await settled();
  made[1].open();
  assert.deepEqual(made[1].sent, [AUTHENTICATE("second")]);
});

test("a token that was refused is not sent again", async () => {
  const { made, lines } = setUp({ auth: bearer(() => "stale") });
  await settled();
  made[0].open();
  made[0].auth({ type: "rejected", error: "invalid_token", retry: true });
  await settled();
  assert.deepEqual(made[0].sent, [AUTHENTICATE("stale")]);
  assert.deepEqual(lines.slice(-3), ["auth stopped credential_refused", "error credential_refused", "close 1006"]);
});

test("what was sent while there was no connection goes over the next one, in order, once", async () => {
  const { socket, made, world } = setUp();
  socket.send("1");
  await settled();
  socket.send("2");
  made[0].open();
  socket.send("3");
  made[0].accept();
  socket.send("4");
  assert.deepEqual(made[0].sent.slice(1), ["1", "2", "3", "4"]);
  made[0].end();
  socket.send("5");
  await world.pass(250);
  made[1].open();
  made[1].accept();
  socket.send("6");
  assert.deepEqual(made[1].sent.slice(1), ["5", "6"]);
  assert.equal(socket.bufferedAmount, 0);
});

test("a socket that is closing already takes nothing", async () => {
  const { socket, made, world } = await open();
  made[0].readyState = 2; // a Close has come; the event has not
  socket.send("kept");
  assert.deepEqual(made[0].sent.slice(1), []);
  made[0].end(1001, "draining");
  await world.pass(250);
  made[1].open();
  made[1].accept();
  assert.deepEqual(made[1].sent.slice(1), ["kept"]);
});

test("an application that starts anew gets an empty queue", async () => {
  const { socket, made, world } = await open({ queue: { resend: "none" } });
  made[0].end();
  socket.send("old");
  await world.pass(250);
  made[1].open();
  socket.onopen = () => socket.send("hello");
  made[1].accept();
  assert.deepEqual(made[1].sent.slice(1), ["hello"]);
});

test("the queue is bounded in bytes", () => {
  for (const [overflow, sent] of [["throw", ["aaaa", "bbbb"]], ["drop-newest", ["aaaa", "bbbb"]], ["drop-oldest", ["bbbb", "éé"]]]) {
    const { socket } = setUp({ queue: { maxBytes: 8, overflow } });
    socket.send("aaaa");
    socket.send("bbbb");
    const third = () => socket.send("éé");
    if (overflow === "throw") {
      assert.throws(third, (error) => error instanceof VestibuleError && error.code === "queue_full");
    } else {
      third();
      socket.send("123456789");
    }
    assert.equal(socket.bufferedAmount, 8, `${overflow} ${sent}`);
  }
});

test("what is binary is copied when it is sent", async () => {
  const { socket, made } = setUp();
  const bytes = new Uint8Array([1, 2, 3, 4]);
  socket.send(bytes.subarray(1, 3));
  socket.send(bytes.buffer);
  socket.send(new Blob(["blob"]));
  assert.equal(socket.bufferedAmount, 10);
  bytes.fill(9);
  await settled();
  made[0].open();
  made[0].accept();
  const [, view, buffer, blob] = made[0].sent;
  assert.deepEqual([...new Uint8Array(view)], [2, 3]);
  assert.deepEqual([...new Uint8Array(buffer)], [1, 2, 3, 4]);
  assert.equal(blob.size, 4);
});

test("an application cannot send a control message by accident", async () => {
  const { socket } = await open();
  assert.throws(() => socket.send('{"auth":{"type":"logout"}}'), { code: "reserved_message" });
});

test("what is left in the queue at the end is counted, and not sent under another name", async () => {
  const { socket, made, lines } = await open();
  made[0].end();
  socket.send("lost");
  let unsent;
  socket.onauth = ({ detail }) => {
    unsent = detail.unsent;
  };
  socket.close();
  await settled();
  assert.equal(unsent, 1);
  assert.equal(socket.bufferedAmount, 0);
  assert.deepEqual(lines.slice(-2), ["auth stopped closed", "close 1005"]);
  socket.send("after the end");
  socket.reconnect();
  await settled();
  made[1].open();
  made[1].accept();
  assert.deepEqual(made[1].sent, [AUTHENTICATE("token-2")]);
});

test("close leaves nothing behind, whatever it interrupts", async () => {
  for (const moment of ["asking", "connecting", "authenticating", "waiting"]) {
    const { socket, made, world, asked } = setUp();
    if (moment !== "asking") {
      await settled();
    }
    if (moment === "authenticating") {
      made[0].open();
    }
    if (moment === "waiting") {
      made[0].end();
    }
    socket.close();
    assert.equal(socket.readyState, socket.CLOSED, moment);
    assert.equal(world.timers, 0, moment);
    assert.equal(world.watching, 0, moment);
    await settled();
    made[0]?.open();
    made[0]?.accept();
    await world.pass(100_000);
    assert.equal(socket.readyState, socket.CLOSED, moment);
    assert.equal(made.length, moment === "asking" ? 0 : 1, moment);
    assert.equal(asked.length, 1, moment);
    if (moment === "connecting" || moment === "authenticating") {
      assert.equal(made[0].closes.length, 1, moment);
    }
  }
});

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

test("an abort signal ends it, before and after", async () => {
  const controller = new AbortController();
  const { made, lines } = await open({ signal: controller.signal });
  controller.abort();
  assert.equal(made[0].closes.length, 1);
  await settled();
  assert.deepEqual(lines.slice(-2), ["auth stopped aborted", "close 1000"]);
  const late = setUp({ signal: AbortSignal.abort() });
  await settled();
  assert.deepEqual(late.made, []);
  assert.equal(late.socket.readyState, late.socket.CLOSED);
});

test("the provider's signal says when nobody waits any more", async () => {
  let signal;
  const { socket, world } = setUp({
    auth: bearer((request) => {
      ({ signal } = request);
      return new Promise(() => {});
    }),
  });
  await settled();
  const first = signal;
  await world.pass(10_000);
  assert.equal(first.aborted, true);
  await world.pass(250);
  assert.notEqual(signal, first);
  socket.close();
  assert.equal(signal.aborted, true);
});

test("using ends it", async () => {
  const { socket, made } = await open();
  socket[Symbol.dispose]();
  assert.equal(made[0].closes.length, 1);
});

test("logout is said", async () => {
  const { socket, made, lines } = await open();
  socket.logout();
  assert.equal(made[0].sent.at(-1), '{"auth":{"type":"logout"}}');
  made[0].end(4410, "logged_out");
  assert.deepEqual(lines.slice(-2), ["auth stopped closed", "close 4410 logged_out"]);
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
    { auth: bearer(() => secret, { carrier: "subprotocol" }), webSocket: throwing },
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

test("a constructor that throws ends in an error, not in an exception", async () => {
  class Throwing {
    constructor() {
      throw new SyntaxError("no");
    }
  }
  const { lines } = setUp({ webSocket: Throwing });
  await settled();
  assert.deepEqual(lines.slice(-3), ["auth stopped protocol", "error protocol", "close 1006"]);
});

test("arguments are judged as a WebSocket judges them", async () => {
  const { FakeSocket } = fakeImplementation();
  const options = { auth: bearer(() => "t"), webSocket: FakeSocket };
  const make = (url, protocols = [], more = {}) => () => new VestibuleSocket(url, protocols, { ...options, ...more }).close();
  for (const url of ["", "/relative", "ftp://example.com", "wss://example.com/#fragment"]) {
    assert.throws(make(url), { name: "SyntaxError" }, url);
  }
  for (const protocols of [["a", "a"], ["a b"], [""], "a,b"]) {
    assert.throws(make(URL, protocols), { name: "SyntaxError" });
  }
  assert.throws(make("ws://example.com"), { name: "SecurityError" });
  assert.throws(make("http://example.com"), { name: "SecurityError" });
  assert.throws(make(URL, [], { connectTimeout: -1 }), RangeError);
  assert.throws(make(URL, [], { reconnect: { max: Number.NaN } }), RangeError);
  for (const url of ["ws://localhost/", "ws://app.localhost/", "ws://127.0.0.1:8080/", "ws://[::1]/", "https://example.com/"]) {
    make(url)();
  }
  make("ws://example.com", [], { dangerouslyAllowInsecure: true })();
  make("ws://example.com", [], { auth: cookie() })();
  const { socket } = await open();
  assert.equal(socket.url, URL);
  assert.throws(() => socket.close(1001), { name: "InvalidAccessError" });
  assert.throws(() => socket.close(1000, "é".repeat(62)), { name: "SyntaxError" });
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
  const socket = new Bound(URL, "chat.v1");
  assert.ok(socket instanceof VestibuleSocket);
  assert.deepEqual([Bound.CONNECTING, Bound.OPEN, Bound.CLOSING, Bound.CLOSED], [0, 1, 2, 3]);
  await settled();
  assert.deepEqual(made[0].protocols, ["chat.v1"]);
  socket.close();
});

test("a lease longer than any timer is waited for in parts", async () => {
  const { made, world } = setUp();
  await settled();
  made[0].open();
  made[0].accept(4_000_000);
  await world.pass(2 ** 31);
  assert.equal(made[0].sent.length, 1);
  await world.pass(3_300_000_000 - 2 ** 31);
  assert.equal(made[0].sent.length, 2);
});
