// The console, as an operator uses it.

import assert from "node:assert/strict";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import WebSocket from "ws";
import { browser, watched } from "./browser.js";
import { Gateway, mint, until } from "./gateway.js";

const shots = process.env.SHOTS ?? mkdtempSync(join(tmpdir(), "vestibule-shots-"));
const limit = { timeout: 20_000 };
let gateway, chromium;

before(async () => {
  [gateway, chromium] = await Promise.all([new Gateway(["http://app.test"]).start(), browser()]);
  console.log(`screenshots of the console: ${shots}`);
}, limit);

after(async () => {
  await chromium?.close();
  await gateway?.end();
}, limit);

/** A client that is in. `over`: its close code. */
async function joinIn(options = {}) {
  const socket = new WebSocket(`ws://127.0.0.1:${gateway.port}/chat`, "chat", { headers: { authorization: `Bearer ${mint(options)}` } });
  const over = new Promise((resolve) => socket.on("close", resolve));
  socket.on("error", (error) => assert.fail(error));
  await new Promise((resolve) => socket.on("open", resolve));
  return { socket, over };
}

async function signedIn(view = "overview", options = {}) {
  const context = await chromium.newContext({ viewport: { width: 1280, height: 800 }, ...options });
  const page = await watched(context);
  page.setDefaultTimeout(8000);
  await page.goto(`${gateway.admin}/console/#${view}`);
  await page.getByLabel("Admin token").fill(gateway.token);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByText("live", { exact: true }).waitFor();
  return page;
}

const row = (page, subject) => page.locator(".room .row:visible", { hasText: subject });

test("a wrong token gets nobody in, and the right one stays out of every address", limit, async () => {
  const page = await watched(await chromium.newContext());
  const addresses = [];
  page.on("request", (request) => addresses.push(request.url()));
  await page.goto(`${gateway.admin}/console/`);
  await page.screenshot({ path: join(shots, "sign-in.png") });
  await page.getByLabel("Admin token").fill("vsa_wrong");
  await page.keyboard.press("Enter");
  await page.getByText("That is not the token.").waitFor();
  page.faults.length = 0;
  await page.getByLabel("Admin token").fill(gateway.token);
  await page.keyboard.press("Enter");
  await page.getByText("live", { exact: true }).waitFor();
  assert.ok(addresses.every((address) => !address.includes("vsa_")), "a token in an address");
  assert.ok(!page.url().includes("vsa_"));
  assert.equal(await page.evaluate(() => localStorage.length + document.cookie.length), 0);
  await page.reload();
  await page.getByText("live", { exact: true }).waitFor();
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByLabel("Admin token").waitFor();
  assert.equal(await page.evaluate(() => sessionStorage.length), 0);
  assert.deepEqual(page.faults, []);
  await page.context().close();
});

