// What pages can do, and what pages of others cannot: every carrier and mechanism, close codes, cookies from elsewhere.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { browser } from "./browser.js";
import { Gateway, mint, site, until } from "./gateway.js";

const limit = { timeout: 30_000 };
let own, other, gateway, chromium, page, context;
/** The own page, its gateway under the same name, and a page at `localhost`, where login can set its cookie over HTTP. */
const at = (host, server = own) => `http://${host}:${server.port}`;
const socket = (path, host = "app.site.test") => `ws://${host}:${gateway.port}${path}`;

before(async () => {
  [own, other, chromium] = await Promise.all([site(), site(), browser()]);
  gateway = await new Gateway([at("app.site.test"), at("localhost")]).start();
  context = await chromium.newContext();
  page = await context.newPage();
  page.setDefaultTimeout(8000);
}, limit);

after(async () => {
  await chromium?.close();
  await gateway?.end();
  own?.close();
  other?.close();
}, limit);

/**
 * Opens a socket in a page, says `first`, and says "hello" once accepted: "echo" where the chat answered, else the close
 * code and the reason as a script reads them.
 */
function attempt(where, url, { protocols = [], first } = {}) {
  return where.evaluate(
    ([url, protocols, first]) =>
      new Promise((resolve) => {
        const socket = new WebSocket(url, protocols);
        socket.onopen = () => first && socket.send(first);
        socket.onmessage = ({ data }) => {
          if (data.startsWith('{"auth":{"type":"accepted"')) {
            globalThis.accepted = JSON.parse(data).auth;
            socket.send("hello");
          } else if (data === "hello") {
            resolve("echo");
            socket.close();
          }
        };
        socket.onclose = ({ code, reason }) => resolve(`${code} ${reason}`.trim());
      }),
    [url, protocols, first],
  );
}

const authenticate = (token, mechanism = "bearer") => JSON.stringify({ auth: { type: "authenticate", mechanism, token } });

/** Buys a ticket in the page, across origins. */
const buy = (token) =>
  page.evaluate(
    async ([url, token]) => {
      const answer = await fetch(url, {
        method: "POST",
        headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
        body: JSON.stringify({ path: "/chat" }),
      });
      return (await answer.json()).ticket;
    },
    [`http://app.site.test:${gateway.port}/auth/ticket`, token],
  );

test("a page gets in by every carrier that a browser has", limit, async () => {
  await page.goto(at("app.site.test"));
  assert.equal(await attempt(page, socket("/chat"), { first: authenticate(mint()) }), "echo");
  assert.equal(await attempt(page, socket("/chat"), { protocols: ["chat", `vestibule.bearer.${mint()}`] }), "echo");
  assert.equal(await attempt(page, socket("/chat"), { protocols: ["bearer", mint()] }), "echo");
  assert.equal(await attempt(page, socket(`/chat?access_token=${mint()}`)), "echo");
  await context.addCookies([{ name: "session", value: mint(), domain: "app.site.test", path: "/", sameSite: "Strict", httpOnly: true }]);
  assert.equal(await attempt(page, socket("/chat")), "echo");
  await context.clearCookies();
});

test("a page gets in by every mechanism of the gateway's own", limit, async () => {
  await gateway.ask("POST", "/users", { name: "alice", password: "correct horse", scopes: ["chat"] });
  const { key } = await gateway.ask("POST", "/keys", { machine: "sensor", label: "test", scopes: ["chat"] });
  assert.equal(await attempt(page, socket("/chat"), { first: authenticate(key, "api-key") }), "echo");
  assert.equal(await attempt(page, socket("/chat"), { first: authenticate(mint()) }), "echo");
  const { session } = await page.evaluate(() => accepted);
  assert.equal(await attempt(page, socket("/chat"), { first: authenticate(session, "session") }), "echo");
  const [first, second] = [await buy(mint()), await buy(mint())];
  assert.equal(await attempt(page, socket(`/chat?ticket=${first}`)), "echo");
  assert.equal(await attempt(page, socket("/chat"), { first: authenticate(second, "ticket") }), "echo");
  for (const replayed of [first, second]) {
    assert.equal(await attempt(page, socket(`/chat?ticket=${replayed}`)), "4401 invalid_token");
  }
});

test("login sets a cookie that no script reads and that opens the socket, until logout", limit, async () => {
  await page.goto(at("localhost"));
  const call = (endpoint, body) =>
    page.evaluate(
      async ([url, body]) => {
        const answer = await fetch(url, {
          method: "POST",
          headers: { "content-type": "application/json" },
          body: body && JSON.stringify(body),
          credentials: "include",
        });
        return answer.status;
      },
      [`http://localhost:${gateway.port}/auth/${endpoint}`, body],
    );
  assert.equal(await call("login", { username: "alice", password: "wrong horse", cookie: true }), 401);
  assert.equal(await attempt(page, socket("/signed-in", "localhost")), "4401 credential_required");
  assert.equal(await call("login", { username: "alice", password: "correct horse", cookie: true }), 200);
  assert.equal(await page.evaluate(() => document.cookie), "");
  assert.equal(await attempt(page, socket("/signed-in", "localhost")), "echo");
  assert.equal(await call("logout"), 204);
  assert.match(await attempt(page, socket("/signed-in", "localhost")), /^4401 /);
});

