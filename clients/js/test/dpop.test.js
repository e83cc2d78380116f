// Bound tokens (RFC 9449): the proofs by themselves, in band, and for tickets.

import assert from "node:assert/strict";
import { createHash, createPublicKey, verify } from "node:crypto";
import { test } from "node:test";
import { inspect } from "node:util";
import { dpop, dpopKey, publicKey, ticket, VestibuleSocket } from "../dist/index.js";
import { accepted, against, FAILED, NONCE, nonce, NONSENSE } from "./exchanges.js";
import { FakeEnvironment, fakeImplementation, once, record, settled } from "./fakes.js";
import { says } from "./servers.js";

const { subtle } = globalThis.crypto;
const ALGORITHMS = { EdDSA: { name: "Ed25519" }, ES256: { name: "ECDSA", namedCurve: "P-256" } };
const keysOf = (algorithm) => subtle.generateKey(algorithm, false, ["sign", "verify"]);
const keys = await keysOf(ALGORITHMS.ES256);
const TOKEN = "eyJ.s3cr3t.sig";
const ATH = createHash("sha256").update(TOKEN).digest("base64url");

/** Reads a proof, and checks its signature with the key in it. */
function read(proof) {
  const [head, body, signature] = proof.split(".");
  const [header, claims] = [head, body].map((part) => JSON.parse(Buffer.from(part, "base64url")));
  const key = { key: createPublicKey({ key: header.jwk, format: "jwk" }), dsaEncoding: "ieee-p1363" };
  const hash = header.alg === "EdDSA" ? null : "sha256";
  assert.ok(verify(hash, Buffer.from(`${head}.${body}`), key, Buffer.from(signature, "base64url")));
  return { header, claims };
}

for (const [alg, algorithm] of Object.entries(ALGORITHMS)) {
  test(`a proof by a key of ${alg} is as RFC 9449 has it`, async () => {
    const pair = await keysOf(algorithm);
    const before = Math.floor(Date.now() / 1000);
    const proof = await dpopKey(pair).proof("POST", "https://id.example.com:443/token?x=y#z");
    const { header, claims } = read(proof);
    const { kty, crv, x, y } = await subtle.exportKey("jwk", pair.publicKey);
    assert.deepEqual(header, { typ: "dpop+jwt", alg, jwk: JSON.parse(JSON.stringify({ kty, crv, x, y })) });
    const { jti, iat, ...rest } = claims;
    assert.deepEqual(rest, { htm: "POST", htu: "https://id.example.com/token" });
    assert.match(jti, /^[\da-f-]{36}$/);
    assert.ok(iat >= before && iat <= Date.now() / 1000);
  });
}

test("a proof for a token has its hash, and the nonce that was given; no two are the same", async () => {
  const key = dpopKey(keys);
  const [one, two] = await Promise.all([1, 2].map(() => key.proof("GET", new URL("https://a.example/"), { token: TOKEN, nonce: "n" })));
  assert.deepEqual([read(one).claims.ath, read(one).claims.nonce], [ATH, "n"]);
  assert.notEqual(read(one).claims.jti, read(two).claims.jti);
});

test("other keys are refused when they are given", async () => {
  const p384 = await keysOf({ name: "ECDSA", namedCurve: "P-384" });
  assert.throws(() => dpopKey(p384), TypeError);
  assert.throws(() => dpopKey({ privateKey: keys.publicKey, publicKey: keys.publicKey }), TypeError);
});

// In band.

test("a bound token comes with a proof for this address, over the gateway's nonce", async () => {
  const auth = dpop({ token: () => TOKEN, key: dpopKey(keys) });
  const { heard, lines, host } = await against(auth, [nonce(), accepted()], "open", "chat?room=1");
  assert.deepEqual(heard[0], { type: "authenticate", mechanism: "dpop", token: TOKEN });
  assert.deepEqual(Object.keys(heard[1]), ["type", "proof"]);
  const { htm, htu, ath, nonce: over } = read(heard[1].proof).claims;
  assert.deepEqual({ htm, htu, ath, over }, { htm: "GET", htu: `http://${host}/chat`, ath: ATH, over: NONCE });
  assert.deepEqual(lines, ["auth waiting connect", "auth authenticated", "open"]);
});

test("the token provider is told why, and its token that was refused is not sent again", async () => {
  const reasons = [];
  const auth = dpop({ token: ({ reason }) => reasons.push(reason) && TOKEN, key: dpopKey(keys) });
  const refused = says({ type: "rejected", error: "invalid_token", retry: true });
  const { heard, lines } = await against(auth, [nonce(), refused]);
  assert.deepEqual(reasons, ["connect", "refused"]);
  assert.equal(heard.length, 2);
  assert.deepEqual(lines.slice(-3), ["auth stopped credential_refused", "error credential_refused", "close 1006"]);
});

for (const [name, said, end] of [
  ["a nonce that is too short", nonce("abc"), FAILED],
  ["a nonce with something behind it", nonce(`${NONCE}.`), FAILED],
  ["a message", says({ type: "challenge", message: "r=a", expires_in: 5 }), FAILED],
  ["options", says({ type: "challenge", options: {}, expires_in: 5 }), FAILED],
  ["accepted without a challenge", accepted(), FAILED],
  ["two challenges", [nonce(), nonce()], NONSENSE],
]) {
  test(`a gateway that says ${name} gets no proof`, async () => {
    const { heard, lines, errors } = await against(dpop({ token: () => TOKEN, key: dpopKey(keys) }), [said]);
    assert.equal(heard.length, 1);
    assert.deepEqual(lines, end);
    assert.doesNotMatch(inspect(errors, { depth: 9, showHidden: true }), /s3cr3t/);
  });
}

