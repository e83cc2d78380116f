import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { exchange } from "../build/exchange.js";
import { machine } from "../build/machine.js";

const made = ({ respond, ...settings }) => machine(settings, respond === "on" ? exchange : undefined);
const vectors = JSON.parse(readFileSync(new URL("../../../vectors/client-machine.json", import.meta.url), "utf8"));

test("the machine does what the vectors say", async (t) => {
  assert.equal(vectors.version, 1);
  for (const { name, settings, steps } of vectors.cases) {
    await t.test(name, () => {
      const { handle, state, deadline } = made({ ...vectors.defaults, ...settings });
      for (const { at, jitter = vectors.jitter, input, effects, state: expected, deadline: until } of steps) {
        const seen = { effects: handle(input, at, jitter), state: state(), deadline: deadline() };
        assert.deepEqual(seen, { effects, state: expected, deadline: until ?? Infinity }, `at ${at}: ${JSON.stringify(input)}`);
      }
    });
  }
});

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

const control = (auth) => ({ type: "text", text: JSON.stringify({ auth }) });
const INPUTS = [
  { type: "start" },
  { type: "credential" },
  { type: "credential" },
  { type: "no_credential", failure: "failed" },
  { type: "no_credential", failure: "repeated" },
  { type: "no_credential", failure: "denied" },
  { type: "socket_open" },
  { type: "socket_open" },
  { type: "text", text: "hello" },
  { type: "binary" },
  { type: "fault" },
  ...[1000, 1001, 1006, 4400, 4401, 4410, 4429].map((code) => ({ type: "socket_closed", code, reason: "", clean: true })),
  { type: "close", code: 1000, reason: "" },
  { type: "abort" },
  { type: "logout" },
  { type: "refresh" },
  { type: "online" },
  { type: "tick" },
  control({ type: "required" }),
  control({ type: "accepted", subject: "alice", expires_in: 5 }),
  control({ type: "accepted", subject: "alice", expires_in: 5 }),
  control({ type: "expiring", expires_in: 5 }),
  control({ type: "rejected", error: "invalid_token", retry: true }),
  control({ type: "rejected", error: "insufficient_scope", retry: false }),
  control({ type: "challenge", nonce: "abc", expires_in: 5 }),
  control({ type: "challenge", message: "abc", expires_in: 5 }),
  control({ type: "challenge", options: {}, expires_in: 60 }),
  control({ type: "challenge", options: {}, expires_in: 2 ** 53 - 1 }),
  { type: "response" },
  { type: "response", proof: "v=abc" },
  { type: "no_response" },
  control({ type: "accepted", subject: "alice", expires_in: 5, message: "v=abc" }),
  { type: "text", text: '{"auth":' },
];

/** What must hold, whatever happens in whatever order. */
function holds(seed) {
  const random = chance(seed);
  const pick = (list) => list[Math.floor(random() * list.length)];
  const settings = { ...vectors.defaults, carrier: pick(["message", "subprotocol", "query", "cookie", "per-message"]), reconnect: pick(["on", "off"]), respond: pick(["on", "off"]), renew: pick([undefined, "on", "off"]) };
  const { handle, state, deadline } = made(settings);
  let [now, socket, shown] = [0, "none", "stopped"];
  for (let step = 0; step < 300; step += 1) {
    const waits = deadline() - now;
    now = pick([now, now + 1, now + 100, Number.isFinite(waits) ? now + Math.max(waits, 0) : now]);
    const input = pick(INPUTS);
    // A driver reports only what a socket that it holds can do.
    const said = ["text", "binary", "socket_open", "socket_closed", "fault"].includes(input.type);
    if (said && socket !== (input.type === "socket_open" || input.type === "fault" ? "connecting" : "open")) {
      continue;
    }
    if (input.type === "socket_open") {
      socket = "open";
    } else if (input.type === "socket_closed") {
      socket = "none";
    }
    const effects = handle(input, now, random());
    for (const effect of effects) {
      switch (effect.type) {
        case "connect":
          assert.equal(socket, "none", "never two sockets");
          socket = "connecting";
          break;
        case "present":
        case "challenge":
        case "respond":
        case "logout":
        case "close":
        case "open":
          assert.equal(socket, "open", `${effect.type} needs a socket`);
          break;
        case "drop":
          socket = "none";
          break;
        case "closed":
          assert.notEqual(shown, "closed", "close is said once");
          break;
      }
      shown = effect.type === "closed" ? "closed" : effect.type === "ask" ? "running" : shown;
      assert.ok(!(effect.type === "ask" && effect.reason === "refresh" && settings.carrier === "cookie"));
    }
    if (state() === "stopped" || state() === "asking" || state() === "waiting") {
      // The close of a socket that has just been reported is over with it.
      assert.equal(socket, "none", `no socket is left behind in ${state()}`);
    }
    assert.ok(deadline() < Infinity || state() === "stopped" || state() === "open", `${state()} ends by itself`);
    assert.ok(deadline() >= now || state() === "settling", "no deadline is in the past");
    assert.ok(deadline() - now <= 600_000 || deadline() === Infinity, "nothing is waited for without a bound");
  }
}

test("no order of events leaves two sockets, or one without an owner, or a wait without an end", () => {
  for (let seed = 1; seed <= 2000; seed += 1) {
    try {
      holds(seed);
    } catch (error) {
      error.message = `seed ${seed}: ${error.message}`;
      throw error;
    }
  }
});
