// A second proof of who is in already: the gateway says `required` on an open connection.

import assert from "node:assert/strict";
import { test } from "node:test";
import { bearer, cookie, dpop, dpopKey, passkey, perMessage, publicKey, scram, session, stepUp, subprotocol, ticket } from "../dist/index.js";
import { accepted, against, NONCE, nonce } from "./exchanges.js";
import { once, settled } from "./fakes.js";
import { says } from "./servers.js";
import { AUTHENTICATE, open, setUp } from "./set-up.js";

/** When 600 s are refreshed, with a jitter of a half. */
const RENEWAL = 495_000;
const REQUIRED = { type: "required", mechanisms: ["bearer"], timeout: 60 };
const required = says({ type: "required", mechanisms: ["webauthn"], timeout: 60 });
const refused = says({ type: "rejected", error: "invalid_credentials", retry: true });

/** A socket that is open by a token, and what its provider was asked for. */
async function stepping(provide = (reason, count) => `${reason}-${count}`) {
  const reasons = [];
  const all = await open({ auth: bearer(({ reason }) => provide(reason, reasons.push(reason))) });
  all.lines.length = 0;
  return { ...all, reasons, server: all.made[0] };
}

test("who is asked for something stronger is asked with that reason, and stays connected", async () => {
  const { server, made, lines, reasons, socket } = await stepping();
  server.auth(REQUIRED);
  server.say("meanwhile");
  socket.send("hello");
  await settled();
  assert.deepEqual(reasons, ["connect", "step-up"]);
  assert.deepEqual(server.sent, [AUTHENTICATE("connect-1"), "hello", AUTHENTICATE("step-up-2")]);
  server.accept();
  assert.deepEqual(lines, ["auth refreshing", "message meanwhile", "auth refreshed"]);
  assert.equal(made.length, 1);
});

test("after it, the next refresh is one", async () => {
  const { server, world, reasons } = await stepping();
  server.auth(REQUIRED);
  await settled();
  server.accept();
  await world.pass(RENEWAL);
  assert.deepEqual(reasons, ["connect", "step-up", "refresh"]);
});

test("one that is refused, or that nobody has, is tried again, with that reason", async () => {
  let given = 0;
  const { server, world, reasons } = await stepping((reason) => {
    if (reason === "step-up" && (given += 1) === 1) {
      throw new Error("not now");
    }
    return `${reason}-${given}`;
  });
  server.auth(REQUIRED);
  await world.pass(3_500);
  server.auth({ type: "rejected", error: "insufficient_user_authentication", retry: true });
  await world.pass(3_500);
  assert.deepEqual(reasons, ["connect", "step-up", "step-up", "step-up"]);
  server.accept();
  await world.pass(RENEWAL);
  assert.equal(reasons.at(-1), "refresh");
});

test("who does not show it is closed by the gateway, and stops", async () => {
  const { server, lines, socket } = await stepping(() => "token");
  server.auth(REQUIRED);
  await settled();
  server.end(4403, "step_up_required");
  await settled();
  assert.deepEqual(lines.slice(-3), ["auth stopped refused", "error refused", "close 4403 step_up_required"]);
  assert.equal(socket.readyState, socket.CLOSED);
});

test("a refresh that is under way gives way to it", async () => {
  const waiting = [];
  const { server, socket, reasons } = await stepping((reason) =>
    reason === "connect" ? "token" : new Promise((resolve) => waiting.push(() => resolve(reason))),
  );
  socket.refresh();
  await settled();
  server.auth(REQUIRED);
  await settled();
  assert.deepEqual(reasons, ["connect", "refresh", "step-up"]);
  waiting.forEach((answer) => answer());
  await settled();
  assert.deepEqual(server.sent, [AUTHENTICATE("token"), AUTHENTICATE("step-up")]);
});

test("the next connection owes nothing", async () => {
  const { server, world, made, reasons } = await stepping();
  server.auth(REQUIRED);
  await settled();
  server.end();
  await world.pass(1_000);
  made[1].open();
  made[1].accept();
  await world.pass(RENEWAL);
  assert.deepEqual(reasons, ["connect", "step-up", "reconnect", "refresh"]);
});

test("a gateway that asks without end is nonsense", async () => {
  const { server, lines } = await stepping();
  for (let count = 0; count < 40; count += 1) {
    server.auth(REQUIRED);
  }
  await settled();
  assert.deepEqual(lines.slice(-3), ["auth stopped protocol", "error protocol", "close 1006"]);
});

test("before anybody was accepted, it says that the handshake's credential did not count", async () => {
  const { made, lines } = setUp({ carrier: subprotocol });
  await settled();
  made[0].open();
  made[0].auth(REQUIRED);
  await settled();
  assert.equal(lines.at(-1), "reconnecting connection_lost 0");
});

// With another mechanism.

const { subtle } = globalThis.crypto;
const keys = await subtle.generateKey({ name: "Ed25519" }, false, ["sign", "verify"]);
const made = { toJSON: () => ({ id: "AA" }) };
const agreeing = { get: async () => made };
const options = says({ type: "challenge", options: { challenge: NONCE }, expires_in: 60 });
/** Until the server has heard so much. */
const hears = (heard, count) => new Promise((resolve) => {
  const look = () => (heard.length < count ? setImmediate(look) : resolve());
  look();
});

