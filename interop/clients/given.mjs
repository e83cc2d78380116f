// What the snippets of docs/guide/choosing.md take for granted: a page with its origin and its cookies, and the functions that are
// the reader's.

import WebSocket from "ws";
import { authenticator } from "./authenticator.mjs";

const { ORIGIN, TOKEN, PASSWORD, ADMIN } = process.env;
const jar = new Map();
const page = () => ({ Origin: ORIGIN, ...(jar.size > 0 && { Cookie: [...jar].map((pair) => pair.join("=")).join("; ") }) });

globalThis.location = new URL(ORIGIN);
globalThis.navigator ??= {};
Object.defineProperty(navigator, "credentials", { value: authenticator(ORIGIN) });
globalThis.WebSocket = class extends WebSocket {
  constructor(url, protocols) {
    super(url, protocols, { headers: page() });
  }
};

const { fetch } = globalThis;
globalThis.fetch = async (url, { headers, credentials, ...init } = {}) => {
  const answer = await fetch(url, { ...init, headers: { ...headers, ...page() } });
  for (const line of credentials === "include" ? answer.headers.getSetCookie() : []) {
    const [, name, value] = /^([^=]+)=([^;]*)/.exec(line);
    jar.set(name, value);
  }
  return answer;
};

globalThis.getToken = async () => TOKEN;
globalThis.getPassword = async () => PASSWORD;
globalThis.show = (text) => console.log(text);

/** A pair whose public half has been registered with Alice. */
globalThis.keptKeys = async () => {
  const keys = await crypto.subtle.generateKey({ name: "Ed25519" }, false, ["sign", "verify"]);
  const { kty, crv, x } = await crypto.subtle.exportKey("jwk", keys.publicKey);
  const answer = await fetch(`${ADMIN}/api/v1/public-keys`, {
    method: "POST",
    headers: { Authorization: `Bearer ${process.env.ADMIN_TOKEN}`, "Content-Type": "application/json" },
    body: JSON.stringify({ user: "alice", key: JSON.stringify({ kty, crv, x }) }),
  });
  if (!answer.ok) {
    throw new Error(`the key is not taken: ${answer.status} ${await answer.text()}`);
  }
  return keys;
};
