// The page of `vestibule demo`, as a visitor uses it.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { browser, watched } from "./browser.js";

const shots = process.env.SHOTS ?? mkdtempSync(join(tmpdir(), "vestibule-shots-"));
const binary = process.env.VESTIBULE_BIN ?? fileURLToPath(new URL("../../target/debug/vestibule", import.meta.url));
const limit = { timeout: 40_000 };
let child, chromium, page, console_, token;

before(async () => {
  const folder = mkdtempSync(join(tmpdir(), "vestibule-demo-test-"));
  child = spawn(binary, ["demo", "--port", "0", "--page-port", "0", "--foreign-port", "0"], { cwd: folder, stdio: ["ignore", "pipe", "inherit"] });
  let address;
  for await (const line of createInterface({ input: child.stdout })) {
    address ??= /Open +(\S+)/.exec(line)?.[1];
    console_ ??= /Console +(\S+)/.exec(line)?.[1];
    token ??= /cat (\S+)/.exec(line)?.[1];
    if (line.startsWith("Ctrl-C")) {
      child.stdout.resume();
      break;
    }
  }
  chromium = await browser();
  page = await watched(await chromium.newContext({ viewport: { width: 1280, height: 1000 } }));
  page.setDefaultTimeout(10_000);
  await page.goto(address);
  console.log(`screenshots of the demonstration: ${shots}`);
}, limit);

after(async () => {
  await chromium?.close();
  const over = once(child, "exit");
  child.kill("SIGINT");
  await over;
  assert.ok(!existsSync(token), "the token of the demonstration outlived it");
}, limit);

const choose = (name) => page.getByRole("radio", { name }).check();
const press = (name) => page.getByRole("button", { name, exact: true }).click();
const state = (text) => page.locator("#state-title", { hasText: text }).waitFor();
const here = () => page.locator(".rooms .here").textContent();

async function close() {
  await press("Close");
  await state("Closed");
}

test("every mechanism gets Alice, or a machine, inside", limit, async () => {
  for (const [mechanism, carrier, who] of [
    [/^Access token/, /^First message/, "alice"],
    [/^Access token/, /^Subprotocol/, "alice"],
    [/^Access token/, /^Cookie/, "alice"],
    [/^Access token/, /^Query/, "alice"],
    [/^Session/, /^First message/, "alice"],
    [/^Ticket/, /^Query/, "alice"],
    [/^Ticket/, /^First message/, "alice"],
    [/^API key/, /^First message/, "machine:sensor"],
    [/^Password/, /^Cookie/, "alice"],
  ]) {
    await choose(mechanism);
    await choose(carrier);
    await press("Connect");
    await state(`Authenticated as ${who}`);
    assert.match(await here(), /^Inside/);
    await close();
    assert.match(await here(), /^Out/);
  }
  assert.deepEqual(page.faults, []);
});

test("a lease that is cut short warns, and ends", limit, async () => {
  await choose(/^Access token/);
  await choose(/^First message/);
  await press("Connect");
  await state("Authenticated as alice");
  await page.locator("#text").fill("hello");
  await press("Send");
  await page.screenshot({ path: join(shots, "demo.png") });
  await press("Let it expire");
  await page.locator(".rooms .here", { hasText: "At the door" }).waitFor();
  await page.screenshot({ path: join(shots, "demo-expiring.png") });
  await state("4401");
});

test("an operator revokes, a ticket is refused when it is shown again, and a foreign page gets nothing", limit, async () => {
  await choose(/^Ticket/);
  await choose(/^First message/);
  await press("Connect");
  await state("Authenticated as alice");
  await press("Replay the ticket");
  await page.getByText("the replayed ticket: closed 4401 invalid_token").waitFor();
  await press("Let it try");
  await page.getByText("foreign page: It did not get in.").waitFor();
  await press("Revoke from the other side");
  await state("4410");
  await page.screenshot({ path: join(shots, "demo-revoked.png"), fullPage: true });
});

test("the console of the demonstration opens with the token that the terminal names", limit, async () => {
  const console = await watched(await chromium.newContext());
  await console.goto(console_);
  await console.getByLabel("Admin token").fill(readFileSync(token, "utf8").trim());
  await console.keyboard.press("Enter");
  await console.getByText("live", { exact: true }).waitFor();
  assert.deepEqual(console.faults, []);
});
