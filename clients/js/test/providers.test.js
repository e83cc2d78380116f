// What each provider asks for, sends, and keeps to itself.

import assert from "node:assert/strict";
import { test } from "node:test";
import { apiKey, bearer, cookie, perMessage, session, subprotocol, ticket, VestibuleError, VestibuleSocket } from "../dist/index.js";
import { settled } from "./fakes.js";
import { AUTHENTICATE, open, REFRESH, setUp } from "./set-up.js";

const says = (type, mechanism, token) => JSON.stringify({ auth: { type, mechanism, token } });
const STOPPED = ["auth stopped credential_refused", "error credential_refused", "close 1006"];

// Tickets.

/** An endpoint that gives `ticket-1`, `ticket-2` …, unless the answers say otherwise; `asked` is what it was asked. */
function office(answers = []) {
  const asked = [];
  const fetch = async (url, options) => {
    asked.push({ url: url.href, ...options });
    const answer = answers.shift();
    return answer ?? Response.json({ ticket: `ticket-${asked.length}`, expires_in: 20 });
  };
  return { fetch, asked };
}

const OFFICE = "https://example.com/auth/ticket";

test("each connection has a ticket of its own, in the query", async () => {
  const { fetch, asked } = office();
  const { socket, made, world } = setUp({ auth: ticket(OFFICE, { fetch }) }, ["chat.v1"]);
  await settled();
  assert.deepEqual([made[0].url, made[0].protocols], ["wss://example.com/chat?ticket=ticket-1", ["chat.v1"]]);
  made[0].open("chat.v1");
  await world.pass(50);
  assert.equal(socket.readyState, socket.OPEN);
  assert.deepEqual(made[0].sent, []);
  made[0].end();
  await world.pass(250);
  assert.equal(made[1].url, "wss://example.com/chat?ticket=ticket-2");
  assert.equal(socket.url, "wss://example.com/chat");
  const [{ url, method, headers, body, credentials, redirect, cache }] = asked;
  assert.deepEqual(
    { url, method, headers, body, credentials, redirect, cache },
    {
      url: OFFICE,
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: '{"path":"/chat"}',
      credentials: "include",
      redirect: "error",
      cache: "no-store",
    },
  );
});

test("the application's own query stays as it is", async () => {
  const { query } = await import("../build/carriers.js");
  const carried = (address) => query("t/=", address, ["a"])[0];
  assert.equal(carried("wss://example.com/a"), "wss://example.com/a?ticket=t%2F%3D");
  assert.equal(carried("wss://example.com/a?b=c%20d+e"), "wss://example.com/a?b=c%20d+e&ticket=t%2F%3D");
});

test("a ticket can go in band, and is replaced in band", async () => {
  const { fetch, asked } = office();
  const provider = async ({ reason }) => `token-${reason}`;
  const { made, world } = setUp({ auth: ticket(OFFICE, { fetch, bearer: provider, carrier: "message" }) });
  await settled();
  made[0].open();
  made[0].accept();
  await world.pass(495_000);
  assert.equal(made[0].url, "wss://example.com/chat");
  assert.deepEqual(made[0].sent, [says("authenticate", "ticket", "ticket-1"), says("refresh", "ticket", "ticket-2")]);
  assert.deepEqual(asked.map(({ headers }) => headers.Authorization), ["Bearer token-connect", "Bearer token-refresh"]);
  assert.deepEqual(asked.map(({ credentials }) => credentials), ["omit", "omit"]);
});

test("a token that the office refuses is replaced, once", async () => {
  const refused = () => new Response("", { status: 401 });
  for (const [answers, end] of [
    [[refused()], undefined],
    [[refused(), refused()], STOPPED],
    [[new Response("", { status: 403 })], STOPPED],
  ]) {
    const { fetch, asked } = office(answers);
    const reasons = [];
    const { made, lines } = setUp({ auth: ticket(OFFICE, { fetch, bearer: ({ reason }) => `t${reasons.push(reason)}` }) });
    await settled();
    if (end) {
      assert.deepEqual(lines.slice(-3), end);
      assert.equal(made.length, 0);
    } else {
      assert.deepEqual(reasons, ["connect", "refused"]);
      assert.equal(made[0].url, "wss://example.com/chat?ticket=ticket-2");
    }
    assert.ok(asked.length <= 2);
  }
});

