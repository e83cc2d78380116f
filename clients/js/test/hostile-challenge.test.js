// Servers that ask back, and do it wrong. The sockets are real; the clock is not, so that a bound can be seen without waiting.

import assert from "node:assert/strict";
import { test } from "node:test";
import { inspect } from "node:util";
import WebSocket from "ws";
import { exchanging } from "../build/challenge.js";
import { VestibuleSocket as Built } from "../build/socket.js";
import { publicKey, scram, VestibuleSocket } from "../dist/index.js";
import { FakeEnvironment, once, record, settled } from "./fakes.js";
import { controlOf, says, webSocketServer } from "./servers.js";

const PASSWORD = "correct horse battery staple";
const NONCE = "uT3hV0Yx1mQ9rW7kLz5cN8bS2dF4gH6jP0aE1iO3uY5";
const SALT = "W22ZaJ0SNY7soEsUEjb6gQ==";
const keys = await globalThis.crypto.subtle.generateKey({ name: "Ed25519" }, false, ["sign", "verify"]);

const nonce = (value = NONCE, expires_in = 5) => says({ type: "challenge", nonce: value, expires_in });
const message = (value, expires_in = 5) => says({ type: "challenge", message: value, expires_in });
const accepted = (more = {}) => says({ type: "accepted", subject: "alice", mechanism: "public-key", expires_in: 600, ...more });
/** The first message of a SCRAM server to this client. */
const first = ({ message }, rest = `,s=${SALT},i=4096`) => `r=${message.split("r=")[1]}%theirs${rest}`;

const MECHANISMS = {
  key: () => publicKey(keys),
  password: () => scram("alice", PASSWORD),
};

/** Runs a client against a server that does what the script says to each message; `heard` is what the client said. */
async function against(auth, script, run, Socket = VestibuleSocket) {
  const heard = [];
  let more;
  /** Resolves when the client has said so many things. */
  const said = async (count) => {
    while (heard.length < count) {
      await new Promise((resolve) => {
        more = resolve;
      });
    }
    return heard[count - 1];
  };
  let peer;
  let end;
  const ended = new Promise((resolve) => {
    end = resolve;
  });
  const { url, close } = await webSocketServer((connected) => {
    peer = connected;
    peer.once("close", end);
    peer.on("message", (data) => {
      heard.push(controlOf(data));
      script(peer, heard.at(-1), heard.length);
      more?.();
    });
  });
  const world = new FakeEnvironment();
  const socket = new Socket(url, [], { auth, webSocket: WebSocket, environment: world.environment, reconnect: false });
  const errors = [];
  socket.addEventListener("error", ({ error }) => errors.push(error));
  const lines = record(socket);
  try {
    await run({ socket, world, lines, heard, said, over: once(socket, "close"), ended, peer: () => peer });
    assert.equal(socket.readyState, socket.CLOSED);
    assert.equal(world.timers, 0);
    assert.doesNotMatch(inspect(errors, { depth: 9, showHidden: true }), new RegExp(`${PASSWORD}|${NONCE}|theirs`));
  } finally {
    socket.close();
    await close();
  }
}

const FAILED = ["auth stopped challenge_failed", "error challenge_failed", "close 1006"];
const NONSENSE = ["auth stopped protocol", "error protocol", "close 1006"];
const SILENCE = ["auth stopped ended", "error auth_timeout", "close 1006"];

/** What comes instead of a challenge of the mechanism's own kind. Nothing of it is answered. */
const WRONG = [
  ["accepts without one", () => accepted(), FAILED],
  ["accepts without one, with a proof", () => accepted({ message: "v=AAAA" }), FAILED],
  ["gives no time", () => says({ type: "challenge", nonce: NONCE }), NONSENSE],
  ["gives a time that is none", () => says({ type: "challenge", nonce: NONCE, expires_in: "5" }), NONSENSE],
  ["gives a time before now", () => nonce(NONCE, -1), NONSENSE],
  ["asks for nothing", () => says({ type: "challenge", expires_in: 5 }), NONSENSE],
  ["asks for two things", () => says({ type: "challenge", nonce: NONCE, message: "r=", expires_in: 5 }), NONSENSE],
  ["asks without end", () => nonce("A".repeat(20_000)), NONSENSE],
  ["breaks off", () => nonce().slice(0, -3), NONSENSE],
  ["asks in a list", () => says([{ type: "challenge", nonce: NONCE, expires_in: 5 }]), NONSENSE],
  ["hides behind a prototype", () => `{"auth":{"type":"challenge","expires_in":5,"__proto__":{"nonce":"${NONCE}"}}}`, NONSENSE],
  ...[7, null, true, [], {}, [NONCE]].flatMap((value) => [
    [`has ${JSON.stringify(value)} as nonce`, () => nonce(value), NONSENSE],
    [`has ${JSON.stringify(value)} as message`, () => message(value), NONSENSE],
  ]),
];

