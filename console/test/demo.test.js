// The page of `vestibule demo`, as a visitor uses it.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { browser, watched } from "./browser.js";

const shots = process.env.SHOTS ?? mkdtempSync(join(tmpdir(), "vestibule-shots-"));
const binary = process.env.VESTIBULE_BIN ?? fileURLToPath(new URL("../../target/debug/vestibule", import.meta.url));
const limit = { timeout: 40_000 };
let child, chromium, page, address, console_, token;

before(async () => {
  const folder = mkdtempSync(join(tmpdir(), "vestibule-demo-test-"));
  child = spawn(binary, ["demo", "--port", "0", "--page-port", "0", "--foreign-port", "0"], { cwd: folder, stdio: ["ignore", "pipe", "inherit"] });
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
    [/^Access token a JWT/, /^First message/, "alice"],
    [/^Access token by SASL/, /^First message/, "alice"],
    [/^Token with its key/, /^First message/, "alice"],
    [/^Token with its key/, /^Query/, "alice"],
    [/^Access token a JWT/, /^Subprotocol/, "alice"],
    [/^Access token a JWT/, /^Cookie/, "alice"],
    [/^Access token a JWT/, /^Query/, "alice"],
    [/^Session/, /^First message/, "alice"],
    [/^Ticket/, /^Query/, "alice"],
    [/^Ticket/, /^First message/, "alice"],
    [/^API key/, /^First message/, "machine:sensor"],
    [/^Password, sent/, /^Cookie/, "alice"],
    [/^Password, proven/, /^First message/, "alice"],
    [/^Key of this page/, /^First message/, "alice"],
  ]) {
    await choose(mechanism);
    await choose(carrier);
    await press("Connect");
    await state(`Authenticated as ${who}`);
    assert.match(await here(), /^Inside/);
    await close();
    assert.match(await here(), /^Out/);
  }
  // The nonce that a proof must have comes with a refusal, which the browser notes.
  const [refusal, ...faults] = page.faults.splice(0);
  assert.match(refusal, /401 \(Unauthorized\)/);
  assert.deepEqual(faults, []);
});

// A password may be tried five times by one user, in a row: the tests share them between Alice and Bob.

/** Every room in which the connection is from now on, in order. */
const watchRooms = () =>
  page.evaluate(() => {
    const seen = [];
    const look = () => {
      const room = document.querySelector(".rooms .here")?.dataset.room;
      if (room !== seen.at(-1)) {
        seen.push(room);
      }
    };
    new MutationObserver(look).observe(document.querySelector(".rooms"), { subtree: true, attributeFilter: ["class"] });
    window.seenRooms = seen;
  });
const rooms = () => page.evaluate(() => window.seenRooms);
const said = (mark) => page.locator(`#log li.${mark}.auth .words`).allTextContents();