test("a token's connection is stepped up by a passkey", async () => {
  const auth = stepUp(bearer(() => "token"), passkey({ credentials: agreeing }));
  const { heard, lines } = await against(auth, [[accepted(), required], options, accepted()], async ({ socket }) => {
    await once(socket, "auth", ({ detail }) => detail.state === "refreshed");
  });
  assert.deepEqual(heard, [
    { type: "authenticate", mechanism: "bearer", token: "token" },
    { type: "authenticate", mechanism: "webauthn" },
    { type: "respond", assertion: { id: "AA" } },
  ]);
  assert.deepEqual(lines, ["auth waiting connect", "auth authenticated", "open", "auth refreshing", "auth refreshed"]);
});

test("a cookie's connection is stepped up by a message", async () => {
  const { made, lines, world } = setUp({ auth: stepUp(cookie(), bearer(({ reason }) => reason)) });
  await settled();
  made[0].open();
  made[0].accept();
  made[0].auth(REQUIRED);
  await settled();
  assert.deepEqual(made[0].sent, [AUTHENTICATE("step-up")]);
  made[0].accept();
  await world.pass(600_000);
  assert.deepEqual(lines, ["auth waiting connect", "auth authenticated", "open", "auth refreshing", "auth refreshed"]);
});

test("data flows while the person is asked", async () => {
  let agree;
  let ask;
  const asked = new Promise((resolve) => (ask = resolve));
  const credentials = { get: () => (ask(), new Promise((resolve) => (agree = () => resolve(made)))) };
  const auth = stepUp(bearer(() => "token"), passkey({ credentials }));
  const script = [[accepted(), required], [options, "meanwhile"], ["more", accepted()], accepted()];
  const { lines } = await against(auth, script, async ({ socket, world, heard }) => {
    await asked;
    await world.pass(50_000);
    socket.send("hello");
    await once(socket, "message", ({ data }) => data === "more");
    const done = once(socket, "auth", ({ detail }) => detail.state === "refreshed");
    agree();
    await done;
    assert.equal(heard.length, 4);
  });
  assert.deepEqual(lines.slice(3), ["auth refreshing", "message meanwhile", "message more", "auth refreshed"]);
});

test("who declines stays until the gateway closes, and is not asked again", async () => {
  let asked = 0;
  const credentials = { get: () => ((asked += 1), Promise.reject(new DOMException("no", "NotAllowedError"))) };
  const auth = stepUp(bearer(() => "token"), passkey({ credentials }));
  let peer;
  const { lines } = await against(auth, [[accepted(), required], [options, (connected) => (peer = connected)]], async ({ socket, world }) => {
    await once(socket, "auth", ({ detail }) => detail.state === "refreshing");
    while (asked === 0) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    await world.pass(59_000);
    assert.equal(socket.readyState, socket.OPEN);
    const over = once(socket, "close");
    peer.close(4403, "step_up_required");
    await over;
  });
  assert.equal(asked, 1);
  assert.equal(lines.at(-1), "close 4403 step_up_required");
});

test("after it, what the connection was opened by is refreshed as before", async () => {
  let count = 0;
  const auth = stepUp(bearer(() => `token-${(count += 1)}`), publicKey(keys));
  const { heard } = await against(auth, [[accepted(), required], nonce(), accepted(), accepted()], async ({ socket, world }) => {
    await once(socket, "auth", ({ detail }) => detail.state === "refreshed");
    const done = once(socket, "auth", ({ detail }) => detail.state === "refreshed");
    await world.pass(RENEWAL);
    await done;
  });
  assert.deepEqual(heard.map(({ type, mechanism = "", token = "" }) => `${type} ${mechanism} ${token}`.trim()), [
    "authenticate bearer token-1",
    "authenticate public-key",
    "respond",
    "refresh bearer token-2",
  ]);
});

test("a bound token is renewed on the open connection, with another proof", async () => {
  let count = 0;
  const auth = dpop({ token: () => `token-${(count += 1)}`, key: dpopKey(await subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, false, ["sign"])) });
  const { heard, lines } = await against(auth, [nonce(), accepted(), nonce(), accepted()], async ({ socket, world }) => {
    await once(socket, "open");
    const done = once(socket, "auth", ({ detail }) => detail.state === "refreshed");
    await world.pass(RENEWAL);
    await done;
  });
  assert.deepEqual(heard.map(({ type, token = "" }) => `${type} ${token}`.trim()), ["authenticate token-1", "respond", "refresh token-2", "respond"]);
  assert.notEqual(heard[1].proof, heard[3].proof);
  assert.deepEqual(lines.slice(2), ["open", "auth refreshing", "auth refreshed"]);
});