test("a script reads why it was not let in, or not any more", limit, async () => {
  await page.goto(at("app.site.test"));
  const forged = mint({ secret: "another secret, which is long enough, too" });
  assert.equal(await attempt(page, socket("/chat"), { protocols: ["chat", `vestibule.bearer.${forged}`] }), "4401 invalid_token");
  assert.equal(await attempt(page, socket("/chat"), { protocols: ["chat", `vestibule.bearer.${mint({ seconds: -60 })}`] }), "4401 token_expired");
  assert.equal(await attempt(page, socket("/chat"), { protocols: ["chat", `vestibule.bearer.${mint({ scope: "weather" })}`] }), "4403 insufficient_scope");
  assert.equal(await attempt(page, socket("/chat"), { first: "hello" }), "4400 invalid_request");
  assert.equal(await attempt(page, socket("/hasty")), "4408 auth_timeout");
});

test("a cookie does not help the page of another site, a sibling or another port", limit, async () => {
  // The widest cookie there is without TLS: for the whole site, sent to every name below it.
  await context.addCookies([{ name: "session", value: mint(), domain: ".site.test", path: "/", sameSite: "Lax", httpOnly: true }]);
  const refusals = () => gateway.metric("vestibule_decisions_total", { outcome: "origin_not_allowed" });
  for (const foreign of [at("evil.test"), at("evil.site.test"), at("app.site.test", other), at("app.site.test.evil.test"), at("xapp.site.test")]) {
    await page.goto(foreign);
    const before = await refusals();
    // It reads nothing but that it failed.
    assert.equal(await attempt(page, socket("/chat")), "1006", foreign);
    assert.equal(await refusals(), before + 1, foreign);
    // Nor with a token of its own.
    assert.equal(await attempt(page, socket("/chat"), { first: authenticate(mint()) }), "1006", foreign);
  }
  await page.goto(at("app.site.test"));
  assert.equal(await attempt(page, socket("/chat")), "echo");
  await context.clearCookies();
});

test("a sandboxed frame of the own page, whose origin is null, is refused", limit, async () => {
  await context.addCookies([{ name: "session", value: mint(), domain: "app.site.test", path: "/", sameSite: "Lax" }]);
  await page.goto(at("app.site.test"));
  const code = await page.evaluate(
    (url) =>
      new Promise((resolve) => {
        addEventListener("message", ({ data }) => resolve(data), { once: true });
        const frame = document.createElement("iframe");
        frame.sandbox = "allow-scripts";
        frame.srcdoc = `<script>const s = new WebSocket(${JSON.stringify(url)}); s.onclose = ({ code }) => parent.postMessage(code, "*")</script>`;
        document.body.append(frame);
      }),
    socket("/chat"),
  );
  assert.equal(code, 1006);
  await context.clearCookies();
});

test("fifty tabs of one user end within a second of the revocation", limit, async () => {
  await page.goto(at("app.site.test"));
  const token = mint({ subject: "olga" });
  await page.evaluate(
    async ([url, first]) => {
      globalThis.tabs = await Promise.all(
        Array.from({ length: 50 }, async () => {
          const tab = open("/tab");
          await new Promise((resolve) => tab.addEventListener("load", resolve));
          const socket = new tab.WebSocket(url);
          await new Promise((resolve) => {
            socket.onopen = () => socket.send(first);
            socket.onmessage = resolve;
          });
          return { tab, over: new Promise((resolve) => (socket.onclose = ({ code }) => resolve({ code, at: Date.now() }))) };
        }),
      );
    },
    [socket("/strict"), authenticate(token)],
  );
  assert.equal(context.pages().length, 51);
  await until(async () => (await gateway.metric("vestibule_connections")) >= 50);
  const began = Date.now();
  await gateway.ask("POST", "/revocations", { subject: "olga" });
  const ends = await page.evaluate(async () => {
    const ends = await Promise.all(tabs.map(({ over }) => over));
    tabs.forEach(({ tab }) => tab.close());
    return ends;
  });
  assert.deepEqual([...new Set(ends.map(({ code }) => code))], [4410]);
  const last = Math.max(...ends.map(({ at }) => at)) - began;
  console.log(`fifty tabs: the last one ended ${last} ms after the revocation was asked for`);
  assert.ok(last < 1000, `${last} ms`);
  assert.equal(await attempt(page, socket("/strict"), { first: authenticate(token) }), "4410 token_revoked");
});
