// The real gateway with a chat behind it, for pages: users, tickets, keys, and an issuer of our own.

import { spawn } from "node:child_process";
import { createHmac } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { connect, createServer as createTcpServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { WebSocketServer } from "ws";

const ISSUER = "https://id.example.com";
const SECRET = "a secret of the tests, which is long enough";
const BINARY = process.env.VESTIBULE_BIN ?? fileURLToPath(new URL("../../target/debug/vestibule", import.meta.url));

/** A token (RFC 7519, HS256). */
export function mint({ seconds = 600, scope = "chat", subject = "alice", secret = SECRET, jti = String(Math.random()), ...more } = {}) {
  const now = Math.floor(Date.now() / 1000);
  const encode = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const claims = { iss: ISSUER, aud: "tests", sub: subject, scope, iat: now, exp: now + seconds, jti, ...more };
  const body = `${encode({ alg: "HS256", typ: "at+jwt" })}.${encode(claims)}`;
  return `${body}.${createHmac("sha256", secret).update(body).digest("base64url")}`;
}

async function listen(server) {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return server.address().port;
}

/** A site with one blank page, and the client's module. */
export async function site(files = {}) {
  const client = new URL("../../clients/js/dist/index.js", import.meta.url);
  const server = createServer((request, response) => {
    const path = request.url.split("?")[0];
    if (path === "/client.js") {
      response.writeHead(200, { "content-type": "text/javascript" }).end(readFileSync(client));
    } else if (path in files) {
      response.writeHead(200, { "content-type": "text/html" }).end(files[path]);
    } else {
      response.writeHead(200, { "content-type": "text/html" }).end("<!doctype html><title>A page</title>");
    }
  });
  const port = await listen(server);
  return {
    port,
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}

/** A wire that can be cut. */
export async function wire(port) {
  const sockets = new Set();
  let whole = true;
  const server = createTcpServer((near) => {
    if (!whole) {
      near.destroy();
      return;
    }
    const far = connect(port, "127.0.0.1");
    for (const [one, other] of [[near, far], [far, near]]) {
      sockets.add(one);
      one.on("error", () => {}).on("close", () => {
        sockets.delete(one);
        other.destroy();
      });
      one.pipe(other);
    }
  });
  const cut = () => {
    whole = false;
    for (const socket of sockets) {
      socket.destroy();
    }
  };
  return {
    port: await listen(server),
    cut,
    mend() {
      whole = true;
    },
    close() {
      cut();
      server.close();
    },
  };
}

/** Waits until it holds; the test's own time limit is the bound. */
export async function until(holds) {
  for (;;) {
    const found = await holds();
    if (found) {
      return found;
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

export class Gateway {
  #folder = mkdtempSync(join(tmpdir(), "vestibule-pages-"));
  #child;
  #chat;
  #origins;
  #listen = "127.0.0.1:0";
  #admin = "127.0.0.1:0";
  /** What reached the chat, in order. */
  arrived = [];

  /** `origins`: the pages that may open sockets. */
  constructor(origins) {
    this.#origins = origins;
  }

  async start() {
    if (!this.#chat) {
      const server = createServer();
      const chat = new WebSocketServer({ server, handleProtocols: (offered) => (offered.has("chat") ? "chat" : false) });
      chat.on("connection", (socket) => {
        socket.on("message", (data, isBinary) => {
          this.arrived.push(isBinary ? [...data] : data.toString());
          socket.send(data, { binary: isBinary });
        });
      });
      this.#chat = { server, chat, port: await listen(server) };
    }
    writeFileSync(join(this.#folder, "secret"), SECRET);
    const config = join(this.#folder, "vestibule.toml");
    writeFileSync(config, this.#config());
    this.#child = spawn(BINARY, ["serve", "-c", config], { stdio: ["ignore", "ignore", "pipe"] });
    const said = [];
    for await (const line of createInterface({ input: this.#child.stderr })) {
      said.push(line);
      const { listening, role } = line.startsWith("{") ? JSON.parse(line) : {};
      if (role === "admin") {
        this.#admin = listening;
      }
      if (role === "public") {
        this.#listen = listening;
        this.#child.stderr.resume();
        return this;
      }
    }
    throw new Error(`the gateway ended: ${said.join("\n")}`);
  }

  #config() {
    const common = `
upstream = "ws://127.0.0.1:${this.#chat.port}/"
origins = ${JSON.stringify(this.#origins)}
subprotocols = ["chat"]
expiry_grace = "1h"
expiry_warning = "0s"
`;
    return `
[server]
listen = "${this.#listen}"
drain = "0s"
pending_per_address = 4096
[log]
format = "json"
[store]
path = "store.db"
[admin]
listen = "${this.#admin}"
token_file = "admin.token"
[auth]
${this.#passkeys()}
[[issuers]]
name = "idp"
issuer = "${ISSUER}"
audiences = ["tests"]
secret_file = "secret"
clock_skew = "0s"
[[routes]]
path = "/chat"
accept = ["header", "message", "subprotocol", "cookie", "query"]
mechanisms = ["bearer", "ticket", "session", "api-key"]
sessions = "issue"
cookie = "session"
scopes = ["chat"]
announce = true
dangerous_token_in_query = true
auth_deadline = "1m"
${common}
[[routes]]
path = "/signed-in"
accept = ["cookie"]
mechanisms = ["session"]
announce = true
${common}
${this.#passkeys() && `[[routes]]
path = "/passkey"
accept = ["message"]
mechanisms = ["webauthn", "session"]
sessions = "issue"
${common}
[[routes]]
path = "/stepped"
accept = ["message"]
mechanisms = ["bearer"]
step_up = { mechanisms = ["webauthn"], within = "3s" }
${common}`}
[[routes]]
path = "/bound"
accept = ["message", "query"]
mechanisms = ["dpop", "ticket"]
${common}
[[routes]]
path = "/proven"
accept = ["message"]
mechanisms = ["public-key", "scram-sha-256"]
auth_deadline = "1m"
${common}
[[routes]]
path = "/each"
accept = ["per-message"]
auth_deadline = "1m"
${common}
[[routes]]
path = "/hasty"
accept = ["message"]
auth_deadline = "200ms"
${common}
[[routes]]
path = "/strict"
accept = ["message"]
${common.replace("1h", "0s")}
`;
  }

  /** Browsers have passkeys at `localhost`, and without TLS nowhere else. */
  #passkeys() {
    const origins = this.#origins.filter((origin) => origin.startsWith("http://localhost:"));
    return origins.length === 0 ? "" : `[auth.webauthn]\nrp_id = "localhost"\norigins = ${JSON.stringify(origins)}`;
  }

  get port() {
    return Number(this.#listen.split(":")[1]);
  }

  get admin() {
    return `http://${this.#admin}`;
  }

  get token() {
    return readFileSync(join(this.#folder, "admin.token"), "utf8").trim();
  }

  /** One request of the operator's. */
  async ask(method, path, body) {
    const answer = await fetch(`${this.admin}/api/v1${path}`, {
      method,
      headers: { authorization: `Bearer ${this.token}` },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    const text = await answer.text();
    if (!answer.ok) {
      throw new Error(`${method} ${path}: ${answer.status} ${text}`);
    }
    return text === "" ? null : JSON.parse(text);
  }

  /** A metric, summed over what fits. */
  async metric(name, fits = {}) {
    const { metrics } = await this.ask("GET", "/status");
    const found = metrics.filter((one) => one.name === name && Object.entries(fits).every(([label, value]) => one.labels[label] === value));
    return found.reduce((sum, { value }) => sum + value, 0);
  }

  /** Ends the process; `start` begins another one at the same addresses, with the same store. */
  async kill() {
    const ended = once(this.#child, "exit");
    this.#child.kill("SIGKILL");
    await ended;
  }

  async end() {
    await this.kill();
    for (const socket of this.#chat.chat.clients) {
      socket.terminate();
    }
    this.#chat.server.close();
    rmSync(this.#folder, { recursive: true });
  }
}
