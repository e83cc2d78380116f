// The admin API. The token lives in this tab alone, and is sent in a header field, never in an address.

const KEY = "vestibule-admin-token";

/** What the gateway said no with. */
export class Refused extends Error {
  constructor(
    readonly status: number,
    readonly error: string,
    description: string,
  ) {
    super(description);
  }
}

export class Api {
  constructor(readonly token: string) {}

  static remembered(): Api | null {
    const token = sessionStorage.getItem(KEY);
    return token ? new Api(token) : null;
  }

  remember(): void {
    sessionStorage.setItem(KEY, this.token);
  }

  static forget(): void {
    sessionStorage.removeItem(KEY);
  }

  async ask<T>(method: string, path: string, body?: unknown): Promise<T> {
    const answer = await fetch(`/api/v1${path}`, {
      method,
      headers: { authorization: `Bearer ${this.token}`, "x-vestibule-operator": "console" },
      cache: "no-store",
      credentials: "omit",
      redirect: "error",
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    const read = text === "" ? null : JSON.parse(text);
    if (!answer.ok) {
      throw new Refused(answer.status, read?.error ?? "", read?.error_description ?? `the gateway answered ${answer.status}`);
    }
    return read as T;
  }

  /** All pages of a list. */
  async all<T>(path: string, member: string, most: number): Promise<T[]> {
    const found: T[] = [];
    let after: string | undefined;
    do {
      const query = new URLSearchParams({ limit: "100", ...(after === undefined ? {} : { after }) });
      const page = await this.ask<Record<string, unknown>>("GET", `${path}?${query}`);
      found.push(...(page[member] as T[]));
      after = page["next"] as string | undefined;
    } while (after !== undefined && found.length < most);
    return found;
  }
}