test("a token that was got because the last one was refused is not replaced again", async () => {
  const refused = new Response("", { status: 401 });
  const { fetch, asked } = office([undefined, refused]);
  const reasons = [];
  const { made, world, lines } = setUp({ auth: ticket(OFFICE, { fetch, bearer: ({ reason }) => `t${reasons.push(reason)}` }) });
  await settled();
  made[0].open();
  made[0].end(4401, "invalid_token");
  await world.pass(0);
  assert.deepEqual(reasons, ["connect", "refused"]);
  assert.equal(asked.length, 2);
  assert.deepEqual(lines.slice(-3), STOPPED);
});

test("who has no session at the office is told to sign in", async () => {
  const { fetch, asked } = office([new Response("", { status: 401 })]);
  const { lines } = setUp({ auth: ticket(OFFICE, { fetch }) });
  await settled();
  assert.deepEqual(lines.slice(-3), STOPPED);
  assert.equal(asked.length, 1);
});

test("what is no ticket is not sent", async () => {
  const answers = [
    () => new Response("<html>"),
    () => new Response("null"),
    () => Response.json({}),
    () => Response.json({ ticket: 7 }),
    () => Response.json({ ticket: "a b" }),
    () => Response.json({ ticket: "a".repeat(12_289) }),
    () => new Response("", { status: 500 }),
    () => new Response("", { status: 429 }),
  ];
  for (const answer of answers) {
    const { made, lines } = setUp({ auth: ticket(OFFICE, office([answer()])) });
    await settled();
    assert.equal(made.length, 0);
    assert.equal(lines.at(-1), "reconnecting credential_unavailable 250");
  }
});

test("an office that never answers is given up, and told so", async () => {
  let signal;
  const fetch = (_, options) => new Promise(() => ({ signal } = options));
  const { world, lines } = setUp({ auth: ticket(OFFICE, { fetch }), reconnect: false });
  await world.pass(10_000);
  assert.equal(signal.aborted, true);
  assert.deepEqual(lines.slice(-3), ["auth stopped ended", "error credential_unavailable", "close 1006"]);
});

test("a ticket is asked for over TLS", () => {
  assert.throws(() => ticket("http://example.com/auth/ticket"), { name: "SecurityError" });
  assert.throws(() => ticket("ftp://example.com/auth/ticket"), { name: "SyntaxError" });
  assert.throws(() => ticket("/auth/ticket"), TypeError);
  ticket("http://127.0.0.1:8080/auth/ticket");
  ticket("http://example.com/auth/ticket", { dangerouslyAllowInsecure: true });
});

test("a ticket in the query is a secret like any other", () => {
  const Bound = VestibuleSocket.with({ auth: ticket(OFFICE, office()) });
  assert.throws(() => new Bound("ws://example.com/chat"), { name: "SecurityError" });
});

// API keys.

test("an API key goes in the first message", async () => {
  const { made, world } = setUp({ auth: apiKey("key-1") });
  await settled();
  made[0].open();
  made[0].accept();
  await world.pass(495_000);
  assert.deepEqual(made[0].sent, [says("authenticate", "api-key", "key-1"), says("refresh", "api-key", "key-1")]);
});

test("an API key that is refused is not sent again", async () => {
  const { made, lines } = setUp({ auth: apiKey("key-1") });
  await settled();
  made[0].open();
  made[0].auth({ type: "rejected", error: "invalid_token", retry: true });
  await settled();
  assert.deepEqual(made[0].sent, [says("authenticate", "api-key", "key-1")]);
  assert.deepEqual(lines.slice(-3), STOPPED);
});

test("an API key can be asked for", async () => {
  const { made } = setUp({ auth: apiKey(async ({ reason }) => `key-${reason}`) });
  await settled();
  made[0].open();
  assert.deepEqual(made[0].sent, [says("authenticate", "api-key", "key-connect")]);
});

// Sessions.

/** A client that has been handed a session. */
async function resumed(handed = "session-1") {
  const reasons = [];
  const all = setUp({ auth: session(bearer(({ reason }) => `token-${reasons.push(reason)}`)) });
  await settled();
  all.made[0].open();
  all.made[0].auth({ type: "accepted", subject: "alice", mechanism: "bearer", expires_in: 600, session: handed, connection: "17" });
  return { ...all, reasons };
}

