// The issuer of the demonstration: tokens for scripts, a cookie for the browser.

const TTL: Readonly<Record<string, number>> = { brief: 4, short: 30, long: 600 };

/** What is asked for: `life` is short or long, or else the name of a flaw. */
function order(user: string, life: string, more: Readonly<Record<string, string>> = {}): string {
  const ttl = TTL[life];
  const asked = ttl === undefined ? { user, ttl: "600", flaw: life } : { user, ttl: String(ttl) };
  return new URLSearchParams({ ...asked, ...more }).toString();
}

async function ask(method: string, target: string, body: string | null = null): Promise<string> {
  const answer = await fetch(target, { method, body });
  const said = (await answer.text()).trim();
  if (!answer.ok) {
    throw new Error(`the issuer answered ${answer.status}: ${said}`);
  }
  return said;
}

/** A token that a script can hold. */
export const token = (user: string, life: string): Promise<string> => ask("GET", `/token?${order(user, life)}`);

/** One that is bound to the key with this thumbprint. */
export const boundToken = (user: string, life: string, jkt: string): Promise<string> =>
  ask("GET", `/token?${order(user, life, { jkt })}`);

/** One that says nothing itself. */
export const opaqueToken = (user: string, life: string): Promise<string> =>
  ask("GET", `/token?${order(user, life, { form: "opaque" })}`);

/** Has the issuer withdraw such a token. */
export const withdraw = (token: string): Promise<string> => ask("POST", "/withdraw", token);

/** Puts a token into the cookie, which no script can read. */
export const signIn = (user: string, life: string): Promise<string> => ask("POST", `/session?${order(user, life)}`);

/** Removes the cookie. */
export const signOut = (): Promise<string> => ask("DELETE", "/session");

/** Has an operator revoke the credential of a connection. */
export const revoke = (connection: string): Promise<string> => ask("POST", `/revoke?connection=${encodeURIComponent(connection)}`);

/** Has an operator register a public key with a user; gives its fingerprint. */
export const register = (user: string, key: JsonWebKey): Promise<string> =>
  ask("POST", `/keys?${new URLSearchParams({ user })}`, JSON.stringify(key));

/** Where everything is, and who there is. */
export interface Settings {
  /** What can be tried from a terminal. */
  readonly commands: readonly { readonly about: string; readonly text: string }[];
  /** By user. */
  readonly passwords?: Readonly<Record<string, string>> | null;
  readonly api_key?: string | null;
  readonly console: string;
  readonly endpoints: string;
  readonly gateway: string;
  readonly page: string;
  readonly foreign: string;
  /** In seconds. */
  readonly auth_deadline: number;
}

export async function settings(): Promise<Settings> {
  const answer = await fetch("/settings.json");
  return (await answer.json()) as Settings;
}
