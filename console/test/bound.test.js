// Tokens that are bound to a key which no script can read, in a page in front of the real gateway.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { after, before, beforeEach, test } from "node:test";
import { browser } from "./browser.js";
import { Gateway, mint, site, until } from "./gateway.js";

const limit = { timeout: 30_000 };
let own, gateway, chromium, page, requests;

before(async () => {
  [own, chromium] = await Promise.all([site(), browser()]);
  gateway = await new Gateway([`http://127.0.0.1:${own.port}`]).start();
}, limit);

after(async () => {
  await chromium?.close();
  await gateway?.end();
  own?.close();
}, limit);

beforeEach(async () => {
  page = await (await chromium.newContext()).newPage();
  page.setDefaultTimeout(8000);
  requests = [];
  page.on("request", (request) => requests.push(request));
  await page.exposeFunction("boundToken", ({ crv, kty, x, y }, seconds) => {
    const jkt = createHash("sha256").update(JSON.stringify({ crv, kty, x, y })).digest("base64url");
    return mint({ seconds, cnf: { jkt } });
  });
  await page.goto(`http://127.0.0.1:${own.port}`);
});

/** Runs in the page, with what the client exports, and a key pair that no script can read. */
const use = (body) =>
  page.evaluate(
    `(async () => {
      const { bearer, dpop, dpopKey, ticket, VestibuleSocket } = await import("/client.js");
      globalThis.keys ??= await crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, false, ["sign", "verify"]);
      const key = dpopKey(keys);
      const jwk = await crypto.subtle.exportKey("jwk", keys.publicKey);
      const office = "http://127.0.0.1:${gateway.port}/auth/ticket";
      const connect = (auth) => {
        globalThis.events = [];
        globalThis.socket = new VestibuleSocket("ws://127.0.0.1:${gateway.port}/bound", "chat", { auth });
        socket.onmessage = ({ data }) => events.push(data);
        socket.onclose = ({ code, reason }) => events.push("close " + code + " " + reason);
        socket.onerror = ({ error }) => events.push(error.code);
        socket.onauth = ({ detail }) => events.push(detail.state);
        socket.send("hello");
      };
      ${body}
    })()`,
  );
const told = (event) => until(() => page.evaluate((event) => events.includes(event), event));

test("a page proves its key in band, and renews its token on the open connection", limit, async () => {
  const refused = await use(`
    let seconds = 4;
    const token = () => { const given = boundToken(jwk, seconds); seconds = 600; return given; };
    connect(dpop({ token, key }));
    return crypto.subtle.exportKey("pkcs8", keys.privateKey).then(() => "taken out", () => "refused");
  `);
  assert.equal(refused, "refused");
  await told("hello");
  await told("refreshed");
  const { connections } = await gateway.ask("GET", "/connections");
  assert.deepEqual(connections.map(({ subject, mechanism }) => [subject, mechanism]), [["alice", "dpop"]]);
  await page.evaluate(() => socket.close());
});

test("a page of another origin buys tickets with proofs, and hears the nonce that it needs", limit, async () => {
  await use(`connect(ticket(office, { bearer: () => boundToken(jwk, 600), dpop: key }));`);
  await told("hello");
  const asked = requests.filter((request) => request.url().endsWith("/auth/ticket") && request.method() === "POST");
  const statuses = await Promise.all(asked.map(async (request) => (await request.response()).status()));
  assert.deepEqual(statuses, [401, 200]);
});

for (const [name, auth] of [
  ["whose proof is by another key", `const other = await crypto.subtle.generateKey({ name: "Ed25519" }, false, ["sign", "verify"]);
    connect(dpop({ token: () => boundToken(jwk, 600), key: dpopKey(other) }));`],
  ["that has no proof", `connect(ticket(office, { bearer: () => boundToken(jwk, 600) }));`],
]) {
  test(`a page ${name} has nothing of the token`, limit, async () => {
    await use(auth);
    await told("credential_refused");
  });
}
