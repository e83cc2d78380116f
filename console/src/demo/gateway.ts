// The gateway's own endpoints: login by password, and tickets.

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

/** Buys a ticket for the chat with an access token. */
export async function buy(endpoints: string, token: string): Promise<string> {
  const bearer = { authorization: `Bearer ${token}` };
  const { ticket } = await post<{ ticket: string }>(`${endpoints}/ticket`, { path: "/chat" }, bearer);
  return ticket;
}
