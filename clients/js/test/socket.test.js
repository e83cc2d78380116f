// What a client does, with a clock and sockets that are not real.

import assert from "node:assert/strict";
import { test } from "node:test";
import { bearer, cookie, subprotocol, VestibuleSocket } from "../dist/index.js";
import { settled } from "./fakes.js";
import { AUTHENTICATE, open, REFRESH, setUp } from "./set-up.js";

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
  const { socket, made } = setUp({ carrier: subprotocol }, ["chat.v1"]);
  await settled();
  assert.deepEqual(made[0].protocols, ["chat.v1", "vestibule.bearer.token-1"]);
  made[0].open("chat.v1");
  assert.equal(socket.protocol, "chat.v1");
  assert.deepEqual(made[0].sent, []);
});

test("without a real subprotocol the marker answers, and is not shown", async () => {
  const { socket, made, world, lines } = setUp({ carrier: subprotocol });
  await settled();
  assert.deepEqual(made[0].protocols, ["bearer", "token-1"]);
  made[0].open("bearer");
  await world.pass(50);
  assert.equal(socket.protocol, "");
  assert.equal(lines.at(-1), "open");
});

test("a token that is no subprotocol is encoded", async () => {
  const { made } = setUp({ auth: bearer(() => "a/b+c==", { carrier: subprotocol }) }, ["chat.v1"]);
  await settled();
  const [, entry] = made[0].protocols;
  assert.equal(entry, `base64url.bearer.authorization.k8s.io.${Buffer.from("a/b+c==").toString("base64url")}`);
});

test("a server that chooses the entry with the token is no server of ours", async () => {
  const { socket, made, lines } = setUp({ carrier: subprotocol }, ["chat.v1"]);
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

test("logout is said", async () => {
  const { socket, made, lines } = await open();
  socket.logout();
  assert.equal(made[0].sent.at(-1), '{"auth":{"type":"logout"}}');
  made[0].end(4410, "logged_out");
  assert.deepEqual(lines.slice(-2), ["auth stopped closed", "close 4410 logged_out"]);
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

test("a socket that was given up is not heard any more", async () => {
  const { socket, made, world, lines } = setUp();
  await world.pass(10_250);
  assert.equal(made.length, 2);
  made[0].open();
  made[0].accept();
  made[0].end();
  assert.equal(socket.readyState, socket.CONNECTING);
  assert.deepEqual(lines, ["auth waiting connect", "reconnecting connect_timeout 250", "auth waiting reconnect"]);
  made[1].open();
  made[1].accept();
  assert.equal(socket.readyState, socket.OPEN);
});

test("a token that was refused in the handshake is not sent again either", async () => {
  const { made, world, lines } = setUp({ auth: bearer(() => "stale", { carrier: subprotocol }) }, ["chat.v1"]);
  await settled();
  made[0].open("chat.v1");
  made[0].end(4401, "invalid_token");
  await world.pass(0);
  assert.equal(made.length, 1);
  assert.equal(lines.at(-2), "error credential_refused");
});

test("what is no token is not sent", async () => {
  for (const token of [7, undefined, null, "", "a b", "ü", "a\r\nb", "a".repeat(12_289)]) {
    const { made, lines } = setUp({ auth: bearer(() => token) });
    await settled();
    assert.equal(made.length, 0);
    assert.equal(lines.at(-1), "reconnecting credential_unavailable 250");
  }
});

test("it is awake again after a reconnection by hand", async () => {
  const { socket, made, world } = await open();
  assert.equal(world.watching, 1);
  made[0].end(4410, "token_revoked");
  assert.equal(world.watching, 0);
  socket.reconnect();
  assert.equal(world.watching, 1);
  await settled();
  made[1].open();
  made[1].accept();
  made[1].bufferedAmount = 5;
  assert.equal(socket.bufferedAmount, 5);
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
