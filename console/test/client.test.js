// The TypeScript client in a page that used `new WebSocket(url)`, in front of the real gateway.

import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { browser } from "./browser.js";
import { Gateway, mint, site, until, wire } from "./gateway.js";

const limit = { timeout: 30_000 };
let own, gateway, chromium, cable, page, context;
/** How long the next token is good, in seconds; the reasons for which tokens were asked. */
let seconds, asked, jti;

before(async () => {
  [own, chromium] = await Promise.all([site(), browser()]);
  gateway = await new Gateway([`http://localhost:${own.port}`]).start();
  cable = await wire(gateway.port);
}, limit);

after(async () => {
  await chromium?.close();
  await gateway?.end();
  cable?.close();
  own?.close();
}, limit);

beforeEach(async () => {
  [seconds, asked, jti] = [600, [], undefined];
  gateway.arrived.length = 0;
  context = await chromium.newContext();
  page = await context.newPage();
  page.setDefaultTimeout(8000);
  await page.exposeFunction("getToken", (reason) => {
    asked.push(reason);
    return mint({ seconds, ...(jti === undefined ? {} : { jti }) });
  });
  await page.goto(`http://localhost:${own.port}`);
});

afterEach(() => context.close());

/** The page's own code, but for the line that makes the socket. */
const use = (line) =>
  page.evaluate(
    `(async () => {
      const { bearer, perMessage, VestibuleSocket } = await import("/client.js");
      const url = "ws://localhost:${cable.port}/chat";
      globalThis.socket = ${line};
      globalThis.heard = [];
      globalThis.events = [];
      socket.onmessage = ({ data }) => heard.push(data);
      socket.onopen = () => events.push("open");
      socket.onclose = ({ code, reason }) => events.push("close " + code + " " + reason);
      socket.addEventListener("auth", ({ detail }) => events.push(detail.state + (detail.reason ? " " + detail.reason : "")));
      socket.addEventListener("reconnecting", () => events.push("reconnecting"));
    })()`,
  );
const ONE_LINE = "new VestibuleSocket(url, [], { auth: bearer(({ reason }) => getToken(reason)) })";

const send = (...texts) => page.evaluate((texts) => texts.forEach((text) => socket.send(text)), texts);
const events = () => page.evaluate(() => events);
const heard = () => page.evaluate(() => heard);
const opens = async () => (await events()).filter((event) => event === "open").length;

test("the line that was `new WebSocket(url)` is the only one that changes", limit, async () => {
  await use("new WebSocket(url)");
  await until(async () => (await events()).includes("open"));
  await send("without a credential");
  await until(async () => (await events()).includes("close 4400 invalid_request"));
  assert.deepEqual(gateway.arrived, []);
  await use(ONE_LINE);
  await send("one", "two");
  await until(async () => (await heard()).length === 2);
  assert.deepEqual(await heard(), ["one", "two"]);
  assert.deepEqual(asked, ["connect"]);
});

test("a token that ends is replaced on the same connection, and nothing is lost or doubled", limit, async () => {
  seconds = 3;
  await use(ONE_LINE);
  await send("before");
  const [{ id }] = await until(async () => {
    const { connections } = await gateway.ask("GET", "/connections");
    return connections.length === 1 && connections;
  });
  seconds = 600;
  await until(async () => (await events()).includes("refreshed"));
  await send("after");
  await until(async () => (await heard()).length === 2);
  const [after] = (await gateway.ask("GET", "/connections")).connections;
  assert.equal(after.id, id);
  assert.ok(after.expires > Date.now() / 1000 + 500);
  assert.deepEqual(gateway.arrived, ["before", "after"]);
  assert.deepEqual(asked, ["connect", "refresh"]);
});

test("what is said while the network is cut arrives once, and in order, when it is back", limit, async () => {
  await use(ONE_LINE);
  await send("1");
  await until(async () => (await heard()).length === 1);
  cable.cut();
  await until(async () => (await events()).includes("reconnecting"));
  await send("2", "3", "4");
  cable.mend();
  await until(async () => (await heard()).length === 4);
  assert.deepEqual(gateway.arrived, ["1", "2", "3", "4"]);
  assert.equal(await opens(), 2);
});

test("what is said while the gateway is started again arrives once, and in order", limit, async () => {
  await use(ONE_LINE);
  await send("1");
  await until(async () => (await heard()).length === 1);
  await gateway.kill();
  await until(async () => (await events()).includes("reconnecting"));
  await send("2", "3");
  await gateway.start();
  await until(async () => (await heard()).length === 3);
  assert.deepEqual(gateway.arrived, ["1", "2", "3"]);
});

test("a token goes with each message, and a bad one is replaced on the same connection", limit, async () => {
  seconds = 4;
  await use("new VestibuleSocket(url.replace('/chat', '/each'), [], { auth: perMessage(({ reason }) => getToken(reason)) })");
  await until(async () => (await events()).includes("open"));
  const texts = ['{ "n":1.0, "n" : "\\u00e9 é" }', "[]"];
  await send(...texts);
  await until(async () => (await heard()).length === 2);
  assert.deepEqual(gateway.arrived, texts);
  const [{ id, carrier, expires }] = (await gateway.ask("GET", "/connections")).connections;
  assert.equal(carrier, "per-message");
  await until(() => Date.now() / 1000 > expires + 0.5);
  seconds = 600;
  await send('"lost"');
  await until(async () => (await events()).includes("rejected"));
  await send('"kept"');
  await until(async () => (await heard()).length === 3);
  assert.deepEqual(gateway.arrived, [...texts, '"kept"']);
  assert.deepEqual(asked, ["connect", "refresh"]);
  const [after] = (await gateway.ask("GET", "/connections")).connections;
  assert.equal(after.id, id);
});

test("after a revocation it stops, says so, and does not come back", limit, async () => {
  jti = "the-one";
  await use(ONE_LINE);
  await until(async () => (await events()).includes("open"));
  await gateway.ask("POST", "/revocations", { token: jti, issuer: "https://id.example.com" });
  await until(async () => (await events()).includes("stopped revoked"));
  assert.match((await events()).at(-1), /^close 4410 /);
  assert.equal(await page.evaluate(() => socket.readyState === WebSocket.CLOSED), true);
  assert.deepEqual(asked, ["connect"]);
});

test("a tab that slept over the end of its token refreshes when it wakes", limit, async () => {
  seconds = 3;
  await use(ONE_LINE);
  await until(async () => (await events()).includes("open"));
  const [{ id, expires }] = (await gateway.ask("GET", "/connections")).connections;
  // Its process is stopped, as when a laptop sleeps: no timer runs, nothing is read.
  const devtools = await chromium.newBrowserCDPSession();
  const { processInfo } = await devtools.send("SystemInfo.getProcessInfo");
  const renderers = processInfo.filter(({ type }) => type === "renderer").map(({ id }) => id);
  renderers.forEach((pid) => process.kill(pid, "SIGSTOP"));
  try {
    seconds = 600;
    await until(() => Date.now() / 1000 > expires + 0.5);
    assert.deepEqual(asked, ["connect"], "the page did not sleep");
  } finally {
    renderers.forEach((pid) => process.kill(pid, "SIGCONT"));
  }
  await until(async () => (await events()).includes("refreshed"));
  const [after] = (await gateway.ask("GET", "/connections")).connections;
  assert.equal(after.id, id);
  assert.deepEqual(asked, ["connect", "refresh"]);
});