test("a live connection appears, is looked at, and is closed with a reason", limit, async () => {
  const page = await signedIn("connections");
  await page.getByText("Nobody is connected.").waitFor();
  const { socket, over } = await joinIn({ subject: "carol" });
  await row(page, "carol").waitFor();
  socket.send("x".repeat(5000));
  await row(page, "carol").getByText("5.0 kB").first().waitFor();
  await row(page, "carol").click();
  const details = page.getByRole("complementary");
  await details.getByText("let in by bearer").waitFor();
  await page.screenshot({ path: join(shots, "detail.png") });
  await details.getByRole("button", { name: "Close …" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Cancel" }).click();
  await details.getByRole("button", { name: "Close …" }).click();
  await page.getByLabel("Reason, for the audit log").fill("a test");
  await page.screenshot({ path: join(shots, "confirm.png") });
  await page.getByRole("button", { name: "Close the connection" }).click();
  assert.equal(await over, 1001);
  await details.getByText("ended at").waitFor();
  await page.getByText("Nobody is connected.").waitFor();
  assert.deepEqual(page.faults, []);
  await page.context().close();
});

test("revoking a subject from the details ends all of its connections, and can be lifted", limit, async () => {
  const page = await signedIn("connections");
  const joined = await Promise.all([1, 2, 3].map(() => joinIn({ subject: "mallory" })));
  await row(page, "mallory").nth(2).waitFor();
  await row(page, "mallory").first().click();
  await page.getByRole("button", { name: "Revoke all of mallory …" }).click();
  await page.getByLabel("Reason, for the audit log").fill("left the company");
  await page.getByRole("dialog").getByRole("button", { name: "Revoke" }).click();
  assert.deepEqual(await Promise.all(joined.map(({ over }) => over)), [4410, 4410, 4410]);
  await page.getByRole("link", { name: "Revocations" }).click();
  await page.getByRole("rowheader", { name: "subject mallory" }).waitFor();
  await page.getByText("left the company").waitFor();
  await page.screenshot({ path: join(shots, "revocations.png") });
  await page.getByRole("button", { name: "Lift the revocation of subject mallory" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Lift" }).click();
  await page.getByRole("rowheader", { name: "subject mallory" }).waitFor({ state: "detached" });
  assert.deepEqual((await gateway.ask("GET", "/revocations")).revocations, []);
  assert.deepEqual(page.faults, []);
  await page.context().close();
});

test("a revocation is made by hand, for a subject that is not connected", limit, async () => {
  const page = await signedIn("revocations");
  await page.getByLabel("Subject").fill("nobody");
  await page.getByLabel("How long").selectOption("for an hour");
  await page.getByRole("button", { name: "Revoke …" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Revoke" }).click();
  await page.getByRole("rowheader", { name: "subject nobody" }).waitFor();
  const [made] = (await gateway.ask("GET", "/revocations")).revocations;
  assert.equal(made.subject, "nobody");
  assert.ok(made.until - made.made > 3590 && made.until - made.made <= 3601);
  await gateway.ask("DELETE", `/revocations/${made.id}`);
  await page.context().close();
});

test("users and keys are listed, a user is shut out, a key is removed", limit, async () => {
  await gateway.ask("POST", "/users", { name: "dora", password: "correct horse", scopes: ["chat"], groups: ["staff"] });
  await gateway.ask("POST", "/keys", { machine: "sensor-7", label: "cellar", scopes: ["chat"] });
  const page = await signedIn("accounts");
  await page.getByRole("rowheader", { name: "dora" }).waitFor();
  await page.screenshot({ path: join(shots, "accounts.png") });
  await page.getByRole("button", { name: "Shut out dora" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Shut out" }).click();
  await page.getByRole("button", { name: "Let in dora" }).waitFor();
  await page.getByRole("button", { name: "Remove the key cellar" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Remove" }).click();
  await page.getByRole("rowheader", { name: "cellar" }).waitFor({ state: "detached" });
  assert.equal((await gateway.ask("GET", "/users/dora")).state, "disabled");
  assert.deepEqual(page.faults, []);
  await page.context().close();
});

test("a thousand connections are a few rows, which the keyboard and the search go through", limit, async () => {
  const joined = [];
  for (let batch = 0; batch < 20; batch += 1) {
    joined.push(...(await Promise.all(Array.from({ length: 50 }, (_, place) => joinIn({ subject: `user-${String(batch * 50 + place).padStart(4, "0")}` })))));
  }
  const page = await signedIn("connections");
  await until(async () => (await page.locator(".count").textContent()).replace(/\D/g, "") === "1000");
  assert.ok((await page.locator(".room .row").count()) < 80, "every row is an element");
  await row(page, "user-0000").focus();
  await page.keyboard.press("End");
  await row(page, "user-0999").waitFor();
  assert.equal(await page.evaluate(() => document.activeElement.firstChild.textContent), "user-0999");
  await page.keyboard.press("Home");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "user-0000" }).waitFor();
  await page.screenshot({ path: join(shots, "thousand.png") });
  await page.getByRole("searchbox").fill("user-04");
  await until(async () => (await page.locator(".count").textContent()).startsWith("100 of"));
  await page.getByRole("link", { name: "Overview" }).click();
  await page.getByRole("img", { name: /^Live connections: now 1/ }).waitFor();
  await until(async () => (await page.locator(".charts path.good").getAttribute("d"))?.includes("L"));
  await page.screenshot({ path: join(shots, "overview.png") });
  for (const { socket } of joined) {
    socket.terminate();
  }
  await page.getByRole("link", { name: "Connections" }).click();
  await page.getByRole("searchbox").fill("");
  await page.getByText("Nobody is connected.").waitFor();
  assert.deepEqual(page.faults, []);
  await page.context().close();
});

test("ten thousand connections that all move do not freeze it", limit, async () => {
  const page = await watched(await chromium.newContext({ viewport: { width: 1280, height: 800 } }));
  page.setDefaultTimeout(8000);
  const status = await gateway.ask("GET", "/status");
  const rows = Array.from({ length: 10_000 }, (_, place) => ({
    id: `c-0123456789abcdef-${place + 1}`,
    subject: `user-${String(place).padStart(5, "0")}`,
    issuer: "https://id.example.com",
    mechanism: "bearer",
    carrier: "message",
    route: "/chat",
    address: `10.0.${place >> 8}.${place & 255}`,
    since: Math.floor(Date.now() / 1000),
    expires: Math.floor(Date.now() / 1000) + 600,
    lease_ends: Math.floor(Date.now() / 1000) + 600,
    to_client: 0,
    to_upstream: 0,
  }));
  let tell;
  await page.routeWebSocket(/\/api\/v1\/watch$/, (socket) => {
    socket.onMessage(() => {
      socket.send(JSON.stringify({ auth: { type: "accepted", subject: "admin", mechanism: "bearer", expires_in: 3600 } }));
      tell = (put, moved) => socket.send(JSON.stringify({ watch: { time: Math.floor(Date.now() / 1000), status, more: false, put, moved, gone: [] } }));
      tell(rows, []);
    });
  });
  await page.goto(`${gateway.admin}/console/#connections`);
  await page.getByLabel("Admin token").fill(gateway.token);
  await page.keyboard.press("Enter");
  const shown = async () => (await page.locator(".count").textContent()).replace(/\D/g, "");
  await until(async () => (await shown()) === "10000");
  assert.ok((await page.locator(".room .row").count()) < 80, "every row is an element");
  // How long the page does nothing else, while every row moves, it is ordered, searched, and scrolled through.
  await page.evaluate(() => {
    globalThis.longest = 0;
    new PerformanceObserver((list) => list.getEntries().forEach(({ duration }) => (longest = Math.max(longest, duration)))).observe({ type: "longtask" });
  });
  for (let round = 1; round <= 3; round += 1) {
    tell([], rows.map(({ id }) => [id, round * 1000, round]));
    await page.getByText(`${round}.0 kB`).first().waitFor();
  }
  await page.getByRole("button", { name: "To client" }).click();
  await page.getByRole("searchbox").fill("user-0999");
  await until(async () => (await page.locator(".count").textContent()).startsWith("10 of"));
  await page.getByRole("searchbox").fill("");
  await until(async () => (await shown()) === "10000");
  await page.evaluate(async () => {
    const view = document.querySelector(".rows");
    for (let step = 0; step <= 60; step += 1) {
      view.scrollTop = (view.scrollHeight * step) / 60;
      await new Promise(requestAnimationFrame);
    }
  });
  await page.locator('.room .row[aria-rowindex="10001"]').waitFor();
  const longest = await page.evaluate(() => longest);
  console.log(`ten thousand connections: ${longest === 0 ? "no task took 50 ms" : `the longest task took ${Math.round(longest)} ms`}`);
  assert.ok(longest < 1000, `the page did nothing else for ${longest} ms`);
  assert.deepEqual(page.faults, []);
  await page.context().close();
});

test("the console comes back when the gateway was started again, and says so meanwhile", limit, async () => {
  const page = await signedIn("connections");
  await gateway.kill();
  await page.getByText("the gateway does not answer").waitFor();
  await gateway.start();
  await page.getByText("live", { exact: true }).waitFor();
  const { socket } = await joinIn({ subject: "erin" });
  await row(page, "erin").waitFor();
  socket.terminate();
  await page.context().close();
});

test("it is drawn by night and on a phone, too", limit, async () => {
  const { socket } = await joinIn({ subject: "frank" });
  const dark = await signedIn("overview", { colorScheme: "dark" });
  await dark.screenshot({ path: join(shots, "dark.png") });
  const phone = await signedIn("connections", { viewport: { width: 390, height: 800 } });
  await row(phone, "frank").waitFor();
  await phone.screenshot({ path: join(shots, "phone.png") });
  const width = await phone.evaluate(() => document.documentElement.scrollWidth);
  assert.ok(width <= 390, `${width} wide`);
  socket.terminate();
  await dark.context().close();
  await phone.context().close();
});

test("a page of another origin cannot watch, though it knew the token", limit, async () => {
  const page = await (await chromium.newContext()).newPage();
  await page.goto(`http://127.0.0.1:${gateway.port}/`);
  const told = await page.evaluate(
    ([url, token]) =>
      new Promise((resolve) => {
        const socket = new WebSocket(url);
        socket.onopen = () => socket.send(JSON.stringify({ auth: { type: "authenticate", mechanism: "bearer", token } }));
        socket.onmessage = () => resolve("told");
        socket.onclose = ({ code }) => resolve(code);
      }),
    [`${gateway.admin.replace("http", "ws")}/api/v1/watch`, gateway.token],
  );
  assert.equal(told, 1006);
  await page.context().close();
});