const GARBAGE = {
  key: [
    ["asks for a message", () => message("r=abc,s=AAAA,i=4096")],
    ...[["nothing", ""], ["too little", NONCE.slice(1)], ["padding", `${NONCE}=`], ["another alphabet", NONCE.replace("u", "+")], ["an end of the line", `${NONCE}\n`], ["a NUL, and a host", `${NONCE}\0example.com`], ["half a character", `${NONCE.slice(1)}\ud800`]].map(
      ([name, value]) => [`has ${name} as nonce`, () => nonce(value)],
    ),
  ],
  password: [
    ["asks with a nonce", () => nonce()],
    ["asks for nothing in its message", () => message("")],
    ["asks for what is no SCRAM", () => message("\u0000\uffff")],
    ...[
      ["has no salt", ",i=4096"],
      ["has an empty salt", ",s=,i=4096"],
      ["has a salt that is no Base64", ",s=====,i=4096"],
      ["asks for too little work", `,s=${SALT},i=4095`],
      ["asks for no work", `,s=${SALT},i=0`],
      ["asks for work against time", `,s=${SALT},i=-4096`],
      ["asks for more work than there is time", `,s=${SALT},i=1000001`],
      ["asks for work that overflows", `,s=${SALT},i=4294971392`],
      ["asks for work without end", `,s=${SALT},i=${"9".repeat(400)}`],
      ["asks for work as a power", `,s=${SALT},i=1e5`],
      ["asks for what is not known", `,s=${SALT},i=4096,m=later`],
    ].map(([name, rest]) => [name, (heard) => message(first(heard, rest))]),
    ["repeats the client's nonce", (heard) => message(`r=${heard.message.split("r=")[1]},s=${SALT},i=4096`)],
    ["has a nonce of its own", () => message(`r=theirs,s=${SALT},i=4096`)],
    ["demands an extension", (heard) => message(`m=later,${first(heard)}`)],
  ],
};

for (const [mechanism, auth] of Object.entries(MECHANISMS)) {
  for (const [name, said, end] of [...WRONG, ...GARBAGE[mechanism].map((row) => [...row, FAILED])]) {
    test(`${mechanism}: a server that ${name}`, () =>
      against(
        auth(),
        (peer, heard) => peer.send(said(heard)),
        async ({ over, lines, heard, ended }) => {
          await over;
          assert.deepEqual(lines.slice(-3), end);
          await ended;
          assert.equal(heard.length, 1);
        },
      ));
  }

  const challenge = mechanism === "key" ? () => nonce() : (heard) => message(first(heard));

  test(`${mechanism}: a server that never asks`, () =>
    against(
      auth(),
      () => {},
      async ({ world, said, over, lines, ended }) => {
        await said(1);
        await world.pass(9_999);
        assert.deepEqual(lines, ["auth waiting connect"]);
        await world.pass(1);
        await over;
        assert.deepEqual(lines.slice(-3), SILENCE);
        await ended;
      },
    ));

  test(`${mechanism}: a server that never answers the response`, () =>
    against(
      auth(),
      (peer, heard, count) => count === 1 && peer.send(challenge(heard)),
      async ({ world, said, over, lines, ended }) => {
        await said(2);
        await world.pass(10_000);
        await over;
        assert.deepEqual(lines.slice(-3), SILENCE);
        await ended;
      },
    ));

  for (const [name, script, replies] of [
    ["asks twice at once", (peer, heard) => [peer.send(challenge(heard)), peer.send(challenge(heard))], 1],
    ["asks again, and again", (peer, heard, count) => peer.send(challenge(count === 1 ? heard : { message: "r=" })), 2],
    [
      "floods with challenges",
      (peer, heard) => {
        for (let count = 0; count < 10_000; count += 1) {
          peer.send(challenge(heard));
        }
      },
      1,
    ],
    ["greets while the response is made", (peer, heard) => [peer.send(challenge(heard)), peer.send("welcome")], 1],
  ]) {
    test(`${mechanism}: a server that ${name}`, () =>
      against(auth(), script, async ({ over, lines, heard, ended }) => {
        await over;
        assert.deepEqual(lines.slice(-3), NONSENSE);
        await ended;
        assert.equal(heard.length, replies);
      }));
  }

  test(`${mechanism}: a server that asks again once it has accepted`, () =>
    against(
      exchanging(async () => ({ presented: { mechanism }, respond: async () => ({ members: { message: "x" } }) })),
      (peer, heard, count) => (count === 1 ? peer.send(nonce()) : [peer.send(accepted()), peer.send(nonce())]),
      async ({ over, lines }) => {
        await over;
        assert.deepEqual(lines.slice(-5), ["auth authenticated", "open", ...NONSENSE]);
      },
      Built,
    ));

  test(`${mechanism}: a server that accepts before it has the response`, () =>
    against(
      auth(),
      (peer, heard) => [peer.send(challenge(heard)), peer.send(accepted({ message: "v=AAAA" }))],
      async ({ over, lines, heard, ended }) => {
        await over;
        assert.deepEqual(lines.slice(-3), FAILED);
        await ended;
        assert.equal(heard.length, 1);
      },
    ));

  test(`${mechanism}: a server that goes while the response is made`, () =>
    against(
      auth(),
      (peer, heard) => [peer.send(challenge(heard)), peer.terminate()],
      async ({ over, lines }) => {
        await over;
        assert.deepEqual(lines.slice(-3), ["auth stopped ended", "error connection_lost", "close 1006"]);
      },
    ));
}