test("a session brings back a connection without a token", async () => {
  const { socket, made, world, reasons } = await resumed();
  made[0].end();
  socket.send("hello");
  await world.pass(250);
  made[1].open();
  assert.deepEqual(made[1].sent, [says("authenticate", "session", "session-1")]);
  // It is not handed out again: it goes on.
  made[1].auth({ type: "accepted", subject: "alice", mechanism: "session", expires_in: 600 });
  assert.deepEqual(made[1].sent.slice(1), ["hello"]);
  made[1].end();
  await world.pass(500);
  made[2].open();
  assert.deepEqual(made[2].sent, [says("authenticate", "session", "session-1")]);
  // Another one takes its place.
  made[2].auth({ type: "accepted", subject: "alice", mechanism: "session", expires_in: 600, session: "session-2" });
  made[2].end();
  await world.pass(1_000);
  made[3].open();
  assert.deepEqual(made[3].sent, [says("authenticate", "session", "session-2")]);
  assert.deepEqual(reasons, ["connect"]);
});

test("a session that is refused gives way to a token, on the same connection", async () => {
  const { made, world, reasons, lines } = await resumed();
  made[0].end();
  await world.pass(250);
  made[1].open();
  made[1].auth({ type: "rejected", error: "invalid_token", retry: true });
  await settled();
  assert.deepEqual(made[1].sent.slice(1), [AUTHENTICATE("token-2")]);
  assert.deepEqual(reasons, ["connect", "refused"]);
  made[1].accept();
  assert.equal(lines.at(-1), "open");
  // It is forgotten.
  made[1].end();
  await world.pass(500);
  made[2].open();
  assert.deepEqual(made[2].sent, [AUTHENTICATE("token-3")]);
  assert.deepEqual(reasons, ["connect", "refused", "reconnect"]);
});

test("a session that a Close refuses gives way to a token", async () => {
  const { made, world, reasons } = await resumed();
  made[0].end();
  await world.pass(250);
  made[1].open();
  made[1].end(4401, "token_expired");
  await world.pass(0);
  made[2].open();
  assert.deepEqual(made[2].sent, [AUTHENTICATE("token-2")]);
  assert.deepEqual(reasons, ["connect", "refused"]);
});

test("a session that was revoked stops", async () => {
  const { made, world, lines } = await resumed();
  made[0].end();
  await world.pass(250);
  made[1].open();
  made[1].auth({ type: "rejected", error: "token_revoked", retry: false });
  made[1].end(4410, "token_revoked");
  assert.deepEqual(lines.slice(-3), ["auth stopped revoked", "error revoked", "close 4410 token_revoked"]);
});

test("a session is no use for a refresh, nor for whoever signs in next", async () => {
  const { socket, made, world, reasons } = await resumed();
  await world.pass(495_000);
  assert.deepEqual(made[0].sent.slice(1), [REFRESH("token-2")]);
  socket.close();
  made[0].end(1000);
  socket.reconnect();
  await settled();
  made[1].open();
  assert.deepEqual(made[1].sent, [AUTHENTICATE("token-3")]);
  made[1].accept();
  made[1].end();
  await world.pass(250);
  made[2].open();
  assert.deepEqual(made[2].sent, [AUTHENTICATE("token-4")]);
  assert.deepEqual(reasons, ["connect", "refresh", "connect", "reconnect"]);
});

test("what is no session is not presented", async () => {
  for (const handed of [7, null, "", "a b", {}, "a".repeat(12_289)]) {
    const { made, world } = await resumed(handed);
    made[0].end();
    await world.pass(250);
    made[1].open();
    assert.deepEqual(made[1].sent, [AUTHENTICATE("token-2")]);
  }
});

test("what is no session takes the place of one that was", async () => {
  const { made, world } = await resumed();
  made[0].auth({ type: "accepted", subject: "alice", mechanism: "bearer", expires_in: 600, session: 7 });
  made[0].end();
  await world.pass(250);
  made[1].open();
  assert.deepEqual(made[1].sent, [AUTHENTICATE("token-2")]);
});

test("sockets that share a provider do not share a session", async () => {
  const auth = session(bearer(({ reason }) => reason));
  const [first, second] = [setUp({ auth }), setUp({ auth })];
  await settled();
  for (const { made } of [first, second]) {
    made[0].open();
  }
  first.made[0].auth({ type: "accepted", subject: "alice", mechanism: "bearer", expires_in: 600, session: "session-1" });
  second.made[0].accept();
  second.made[0].end();
  await second.world.pass(250);
  second.made[1].open();
  assert.deepEqual(second.made[1].sent, [AUTHENTICATE("reconnect")]);
});

test("a session needs a first message to be presented in", () => {
  assert.throws(() => setUp({ auth: session(cookie()) }), TypeError);
  assert.throws(() => setUp({ auth: session(bearer(() => "token", { carrier: subprotocol })) }), TypeError);
});

// A token in each message.

