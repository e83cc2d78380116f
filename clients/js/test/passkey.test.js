// Passkeys, with an authenticator that is not real, and servers that follow a script.

import assert from "node:assert/strict";
import { test } from "node:test";
import { passkey, registerPasskey, session, VestibuleError } from "../dist/index.js";
import { accepted, against, FAILED, nonce, NONSENSE } from "./exchanges.js";
import { once } from "./fakes.js";
import { says } from "./servers.js";

const BYTES = Buffer.from([0xfb, 0xff, 0xfe, 0x00]);
const TEXT = "-__-AA";
const OPTIONS = { challenge: TEXT, rpId: "example.com", allowCredentials: [{ type: "public-key", id: TEXT, transports: ["internal"] }], userVerification: "required" };
const demand = (options = OPTIONS, expires_in = 60) => says({ type: "challenge", options, expires_in });

/** What an authenticator makes, as a browser before 2025 has it. */
class Made {
  #response;
  constructor(response) {
    this.#response = response;
  }
  get id() {
    return TEXT;
  }
  get rawId() {
    return BYTES.buffer;
  }
  get type() {
    return "public-key";
  }
  get authenticatorAttachment() {
    return "platform";
  }
  get response() {
    return this.#response;
  }
  getClientExtensionResults() {
    return {};
  }
}

const bytes = (text) => Uint8Array.from(text, (sign) => sign.charCodeAt(0)).buffer;
const signed = () =>
  new Made({ clientDataJSON: bytes("ab"), authenticatorData: bytes("cd"), signature: bytes("ef"), userHandle: null });
const ASSERTION = {
  id: TEXT,
  rawId: TEXT,
  type: "public-key",
  authenticatorAttachment: "platform",
  clientExtensionResults: {},
  response: { clientDataJSON: "YWI", authenticatorData: "Y2Q", signature: "ZWY" },
};

/** An authenticator that answers; `asked` is what it was asked. */
function authenticator(answer = signed) {
  const asked = [];
  const ask = async (options) => {
    asked.push(options);
    return answer(options);
  };
  return { asked, credentials: { get: ask, create: ask } };
}

/** As a dialog behaves: it waits for the person, and heeds the signal. */
const patient = ({ signal }) => new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));

/** A `PublicKeyCredential` for the time of a test. */
function withBrowser(browser, run) {
  globalThis.PublicKeyCredential = browser;
  return run().finally(() => {
    delete globalThis.PublicKeyCredential;
  });
}

test("a passkey signs the gateway's challenge", async () => {
  const { asked, credentials } = authenticator(({ signal }) => (signal.throwIfAborted(), signed()));
  const { heard, lines } = await against(passkey({ credentials }), [demand(), accepted()], "open");
  assert.deepEqual(heard, [
    { type: "authenticate", mechanism: "webauthn" },
    { type: "respond", assertion: ASSERTION },
  ]);
  assert.deepEqual(lines, ["auth waiting connect", "auth authenticated", "open"]);
  const [{ publicKey }] = asked;
  assert.deepEqual(Buffer.from(publicKey.challenge), BYTES);
  assert.deepEqual(Buffer.from(publicKey.allowCredentials[0].id), BYTES);
  assert.deepEqual(publicKey.allowCredentials[0].transports, ["internal"]);
  assert.equal(publicKey.rpId, "example.com");
  assert.equal(publicKey.userVerification, "required");
});

test("whose passkey it is can be said", async () => {
  const { credentials } = authenticator();
  const { heard } = await against(passkey({ credentials, user: "alice" }), [demand(), accepted()], "open");
  assert.deepEqual(heard[0], { type: "authenticate", mechanism: "webauthn", user: "alice" });
});

test("a browser that reads and writes the JSON does it", async () => {
  const { asked, credentials } = authenticator(() => ({ toJSON: () => ({ written: "by the browser" }) }));
  const browser = {
    parseRequestOptionsFromJSON(options) {
      assert.equal(this, browser);
      return { read: options };
    },
  };
  await withBrowser(browser, async () => {
    const { heard } = await against(passkey({ credentials }), [demand(), accepted()], "open");
    assert.deepEqual(asked[0].publicKey, { read: OPTIONS });
    assert.deepEqual(heard[1].assertion, { written: "by the browser" });
  });
});

test("the handle of the user is told", async () => {
  const { credentials } = authenticator(() => new Made({ ...signed().response, userHandle: bytes("ab") }));
  const { heard } = await against(passkey({ credentials }), [demand(), accepted()], "open");
  assert.equal(heard[1].assertion.response.userHandle, "YWI");
});

