// Servers that say anything at all. Whatever it is, the client ends in a state that it names, in bounded time, and throws nothing.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { apiKey, bearer, cookie, passkey, perMessage, scram, session, stepUp, subprotocol, VestibuleError } from "../dist/index.js";
import { settled } from "./fakes.js";
import { setUp } from "./set-up.js";

const WAYS = [
  () => bearer(() => `token-${Math.random()}`),
  () => bearer(() => "token"),
  () => bearer(() => "token", { carrier: subprotocol }),
  () => session(bearer(({ attempt }) => `token-${attempt}`)),
  () => apiKey("key"),
  () => cookie(),
  () => perMessage(({ attempt }) => `token-${attempt}`),
  () => scram("alice", "password"),
  () => session(passkey({ credentials: { get: async () => ({ toJSON: () => ({}) }) } })),
  () => stepUp(bearer(() => "token"), passkey({ credentials: { get: async () => ({ toJSON: () => ({}) }) } })),
  () => stepUp(cookie(), scram("alice", "password")),
];

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

const TYPES = ["required", "accepted", "expiring", "rejected", "challenge", "garbage", "unknown", "constructor", "__proto__", "", 7, null, {}];
const VALUES = ["", "alice", "invalid_token", "token_expired", 0, 1, 600, -1, 0.5, 1e300, 2 ** 53, true, false, null, [], {}, "a".repeat(17_000)];
const MEMBERS = ["nonce", "message", "options", "subject", "mechanism", "expires_in", "error", "retry", "session", "connection", "timeout", "toString", "__proto__"];

/** One message of such a server. */
function utterance(pick, random) {
  const auth = { type: pick(TYPES) };
  if (random() < 0.4) {
    // Nearly right.
    Object.assign(auth, { subject: "alice", expires_in: pick([0, 5, 600]), error: pick(["invalid_token", "x"]), retry: random() < 0.5 });
  }
  for (let count = Math.floor(random() * 4); count > 0; count -= 1) {
    auth[pick(MEMBERS)] = pick(VALUES);
  }
  const text = JSON.stringify(random() < 0.9 ? { auth } : pick([{ auth: [auth] }, { auth: null }, { auth: 7 }, { auth: { auth } }]));
  return random() < 0.85 ? text : text.slice(0, Math.floor(random() * text.length));
}

async function conversation(seed) {
  const random = chance(seed);
  const pick = (list) => list[Math.floor(random() * list.length)];
  const { socket, made, world } = setUp({ auth: pick(WAYS)(), reconnect: { attempts: 5 } }, pick([[], ["chat.v1"]]));
  const errors = [];
  let asked = 0;
  socket.addEventListener("error", ({ error }) => errors.push(error));
  socket.addEventListener("auth", ({ detail }) => (asked += detail.state === "refreshing" || detail.state === "waiting" ? 1 : 0));
  for (let step = 0; step < 60 && socket.readyState !== socket.CLOSED; step += 1) {
    await settled();
    const server = made.at(-1);
    if (server?.readyState === 0) {
      server.open(pick([...server.protocols, "", "other"]) ?? "");
    } else if (server?.readyState === 1 && random() < 0.9) {
      server.say(random() < 0.9 ? utterance(pick, random) : pick([new ArrayBuffer(3), "hello", undefined, null]));
    } else if (server?.readyState < 3) {
      server.end(pick([1000, 1001, 1006, 1013, 4400, 4401, 4403, 4429, 4999, 0, 65_535]), pick(["", "invalid_token", "x; retry-after=999999999", "\0"]));
    } else {
      await world.pass(pick([10, 1_000, 60_000]));
    }
  }
  // It says nothing any more: what is left ends by itself.
  for (let turn = 0; turn < 40 && ![socket.OPEN, socket.CLOSED].includes(socket.readyState); turn += 1) {
    await world.pass(86_430_000);
  }
  assert.ok([socket.OPEN, socket.CLOSED].includes(socket.readyState), "open or closed in the end");
  assert.ok(errors.every((error) => error instanceof VestibuleError && /^[a-z_]*$/.test(error.error)));
  assert.ok(errors.length <= 1);
  assert.ok(asked < 200, `${asked} questions`);
  socket.close();
  made.at(-1)?.end(1000);
  await settled();
  assert.equal(socket.readyState, socket.CLOSED);
  assert.deepEqual([world.timers, world.watching], [0, 0]);
}

const unhandled = [];
const note = (reason) => unhandled.push(reason);
before(() => process.on("unhandledRejection", note));
after(() => process.off("unhandledRejection", note));

test("no conversation leaves the client in a state that it does not name", async () => {
  for (let seed = 1; seed <= 1_500; seed += 1) {
    try {
      await conversation(seed);
    } catch (error) {
      error.message = `seed ${seed}: ${error.message}`;
      throw error;
    }
  }
  assert.deepEqual(unhandled, []);
});
