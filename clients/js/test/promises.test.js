// What the README promises, each attacked once more as an application would see it fail.

import assert from "node:assert/strict";
import { test } from "node:test";
import { inspect } from "node:util";
import WebSocket from "ws";
import {
  apiKey,
  bearer,
  cookie,
  perMessage,
  session,
  subprotocol,
  ticket,
  VestibuleError,
  VestibuleSocket,
} from "../dist/index.js";
import { FakeEnvironment, fakeImplementation, once, record, settled } from "./fakes.js";
import { accepted, controlOf, webSocketServer } from "./servers.js";
import { ADDRESS, AUTHENTICATE, open, REFRESH, setUp } from "./set-up.js";

// The provider.

test("the provider is told why it is asked, each time", async () => {
  const { socket, made, world, asked } = await open();
  let latest = 0;
  const admit = async (wait) => {
    await world.pass(wait);
    latest += 1;
    made[latest].open();
    made[latest].accept();
  };
  await world.pass(495_000);
  made[0].accept();
  made[0].end(1006);
  await admit(250);
  made[1].end(4401, "token_expired");
  await admit(0);
  made[2].end(1001, "draining");
  await admit(500);
  socket.reconnect();
  await admit(0);
  const seen = asked.map(({ reason, attempt }) => `${reason} ${attempt}`);
  assert.deepEqual(seen, ["connect 1", "refresh 1", "reconnect 1", "refused 2", "reconnect 3", "connect 1"]);
});

test("however often it is called for, there is one question at a time", async () => {
  let [asked, asking, most] = [0, 0, 0];
  const auth = bearer(async () => {
    asked += 1;
    asking += 1;
    most = Math.max(most, asking);
    await settled();
    asking -= 1;
    return `token-${Math.random()}`;
  });
  const { socket, made, world } = setUp({ auth });
  for (let round = 0; round < 50; round += 1) {
    await settled();
    await settled();
    made.at(-1)?.open();
    made.at(-1)?.accept(5);
    for (const wake of ["tick", "online", "tick"]) {
      world.awake?.(wake);
      socket.refresh();
    }
    // Long enough for a refresh to be due, too short for a question to be given up.
    world.sleep(5_000);
    world.awake?.("tick");
    if (round % 3 === 0) {
      made.at(-1)?.end();
      world.awake?.("online");
    }
  }
  assert.equal(most, 1);
  assert.ok(asked > 30, `${asked}`);
});

test("an answer that comes when nobody waits for it any more is not presented", async () => {
  const answers = [];
  const { made, world } = setUp({ auth: bearer(() => new Promise((resolve) => answers.push(resolve))) });
  await world.pass(10_250);
  answers[1]("second");
  await settled();
  answers[0]("first");
  await settled();
  made[0].open();
  assert.deepEqual(made[0].sent, [AUTHENTICATE("second")]);
});

// Waking up.

/** A client in a page whose events are real; `dispatch` sends one. */
async function inPage(run) {
  const [page, document] = [new EventTarget(), new EventTarget()];
  const before = { document: globalThis.document, addEventListener: globalThis.addEventListener };
  Object.assign(globalThis, { document, addEventListener: page.addEventListener.bind(page) });
  const world = new FakeEnvironment();
  const { watch, ...environment } = world.environment;
  const { FakeSocket, made } = fakeImplementation();
  let asked = 0;
  const socket = new VestibuleSocket(ADDRESS, [], {
    auth: bearer(() => `token-${(asked += 1)}`),
    webSocket: FakeSocket,
    environment,
  });
  const dispatch = (type) => (type === "visibilitychange" ? document : page).dispatchEvent(new Event(type));
  try {
    await settled();
    made[0].open();
    made[0].accept();
    await run({ world, made, dispatch, socket });
  } finally {
    socket.close();
    Object.assign(globalThis, before);
  }
}

