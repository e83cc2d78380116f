// The pictures of the README: `npm --prefix console run images`. A demonstration with some visitors.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import WebSocket from "ws";
import { browser } from "./browser.js";
import { until } from "./gateway.js";

const path = (relative) => fileURLToPath(new URL(`../../${relative}`, import.meta.url));
const child = spawn(process.env.VESTIBULE_BIN ?? path("target/debug/vestibule"), ["demo"], {
  cwd: mkdtempSync(join(tmpdir(), "vestibule-images-")),
  stdio: ["ignore", "pipe", "inherit"],
});
const found = {};
for await (const line of createInterface({ input: child.stdout })) {
  for (const [name, pattern] of [["page", /Open +(\S+)/], ["gateway", /Gateway +(\S+)/], ["console", /Console +(\S+)/], ["token", /cat (\S+)/]]) {
    found[name] ??= pattern.exec(line)?.[1];
  }
  if (line.startsWith("Ctrl-C")) {
    child.stdout.resume();
    break;
  }
}

/** A visitor of the chat, or one who is refused. */
async function visit(user, { ttl = 600, flaw = "none" } = {}) {
  const token = (await (await fetch(`${found.page}token?user=${user}&ttl=${ttl}&flaw=${flaw}`)).text()).trim();
  const socket = new WebSocket(`${found.gateway}/chat`, "chat", { headers: { authorization: `Bearer ${token}` } });
  socket.on("error", () => {});
  return socket;
}

const chromium = await browser();
const open = async (address, size) => {
  const page = await (await chromium.newContext({ viewport: size })).newPage();
  await page.goto(address);
  return page;
};

const demo = await open(found.page, { width: 1180, height: 860 });
await demo.getByRole("radio", { name: /^Key of this page/ }).check();
await demo.getByRole("button", { name: "Connect", exact: true }).click();
await demo.getByText("Authenticated as alice").waitFor();
await demo.locator("#text").fill("hello");
await demo.getByRole("button", { name: "Send", exact: true }).click();
await demo.getByText('"text":"hello"').waitFor();
await demo.evaluate(() => scrollTo(0, 0));
await demo.screenshot({ path: path("docs/images/demo.png") });

const console_ = await open(`${found.console}#overview`, { width: 1180, height: 760 });
await console_.getByLabel("Admin token").fill(readFileSync(found.token, "utf8").trim());
await console_.keyboard.press("Enter");
await console_.getByText("live", { exact: true }).waitFor();
const sockets = [];
const FLAWS = ["expired", "signature", "audience", "scope"];
for (let second = 0; second < 40; second += 1) {
  for (let visitor = 0; visitor <= 2 + 2 * Math.sin(second / 4); visitor += 1) {
    sockets.push(await visit(visitor % 2 === 0 ? "alice" : "bob", { ttl: 300 + second * 10 }));
  }
  if (second % 3 === 0) {
    await visit("bob", { flaw: FLAWS[Math.floor(second / 3) % 3 === 0 ? 0 : Math.floor(second / 3) % 4] });
  }
  if (second % 5 === 4) {
    sockets.shift()?.close();
  }
  const told = await console_.locator(".chart").first().locator("svg").getAttribute("aria-label");
  const drawn = () => console_.locator(".charts path.good").getAttribute("d");
  const before = await drawn();
  await until(async () => (await drawn()) !== before || told === null);
}
await console_.screenshot({ path: path("docs/images/console.png") });
await console_.getByRole("link", { name: "Connections" }).click();
for (const socket of sockets) {
  if (socket.readyState === WebSocket.OPEN) {
    socket.send("x".repeat(Math.ceil(Math.random() * 900)));
  }
}
await console_.locator(".room .row:visible").nth(3).click();
await console_.getByText("in the last second").or(console_.locator(".events li")).first().waitFor();
await console_.screenshot({ path: path("docs/images/connections.png") });

await chromium.close();
const over = once(child, "exit");
child.kill("SIGINT");
await over;
process.exit(0);
