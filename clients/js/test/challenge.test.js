// Mechanisms that ask back, against servers that follow a script: real sockets, and a clock that is not.

import assert from "node:assert/strict";
import { createHash, createPublicKey, pbkdf2Sync, createHmac, verify } from "node:crypto";
import { test } from "node:test";
import { inspect } from "node:util";
import { publicKey, scram, session } from "../dist/index.js";
import { accepted, against, FAILED, NONCE, NONSENSE } from "./exchanges.js";
import { once } from "./fakes.js";
import { says } from "./servers.js";

const { subtle } = globalThis.crypto;
const keysOf = (algorithm) => subtle.generateKey(algorithm, false, ["sign", "verify"]);
const ALGORITHMS = { Ed25519: { name: "Ed25519" }, "P-256": { name: "ECDSA", namedCurve: "P-256" } };

// RFC 7677 section 3.
const PASSWORD = "pencil";
const MINE = "rOprNGfwEbeRWgbNEkqO";
const THEIRS = `${MINE}%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0`;
const SALT = "W22ZaJ0SNY7soEsUEjb6gQ==";
const FIRST = `r=${THEIRS},s=${SALT},i=4096`;
const LAST = `c=biws,r=${THEIRS},p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=`;
const PROOF = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";
const proven = () => scram("user", PASSWORD, { nonce: () => MINE });

const challenged = (message) => says({ type: "challenge", message, expires_in: 5 });

test("a password is proven as in the example of RFC 7677", async () => {
  const { heard, lines } = await against(proven(), [challenged(FIRST), accepted(PROOF)], "open");
  assert.deepEqual(heard, [
    { type: "authenticate", mechanism: "scram-sha-256", message: `n,,n=user,r=${MINE}` },
    { type: "respond", message: LAST },
  ]);
  assert.deepEqual(lines, ["auth waiting connect", "auth authenticated", "open"]);
});

for (const [name, message] of [
  ["wrong", PROOF.replace("6r", "7r")],
  ["missing", undefined],
  ["an error", "e=other-error"],
  ["empty", "v="],
  ["no string", 7],
]) {
  test(`a gateway whose proof is ${name} is not believed`, async () => {
    const { lines } = await against(proven(), [challenged(FIRST), accepted(message)]);
    assert.deepEqual(lines, FAILED);
  });
}

test("a gateway that accepts without a challenge is not believed", async () => {
  assert.deepEqual((await against(proven(), [accepted(PROOF)])).lines, FAILED);
});

for (const [name, message] of [
  ["too few iterations", FIRST.replace("4096", "4095")],
  ["too many iterations", FIRST.replace("4096", "1000001")],
  ["so many iterations that they are another number", FIRST.replace("4096", "4294971392")],
  ["iterations that are none", FIRST.replace("4096", "1e5")],
  ["a nonce that is not the client's", FIRST.replace("rOpr", "xOpr")],
  ["only the client's nonce", `r=${MINE},s=${SALT},i=4096`],
  ["no salt", FIRST.replace(SALT, "")],
  ["a salt that is no Base64", FIRST.replace(SALT, "====")],
  ["a mandatory extension", `m=later,${FIRST}`],
  ["something behind", `${FIRST},x=y`],
  ["nothing", ""],
  ["garbage", "\u0000\uffff"],
]) {
  test(`a challenge with ${name} is not answered`, async () => {
    const { heard, lines, errors } = await against(proven(), [challenged(message)]);
    assert.deepEqual(lines, FAILED);
    assert.equal(heard.length, 1);
    assert.doesNotMatch(inspect(errors, { depth: 9 }), /pencil|rOpr/);
  });
}

test("a nonce is no challenge for a password, nor a message for a key", async () => {
  const nonce = says({ type: "challenge", nonce: NONCE, expires_in: 5 });
  assert.deepEqual((await against(proven(), [nonce])).lines, FAILED);
  assert.deepEqual((await against(publicKey(await keysOf(ALGORITHMS["P-256"])), [challenged(FIRST)])).lines, FAILED);
});

test("two challenges at once, and one after the other, are one too many", async () => {
  const twice = await against(proven(), [[challenged(FIRST), challenged(FIRST)]]);
  assert.deepEqual(twice.lines, NONSENSE);
  assert.equal(twice.heard.length, 1);
  assert.deepEqual((await against(proven(), [challenged(FIRST), challenged(FIRST)])).lines, NONSENSE);
});

test("a challenge that is garbage is nonsense", async () => {
  for (const auth of [{ type: "challenge" }, { type: "challenge", message: FIRST }, { type: "challenge", message: 1, expires_in: 5 }]) {
    assert.deepEqual((await against(proven(), [says(auth)])).lines, NONSENSE);
  }
});

test("the password is asked for anew when it was refused, and then no more", async () => {
  let asked = 0;
  const auth = scram("a=b,c", async () => `wrong ${(asked += 1)}`, { nonce: () => MINE });
  const refused = says({ type: "rejected", error: "invalid_credentials", retry: true });
  const { heard, lines } = await against(auth, [challenged(FIRST), refused, challenged(FIRST), refused]);
  assert.equal(heard[0].message, `n,,n=a=3Db=2Cc,r=${MINE}`);
  assert.equal(asked, 2);
  assert.notEqual(heard[1].message, heard[3].message);
  assert.deepEqual(lines.slice(-3), ["auth stopped credential_refused", "error credential_refused", "close 4401 invalid_credentials"]);
});

