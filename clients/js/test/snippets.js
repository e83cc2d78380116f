// The snippets of the documents: taken out, compiled, and run against a server.

import { execFile, spawn } from "node:child_process";
import { createHash, createHmac, pbkdf2Sync, randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { transform } from "esbuild";
import { WebSocketServer } from "ws";
import { accepted, says } from "./servers.js";

const root = fileURLToPath(new URL("..", import.meta.url));
const run = promisify(execFile);

/** What the compiler has to say. */
export async function complaints(project) {
  const compiler = `${root}/node_modules/typescript/bin/tsc`;
  const { stdout } = await run(process.execPath, [compiler, "-p", project], { cwd: root }).catch((failed) => failed);
  return stdout;
}

/** The code blocks of a page in a language, each with the heading above it. */
export function snippets(page, language) {
  const text = readFileSync(`${root}/${page}`, "utf8");
  return [...text.matchAll(/^(```)(\w*)\n(.*?)^```$|^#+ ([^\n]*)$/gms)].reduce(
    ({ heading, found }, [, fence, kind, code, title]) => ({
      heading: title ?? heading,
      found: fence && kind === language ? [...found, { heading, code }] : found,
    }),
    { heading: "", found: [] },
  ).found;
}

/** A folder inside of the package, so that it finds itself by its name. */
export function folderFor(name) {
  const folder = `${root}/build/${name}`;
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  return folder;
}

/** What the snippets take for granted, as test/types/given.d.ts declares it. */
const GIVEN = `
import { bearer, VestibuleSocket } from "@vestibule/client";
import WebSocket from "ws";
globalThis.WebSocket ??= WebSocket;
globalThis.url = process.env.SNIPPET_URL;
globalThis.token = "token";
globalThis.getToken = globalThis.fetchToken = async () => "token";
// An authenticator whose owner agrees to everything.
const bytes = new ArrayBuffer(1);
const made = {
  id: "AA",
  type: "public-key",
  response: { clientDataJSON: bytes, authenticatorData: bytes, signature: bytes, attestationObject: bytes },
  getClientExtensionResults: () => ({}),
};
if (!globalThis.navigator) {
  globalThis.navigator = {};
}
Object.defineProperty(navigator, "credentials", { value: { get: async () => made, create: async () => made } });
globalThis.getPassword = async () => "pencil";
globalThis.signIn = async () => {};
globalThis.show = globalThis.handle = () => {};
const { fetch } = globalThis;
globalThis.fetch = (what, ...rest) => (what === "/api/socket-token" ? Promise.resolve(new Response("token")) : fetch(what, ...rest));
if (process.env.SNIPPET_NEEDS_SOCKET) {
  globalThis.socket = new VestibuleSocket(url, [], { auth: bearer(getToken) });
}
`;

/** What has to be added for a snippet to do something. */
const TRAILERS = [
  [/^const client = createClient/m, 'client.subscribe({ query: "{ hello }" }, { next() {}, error() {}, complete() {} });'],
  [/^function connect\(/m, "connect(url, getToken, () => {}, () => {});"],
];

const NONCE = randomBytes(32).toString("base64url");
const SALT = randomBytes(16);
const hmac = (key, text) => createHmac("sha256", key).update(text).digest();

/** The server's side of SCRAM-SHA-256 (RFC 5802 section 3), for the password "pencil". */
function scramServer(bare) {
  const first = `r=${/,r=(.*)$/.exec(bare)[1]}theirs,s=${SALT.toString("base64")},i=4096`;
  return {
    challenge: { message: first },
    answer: ({ message }) => {
      const [unproven, proof] = message.split(",p=");
      const transcript = `${bare},${first},${unproven}`;
      const salted = pbkdf2Sync("pencil", SALT, 4096, 32, "sha256");
      const key = hmac(salted, "Client Key");
      const signature = hmac(createHash("sha256").update(key).digest(), transcript);
      const good = key.map((byte, at) => byte ^ signature[at]).toString("base64") === proof;
      return good && { message: `v=${hmac(hmac(salted, "Server Key"), transcript).toString("base64")}` };
    },
  };
}

/** What the gateway has to say to each mechanism that asks back: the challenge, and what is said with `accepted`. */
const EXCHANGES = {
  "scram-sha-256": ({ message }) => scramServer(message.slice(3)),
  // Who the key belongs to, and whether it signed, is for the tests with the gateway.
  dpop: ({ token }) => ({
    challenge: { nonce: NONCE },
    answer: ({ proof }) => token === "token" && /^[\w-]+\.[\w-]+\.[\w-]{86}$/.test(proof) && {},
  }),
  webauthn: () => ({
    challenge: { options: { challenge: NONCE } },
    answer: ({ assertion }) => assertion?.response?.signature === "AA" && {},
  }),
  "public-key": ({ key }) => ({
    challenge: { nonce: NONCE },
    answer: ({ signature }) => /^SHA256:.{43}$/.test(key) && /^[\w-]{86}$/.test(signature) && {},
  }),
};

/** Takes every way to authenticate that the pages show. `seen(path)` waits until somebody at that path has. */
export async function anyWay() {
  const waiting = new Map();
  const players = new Set();
  const registering = [];
  const http = createServer((request, response) => {
    const good = request.method === "POST" && request.headers.authorization === "Bearer token";
    const answers = {
      "/auth/webauthn/register/options": { options: { challenge: NONCE, user: { id: "AA" } }, expires_in: 300 },
      "/auth/webauthn/register": { id: "AA" },
    };
    const answer = answers[request.url] ?? { ticket: "ticket-1", expires_in: 20 };
    response.writeHead(good ? 200 : 401).end(good ? JSON.stringify(answer) : "");
    if (good && request.url === "/auth/webauthn/register") {
      registering.shift()?.("registered");
    }
  });
  const server = new WebSocketServer({
    server: http,
    handleProtocols: (offered) => [...offered].find((name) => !/^vestibule\.bearer\./.test(name)) ?? false,
  });
  server.on("connection", (peer, { url, headers }) => {
    const { pathname, searchParams } = new URL(url, "ws://localhost");
    const admit = (how) => waiting.get(pathname)?.(how);
    const offered = headers["sec-websocket-protocol"] ?? "";
    if (headers.authorization === "Bearer token") {
      admit("header");
    } else if (searchParams.get("ticket") === "ticket-1") {
      admit("query");
    } else if (/vestibule\.bearer\.token$|^bearer,\s*token$/.test(offered)) {
      admit("subprotocol");
    }
    let exchange;
    peer.on("message", (data) => {
      const text = data.toString();
      const { auth } = text.startsWith('{"auth":') ? JSON.parse(text) : {};
      if (auth?.type === "authenticate" && auth.mechanism === "bearer" && auth.token === "token") {
        peer.send(accepted());
        admit("message");
      } else if (auth?.type === "authenticate" && auth.mechanism in EXCHANGES) {
        exchange = { mechanism: auth.mechanism, ...EXCHANGES[auth.mechanism](auth) };
        peer.send(says({ type: "challenge", expires_in: 5, ...exchange.challenge }));
      } else if (auth?.type === "respond" && exchange) {
        const proven = exchange.answer(auth);
        if (proven) {
          peer.send(says({ type: "accepted", subject: "alice", mechanism: exchange.mechanism, expires_in: 600, ...proven }));
          admit(exchange.mechanism);
        }
      } else if (auth?.token === "token") {
        admit("per-message");
      }
    });
  });
  http.listen(0, "127.0.0.1");
  await once(http, "listening");
  const { port } = http.address();
  return {
    url: (path) => `ws://127.0.0.1:${port}${path}`,
    http: `http://127.0.0.1:${port}`,
    seen: (path) => new Promise((resolve) => waiting.set(path, resolve)),
    /** Waits until somebody has registered a passkey. */
    registered: () => new Promise((resolve) => registering.push(resolve)),
    players,
    close: () => {
      players.forEach((child) => child.kill());
      server.clients.forEach((client) => client.terminate());
      http.closeAllConnections();
      return new Promise((resolve) => http.close(resolve));
    },
  };
}

/** Runs a snippet in a process of its own until it has authenticated; says how it did. */
export async function play(code, name, folder, server) {
  const script = TRAILERS.filter(([sign]) => sign.test(code)).map(([, trailer]) => trailer);
  const local = code
    .replace(/wss:\/\/ws\.example\.com\/\w+/g, server.url(`/${name}`))
    .replace(/https:\/\/ws\.example\.com/g, server.http);
  const { code: plain } = await transform([local, ...script].join("\n"), { loader: "ts", target: "es2022" });
  writeFileSync(`${folder}/${name}.mjs`, plain);
  const registers = /^await registerPasskey\(/m.test(code);
  const seen = registers ? server.registered() : server.seen(`/${name}`);
  const environment = { SNIPPET_URL: server.url(`/${name}`) };
  if (/\bsocket\./.test(code) && !/\bsocket =/.test(code)) {
    environment.SNIPPET_NEEDS_SOCKET = "1";
  }
  // One file for each: nobody reads what another one is writing.
  writeFileSync(`${folder}/${name}-given.mjs`, GIVEN);
  const child = spawn(process.execPath, ["--import", `${folder}/${name}-given.mjs`, `${folder}/${name}.mjs`], {
    env: { ...process.env, ...environment },
    stdio: ["ignore", "ignore", "pipe"],
  });
  server.players.add(child);
  const said = [];
  child.stderr.on("data", (data) => said.push(data));
  const ended = once(child, "exit").then(() => {
    throw new Error(`it ended without authenticating: ${Buffer.concat(said)}`);
  });
  try {
    return await Promise.race([seen, ended]);
  } finally {
    ended.catch(() => {});
    child.kill();
    server.players.delete(child);
  }
}