/** A client with a token in each message, open. */
async function sealed(provider) {
  const reasons = [];
  const all = setUp({ auth: perMessage((request) => provider?.(request) || `token-${reasons.push(request.reason)}`) });
  all.socket.send('{"early":true}');
  await settled();
  all.made[0].open();
  await all.world.pass(50);
  return { ...all, reasons };
}

const REJECTED = { type: "rejected", error: "token_expired", retry: true };

test("each message carries the token, and is otherwise as it was", async () => {
  const { socket, made, lines } = await sealed();
  socket.send(' { "a" : 1.0 } ');
  socket.send('{"auth":{"type":"logout"}}');
  socket.send("7");
  assert.deepEqual(made[0].sent, [
    '{"auth":{"token":"token-1"},"data":{"early":true}}',
    '{"auth":{"token":"token-1"},"data": { "a" : 1.0 } }',
    '{"auth":{"token":"token-1"},"data":{"auth":{"type":"logout"}}}',
    '{"auth":{"token":"token-1"},"data":7}',
  ]);
  made[0].say("hello");
  assert.deepEqual(lines, ["auth waiting connect", "auth authenticated", "open", "message hello"]);
});

test("what is not JSON is not sent, whether there is a connection or not", async () => {
  const { socket, made } = await sealed();
  const refused = ["", "hello", '{"a":1} {"b":2}', "1,2", new Uint8Array([55]), new Uint8Array([55]).buffer, new Blob(["7"])];
  for (const moment of ["open", "waiting"]) {
    if (moment === "waiting") {
      made[0].end();
    }
    for (const data of refused) {
      assert.throws(() => socket.send(data), (error) => error instanceof VestibuleError && error.code === "not_json");
    }
  }
  assert.equal(made[0].sent.length, 1);
  assert.equal(socket.bufferedAmount, 0);
});

test("a message that is refused has the next ones wait for another token", async () => {
  let give;
  const { socket, made, lines } = await sealed(({ reason }) => reason === "refresh" && new Promise((resolve) => (give = resolve)));
  socket.send("1");
  socket.send("2");
  made[0].auth(REJECTED);
  socket.send("3");
  made[0].auth(REJECTED);
  await settled();
  socket.send("4");
  assert.equal(made[0].sent.length, 3);
  give("token-2");
  await settled();
  socket.send("5");
  const [, one, two, ...rest] = made[0].sent.map((text) => JSON.parse(text)).map(({ auth, data }) => `${auth.token} ${data}`);
  assert.deepEqual([one, two, rest], ["token-1 1", "token-1 2", ["token-2 3", "token-2 4", "token-2 5"]]);
  assert.deepEqual(lines.slice(3), ["auth rejected", "auth refreshing", "auth rejected"]);
  assert.equal(made.length, 1);
});

test("a provider that has nothing but the refused token stops", async () => {
  const { made, lines } = await sealed(() => "stale");
  made[0].auth(REJECTED);
  await settled();
  assert.deepEqual(lines.slice(-3), STOPPED);
  assert.equal(made.length, 1);
});

test("a broken connection is replaced, and what waited is sealed with the new token", async () => {
  const { socket, made, world } = await sealed();
  made[0].end();
  socket.send('"late"');
  await world.pass(250);
  made[1].open();
  await world.pass(50);
  assert.deepEqual(made[1].sent, ['{"auth":{"token":"token-2"},"data":"late"}']);
});

// All of them.

test("a provider that says that there is no credential stops, and is not asked again", async () => {
  const sign = () => {
    throw new VestibuleError("credential_refused");
  };
  for (const auth of [bearer(sign), bearer(sign, { carrier: subprotocol }), apiKey(sign), session(bearer(sign)), perMessage(sign), cookie(sign)]) {
    const { made, lines, world } = setUp({ auth });
    await world.pass(100_000);
    assert.deepEqual(lines.slice(-3), STOPPED);
    assert.equal(made.length, 0);
  }
});

test("a provider that merely says something like it is asked again", async () => {
  const thrown = { code: "credential_refused", name: "VestibuleError" };
  const { lines } = setUp({ auth: bearer(() => Promise.reject(thrown)) });
  await settled();
  assert.equal(lines.at(-1), "reconnecting credential_unavailable 250");
});

test("one socket asks one provider once at a time, two sockets ask it twice", async () => {
  let asked = 0;
  const auth = bearer(() => `token-${(asked += 1)}`);
  const [first, second] = [await open({ auth }), await open({ auth })];
  assert.equal(asked, 2);
  first.socket.refresh();
  first.socket.refresh();
  await settled();
  assert.equal(asked, 3);
  assert.equal(second.made[0].sent.length, 1);
});
