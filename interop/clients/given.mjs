// What the snippets of docs/guide/choosing.md take for granted: a page with its origin and its cookies, and the functions that are
// the reader's.

import { createHash, createPublicKey, createSign, verify } from "node:crypto";
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

/** A token endpoint that binds a token to the key of a proof (RFC 9449 section 5). */
function bound(proof) {
  const [head, claims, signature] = proof.split(".");
  const read = (part) => JSON.parse(Buffer.from(part, "base64url"));
  const { jwk } = read(head);
  const key = { key: createPublicKey({ key: jwk, format: "jwk" }), dsaEncoding: "ieee-p1363" };
  if (!verify("sha256", Buffer.from(`${head}.${claims}`), key, Buffer.from(signature, "base64url"))) {
    return new Response('{"error":"invalid_dpop_proof"}', { status: 400 });
  }
  const { crv, kty, x, y } = jwk;
  const jkt = createHash("sha256").update(JSON.stringify({ crv, kty, x, y })).digest("base64url");
  const encode = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const { iss, aud, sub, iat, exp } = read(TOKEN.split(".")[1]);
  const body = `${TOKEN.split(".")[0]}.${encode({ iss, aud, sub, iat, exp, cnf: { jkt } })}`;
  const signed = createSign("sha256").update(body).sign(process.env.ISSUER_KEY, "base64url");
  return Response.json({ access_token: `${body}.${signed}`, token_type: "DPoP" });
}

const { fetch } = globalThis;
globalThis.fetch = async (url, { headers, credentials, ...init } = {}) => {
  if (url === "https://id.example.com/token") {
    return bound(headers.DPoP);
  }
  const answer = await fetch(url, { ...init, headers: { ...headers, ...page() } });
  for (const line of credentials === "include" ? answer.headers.getSetCookie() : []) {
    const [, name, value] = /^([^=]+)=([^;]*)/.exec(line);
    jar.set(name, value);
  }
  return answer;
};

/** A token of the provider; where there is none, of a login at the gateway. */
globalThis.getToken = async () => TOKEN;
globalThis.refreshToken = "a refresh token";
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
