// Passkeys (WebAuthn): the sign-in over the socket, and the registration over HTTP.

import { type Auth, credential, type TokenProvider } from "./auth.js";
import { base64url, bytesOf, exchanging } from "./challenge.js";
import { VestibuleError } from "./errors.js";
import { endpointOf } from "./options.js";

/** What is used of `navigator.credentials`. */
export interface Authenticators {
  // `any`, because not every runtime's declarations have these types.
  get(options: any): Promise<unknown>;
  create(options: any): Promise<unknown>;
}

export interface PasskeyOptions {
  /** Whose passkeys will do. Default: those of whoever has one for this site. */
  readonly user?: string;
  /** Default: `navigator.credentials`. */
  readonly credentials?: Pick<Authenticators, "get">;
}

/** How long before the gateway's deadline the dialog is taken back, in milliseconds. */
const MARGIN = 1_000;

/**
 * Has the person use a passkey, for each connection. Who declines, or does not answer in time, stops the socket
 * (`challenge_failed`): nobody is asked again unless `reconnect()` is called. `session(passkey())` asks once, where the
 * route hands sessions out.
 */
export function passkey({ user, credentials = container() }: PasskeyOptions = {}): Auth {
  return exchanging(async () => ({
    presented: { mechanism: "webauthn", user },
    respond: async (challenge, _, signal) => {
      const { options, expires_in } = challenge as { options?: Json; expires_in: number };
      const mine = new AbortController();
      const leave = (): void => mine.abort();
      const timer = setTimeout(leave, expires_in * 1000 - MARGIN);
      signal.addEventListener("abort", leave);
      try {
        const publicKey = read("parseRequestOptionsFromJSON", options as Json);
        return { members: { assertion: written(await credentials.get({ publicKey, signal: mine.signal })) } };
      } finally {
        clearTimeout(timer);
      }
    },
  }));
}

export interface RegisterPasskeyOptions {
  /** Gives the access token of whom the passkey is for. Default: none, the browser's cookies are sent. */
  readonly bearer?: TokenProvider;
  /** What the person will know the passkey by in a list. */
  readonly name?: string;
  /** Gives it up. */
  readonly signal?: AbortSignal;
  /** Default: `navigator.credentials`. */
  readonly credentials?: Pick<Authenticators, "create">;
  /** Default: the global one. */
  readonly fetch?: typeof globalThis.fetch;
  /** Allows `http:` to hosts other than the loopback. */
  readonly dangerouslyAllowInsecure?: boolean;
}

/**
 * Makes a passkey for who is signed in, and registers it. `url`: usually `/auth/webauthn` of the gateway; what is sent goes
 * to `register/options` and `register` below it. Gives what the gateway says of it. Throws what the browser throws where
 * the person declines (`NotAllowedError`) or has one here already (`InvalidStateError`), and a `VestibuleError`:
 * `credential_refused` where nobody is signed in, or `credential_unavailable`.
 */
export async function registerPasskey(url: string | URL, options: RegisterPasskeyOptions = {}): Promise<Json> {
  const { bearer, name, credentials = container() } = options;
  const signal = options.signal ?? new AbortController().signal;
  const endpoint = endpointOf(url, options);
  const headers: Record<string, string> = { "Content-Type": "application/json" };
  if (bearer) {
    headers.Authorization = `Bearer ${credential("bearer", await bearer({ reason: "connect", attempt: 1, signal })).id}`;
  }

  async function post(path: string, body: Json): Promise<Json> {
    const address = new URL(endpoint);
    address.pathname = `${endpoint.pathname.replace(/\/$/, "")}/${path}`;
    const answer = await (options.fetch ?? globalThis.fetch)(address, {
      method: "POST",
      headers,
      body: JSON.stringify(body),
      credentials: bearer ? "omit" : "include",
      cache: "no-store",
      redirect: "error",
      signal,
    });
    if (!answer.ok) {
      throw new VestibuleError(/^40[13]$/.test(`${answer.status}`) ? "credential_refused" : "credential_unavailable");
    }
    return answer.json();
  }

  const { options: wanted } = await post("register/options", {});
  const publicKey = read("parseCreationOptionsFromJSON", wanted as Json);
  return post("register", { name, credential: written(await credentials.create({ publicKey, signal })) });
}

type Json = Readonly<Record<string, unknown>>;

function container(): Authenticators {
  return globalThis.navigator?.credentials as unknown as Authenticators;
}

// What follows is what browsers before 2025 do not do, nor some extensions that take their place.

function read(how: "parseRequestOptionsFromJSON" | "parseCreationOptionsFromJSON", options: Json): unknown {
  const browser = globalThis.PublicKeyCredential as unknown as Record<string, ((json: Json) => unknown) | undefined> | undefined;
  if (browser?.[how]) {
    return browser[how](options);
  }
  const known = <Of>(of: Of): Of => of && { ...of, id: bytesOf((of as Json).id as string) };
  const { challenge, user, allowCredentials, excludeCredentials } = options as {
    challenge: string;
    user?: Json;
    allowCredentials?: Json[];
    excludeCredentials?: Json[];
  };
  return {
    ...options,
    challenge: bytesOf(challenge),
    user: known(user),
    allowCredentials: allowCredentials?.map(known),
    excludeCredentials: excludeCredentials?.map(known),
  };
}

const BYTES = ["clientDataJSON", "authenticatorData", "signature", "userHandle", "attestationObject"];

function written(made: any): unknown {
  if (made.toJSON) {
    return made.toJSON();
  }
  const { id, type, authenticatorAttachment, response: said } = made;
  const response: Record<string, unknown> = { transports: said.getTransports?.() };
  for (const name of BYTES) {
    response[name] = said[name] ? base64url(said[name]) : undefined;
  }
  return { id, rawId: id, type, authenticatorAttachment, clientExtensionResults: made.getClientExtensionResults(), response };
}