test("a proof passes by the state challenged, and both sides of the exchange are listed", limit, async () => {
  for (const [mechanism, sent, received] of [
    [
      /^Password, proven/,
      [/^{"auth":{"type":"authenticate","mechanism":"scram-sha-256","message":"n,,n=bob,r=/, /^{"auth":{"type":"respond","message":"c=biws,r=.*,p=/],
      [/^{"auth":{"type":"challenge","message":"r=.*,i=100000"/, /^{"auth":{"type":"accepted","subject":"bob".*"message":"v=/],
    ],
    [
      /^Key of this page/,
      [/^{"auth":{"type":"authenticate","mechanism":"public-key","key":"SHA256:/, /^{"auth":{"type":"respond","signature":"/],
      [/^{"auth":{"type":"challenge","nonce":"/, /^{"auth":{"type":"accepted","subject":"bob"/],
    ],
  ]) {
    await press("Clear");
    await choose(/^Bob/);
    await choose(mechanism);
    const password = await page.locator("#password").inputValue();
    await watchRooms();
    await press("Connect");
    await state("Authenticated as bob");
    assert.deepEqual((await rooms()).slice(-3), ["vestibule", "challenge", "inside"]);
    for (const [mark, expected] of [["out", sent], ["in", received]]) {
      const frames = await said(mark);
      assert.equal(frames.length, expected.length, frames.join("\n"));
      frames.forEach((frame, at) => assert.match(frame, expected[at]));
    }
    assert.ok(!(await page.locator("#log").textContent()).includes(password), "the password was sent");
    await close();
  }
  await press("Replay the answer");
  await page.getByText(/the replayed answer: {"auth":{"type":"rejected","error":"invalid_credentials"/).waitFor();
  assert.deepEqual(page.faults, []);
});

test("a challenge waits for a person, and a wrong password is refused in words", limit, async () => {
  await choose(/^Bob/);
  await choose(/^Password, proven/);
  await page.getByRole("checkbox", { name: /^I answer it myself/ }).check();
  const password = await page.locator("#password").inputValue();
  await page.locator("#password").fill("wrong");
  await press("Connect");
  await state("Challenged");
  assert.match(await here(), /^Asked back/);
  await page.getByText("left to answer").waitFor();
  await page.screenshot({ path: join(shots, "demo-challenged.png") });
  await press("Answer the challenge");
  await state("Connected, not authenticated");
  await page.getByText("The proof is not good.").waitFor();
  await page.screenshot({ path: join(shots, "demo-wrong-password.png") });
  await page.locator("#password").fill(password);
  await page.getByRole("checkbox", { name: /^I answer it myself/ }).uncheck();
  await press("Authenticate");
  await state("Authenticated as bob");
  await close();
});

test("a key and a password that were revoked let nobody stay, and their user come back", limit, async () => {
  await choose(/^Bob/);
  for (const mechanism of [/^Password, proven/, /^Key of this page/]) {
    await choose(mechanism);
    await press("Connect");
    await state("Authenticated as bob");
    await press("Clear");
    await press("Revoke from the other side");
    await state("4410");
    await page.getByText("the other side has revoked it").waitFor();
    await press("Connect");
    await state("Authenticated as bob");
    await close();
  }
  await choose(/^Alice/);
});

test("whoever brings nothing is told what the gateway takes, and can prove it then", limit, async () => {
  await choose(/^Key of this page/);
  await choose(/^No credential/);
  await press("Connect");
  await state("Connected, not authenticated");
  await page.getByText(/"type":"required","mechanisms":\["bearer","oauthbearer","scram-sha-256","public-key","webauthn","dpop"\]/).waitFor();
  await press("Authenticate");
  await state("Authenticated as alice");
  await close();
});

test("a passkey is made on the page, and gets its user in", limit, async () => {
  const devtools = await page.context().newCDPSession(page);
  await devtools.send("WebAuthn.enable");
  await devtools.send("WebAuthn.addVirtualAuthenticator", {
    options: {
      protocol: "ctap2",
      transport: "internal",
      hasResidentKey: true,
      hasUserVerification: true,
      isUserVerified: true,
      automaticPresenceSimulation: true,
    },
  });
  await choose(/^Passkey/);
  await choose(/^First message/);
  await press("Make a passkey for Alice");
  await page.getByText("made a passkey, and registered it with Alice").waitFor();
  await watchRooms();
  await press("Clear");
  await press("Connect");
  await state("Authenticated as alice");
  assert.deepEqual((await rooms()).slice(-3), ["vestibule", "challenge", "inside"]);
  const [sent, received] = [await said("out"), await said("in")];
  assert.match(sent[1], /^{"auth":{"type":"respond","assertion":{/);
  assert.match(received[0], /^{"auth":{"type":"challenge","options":{/);
  assert.match(received[1], /^{"auth":{"type":"accepted","subject":"alice","mechanism":"webauthn"/);
  await page.screenshot({ path: join(shots, "demo-passkey.png") });
  await press("Replay the answer");
  await page.getByText(/the replayed answer: {"auth":{"type":"rejected","error":"invalid_credentials"/).last().waitFor();
  await press("Clear");
  await press("Refresh");
  await page.locator("#log li.in.auth", { hasText: '"type":"accepted"' }).waitFor();
  assert.match((await said("out"))[0], /^{"auth":{"type":"refresh","mechanism":"webauthn"/);
  assert.match(await here(), /^Inside/);
  await close();
  assert.deepEqual(page.faults, []);
});

test("who came in by a password shows a key when the route asks, while messages pass", limit, async () => {
  await choose(/^Password, proven/);
  await choose(/^First message/);
  const careful = page.getByRole("checkbox", { name: /^Asks for a second proof/ });
  await careful.check();
  await press("Connect");
  await state("Authenticated as alice");
  await page.getByText("The gateway wants a second proof, while messages pass: the key of this page or a passkey.").waitFor();
  await page.locator("#text").fill("meanwhile");
  await press("Send");
  await page.locator("#log li.in", { hasText: "meanwhile" }).waitFor();
  await page.screenshot({ path: join(shots, "demo-second-proof.png") });
  await choose(/^Key of this page/);
  await press("Authenticate");
  await page.getByText("Messages pass between you and the chat server.").waitFor();
  await careful.uncheck();
  await close();
  assert.deepEqual(page.faults, []);
});

test("a token in each message counts for that message alone", limit, async () => {
  await choose(/^Access token a JWT/);
  await choose(/^Each message/);
  const speak = async (text) => {
    await page.locator("#text").fill(text);
    await press("Send");
  };
  await press("Connect");
  await state("Connected, not authenticated");
  await speak("one");
  await state("Authenticated as alice");
  await page.getByText('"from":"alice"').last().waitFor();
  await page.locator("#life").selectOption("signature");
  await press("Refresh");
  await page.getByText("the next message carries another token of Alice").last().waitFor();
  await speak("two");
  await page.getByText("That message was rejected, and the connection goes on.").waitFor();
  await page.locator("#life").selectOption("short");
  await press("Refresh");
  await page.getByText("the next message carries another token of Alice").nth(1).waitFor();
  await speak("three");
  await page.locator("#log li.in", { hasText: "three" }).waitFor();
  assert.equal(await page.locator("#log li.in", { hasText: "two" }).count(), 0, "a message that was rejected arrived");
  await page.screenshot({ path: join(shots, "demo-each-message.png") });
  await close();
  assert.deepEqual(page.faults, []);
});

test("a lease that is cut short warns, and ends", limit, async () => {
  await choose(/^Access token a JWT/);
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

test("a token that is withdrawn at its issuer ends the connection", limit, async () => {
  await choose(/^Opaque token/);
  await choose(/^First message/);
  await press("Connect");
  await state("Authenticated as alice");
  await press("Withdraw at the issuer");
  await state("4410");
  await press("Connect");
  await state("Authenticated as alice");
  await close();
  await page.locator("#life").selectOption("expired");
  await press("Connect");
  await page.getByText("The token is not believed.").waitFor();
  await page.locator("#life").selectOption("short");
  await close();
});

/** What each command of the page leads to: how it ends, and what it says. Lines are sent until that was said. */
const COMMANDS = [
  [/^Alice for 30 seconds/, 0, /"mechanism":"bearer"/],
  [/^Alice by her key/, 0, /"mechanism":"public-key"/],
  [/^Alice by her password, which/, 0, /"mechanism":"scram-sha-256"/],
  [/^A page that is not on the list/, 2, /403/],
  [/^A token that is none/, 2, /401/],
  [/^A machine by its certificate/, 0, /"subject":"spiffe:\/\/vestibule.example\/machine\/7"/],
  [/^Alice by her password, bound/, 0, /"mechanism":"scram-sha-256-plus"/],
  [/^The same machine by curl/, 28, /101 Switching Protocols[^]*"subject":"spiffe:\/\/vestibule.example\/machine\/7"/],
  [/^What any other client sends/, 28, /101 Switching Protocols[^]*"subject":"bob"/],
];

test("every command that the page shows does what it says", limit, async () => {
  const shown = await page.locator("#commands li").all();
  const { commands } = await (await fetch(`${address}settings.json`)).json();
  assert.equal(shown.length, commands.length);
  assert.equal(commands.length, COMMANDS.length);
  for (const { about, text } of commands) {
    const [, code, says] = COMMANDS.find(([pattern]) => pattern.test(about)) ?? assert.fail(about);
    const run = spawn("bash", ["-c", text], { env: { ...process.env, PATH: `${dirname(binary)}:${process.env.PATH}` } });
    let told = "";
    for (const stream of [run.stdout, run.stderr]) {
      stream.setEncoding("utf8").on("data", (part) => {
        told += part;
        if (says.test(told)) {
          run.stdin.end();
        }
      });
    }
    const [ended] = await once(run, "close");
    assert.match(told, says, about);
    assert.equal(ended, code, `${about}: ${told}`);
  }
});

test("a command is copied by its button", limit, async () => {
  await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
  const item = page.locator("#commands li", { hasText: "Alice by her key" });
  await item.getByRole("button", { name: "Copy: Alice by her key" }).click();
  await item.getByText("Copied").waitFor();
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), await item.locator("code").textContent());
});

// Behind everything that Alice does: what is issued in the second of a revocation is covered by it.
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