for (const type of ["visibilitychange", "pageshow", "online"]) {
  test(`a page that slept over its refresh makes up for it on ${type}`, () =>
    inPage(async ({ world, made, dispatch }) => {
      dispatch(type);
      await settled();
      assert.equal(made[0].sent.length, 1, "there was nothing to do");
      world.sleep(595_000);
      dispatch(type);
      await settled();
      assert.deepEqual(made[0].sent.slice(1), [REFRESH("token-2")]);
      dispatch(type);
      await settled();
      assert.equal(made[0].sent.length, 2, "once");
    }));

  test(`a page that slept over a wait connects on ${type}`, () =>
    inPage(async ({ world, made, dispatch }) => {
      made[0].end();
      world.sleep(251);
      dispatch(type);
      await settled();
      assert.equal(made.length, 2);
    }));
}

test("a network that is back ends a wait, but not one that the gateway asked for", () =>
  inPage(async ({ world, made, dispatch }) => {
    made[0].end(1013, "temporarily_unavailable; retry-after=60");
    dispatch("online");
    await settled();
    assert.equal(made.length, 1);
    world.sleep(60_000);
    dispatch("online");
    await settled();
    assert.equal(made.length, 2);
    made[1].end();
    dispatch("online");
    await settled();
    assert.equal(made.length, 3);
  }));

// Coming back.

test("every wait is somewhere between nothing and a ceiling that doubles", async () => {
  for (const jitter of [0, 0.25, 0.999]) {
    const { socket, made, world } = await open({ reconnect: { base: 100, max: 1_000 } });
    world.jitter = jitter;
    const waits = [];
    socket.addEventListener("reconnecting", ({ detail }) => waits.push(detail.delay));
    for (let failure = 0; failure < 6; failure += 1) {
      made.at(-1).end();
      await world.pass(1_000);
    }
    assert.deepEqual(waits, [100, 200, 400, 800, 1_000, 1_000].map((ceiling) => Math.floor(ceiling * jitter)));
  }
});

test("a gateway that asks for time gets it, and nobody comes back with the others", async () => {
  const delays = new Set();
  for (const jitter of [0, 0.3, 0.6, 0.9]) {
    const { socket, made, world } = await open();
    world.jitter = jitter;
    const told = once(socket, "reconnecting");
    made[0].end(4429, "too_many_connections; retry-after=20");
    const { delay } = (await told).detail;
    assert.ok(delay >= 20_000 && delay < 20_500, `${delay}`);
    delays.add(delay);
    await world.pass(delay - 1);
    assert.equal(made.length, 1);
    await world.pass(1);
    assert.equal(made.length, 2);
  }
  assert.equal(delays.size, 4);
});

const TERMINAL = [
  [1000, "", "completed", undefined],
  [1002, "protocol_error", "protocol", "protocol"],
  [4400, "invalid_request", "protocol", "protocol"],
  [4403, "insufficient_scope", "refused", "refused"],
  [4404, "route_not_found", "refused", "refused"],
  [4410, "token_revoked", "revoked", "revoked"],
];

for (const [code, said, reason, error] of TERMINAL) {
  test(`${code} stops, and says why`, async () => {
    const { socket, made, world } = await open();
    const told = { auth: [], error: [], close: [] };
    socket.onauth = ({ detail }) => told.auth.push(detail);
    socket.onerror = (event) => told.error.push(`${event.error.code} ${event.error.closeCode} ${event.error.error}`);
    socket.onclose = (event) => told.close.push(`${event.code} ${event.reason}`);
    made[0].end(code, said);
    await world.pass(1_000_000);
    world.awake?.("online");
    assert.equal(made.length, 1);
    assert.deepEqual(told, {
      auth: [{ state: "stopped", reason, unsent: 0 }],
      error: error ? [`${error} ${code} ${said}`] : [],
      close: [`${code} ${said}`],
    });
  });
}

// Messages.