for (const [name, answer] of [
  ["declines", () => Promise.reject(new DOMException("no", "NotAllowedError"))],
  ["has none", () => null],
  ["gives something else", () => ({})],
]) {
  test(`who ${name} stops, and is not asked again`, async () => {
    const { asked, credentials } = authenticator(answer);
    const { heard, lines } = await against(passkey({ credentials }), [demand()]);
    assert.deepEqual(lines, FAILED);
    assert.equal(heard.length, 1);
    assert.equal(asked.length, 1);
  });
}

test("where there are no passkeys, that is said as if there was none", async () => {
  const { lines } = await against(passkey(), [demand()]);
  assert.deepEqual(lines, FAILED);
});

test("a person has the time that the gateway gives, and the gateway's own stands still meanwhile", async () => {
  let answer;
  let ask;
  const asked = new Promise((resolve) => {
    ask = resolve;
  });
  const credentials = {
    get: () => {
      ask();
      return new Promise((resolve) => {
        answer = () => resolve(signed());
      });
    },
  };
  const { lines } = await against(passkey({ credentials }), [demand()], async ({ socket, world, heard }) => {
    await asked;
    await world.pass(59_999);
    assert.equal(socket.readyState, socket.CONNECTING);
    answer();
    while (heard.length < 2) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    const waiting = once(socket, "reconnecting");
    await world.pass(9_999);
    assert.equal(socket.readyState, socket.CONNECTING);
    await world.pass(1);
    assert.equal((await waiting).detail.cause, "auth_timeout");
  });
  assert.equal(lines.length, 2);
});

test("a gateway that gives a day is waited for two minutes", async () => {
  let ask;
  const asked = new Promise((resolve) => {
    ask = resolve;
  });
  const credentials = { get: (options) => (ask(), patient(options)) };
  await against(passkey({ credentials }), [demand(OPTIONS, 86_400)], async ({ socket, world }) => {
    await asked;
    const waiting = once(socket, "reconnecting");
    await world.pass(120_000);
    assert.equal((await waiting).detail.cause, "auth_timeout");
  });
});

test("a dialog that nobody waits for is taken back", async () => {
  for (const end of [
    (socket) => socket.close(),
    (_, peer) => peer.close(4410, "logged_out"),
    // Another challenge would have another dialog.
    (_, peer) => peer.send(nonce()),
  ]) {
    let peer;
    let dialog;
    const asked = new Promise((resolve) => {
      dialog = resolve;
    });
    const credentials = { get: (options) => (dialog(options), patient(options)) };
    await against(passkey({ credentials }), [[demand(), (connected) => (peer = connected)]], async ({ socket }) => {
      const { signal } = await asked;
      const over = once(socket, "close");
      end(socket, peer);
      await over;
      assert.ok(signal.aborted);
    });
  }
});

test("a dialog that the gateway will not wait for is taken back before it says so", async () => {
  const credentials = { get: patient };
  const { heard, lines } = await against(passkey({ credentials }), [demand(OPTIONS, 1)]);
  assert.deepEqual(lines, FAILED);
  assert.equal(heard.length, 1);
});

for (const [name, said, end] of [
  ["a nonce", nonce(), FAILED],
  ["a message", says({ type: "challenge", message: "r=a", expires_in: 60 }), FAILED],
  ["options without a challenge", demand({}), FAILED],
  ["a challenge that is no base64url", demand({ ...OPTIONS, challenge: "?" }), FAILED],
  ["a passkey whose name is no base64url", demand({ ...OPTIONS, allowCredentials: [{ id: 7 }] }), FAILED],
  ["passkeys that are no list", demand({ ...OPTIONS, allowCredentials: 7 }), FAILED],
  ["options that are none", demand("options"), NONSENSE],
  ["no options", demand(null), NONSENSE],
  ["options and a nonce", says({ type: "challenge", options: OPTIONS, nonce: "AAAA", expires_in: 60 }), NONSENSE],
  ["options without a time", says({ type: "challenge", options: OPTIONS }), NONSENSE],
  ["options without end", demand({ ...OPTIONS, challenge: "A".repeat(20_000) }), NONSENSE],
  ["accepted without a challenge", accepted(), FAILED],
  ["accepted while the person is asked", [demand(), accepted()], FAILED],
]) {
  test(`a gateway that says ${name} is not answered`, async () => {
    const { credentials } = authenticator();
    const { heard, lines } = await against(passkey({ credentials }), [said]);
    assert.equal(heard.length, 1);
    assert.deepEqual(lines, end);
  });
}

