// Challenge and response with the real gateway: set VESTIBULE_BIN to its binary.

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once as emitted } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, describe, test } from "node:test";
import WebSocket, { WebSocketServer } from "ws";
import { publicKey, scram, VestibuleSocket } from "../dist/index.js";
import { once } from "./fakes.js";

const BINARY = process.env.VESTIBULE_BIN;
const skip = BINARY ? false : "VESTIBULE_BIN is not set to the gateway's binary";
const PASSWORD = "correct horse battery staple";
const { subtle } = globalThis.crypto;

describe("proofs with the gateway", { skip }, () => {
  let folder;
  let child;
  let address;
  let behind;
  const keys = {};

  /** A command of the gateway, before it runs: on the store itself. */
  const command = (args, input) => {
    const ran = spawnSync(BINARY, args, { input, cwd: folder, encoding: "utf8", timeout: 30_000 });
    assert.equal(ran.status, 0, ran.stderr);
  };

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "vestibule-"));
    behind = new WebSocketServer({ host: "127.0.0.1", port: 0 });
    behind.on("connection", (peer) => peer.on("message", (data) => peer.send(String(data))));
    await emitted(behind, "listening");
    const config = join(folder, "vestibule.toml");
    await writeFile(
      config,
      `[server]
listen = "127.0.0.1:0"
[log]
format = "json"
[auth]
[admin]
listen = "127.0.0.1:0"
[[routes]]
path = "/chat"
upstream = "ws://127.0.0.1:${behind.address().port}"
accept = ["message"]
mechanisms = ["public-key", "scram-sha-256"]
`,
    );
    command(["user", "add", "-c", config, "alice", "--password-stdin"], `${PASSWORD}\n`);
    for (const [name, algorithm] of [["Ed25519", { name: "Ed25519" }], ["P-256", { name: "ECDSA", namedCurve: "P-256" }]]) {
      keys[name] = await subtle.generateKey(algorithm, false, ["sign", "verify"]);
      const { kty, crv, x, y } = await subtle.exportKey("jwk", keys[name].publicKey);
      command(["user", "key", "add", "-c", config, "alice", "-"], JSON.stringify({ kty, crv, x, y }));
    }
    child = spawn(BINARY, ["serve", "-c", config], { stdio: ["ignore", "ignore", "pipe"] });
    for await (const line of createInterface({ input: child.stderr })) {
      const { listening, role } = JSON.parse(line);
      if (role === "public") {
        address = `ws://${listening}/chat`;
        child.stderr.resume();
        return;
      }
    }
  });

  after(async () => {
    child?.kill("SIGKILL");
    behind?.close();
    await rm(folder, { recursive: true, force: true });
  });

  const connect = (auth) => new VestibuleSocket(address, [], { auth, webSocket: WebSocket });

  const talks = async (auth) => {
    const socket = connect(auth);
    const lines = [];
    socket.addEventListener("auth", ({ detail }) => lines.push(detail));
    socket.addEventListener("close", ({ code, reason }) => lines.push(`${code} ${reason}`));
    await Promise.race([once(socket, "open"), once(socket, "close").then(() => assert.fail(JSON.stringify(lines)))]);
    const answer = once(socket, "message");
    socket.send("hello");
    assert.equal((await answer).data, "hello");
    socket.close();
    await once(socket, "close");
    assert.ok(!JSON.stringify(lines).includes(PASSWORD));
  };

  for (const name of ["Ed25519", "P-256"]) {
    test(`a key of ${name} that cannot be taken out signs its way in`, () => talks(publicKey(keys[name])));
  }

  test("a password comes in without being sent", () => talks(scram("alice", PASSWORD)));

  for (const [name, auth] of [
    ["a wrong password", () => scram("alice", "another password")],
    ["an unknown user", () => scram("mallory", PASSWORD)],
  ]) {
    test(`${name} is refused, and says so`, async () => {
      const socket = connect(auth());
      const { code, reason } = await once(socket, "close");
      assert.equal(`${code} ${reason}`, "4401 invalid_credentials");
    });
  }

  test("a key that nobody registered is refused", async () => {
    const stranger = await subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, false, ["sign", "verify"]);
    const { code, reason } = await once(connect(publicKey(stranger)), "close");
    assert.equal(`${code} ${reason}`, "4401 invalid_credentials");
  });
});
