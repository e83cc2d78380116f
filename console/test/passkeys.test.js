// Passkeys in a real browser, with an authenticator that the browser itself plays (Web Authentication section 11).

import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { browser } from "./browser.js";
import { Gateway, site } from "./gateway.js";

const limit = { timeout: 30_000 };
const PASSWORD = "correct horse battery staple";
let own, gateway, chromium, context, page, devtools, authenticatorId;
/** An access token of Alice's login. */
let token;

before(async () => {
  [own, chromium] = await Promise.all([site(), browser()]);
  gateway = await new Gateway([`http://localhost:${own.port}`, `http://127.0.0.1:${own.port}`]).start();
  for (const name of ["alice", "bob"]) {
    await gateway.ask("POST", "/users", { name, password: PASSWORD, scopes: ["chat"] });
  }
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
  own?.close();
}, limit);

beforeEach(async () => {
  context = await chromium.newContext();
  page = await context.newPage();
  page.setDefaultTimeout(8000);
  devtools = await context.newCDPSession(page);
  await devtools.send("WebAuthn.enable");
  ({ authenticatorId } = await devtools.send("WebAuthn.addVirtualAuthenticator", {
    options: {
      protocol: "ctap2",
      transport: "internal",
      hasResidentKey: true,
      hasUserVerification: true,
      isUserVerified: true,
      automaticPresenceSimulation: true,
    },
  }));
  await page.goto(`http://localhost:${own.port}`);
});

afterEach(async () => {
  const { passkeys } = await gateway.ask("GET", "/passkeys");
  await Promise.all(passkeys.map(({ id }) => gateway.ask("DELETE", `/passkeys/${id}`)));
  await context.close();
});

/** Has the page register a passkey with Alice. */
const register = () =>
  page.evaluate(
    async ([base, token]) => {
      const post = async (path, body) => {
        const headers = { "content-type": "application/json", authorization: `Bearer ${token}` };
        const answer = await fetch(`${base}${path}`, { method: "POST", headers, body: JSON.stringify(body) });
        const said = await answer.json();
        if (!answer.ok) {
          throw new Error(JSON.stringify(said));
        }
        return said;
      };
      const { options } = await post("/register/options", {});
      const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(options);
      const credential = await navigator.credentials.create({ publicKey });
      return post("/register", { name: "a test", credential: credential.toJSON() });
    },
    [`http://localhost:${gateway.port}/auth/webauthn`, token],
  );

/** Has the page sign in by a passkey, with a name or without: what the gateway says in the end. */
const signIn = (user) =>
  page.evaluate(
    ([url, user]) =>
      new Promise((resolve, reject) => {
        const socket = new WebSocket(url, "chat");
        const say = (auth) => socket.send(JSON.stringify({ auth }));
        socket.onopen = () => say({ type: "authenticate", mechanism: "webauthn", ...(user && { user }) });
        socket.onclose = ({ code, reason }) => resolve({ type: "closed", code, reason });
        socket.onmessage = async ({ data }) => {
          const { auth } = JSON.parse(data);
          if (auth.type !== "challenge") {
            socket.onclose = null;
            socket.close();
            resolve(auth);
            return;
          }
          try {
            const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(auth.options);
            const credential = await navigator.credentials.get({ publicKey });
            say({ type: "respond", assertion: credential.toJSON() });
          } catch (error) {
            reject(error);
          }
        };
      }),
    [`ws://localhost:${gateway.port}/passkey`, user],
  );

test("a page registers a passkey and signs in by it, with a name and without", limit, async () => {
  const shown = await register();
  assert.equal(shown.name, "a test");
  for (const user of [undefined, "alice"]) {
    const said = await signIn(user);
    assert.deepEqual([said.type, said.subject, said.mechanism], ["accepted", "alice", "webauthn"]);
  }
  const { passkeys } = await gateway.ask("GET", "/passkeys");
  assert.deepEqual(passkeys.map(({ user, id }) => [user, id]), [["alice", shown.id]]);
  assert.ok(passkeys[0].used > 0);
});

test("the passkey of one user does not sign in another", limit, async () => {
  await register();
  const said = await signIn("bob");
  assert.deepEqual([said.type, said.error, said.retry], ["rejected", "invalid_credentials", true]);
});

test("an authenticator makes no second passkey for the same user", limit, async () => {
  await register();
  await assert.rejects(register(), /InvalidStateError/);
});

test("a copy of an authenticator is noticed by its count", limit, async () => {
  await register();
  const before = (await devtools.send("WebAuthn.getCredentials", { authenticatorId })).credentials[0];
  assert.equal((await signIn()).type, "accepted");
  const { credentials } = await devtools.send("WebAuthn.getCredentials", { authenticatorId });
  assert.ok(credentials[0].signCount > before.signCount);
  await devtools.send("WebAuthn.clearCredentials", { authenticatorId });
  await devtools.send("WebAuthn.addCredential", { authenticatorId, credential: before });
  const said = await signIn();
  assert.deepEqual([said.type, said.error], ["rejected", "invalid_credentials"]);
});

test("an authenticator that does not know its user is not taken", limit, async () => {
  await register();
  await devtools.send("WebAuthn.setUserVerified", { authenticatorId, isUserVerified: false });
  await assert.rejects(signIn(), /NotAllowedError/);
});

test("a page of another domain gets nothing signed, and a removed passkey opens nothing", limit, async () => {
  const shown = await register();
  await page.goto(`http://127.0.0.1:${own.port}`);
  await assert.rejects(signIn(), /SecurityError/);
  await page.goto(`http://localhost:${own.port}`);
  await gateway.ask("DELETE", `/passkeys/${shown.id}`);
  const said = await signIn();
  assert.deepEqual([said.type, said.error], ["rejected", "invalid_credentials"]);
});
