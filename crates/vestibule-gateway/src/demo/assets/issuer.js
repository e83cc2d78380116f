// The issuer of the demonstration: tokens for scripts, a cookie for the browser.

const TTL = { brief: 4, short: 30, long: 600 };

/** What is asked for: `life` is short or long, or else the name of a flaw. */
function order(user, life) {
  const query = new URLSearchParams({ user, ttl: TTL[life] ?? TTL.long });
  if (!(life in TTL)) {
    query.set("flaw", life);
  }
  return query;
}

async function ask(method, target) {
  const answer = await fetch(target, { method });
  if (!answer.ok) {
    throw new Error(`the issuer answered ${answer.status}`);
  }
  return (await answer.text()).trim();
}

/** A token that a script can hold. */
export const token = (user, life) => ask("GET", `/token?${order(user, life)}`);

/** Puts a token into the cookie, which no script can read. */
export const signIn = (user, life) => ask("POST", `/session?${order(user, life)}`);

/** Removes the cookie. */
export const signOut = () => ask("DELETE", "/session");

/** Has an operator revoke the credential of a connection. */
export const revoke = (connection) => ask("POST", `/revoke?connection=${encodeURIComponent(connection)}`);

/** Where everything is. */
export async function settings() {
  const answer = await fetch("/settings.json");
  return answer.json();
}
