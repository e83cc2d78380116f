// Tokens that are bound to a key, with the real gateway: set VESTIBULE_BIN to its binary.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createHash, createHmac } from "node:crypto";
import { once as emitted } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, describe, test } from "node:test";
import WebSocket, { WebSocketServer } from "ws";
import { bearer, dpop, dpopKey, ticket, VestibuleSocket } from "../dist/index.js";
import { once } from "./fakes.js";

const BINARY = process.env.VESTIBULE_BIN;
const skip = BINARY ? false : "VESTIBULE_BIN is not set to the gateway's binary";
const SECRET = "a secret of the tests, which is long enough";
const { subtle } = globalThis.crypto;
const pair = (algorithm) => subtle.generateKey(algorithm, false, ["sign", "verify"]);

describe("bound tokens with the gateway", { skip }, () => {
  let folder;
  let child;
  let host;
  let behind;
  let keys;

  /** A token that is bound to the public half of a key. */
  async function bound({ publicKey }, seconds = 600) {
    const { crv, kty, x, y } = await subtle.exportKey("jwk", publicKey);
    const jkt = createHash("sha256").update(JSON.stringify({ crv, kty, x, y })).digest("base64url");
    const encode = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
    const now = Math.floor(Date.now() / 1000);
    const claims = { iss: "https://id.example.com", aud: "tests", sub: "alice", iat: now, exp: now + seconds, cnf: { jkt }, jti: String(Math.random()) };
    const body = `${encode({ alg: "HS256", typ: "at+jwt" })}.${encode(claims)}`;
    return `${body}.${createHmac("sha256", SECRET).update(body).digest("base64url")}`;
  }

  before(async () => {
    keys = { P256: await pair({ name: "ECDSA", namedCurve: "P-256" }), Ed25519: await pair({ name: "Ed25519" }) };
    folder = await mkdtemp(join(tmpdir(), "vestibule-"));
    behind = new WebSocketServer({ host: "127.0.0.1", port: 0 });
    behind.on("connection", (peer) => peer.on("message", (data) => peer.send(String(data))));
    await emitted(behind, "listening");
    await writeFile(join(folder, "secret"), SECRET);
    const upstream = `upstream = "ws://127.0.0.1:${behind.address().port}"\nexpiry_grace = "0s"\nexpiry_warning = "0s"`;
    const config = join(folder, "vestibule.toml");
    await writeFile(
      config,
      `[server]
listen = "127.0.0.1:0"
[log]
format = "json"
[auth]
[store]
backend = "memory"
[[issuers]]
name = "idp"
issuer = "https://id.example.com"
audiences = ["tests"]
secret_file = "secret"
clock_skew = "0s"
[[routes]]
path = "/bound"
accept = ["message"]
mechanisms = ["dpop", "bearer"]
${upstream}
[[routes]]
path = "/ticketed"
accept = ["query"]
mechanisms = ["ticket"]
${upstream}
`,
    );
    child = spawn(BINARY, ["serve", "-c", config], { stdio: ["ignore", "ignore", "pipe"] });
    const said = [];
    for await (const line of createInterface({ input: child.stderr })) {
      said.push(line);
      const { listening, role } = line.startsWith("{") ? JSON.parse(line) : {};
      if (role === "public") {
        host = listening;
        child.stderr.resume();
        return;
      }
    }
    throw new Error(`the gateway ended: ${said.join("\n")}`);
  });

  after(async () => {
    child?.kill("SIGKILL");
    behind?.close();
    await rm(folder, { recursive: true, force: true });
  });

  const connect = (path, auth) => new VestibuleSocket(`ws://${host}${path}`, [], { auth, webSocket: WebSocket });

  async function talks(socket) {
    await Promise.race([
      once(socket, "open"),
      once(socket, "close").then(({ code, reason }) => assert.fail(`${code} ${reason}`)),
    ]);
    const answer = once(socket, "message");
    socket.send("hello");
    assert.equal((await answer).data, "hello");
  }

  for (const name of ["P256", "Ed25519"]) {
    test(`a proof by a key of ${name} brings its token in, in band and for tickets`, async () => {
      const key = dpopKey(keys[name]);
      const token = await bound(keys[name]);
      for (const socket of [
        connect("/bound", dpop({ token: () => token, key })),
        connect("/ticketed", ticket(`http://${host}/auth/ticket`, { bearer: () => token, dpop: key })),
      ]) {
        await talks(socket);
        socket.close();
      }
    });
  }

  test("a token that ends is renewed on the open connection, by another proof", async () => {
    let seconds = 4;
    const socket = connect("/bound", dpop({ token: () => bound(keys.P256, seconds), key: dpopKey(keys.P256) }));
    await talks(socket);
    seconds = 600;
    const { detail } = await once(socket, "auth", ({ detail }) => detail.state === "refreshed");
    assert.ok(detail.expiresIn > 500);
    const answer = once(socket, "message");
    socket.send("still here");
    assert.equal((await answer).data, "still here");
    socket.close();
  });

  for (const [name, auth] of [
    ["by another key", async () => dpop({ token: await bound(keys.P256).then((token) => () => token), key: dpopKey(keys.Ed25519) })],
    ["without a proof", async () => bearer(await bound(keys.P256).then((token) => () => token))],
  ]) {
    test(`a bound token ${name} is refused, and is not sent again`, async () => {
      const socket = connect("/bound", await auth());
      const { error } = await once(socket, "error");
      assert.equal(error.code, "credential_refused");
    });
  }
});