test("a session brings a connection back without a dialog", async () => {
  const { asked, credentials } = authenticator();
  const handed = says({ type: "accepted", subject: "alice", mechanism: "webauthn", expires_in: 600, session: "vss_1" });
  const { heard } = await against(
    session(passkey({ credentials })),
    [demand(), [handed, (peer) => peer.terminate()], accepted()],
    async ({ socket, world }) => {
      await once(socket, "reconnecting");
      await world.pass(250);
      await once(socket, "open");
    },
  );
  assert.equal(asked.length, 1);
  assert.deepEqual(heard.at(-1), { type: "authenticate", mechanism: "session", token: "vss_1" });
});

// The registration.

const CREATION = { challenge: TEXT, rp: { id: "example.com", name: "Example" }, user: { id: TEXT, name: "alice", displayName: "Alice" }, pubKeyCredParams: [], excludeCredentials: [{ type: "public-key", id: TEXT }] };
const made = () => new Made({ clientDataJSON: bytes("ab"), attestationObject: bytes("cd"), getTransports: () => ["internal"] });

/** A `fetch` that answers so; `sent` is what it was given. */
function office(...answers) {
  const sent = [];
  return {
    sent,
    fetch: async (url, init) => {
      sent.push([String(url), init]);
      const [status, body] = answers[sent.length - 1];
      return new Response(JSON.stringify(body), { status });
    },
  };
}

test("a passkey is registered for who is signed in", async () => {
  const { asked, credentials } = authenticator(made);
  const { sent, fetch } = office([200, { options: CREATION, expires_in: 300 }], [201, { id: TEXT }]);
  const options = { credentials, fetch, bearer: () => "token", name: "laptop" };
  assert.deepEqual(await registerPasskey("https://ws.example.com/auth/webauthn", options), { id: TEXT });
  assert.deepEqual(sent.map(([url, { method }]) => `${method} ${url}`), [
    "POST https://ws.example.com/auth/webauthn/register/options",
    "POST https://ws.example.com/auth/webauthn/register",
  ]);
  for (const [, { headers, credentials, redirect, cache }] of sent) {
    assert.equal(headers.Authorization, "Bearer token");
    assert.deepEqual([credentials, redirect, cache], ["omit", "error", "no-store"]);
  }
  const [{ publicKey }] = asked;
  assert.deepEqual(Buffer.from(publicKey.user.id), BYTES);
  assert.deepEqual(Buffer.from(publicKey.challenge), BYTES);
  assert.deepEqual(Buffer.from(publicKey.excludeCredentials[0].id), BYTES);
  assert.equal(publicKey.user.name, "alice");
  assert.equal(publicKey.rp.id, "example.com");
  assert.deepEqual(JSON.parse(sent[1][1].body), {
    name: "laptop",
    credential: {
      ...ASSERTION,
      response: { clientDataJSON: "YWI", attestationObject: "Y2Q", transports: ["internal"] },
    },
  });
});

test("without a token the cookies are sent", async () => {
  const { credentials } = authenticator(made);
  const { sent, fetch } = office([200, { options: CREATION, expires_in: 300 }], [201, {}]);
  await registerPasskey("https://ws.example.com/auth/webauthn/", { credentials, fetch });
  assert.equal(sent[0][1].credentials, "include");
  assert.equal(sent[0][1].headers.Authorization, undefined);
  assert.equal(sent[0][0], "https://ws.example.com/auth/webauthn/register/options");
});

for (const [status, code] of [[401, "credential_refused"], [403, "credential_refused"], [404, "credential_unavailable"], [503, "credential_unavailable"]]) {
  test(`an office that answers ${status} makes nothing, before and after`, async () => {
    const { asked, credentials } = authenticator(made);
    const failed = new VestibuleError(code);
    await assert.rejects(registerPasskey("https://a.example/auth/webauthn", { credentials, fetch: office([status, {}]).fetch }), failed);
    assert.equal(asked.length, 0);
    const { fetch } = office([200, { options: CREATION, expires_in: 300 }], [status, {}]);
    await assert.rejects(registerPasskey("https://a.example/auth/webauthn", { credentials, fetch }), failed);
  });
}

test("who declines is told what the browser says", async () => {
  const { credentials } = authenticator(() => Promise.reject(new DOMException("no", "NotAllowedError")));
  const { sent, fetch } = office([200, { options: CREATION, expires_in: 300 }]);
  await assert.rejects(registerPasskey("https://a.example/auth/webauthn", { credentials, fetch }), { name: "NotAllowedError" });
  assert.equal(sent.length, 1);
});

test("a token goes nowhere that can be read on the way", async () => {
  await assert.rejects(registerPasskey("http://ws.example.com/auth/webauthn", { bearer: () => "token" }), { name: "SecurityError" });
  await assert.rejects(registerPasskey("ftp://ws.example.com/auth/webauthn"), { name: "SyntaxError" });
});
