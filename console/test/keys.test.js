// Keys that no script can read, and passwords that do not travel, in a page in front of the real gateway.

import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import { browser } from "./browser.js";
import { Gateway, site, until } from "./gateway.js";

const limit = { timeout: 30_000 };
const PASSWORD = "correct horse battery staple";
let own, foreign, gateway, chromium, page, sent;

before(async () => {
  [own, foreign, chromium] = await Promise.all([site(), site(), browser()]);
  gateway = await new Gateway([`http://localhost:${own.port}`, `http://localhost:${foreign.port}`]).start();
  await gateway.ask("POST", "/users", { name: "alice", password: PASSWORD });
}, limit);

after(async () => {
  await chromium?.close();
  await gateway?.end();
  own?.close();
  foreign?.close();
}, limit);

beforeEach(async () => {
  page = await (await chromium.newContext()).newPage();
  page.setDefaultTimeout(8000);
  sent = [];
  page.on("websocket", (socket) => socket.on("framesent", ({ payload }) => sent.push(String(payload))));
  await page.goto(`http://localhost:${own.port}`);
});

/** Runs in the page, with what the client exports. */
const use = (body, more = "") =>
  page.evaluate(
    `(async () => {
      const { publicKey, scram, VestibuleSocket } = await import("/client.js");
      const url = "ws://localhost:${gateway.port}/proven";
      /** The store of the page: IndexedDB, which can keep a key that cannot be read. */
      const store = () => new Promise((resolve, reject) => {
        const opening = indexedDB.open("keys", 1);
        opening.onupgradeneeded = () => opening.result.createObjectStore("keys");
        opening.onerror = () => reject(opening.error);
        opening.onsuccess = () => resolve(opening.result.transaction("keys", "readwrite").objectStore("keys"));
      });
      const done = (request) => new Promise((resolve, reject) => {
        request.onsuccess = () => resolve(request.result);
        request.onerror = () => reject(request.error);
      });
      const connect = (auth) => {
        globalThis.heard = [];
        globalThis.socket = new VestibuleSocket(url, [], { auth });
        socket.onopen = () => socket.send("hello");
        socket.onmessage = ({ data }) => heard.push(data);
        socket.onclose = ({ code, reason }) => heard.push("close " + code + " " + reason);
        socket.onerror = ({ error }) => heard.push(error.code);
      };
      ${more}
      ${body}
    })()`,
  );
const heard = () => page.evaluate(() => heard);
const hears = (...wanted) =>
  until(async () => (await heard()).length >= wanted.length).then(async () => assert.deepEqual(await heard(), wanted));

for (const algorithm of [{ name: "Ed25519" }, { name: "ECDSA", namedCurve: "P-256" }]) {
  test(`a key of ${algorithm.namedCurve ?? algorithm.name} that no script can read signs the page in, also after a reload`, limit, async () => {
    const jwk = await use(`
      const keys = await crypto.subtle.generateKey(${JSON.stringify(algorithm)}, false, ["sign", "verify"]);
      await done((await store()).put(keys, "mine"));
      const { kty, crv, x, y } = await crypto.subtle.exportKey("jwk", keys.publicKey);
      return { kty, crv, x, y };
    `);
    await gateway.ask("POST", "/public-keys", { user: "alice", key: JSON.stringify(jwk) });
    for (let round = 0; round < 2; round += 1) {
      await page.reload();
      const refused = await use(`
        const keys = await done((await store()).get("mine"));
        connect(publicKey(keys));
        const tries = ["jwk", "pkcs8", "raw"].map((form) => crypto.subtle.exportKey(form, keys.privateKey).then(() => form, () => "refused"));
        return Promise.all(tries);
      `);
      assert.deepEqual(refused, ["refused", "refused", "refused"]);
      await hears("hello");
      const { connections } = await gateway.ask("GET", "/connections");
      assert.ok(connections.some(({ subject, mechanism }) => subject === "alice" && mechanism === "public-key"));
    }
  });
}

test("what is signed for one page is good for no other", limit, async () => {
  const jwk = await use(`
    const keys = await crypto.subtle.generateKey({ name: "Ed25519" }, false, ["sign", "verify"]);
    const { kty, crv, x } = await crypto.subtle.exportKey("jwk", keys.publicKey);
    globalThis.keys = keys;
    connect(publicKey(keys, { origin: "http://localhost:${foreign.port}" }));
    return { kty, crv, x };
  `);
  await hears("credential_refused", "close 4401 invalid_credentials");
  await gateway.ask("POST", "/public-keys", { user: "alice", key: JSON.stringify(jwk) });
  await use(`connect(publicKey(globalThis.keys, { origin: "http://localhost:${foreign.port}" }));`);
  await hears("credential_refused", "close 4401 invalid_credentials");
  await use("connect(publicKey(globalThis.keys));");
  await hears("hello");
});

test("a password signs the page in, and is in no frame", limit, async () => {
  await use(`connect(scram("alice", ${JSON.stringify(PASSWORD)}));`);
  await hears("hello");
  assert.equal(sent.length, 3);
  assert.ok(!sent.join().includes(PASSWORD));
  await use(`connect(scram("alice", "another password"));`);
  await hears("credential_refused", "close 4401 invalid_credentials");
});