test("a key that signs for a passkey's or another key's challenge signs no proof there", async () => {
  const { heard } = await against(publicKey(keys), [nonce(), accepted()], "open");
  assert.deepEqual(Object.keys(heard[1]), ["type", "signature"]);
});

// Tickets.

const OFFICE = "https://ws.example.com/auth/ticket?tenant=1";

/** A client that gets its ticket at an office that answers so, in order; `sent` is what it was sent. */
async function tickets(answers, options = {}) {
  const sent = [];
  const reasons = [];
  const world = new FakeEnvironment();
  const { FakeSocket, made } = fakeImplementation();
  const socket = new VestibuleSocket("wss://ws.example.com/chat", [], {
    auth: ticket(OFFICE, {
      dpop: dpopKey(keys),
      bearer: ({ reason }) => `${TOKEN}-${reasons.push(reason)}`,
      fetch: async (url, { headers }) => {
        sent.push(headers);
        const [status, nonce] = answers[sent.length - 1] ?? [500];
        const body = status === 200 ? { ticket: `ticket-${sent.length}`, expires_in: 20 } : {};
        return new Response(JSON.stringify(body), { status, headers: nonce ? { "DPoP-Nonce": nonce } : {} });
      },
      ...options,
    }),
    webSocket: FakeSocket,
    environment: world.environment,
    reconnect: false,
  });
  const lines = record(socket);
  while (made.length === 0 && socket.readyState !== socket.CLOSED && sent.length <= answers.length && !lines.some((line) => line.startsWith("close"))) {
    await new Promise((resolve) => setImmediate(resolve));
  }
  socket.close();
  await settled();
  return { made, sent, reasons, lines, claims: sent.map(({ DPoP }) => DPoP && read(DPoP).claims) };
}

test("a ticket is asked for with a bound token and a proof", async () => {
  const { made, sent, claims } = await tickets([[200]]);
  assert.equal(made[0].url, "wss://ws.example.com/chat?ticket=ticket-1");
  assert.equal(sent[0].Authorization, `DPoP ${TOKEN}-1`);
  const { htm, htu, ath, nonce } = claims[0];
  assert.deepEqual([htm, htu, nonce], ["POST", "https://ws.example.com/auth/ticket", undefined]);
  assert.equal(ath, createHash("sha256").update(`${TOKEN}-1`).digest("base64url"));
});

test("an office that wants its own nonce gets it, with the same token", async () => {
  const { made, sent, reasons, claims } = await tickets([[401, "nonce-1"], [200, "nonce-2"]]);
  assert.equal(made.length, 1);
  assert.deepEqual(reasons, ["connect"]);
  assert.equal(sent[0].Authorization, sent[1].Authorization);
  assert.deepEqual(claims.map(({ nonce }) => nonce), [undefined, "nonce-1"]);
  assert.notEqual(claims[0].jti, claims[1].jti);
});

test("an office that wants another nonce each time is asked twice for each token, and no more", async () => {
  const { made, reasons, lines, claims } = await tickets([[401, "1"], [401, "2"], [401, "3"], [401, "4"]]);
  assert.equal(made.length, 0);
  assert.deepEqual(reasons, ["connect", "refused"]);
  assert.deepEqual(claims.map(({ nonce }) => nonce), [undefined, "1", "2", "3"]);
  assert.deepEqual(lines.slice(-3), ["auth stopped credential_refused", "error credential_refused", "close 1006"]);
});

test("an office that refuses the token is not asked again with it", async () => {
  const { reasons, sent } = await tickets([[401], [401]]);
  assert.deepEqual(reasons, ["connect", "refused"]);
  assert.equal(sent.length, 2);
});

test("the last nonce is used for the next ticket", async () => {
  const world = new FakeEnvironment();
  const { FakeSocket, made } = fakeImplementation();
  const nonces = [];
  let connect;
  class Watched extends FakeSocket {
    constructor(...all) {
      super(...all);
      connect?.();
    }
  }
  const next = () => new Promise((resolve) => (connect = resolve));
  const first = next();
  const socket = new VestibuleSocket("wss://ws.example.com/chat", [], {
    auth: ticket(OFFICE, {
      dpop: dpopKey(keys),
      bearer: () => TOKEN,
      fetch: async (_, { headers }) => {
        nonces.push(read(headers.DPoP).claims.nonce);
        return new Response('{"ticket":"abc"}', { headers: { "DPoP-Nonce": `nonce-${nonces.length}` } });
      },
    }),
    webSocket: Watched,
    environment: world.environment,
  });
  await first;
  const second = next();
  const lost = once(socket, "reconnecting");
  made[0].end();
  await lost;
  await world.pass(250);
  await second;
  assert.deepEqual(nonces, [undefined, "nonce-1"]);
  socket.close();
});

test("a proof without a token is none", () => {
  assert.throws(() => ticket(OFFICE, { dpop: dpopKey(keys) }), TypeError);
});

test("without a key the token is a bearer token, and a nonce is nothing", async () => {
  const { sent, reasons } = await tickets([[401, "nonce"], [200]], { dpop: undefined });
  assert.deepEqual(sent.map(({ Authorization, DPoP }) => [Authorization, DPoP]), [[`Bearer ${TOKEN}-1`, undefined], [`Bearer ${TOKEN}-2`, undefined]]);
  assert.deepEqual(reasons, ["connect", "refused"]);
});