/** A small generator of numbers (mulberry32): the same for the same seed. */
function chance(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const WAYS = [
  () => bearer(() => "token"),
  () => bearer(() => "token", { carrier: subprotocol }),
  () => session(bearer(() => "token")),
  () => cookie(),
  () => perMessage(() => "token"),
];

/** Sends numbers through a life of accidents. Gives what went over each connection. */
async function accidents(seed) {
  const random = chance(seed);
  const { socket, made, world } = setUp({ auth: WAYS[seed % WAYS.length](), reconnect: { base: 10, max: 20, stable: 0 } });
  let sent = 0;
  const happen = [
    () => socket.send(String(sent++)),
    () => socket.send(String(sent++)),
    () => made.at(-1)?.readyState === 0 && made.at(-1).open(made.at(-1).protocols[0] ?? ""),
    () => made.at(-1)?.readyState === 1 && made.at(-1).accept(600),
    () => made.at(-1)?.readyState < 3 && made.at(-1).end([1001, 1006, 1013, 4408][Math.floor(random() * 4)]),
    () => made.at(-1) && Object.assign(made.at(-1), { readyState: Math.max(made.at(-1).readyState, 2) }),
    () => world.pass(Math.floor(random() * 100)),
    () => world.awake?.("online"),
    () => socket.reconnect(),
  ];
  for (let step = 0; step < 120; step += 1) {
    await happen[Math.floor(random() * happen.length)]();
    await settled();
  }
  // In the end all is well.
  for (let turn = 0; socket.readyState !== 1 || socket.bufferedAmount > 0; turn += 1) {
    assert.ok(turn < 20, "it is open in the end");
    if (made.at(-1)?.readyState === 2) {
      made.at(-1).end();
    }
    await world.pass(100);
    await happen[2]();
    await happen[3]();
    await world.pass(100);
  }
  const numbers = made.map((each) => each.sent.map((text) => JSON.parse(text)).map((said) => said.data ?? said).filter(Number.isInteger));
  socket.close();
  return { sent, numbers };
}

test("every message goes over one connection, once, in order, whatever happens in between", async () => {
  for (let seed = 1; seed <= 300; seed += 1) {
    const { sent, numbers } = await accidents(seed);
    assert.deepEqual(numbers.flat(), Array.from({ length: sent }, (_, index) => index), `seed ${seed}`);
  }
});

test("what is queued while there is no connection arrives, once, in order, over real ones that break", async () => {
  const arrived = [];
  const server = await webSocketServer((peer) => {
    peer.on("message", (data) => {
      if (controlOf(data)) {
        peer.send(accepted());
      } else {
        arrived.push(data.toString());
        if (arrived.length % 3 === 0) {
          peer.terminate();
        }
      }
    });
  });
  const socket = new VestibuleSocket(server.url, [], {
    auth: bearer(() => "token"),
    webSocket: WebSocket,
    reconnect: { base: 1, max: 1 },
  });
  let sent = 0;
  const three = () => {
    for (let count = 0; count < 3; count += 1) {
      socket.send(`${(sent += 1)}`);
    }
  };
  three();
  for (let round = 1; round < 10; round += 1) {
    await once(socket, "reconnecting");
    three();
  }
  await once(socket, "reconnecting");
  socket.close();
  await server.close();
  assert.deepEqual(arrived, Array.from({ length: 30 }, (_, index) => `${index + 1}`));
});

test("a message that would not fit is not half queued", async () => {
  const { socket, made } = setUp({ queue: { maxBytes: 10 } });
  socket.send("12345");
  assert.throws(() => socket.send("123456"), { code: "queue_full" });
  socket.send("12345");
  assert.equal(socket.bufferedAmount, 10);
  await settled();
  made[0].open();
  made[0].accept();
  assert.deepEqual(made[0].sent.slice(1), ["12345", "12345"]);
  assert.equal(socket.bufferedAmount, 0);
});

// The end.

test("using ends it, whatever it is doing, and leaves nothing behind", async () => {
  for (const moment of ["asking", "connecting", "authenticating", "waiting", "stopped"]) {
    const { socket, made, world } = setUp();
    if (moment !== "asking") {
      await settled();
    }
    if (moment === "authenticating") {
      made[0].open();
    }
    if (moment === "waiting" || moment === "stopped") {
      made[0].end(moment === "waiting" ? 1006 : 4410);
    }
    socket[Symbol.dispose]();
    socket[Symbol.dispose]();
    assert.equal(socket.readyState, socket.CLOSED, moment);
    assert.deepEqual([world.timers, world.watching], [0, 0], moment);
  }
});

// Secrets.

const SECRET = "s3cr3t";

/** Everything that is written to the console meanwhile. */
async function consoleOf(run) {
  const written = [];
  const before = { ...console };
  for (const name of ["log", "info", "warn", "error", "debug", "trace"]) {
    console[name] = (...all) => written.push(inspect(all, { depth: 9 }));
  }
  try {
    await run();
  } finally {
    Object.assign(console, before);
  }
  return written.join("\n");
}

const office = async () => Response.json({ ticket: `${SECRET}-ticket`, expires_in: 20 });
const refusing = async (_, { headers }) => new Response(headers.Authorization, { status: 500, statusText: SECRET });
const OFFICE = `https://${SECRET}.example.com/auth/ticket`;
const give = () => `${SECRET}-token`;
const fail = () => Promise.reject(new VestibuleError("connect_failed", 4401, SECRET));

const SECRETIVE = {
  "a bearer token": () => bearer(give),
  "a bearer token in the handshake": () => bearer(give, { carrier: subprotocol }),
  "a session": () => session(bearer(give)),
  "an API key": () => apiKey(`${SECRET}-key`),
  "a ticket in the query": () => ticket(OFFICE, { fetch: office, bearer: give }),
  "a ticket in band": () => ticket(OFFICE, { fetch: office, bearer: give, carrier: "message" }),
  "a ticket that is not given": () => ticket(OFFICE, { fetch: refusing, bearer: give }),
  "a token in each message": () => perMessage(give),
  "a provider that fails": () => bearer(fail),
  "what is no token": () => bearer(() => `${SECRET} with a space`),
};

for (const [name, make] of Object.entries(SECRETIVE)) {
  test(`no event, error or log holds a secret: ${name}`, async () => {
    const seen = [];
    const note = (...all) => seen.push(inspect(all, { depth: 9, showHidden: true, getters: true }));
    const written = await consoleOf(async () => {
      const { socket, made, world } = setUp({ auth: make(), reconnect: { attempts: 4 } });
      for (const type of ["open", "auth", "error", "reconnecting", "close"]) {
        socket.addEventListener(type, (event) => note(event, event.detail, event.error, event.error?.stack));
      }
      const handed = { session: `${SECRET}-session`, connection: `${SECRET}-connection` };
      for (const end of [1006, 4401, 1013, 4403]) {
        await world.pass(1_000);
        made.at(-1)?.readyState === 0 && made.at(-1).open();
        made.at(-1)?.auth({ type: "accepted", subject: "alice", mechanism: "bearer", expires_in: 600, ...handed });
        await world.pass(50);
        try {
          socket.send(make === SECRETIVE["a token in each message"] ? SECRET : `{"auth":${SECRET}`);
        } catch (error) {
          note(error, error.stack);
        }
        made.at(-1)?.auth({ type: "rejected", error: SECRET, retry: true });
        note(socket);
        made.at(-1)?.readyState < 3 && made.at(-1).end(end, "invalid_token");
      }
      await world.pass(100_000);
      socket.close();
      note(socket);
      await settled();
    });
    assert.ok(seen.length > 6);
    assert.ok(!seen.join("\n").includes(SECRET), seen.find((text) => text.includes(SECRET)));
    assert.equal(written, "");
  });
}

test("the log of the last resort does not hold it either", async () => {
  // `ws` names what it was asked for in its errors, where a subprotocol is at fault.
  const socket = new VestibuleSocket("ws://127.0.0.1:1/", ["chat.v1"], {
    auth: bearer(() => SECRET, { carrier: subprotocol }),
    webSocket: WebSocket,
    reconnect: false,
  });
  const lines = record(socket);
  const [{ error }] = await Promise.all([once(socket, "error"), once(socket, "close")]);
  assert.ok(!inspect([error, error.stack, error.cause, lines], { depth: 9, showHidden: true }).includes(SECRET));
});