test("two ways that are both asked back do not answer for each other", async () => {
  const pair = await subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, false, ["sign"]);
  const auth = stepUp(dpop({ token: () => "token", key: dpopKey(pair) }), passkey({ credentials: agreeing }));
  const script = [nonce(), [accepted(), required], options, accepted(), nonce(), accepted()];
  const { heard, lines } = await against(auth, script, async ({ socket, world }) => {
    await once(socket, "auth", ({ detail }) => detail.state === "refreshed");
    const done = once(socket, "auth", ({ detail }) => detail.state === "refreshed");
    await world.pass(RENEWAL);
    await done;
  });
  assert.deepEqual(heard.map(({ type, mechanism, ...rest }) => [type, mechanism ?? Object.keys(rest)[0]].join(" ")), [
    "authenticate dpop",
    "respond proof",
    "authenticate webauthn",
    "respond assertion",
    "refresh dpop",
    "respond proof",
  ]);
  assert.equal(lines.filter((line) => line === "open").length, 1);
});

test("a refresh that is being proven gives way to the second proof", async () => {
  const pair = await subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, false, ["sign"]);
  const auth = stepUp(dpop({ token: () => "token", key: dpopKey(pair) }), passkey({ credentials: agreeing }));
  // The challenge of the refresh, and at once the demand for something stronger.
  const script = [nonce(), accepted(), [nonce(), required], options, accepted()];
  const { heard } = await against(auth, script, async ({ socket, world }) => {
    await once(socket, "open");
    const done = once(socket, "auth", ({ detail }) => detail.state === "refreshed");
    await world.pass(RENEWAL);
    await done;
  });
  assert.deepEqual(heard.map(({ type, mechanism, ...rest }) => [type, mechanism ?? Object.keys(rest)[0]].join(" ")), [
    "authenticate dpop",
    "respond proof",
    "refresh dpop",
    "authenticate webauthn",
    "respond assertion",
  ]);
});

test("a gateway that refuses the second proof is shown it again", async () => {
  const auth = stepUp(bearer(() => "token"), publicKey(keys));
  const { heard } = await against(auth, [[accepted(), required], nonce(), refused, nonce(), accepted()], async ({ socket, world }) => {
    await once(socket, "auth", ({ detail }) => detail.state === "rejected");
    const done = once(socket, "auth", ({ detail }) => detail.state === "refreshed");
    await world.pass(3_500);
    await done;
  });
  assert.deepEqual(heard.map(({ type }) => type), ["authenticate", "authenticate", "respond", "authenticate", "respond"]);
});

test("a gateway that cannot prove itself the second time is left", async () => {
  const mine = "rOprNGfwEbeRWgbNEkqO";
  const auth = stepUp(bearer(() => "token"), scram("alice", "pencil", { nonce: () => mine }));
  const challenge = says({ type: "challenge", message: `r=${mine}theirs,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096`, expires_in: 5 });
  const { lines } = await against(auth, [[accepted(), required], challenge, accepted("v=AAAA")]);
  assert.deepEqual(lines.slice(-3), ["auth stopped challenge_failed", "error challenge_failed", "close 1006"]);
});

for (const [name, said] of [
  ["a challenge that nobody asked for", nonce()],
  ["two challenges", [required, nonce(), nonce()]],
]) {
  test(`${name} on an open connection is nonsense`, async () => {
    const { lines } = await against(stepUp(bearer(() => "token"), publicKey(keys)), [[accepted(), said].flat(), nonce()]);
    assert.deepEqual(lines.slice(-3), ["auth stopped protocol", "error protocol", "close 1006"]);
  });
}

test("a gateway that never answers the second proof is left, and another connection follows", async () => {
  const auth = stepUp(bearer(() => "token"), publicKey(keys));
  await against(auth, [[accepted(), required], nonce()], async ({ socket, world, heard }) => {
    await hears(heard, 3);
    const lost = once(socket, "reconnecting");
    await world.pass(10_000);
    assert.equal((await lost).detail.cause, "auth_timeout");
  });
});

test("a session is kept over a step-up, and no session is a second proof", async () => {
  const handed = says({ type: "accepted", subject: "alice", mechanism: "bearer", expires_in: 600, session: "vss_1" });
  const auth = session(stepUp(bearer(() => "token"), publicKey(keys)));
  const { heard } = await against(auth, [[handed, required], nonce(), [accepted(), (peer) => peer.terminate()], accepted()], async ({ socket, world }) => {
    await once(socket, "reconnecting");
    await world.pass(250);
    await once(socket, "open");
  });
  assert.deepEqual(heard.map(({ type, mechanism = "", token = "" }) => `${type} ${mechanism} ${token}`.trim()), [
    "authenticate bearer token",
    "authenticate public-key",
    "respond",
    "authenticate session vss_1",
  ]);
});

test("what cannot be stepped up, or be a second proof, is refused when it is given", () => {
  const second = publicKey(keys);
  for (const [primary, other] of [
    [perMessage(() => "token"), second],
    [bearer(() => "token"), cookie()],
    [bearer(() => "token"), ticket("https://a.example/auth/ticket")],
    [bearer(() => "token"), bearer(() => "token", { carrier: subprotocol })],
  ]) {
    assert.throws(() => setUp({ auth: stepUp(primary, other) }), TypeError);
  }
});
