// The TypeScript client and passkeys in a real browser, which plays the authenticator (Web Authentication section 11).

import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { browser } from "./browser.js";
import { Gateway, site, until, wire } from "./gateway.js";

const limit = { timeout: 30_000 };
const PASSWORD = "correct horse battery staple";
let own, gateway, chromium, cable, context, page, devtools, authenticatorId, token;

before(async () => {
  [own, chromium] = await Promise.all([site(), browser()]);
  gateway = await new Gateway([`http://localhost:${own.port}`]).start();
  cable = await wire(gateway.port);
  await gateway.ask("POST", "/users", { name: "alice", password: PASSWORD, scopes: ["chat"] });
  const login = await fetch(`http://localhost:${gateway.port}/auth/login`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ username: "alice", password: PASSWORD }),
  });
  ({ access_token: token } = await login.json());
}, limit);

after(async () => {
  await chromium?.close();
  await gateway?.end();
  cable?.close();
  own?.close();
}, limit);

beforeEach(async () => {
  context = await chromium.newContext();
  page = await context.newPage();
  page.setDefaultTimeout(8000);
  devtools = await context.newCDPSession(page);
  await devtools.send("WebAuthn.enable");
  const options = {
    protocol: "ctap2",
    transport: "internal",
    hasResidentKey: true,
    hasUserVerification: true,
    isUserVerified: true,
    automaticPresenceSimulation: true,
  };
  ({ authenticatorId } = await devtools.send("WebAuthn.addVirtualAuthenticator", { options }));
  await page.goto(`http://localhost:${own.port}`);
});

afterEach(async () => {
  const { passkeys } = await gateway.ask("GET", "/passkeys");
  await Promise.all(passkeys.map(({ id }) => gateway.ask("DELETE", `/passkeys/${id}`)));
  await context.close();
});

/** Runs in the page, with what the client exports. */
const use = (body) =>
  page.evaluate(
    `(async () => {
      const { bearer, passkey, registerPasskey, session, stepUp, VestibuleError, VestibuleSocket } = await import("/client.js");
      const base = "http://localhost:${cable.port}/auth/webauthn";
      const token = ${JSON.stringify(token)};
      const connect = (path, auth) => {
        globalThis.events = [];
        globalThis.socket = new VestibuleSocket("ws://localhost:${cable.port}" + path, "chat", { auth });
        socket.onmessage = ({ data }) => events.push(data);
        socket.onclose = ({ code, reason }) => events.push("close " + code + " " + reason);
        socket.onerror = ({ error }) => events.push(error.code);
        socket.onauth = ({ detail }) => events.push(detail.state);
      };
      ${body}
    })()`,
  );
const told = (event) => until(() => page.evaluate((event) => events.includes(event), event));
const register = () => use(`return registerPasskey(base, { bearer: () => token, name: "a test" });`);
const uses = async () => (await devtools.send("WebAuthn.getCredentials", { authenticatorId })).credentials[0].signCount;

test("a page registers a passkey and signs in by it, with two lines of its own", limit, async () => {
  const shown = await register();
  assert.equal(shown.name, "a test");
  for (const user of ["", '{ user: "alice" }']) {
    await use(`connect("/passkey", passkey(${user})); socket.send("hello");`);
    await told("hello");
    await page.evaluate(() => socket.close());
  }
  const { passkeys } = await gateway.ask("GET", "/passkeys");
  assert.deepEqual(passkeys.map(({ user, id }) => [user, id]), [["alice", shown.id]]);
});

test("a connection that breaks is brought back by the session, and nobody is asked", limit, async () => {
  await register();
  await use(`connect("/passkey", session(passkey()));`);
  await told("authenticated");
  const count = await uses();
  cable.cut();
  cable.mend();
  await page.evaluate(() => socket.send("after"));
  await told("after");
  assert.equal(await uses(), count);
});

test("who has no passkey, or does not let it be used, stops, and is not asked again", limit, async () => {
  await use(`connect("/passkey", passkey());`);
  await told("challenge_failed");
  await register();
  await devtools.send("WebAuthn.setUserVerified", { authenticatorId, isUserVerified: false });
  await use(`connect("/passkey", passkey());`);
  await told("challenge_failed");
});

test("a connection by a token is stepped up by a passkey, and talks meanwhile", limit, async () => {
  await register();
  await use(`connect("/stepped", stepUp(bearer(() => token), passkey())); socket.send("hello");`);
  await told("hello");
  await told("refreshed");
  assert.deepEqual(await page.evaluate(() => events.filter((event) => event !== "hello")), ["waiting", "authenticated", "refreshing", "refreshed"]);
  const [{ mechanism, stepped_up }] = (await gateway.ask("GET", "/connections")).connections;
  assert.deepEqual([mechanism, stepped_up > 0], ["bearer", true]);
});

test("who does not step up stays until the gateway's time is over", limit, async () => {
  await use(`connect("/stepped", stepUp(bearer(() => token), passkey())); socket.send("hello");`);
  await told("hello");
  await told("close 4403 step_up_required");
  assert.ok(!(await page.evaluate(() => events)).includes("refreshed"));
});

test("a passkey of somebody else is refused, and who is not signed in registers none", limit, async () => {
  await register();
  await gateway.ask("POST", "/users", { name: "bob", password: PASSWORD });
  await use(`connect("/passkey", passkey({ user: "bob" }));`);
  await told("close 4401 invalid_credentials");
  const code = await use(`return registerPasskey(base, { bearer: () => "wrong" }).catch(({ code }) => code);`);
  assert.equal(code, "credential_refused");
  const again = await use(`return registerPasskey(base, { bearer: () => token }).catch(({ name }) => name);`);
  assert.equal(again, "InvalidStateError");
});
