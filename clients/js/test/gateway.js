// The real gateway, with a server behind it.

import { spawn } from "node:child_process";
import { createHmac } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { webSocketServer } from "./servers.js";

export const PAGE = "https://app.example.com";
const ISSUER = "https://id.example.com";
const AUDIENCE = "https://api.example.com";
const SECRET = "a secret of the tests, which is long enough";

/** A token (RFC 7519, HS256). */
export function mint({ seconds = 600, scope = "chat", subject = "alice", secret = SECRET } = {}) {
  const now = Math.floor(Date.now() / 1000);
  const encode = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const claims = { iss: ISSUER, aud: AUDIENCE, sub: subject, scope, iat: now, exp: now + seconds, jti: String(Math.random()) };
  const body = `${encode({ alg: "HS256", typ: "at+jwt" })}.${encode(claims)}`;
  return `${body}.${createHmac("sha256", secret).update(body).digest("base64url")}`;
}

const ROUTE = (upstream) => `
upstream = "${upstream}"
origins = ["${PAGE}"]
cookie = "session"
scopes = ["chat"]
subprotocols = ["chat.v1"]
expiry_grace = "0s"
`;

/** A gateway in front of a server that echoes; `arrived` is what reached that server. */
export class Gateway {
  #folder = mkdtempSync(join(tmpdir(), "vestibule-client-"));
  #child;
  #behind;
  #listen = "127.0.0.1:0";
  arrived = [];
  connections = 0;

  async start() {
    this.#behind ??= await webSocketServer(
      (peer) => {
        this.connections += 1;
        peer.on("message", (data, isBinary) => {
          this.arrived.push(isBinary ? [...data] : data.toString());
          peer.send(data, { binary: isBinary });
        });
      },
      { handleProtocols: (offered) => (offered.has("chat.v1") ? "chat.v1" : false) },
    );
    writeFileSync(join(this.#folder, "secret"), SECRET);
    const config = join(this.#folder, "vestibule.toml");
    writeFileSync(config, this.#config());
    this.#child = spawn(process.env.VESTIBULE_BIN, ["serve", "-c", config], { stdio: ["ignore", "ignore", "pipe"] });
    const said = [];
    for await (const line of createInterface({ input: this.#child.stderr })) {
      said.push(line);
      const { listening, role } = line.startsWith("{") ? JSON.parse(line) : {};
      if (role === "public") {
        this.#listen = listening;
        // Nobody reads it any more; it must not be made to wait for that.
        this.#child.stderr.resume();
        return this;
      }
    }
    throw new Error(`the gateway ended: ${said.join("\n")}`);
  }

  #config() {
    return `
[server]
listen = "${this.#listen}"
drain = "0s"
[log]
format = "json"
[[issuers]]
name = "idp"
issuer = "${ISSUER}"
audiences = ["${AUDIENCE}"]
secret_file = "${join(this.#folder, "secret")}"
clock_skew = "0s"
[[routes]]
path = "/chat"
accept = ["message", "subprotocol", "cookie"]
expiry_warning = "10m"
${ROUTE(this.#behind.url)}
[[routes]]
path = "/handshake"
accept = ["subprotocol", "cookie"]
${ROUTE(this.#behind.url)}
[[routes]]
path = "/each"
accept = ["per-message"]
${ROUTE(this.#behind.url).replace('cookie = "session"', "")}
`;
  }

  url(path) {
    return `ws://${this.#listen}${path}`;
  }

  /** Ends the process; `start` begins another one at the same address. */
  async kill() {
    const ended = once(this.#child, "exit");
    this.#child.kill("SIGKILL");
    await ended;
  }

  async end() {
    await this.kill();
    await this.#behind.close();
    rmSync(this.#folder, { recursive: true });
  }
}
