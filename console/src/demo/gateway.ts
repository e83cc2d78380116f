// The gateway's own endpoints: login by password, passkeys, and tickets.

import { type DpopKey, registerPasskey } from "./client.js";

async function post<Said>(target: string, body: object, fields: Readonly<Record<string, string>> = {}): Promise<Said> {
  const answer = await fetch(target, {
    method: "POST",
    headers: { "content-type": "application/json", ...fields },
    body: JSON.stringify(body),
    credentials: "include",
  });
  const said = await answer.json();
  if (!answer.ok) {
    throw new Error(`the gateway answered ${answer.status} ${said.error}`);
  }
  return said as Said;
}

/** Signs in: the browser keeps what the gateway sets, and no script ever sees it. */
export async function login(endpoints: string, username: string, password: string): Promise<void> {
  await post(`${endpoints}/login`, { username, password, cookie: true });
}

/** Makes a passkey of a user, who signs in by password for that. */
export async function makePasskey(endpoints: string, username: string, password: string): Promise<void> {
  const { access_token } = await post<{ access_token: string }>(`${endpoints}/login`, { username, password });
  const name = "made on the page of the demonstration";
  await registerPasskey(`${endpoints}/webauthn`, { bearer: () => access_token, name });
}

/**
 * Buys a ticket for the chat with a token that is bound to a key. The first proof learns the nonce that the gateway wants,
 * the second has it (RFC 9449, section 8).
 */
export async function buyByProof(endpoints: string, token: string, key: DpopKey): Promise<string> {
  const target = `${endpoints}/ticket`;
  let nonce: string | undefined;
  for (;;) {
    const answer = await fetch(target, {
      method: "POST",
      headers: {
        authorization: `DPoP ${token}`,
        "content-type": "application/json",
        dpop: await key.proof("POST", target, { token, nonce }),
      },
      body: JSON.stringify({ path: "/chat" }),
    });
    const { ticket, error } = await answer.json();
    if (answer.ok) {
      return ticket;
    }
    if (error !== "use_dpop_nonce" || nonce !== undefined) {
      throw new Error(`the gateway answered ${answer.status} ${error}`);
    }
    nonce = answer.headers.get("dpop-nonce") ?? "";
  }
}

/** Buys a ticket for the chat with an access token. */
export async function buy(endpoints: string, token: string): Promise<string> {
  const bearer = { authorization: `Bearer ${token}` };
  const { ticket } = await post<{ ticket: string }>(`${endpoints}/ticket`, { path: "/chat" }, bearer);
  return ticket;
}
