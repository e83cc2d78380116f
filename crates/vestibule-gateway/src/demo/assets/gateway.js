// The gateway's own endpoints: login by password, and tickets.

async function post(target, body, fields = {}) {
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
  return said;
}

/** Signs in: the browser keeps what the gateway sets, and no script ever sees it. */
export const login = (endpoints, username, password) =>
  post(`${endpoints}/login`, { username, password, cookie: true });

/** Buys a ticket for the chat with an access token. */
export async function buy(endpoints, token) {
  const { ticket } = await post(`${endpoints}/ticket`, { path: "/chat" }, { authorization: `Bearer ${token}` });
  return ticket;
}