test("names and passwords are prepared", async () => {
  const salted = (password) => pbkdf2Sync(password, Buffer.from(SALT, "base64"), 4096, 32, "sha256");
  const proofOf = (password) => {
    const key = createHmac("sha256", salted(password)).update("Client Key").digest();
    const transcript = `n=IX,r=${MINE},${FIRST},c=biws,r=${THEIRS}`;
    const signature = createHmac("sha256", createHash("sha256").update(key).digest()).update(transcript).digest();
    return key.map((byte, at) => byte ^ signature[at]).toString("base64");
  };
  for (const [password, is] of [["I\u00adX", "IX"], ["\u2168", "IX"], ["\u00aa", "a"], ["a\u00a0b", "a b"]]) {
    const { heard } = await against(scram("\u2168", password, { nonce: () => MINE }), [challenged(FIRST), accepted("v=")]);
    assert.equal(heard[1].message.split(",p=")[1], proofOf(is), is);
  }
  for (const text of ["", "\u0007", "a\0b", "a\u202eb", "\ue000", "\ufffd", "\ud800", "\u00ad"]) {
    assert.throws(() => scram("user", text), new TypeError("SASLprep refuses this"));
    assert.throws(() => scram(text, "password"), new TypeError("SASLprep refuses this"));
  }
});

test("nonces differ", async () => {
  const [one, two] = [scram("user", PASSWORD), scram("user", PASSWORD)];
  const [a, b] = await Promise.all([against(one, [accepted("v=")]), against(two, [accepted("v=")])]);
  assert.notEqual(a.heard[0].message, b.heard[0].message);
  assert.match(a.heard[0].message, /^n,,n=user,r=[A-Za-z0-9+/]{24}$/);
});

for (const [name, algorithm] of Object.entries(ALGORITHMS)) {
  test(`a key of ${name} signs for this host, path and page, and cannot be taken out`, async () => {
    const keys = await keysOf(algorithm);
    assert.equal(keys.privateKey.extractable, false);
    const auth = publicKey(keys, { origin: "https://app.example.com" });
    const challenge = says({ type: "challenge", nonce: NONCE, expires_in: 5 });
    const { heard, host } = await against(auth, [challenge, accepted()], "open", "chat?room=1");
    const spki = createPublicKey({ key: Buffer.from(await subtle.exportKey("spki", keys.publicKey)), format: "der", type: "spki" });
    const signed = Buffer.from(["vestibule-public-key-v1", NONCE, host, "/chat", "https://app.example.com"].join("\0"));
    const signature = Buffer.from(heard[1].signature, "base64url");
    assert.equal(signature.length, 64);
    const hash = name === "Ed25519" ? null : "sha256";
    assert.ok(verify(hash, signed, { key: spki, dsaEncoding: "ieee-p1363" }, signature));
    assert.match(heard[0].key, /^SHA256:[A-Za-z0-9+/]{43}$/);
  });
}

test("a nonce that could be read as something else is not signed", async () => {
  const keys = await keysOf(ALGORITHMS["P-256"]);
  for (const nonce of [`${NONCE}\0host`, NONCE.slice(1), `${NONCE}=`, `${NONCE.slice(1)}+`, `${NONCE}\n`]) {
    const { heard, lines } = await against(publicKey(keys), [says({ type: "challenge", nonce, expires_in: 5 })]);
    assert.deepEqual(lines, FAILED);
    assert.equal(heard.length, 1);
  }
});

test("other keys are refused when they are given", async () => {
  const p384 = await keysOf({ name: "ECDSA", namedCurve: "P-384" });
  const ecdh = await subtle.generateKey({ name: "ECDH", namedCurve: "P-256" }, false, ["deriveBits"]);
  const one = await keysOf(ALGORITHMS.Ed25519);
  const other = await keysOf(ALGORITHMS["P-256"]);
  for (const keys of [p384, ecdh, { ...other, privateKey: one.privateKey }, { privateKey: one.publicKey, publicKey: one.publicKey }]) {
    assert.throws(() => publicKey({ privateKey: keys.privateKey, publicKey: keys.publicKey }), TypeError);
  }
});

test("a session takes the place of a proof when the connection is replaced, and is not asked back", async () => {
  const keys = await keysOf(ALGORITHMS["P-256"]);
  const handed = says({ type: "accepted", subject: "alice", mechanism: "public-key", expires_in: 600, session: "vss_1" });
  const nonce = says({ type: "challenge", nonce: NONCE, expires_in: 5 });
  const again = says({ type: "accepted", subject: "alice", mechanism: "session", expires_in: 600 });
  const { heard } = await against(
    session(publicKey(keys)),
    [nonce, [handed, (peer) => peer.terminate()], [again, (peer) => peer.close(4401, "token_expired")], nonce, accepted()],
    async ({ socket, world }) => {
      await once(socket, "reconnecting");
      await world.pass(250);
      await once(socket, "reconnecting");
      await world.pass(0);
      await once(socket, "open");
    },
  );
  assert.deepEqual(
    heard.map(({ type, mechanism = "", token = "" }) => `${type} ${mechanism} ${token}`.trim()),
    ["authenticate public-key", "respond", "authenticate session vss_1", "authenticate public-key", "respond"],
  );
});

test("a gateway that has a session challenged is not answered", async () => {
  const handed = says({ type: "accepted", subject: "alice", mechanism: "public-key", expires_in: 600, session: "vss_1" });
  const nonce = says({ type: "challenge", nonce: NONCE, expires_in: 5 });
  const { heard, lines } = await against(
    session(publicKey(await keysOf(ALGORITHMS.Ed25519))),
    [nonce, [handed, (peer) => peer.terminate()], nonce],
    async ({ socket, world }) => {
      await once(socket, "reconnecting");
      const over = once(socket, "close");
      await world.pass(250);
      await over;
    },
  );
  assert.equal(heard.length, 3);
  assert.deepEqual(lines.slice(-3), NONSENSE.slice(-3));
});