const PROOFS = [
  ["no proof", {}],
  ["an empty proof", { message: "" }],
  ["a proof of nothing", { message: "v=" }],
  ["an error for a proof", { message: "e=other-error" }],
  ["the client's own proof", undefined],
  ["a proof of another password", { message: "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=" }],
  ...[7, null, true, [], {}].map((value) => [`${JSON.stringify(value)} for a proof`, { message: value }]),
];

for (const [name, more] of PROOFS) {
  test(`password: a server that accepts with ${name}`, () =>
    against(
      scram("alice", PASSWORD),
      (peer, heard, count) => {
        const echoed = { message: `v=${heard.message.split("p=")[1]}` };
        peer.send(count === 1 ? message(first(heard)) : accepted(more ?? echoed));
      },
      async ({ over, lines, heard }) => {
        await over;
        assert.equal(heard.length, 2);
        assert.deepEqual(lines, ["auth waiting connect", ...FAILED]);
      },
    ));
}

test("a response that is made after the deadline is not sent", async () => {
  let answer;
  let begin;
  const begun = new Promise((resolve) => {
    begin = resolve;
  });
  const respond = () => {
    begin();
    return new Promise((resolve) => {
      answer = () => resolve({ members: { message: PASSWORD } });
    });
  };
  await against(
    exchanging(async () => ({ presented: { mechanism: "late" }, respond })),
    (peer) => peer.send(nonce()),
    async ({ world, over, lines, heard, ended }) => {
      await begun;
      await world.pass(10_000);
      await over;
      answer();
      await settled();
      await ended;
      assert.deepEqual(lines.slice(-3), SILENCE);
      assert.equal(heard.length, 1);
    },
    Built,
  );
});

test("an acceptance that comes after the deadline is not heard", () =>
  against(
    publicKey(keys),
    (peer, heard, count) => count === 1 && peer.send(nonce()),
    async ({ world, said, over, lines, ended, peer }) => {
      await said(2);
      await world.pass(10_000);
      peer().send(accepted());
      await over;
      await ended;
      assert.deepEqual(lines.slice(-3), SILENCE);
    },
  ));

test("a password that never comes is not waited for without end", () =>
  against(
    scram("alice", () => new Promise(() => {})),
    () => {},
    async ({ world, over, lines, heard }) => {
      await world.pass(10_000);
      await over;
      assert.deepEqual(lines.slice(-3), ["auth stopped ended", "error credential_unavailable", "close 1006"]);
      assert.deepEqual(heard, []);
    },
  ));

test("a password that cannot be had is told without its words", () =>
  against(
    scram("alice", () => Promise.reject(new Error(PASSWORD))),
    () => {},
    async ({ over, lines, heard }) => {
      await over;
      assert.deepEqual(lines.slice(-3), ["auth stopped ended", "error credential_unavailable", "close 1006"]);
      assert.deepEqual(heard, []);
    },
  ));

test("a server that refuses without end gets two responses", () =>
  against(
    publicKey(keys),
    (peer, heard) =>
      peer.send(heard.type === "authenticate" ? nonce() : says({ type: "rejected", error: "invalid_credentials", retry: true })),
    async ({ over, lines, heard, ended }) => {
      await over;
      await ended;
      assert.deepEqual(heard.map(({ type }) => type), ["authenticate", "respond", "authenticate", "respond"]);
      assert.deepEqual(lines.slice(-3), ["auth stopped credential_refused", "error credential_refused", "close 4401 invalid_credentials"]);
    },
  ));

test("a server that refuses while the response is made, and goes on waiting, is left", () =>
  against(
    publicKey(keys),
    (peer) => [peer.send(nonce()), peer.send(says({ type: "rejected", error: "invalid_credentials", retry: true }))],
    async ({ world, said, over, lines }) => {
      await said(2);
      await world.pass(10_000);
      await over;
      assert.deepEqual(lines.slice(-3), SILENCE);
    },
  ));

test("a close while a server is being answered ends at once", () =>
  against(
    publicKey(keys),
    (peer, heard, count) => count === 1 && peer.send(nonce()),
    async ({ socket, said, over, lines, ended }) => {
      await said(2);
      socket.close();
      await over;
      assert.deepEqual(lines.slice(-2), ["auth stopped closed", "close 1005"]);
      await ended;
    },
  ));
