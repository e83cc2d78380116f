// The page: what is pressed, and what is shown.

import { h, put } from "../dom.js";
import { dpop, passkey, scram } from "./client.js";
import { Connection, type Line, type State } from "./connection.js";
import * as gateway from "./gateway.js";
import * as issuer from "./issuer.js";
import { bindingKey, Keys, type Opening, proven, saslShown, shown } from "./proofs.js";
import { closing, fault, masked, span } from "./words.js";

const LINES = 500;
const MARKS = { in: "\u2190", out: "\u2192", note: "\u00b7" };
const SPOKEN = { in: "received", out: "sent", note: "note" };

const settings = await issuer.settings();
const connection = new Connection(settings.auth_deadline);
const element = (id: string): HTMLElement => document.getElementById(id) as HTMLElement;
const field = (id: string): HTMLInputElement => element(id) as HTMLInputElement;
const controls = element("controls") as HTMLFormElement;
const log = element("log");

// What is chosen.

interface Choice {
  readonly user: string;
  readonly mechanism: string;
  readonly life: string;
  readonly carrier: string;
}

const chosen = (): Choice => Object.fromEntries(new FormData(controls)) as unknown as Choice;
const other = (): string => (chosen().user === "alice" ? "bob" : "alice");
const named = (user: string): string => user.slice(0, 1).toUpperCase() + user.slice(1);

/** Mechanisms in which the gateway asks back. */
const ASKED: Readonly<Record<string, true>> = { "scram-sha-256": true, "public-key": true, webauthn: true, dpop: true };
/** Mechanisms of the route that may want a second proof. */
const STEPPED: Readonly<Record<string, true>> = { "scram-sha-256": true, "public-key": true, webauthn: true };
/** Mechanisms for which a password is typed. */
const TYPED: Readonly<Record<string, true>> = { login: true, "scram-sha-256": true, webauthn: true };
/** How each mechanism can travel. */
const WAYS: Readonly<Record<string, readonly string[]>> = {
  bearer: ["message", "subprotocol", "cookie", "query", "per-message", "none"],
  ticket: ["message", "query"],
  session: ["message", "subprotocol", "per-message"],
  "api-key": ["message", "subprotocol", "per-message"],
  opaque: ["message", "subprotocol", "per-message", "none"],
  "scram-sha-256": ["message", "none"],
  "public-key": ["message", "none"],
  webauthn: ["message", "none"],
  dpop: ["message", "query", "none"],
  oauthbearer: ["message", "none"],
  login: ["cookie"],
};
/** Routes to the same chat: one that takes any token in the query, one for who has signed in, and two for a carrier alone. */
const PATHS: Readonly<Record<string, string>> = {
  "bearer query": "/open-query",
  "login cookie": "/signed-in",
  none: "/announced",
  "per-message": "/each-message",
};
function address({ mechanism, carrier }: Choice): string {
  if (carrier === "message" && mechanism in STEPPED && field("careful").checked) {
    return `${settings.gateway}/second-proof`;
  }
  return settings.gateway + (PATHS[`${mechanism} ${carrier}`] ?? PATHS[carrier] ?? "/chat");
}

const keys = new Keys(async (user, key) => {
  const fingerprint = await issuer.register(user, key);
  note(`made a key that no script can read, and had its public half registered with ${user}: ${fingerprint}`);
});
/** The token that says nothing itself and was shown last. */
let opaque = "";
/** A key that tokens are bound to. */
const binding = bindingKey();
/** The carrier of the connection that is open. */
let used = "none";
/** The ticket that was shown last, for those who want to show it again. */
let ticket: string | null = null;

async function connect(): Promise<void> {
  const choice = chosen();
  const { user, life, mechanism, carrier } = choice;
  const url = address(choice);
  used = carrier;
  if (matchMedia("(max-width: 56rem)").matches) {
    element("state").scrollIntoView();
  }
  // A cookie goes along with every handshake: the other carriers are shown without one.
  const ambient = mechanism === "bearer" && carrier === "cookie";
  await (ambient ? issuer.signIn(user, life) : issuer.signOut());
  if (mechanism === "login") {
    await gateway.login(settings.endpoints, user, field("password").value);
    note(`signed in as ${named(user)} by password; the browser keeps the cookie`);
    return connection.open(url, []);
  }
  if (ambient || carrier === "none") {
    return connection.open(url, []);
  }
  if (carrier === "message") {
    return connection.open(url, [], { first: await opening(choice) });
  }
  const token = await credential(choice);
  if (carrier === "per-message") {
    return connection.open(url, [], { each: token });
  }
  if (carrier === "subprotocol") {
    return connection.open(url, ["chat", `vestibule.bearer.${token}`]);
  }
  connection.open(`${url}?${parameter(mechanism)}=${token}`, []);
}

/** Where a token stands in the query; one that is bound to a key is good for a ticket only. */
const parameter = (mechanism: string): string => (mechanism === "bearer" ? "access_token" : "ticket");

/** What goes into the first message. */
async function opening(choice: Choice): Promise<Opening> {
  const { user, mechanism } = choice;
  switch (mechanism) {
    case "scram-sha-256":
      note("the password stays in this page: what goes out is a proof that this page knows it");
      return proven(scram(user, field("password").value), address(choice));
    case "public-key":
      return proven(await keys.of(user), address(choice));
    case "oauthbearer":
      return saslShown(await credential(choice));
    case "dpop": {
      const { key } = await binding;
      return proven(dpop({ token: () => credential(choice), key }), address(choice));
    }
    case "webauthn":
      return proven(passkey({ user }), address(choice));
    default:
      return shown(mechanism === "opaque" ? "bearer" : mechanism, await credential(choice));
  }
}

/** What is going to be shown. */
async function credential({ user, life, mechanism, carrier }: Choice): Promise<string> {
  switch (mechanism) {
    case "ticket":
      ticket = await gateway.buy(settings.endpoints, await issuer.token(user, life));
      note("bought a ticket with the access token");
      return ticket;
    case "dpop": {
      const { key, thumbprint } = await binding;
      const token = await issuer.boundToken(user, life, thumbprint);
      if (carrier !== "query") {
        return token;
      }
      ticket = await gateway.buyByProof(settings.endpoints, token, key);
      note("bought a ticket with the token and a proof by its key");
      return ticket;
    }
    case "opaque":
      opaque = await issuer.opaqueToken(user, life);
      return opaque;
    case "session":
      if (connection.session === null) {
        throw new Error("no session yet: connect once with an access token in the first message");
      }
      return connection.session;
    case "api-key":
      return settings.api_key ?? "";
    default:
      return issuer.token(user, life);
  }
}

async function authenticate(): Promise<void> {
  const choice = chosen();
  if (connection.state === "inside") {
    return connection.authenticate(await opening(choice));
  }
  const sayable = WAYS[choice.mechanism]?.includes("message") ?? false;
  connection.authenticate(await opening(sayable ? choice : { ...choice, mechanism: "bearer" }));
}

async function refresh(user: string, life = chosen().life): Promise<void> {
  if (connection.isSealed) {
    connection.each = await issuer.token(user, life);
    return note(`the next message carries another token of ${named(user)}`);
  }
  const { mechanism = "", subject = "" } = connection.identity;
  if (!(mechanism in ASKED)) {
    return connection.renew(shown("bearer", await issuer.token(user, life)));
  }
  field("password").value = settings.passwords?.[subject] ?? "";
  connection.renew(await opening({ ...chosen(), user: subject, mechanism }));
}

/** What was good once, a second time, on a connection of its own. */
function replay(): void {
  const again = replayable();
  if (again === null) {
    return;
  }
  const { what, url, first, answer } = again;
  const socket = new WebSocket(url);
  note(`the ${what} is shown a second time, on another connection`);
  if (first !== undefined) {
    socket.addEventListener("open", () => socket.send(first));
  }
  socket.addEventListener("message", ({ data }: MessageEvent<string>) => {
    if (answer !== undefined && data.startsWith('{"auth":{"type":"challenge"')) {
      socket.send(answer);
    } else if (data.startsWith('{"auth":{"type":"rejected"')) {
      note(`the replayed ${what}: ${data}`);
      socket.close();
    } else {
      note(`the replayed ${what} got in. That is a hole.`);
      socket.close();
    }
  });
  socket.addEventListener("close", ({ code, reason }) => note(`the replayed ${what}: closed ${code} ${reason}`));
}

interface Replay {
  readonly what: string;
  readonly url: string;
  readonly first?: string;
  readonly answer?: string;
}

function replayable(): Replay | null {
  const url = `${settings.gateway}/chat`;
  const { mechanism } = chosen();
  if (mechanism in ASKED) {
    return connection.exchange && { what: "answer", url, ...connection.exchange };
  }
  return ticket === null ? null : { what: "ticket", url: `${url}?ticket=${ticket}` };
}

/** A key that was revoked is good for nothing any more. */
async function revoke(): Promise<void> {
  const { connection: name = "", mechanism, subject = "" } = connection.identity;
  if (mechanism === "public-key") {
    keys.forget(subject);
  }
  await issuer.revoke(name);
  note("the other side has revoked it");
}

async function withdraw(): Promise<void> {
  await issuer.withdraw(opaque);
  note("withdrawn at the issuer; the gateway finds out when it asks again, in two seconds at the latest");
}

async function makePasskey(): Promise<void> {
  const { user } = chosen();
  await gateway.makePasskey(settings.endpoints, user, field("password").value);
  note(`made a passkey, and registered it with ${named(user)}`);
}

async function tryForeign(): Promise<void> {
  await issuer.signIn(chosen().user, "long");
  note(`signed in as ${named(chosen().user)} by cookie; the foreign page opens ${settings.gateway}/chat`);
  const frame = element("frame") as HTMLIFrameElement;
  frame.hidden = false;
  frame.src = `${settings.foreign}/`;
}

// What is shown.

const ROOMS: Readonly<Record<State, string>> = {
  idle: "street",
  connecting: "street",
  waiting: "vestibule",
  challenged: "challenge",
  inside: "inside",
  closed: "out",
};
const room = ({ state, expiring }: Connection): string => (state === "inside" && expiring ? "leaving" : ROOMS[state]);

function describe(): readonly [title: string, text: string, outcome?: string] {
  const { state, identity } = connection;
  switch (state) {
    case "connecting":
      return ["Connecting", "The handshake is on its way."];
    case "waiting":
      return ["Connected, not authenticated", waiting()];
    case "challenged":
      return ["Challenged", challenged()];
    case "inside":
      return [`Authenticated as ${identity.subject}`, inside()];
    case "closed": {
      const { code, reason } = connection.end ?? { code: 1005, reason: "" };
      const { title, text, calm } = closing(code, reason);
      // Whoever was inside was not refused: it came to an end.
      const name = identity.subject && title === "Refused" ? "Ended" : title;
      const how = [`${name}: ${code}`, reason].filter(Boolean).join(" ");
      return [how, text, calm ? "calm" : "refused"];
    }
    default:
      return ["Not connected", "Choose who you are and how you show it, then connect."];
  }
}

function waiting(): string {
  const { rejected } = connection;
  if (rejected) {
    return `${fault(rejected)} Mend it, and ${connection.isSealed ? "connect" : "authenticate"} again.`;
  }
  if (used === "cookie") {
    return "The gateway looks at the cookie. One that does not verify counts as none: then it waits for a message.";
  }
  if (used === "per-message") {
    return "The gateway waits for a message with its token. The first good one opens the way to the chat server.";
  }
  return "The gateway waits for a credential. The chat server has not been called.";
}

function challenged(): string {
  return connection.isAsked && connection.answering === "by hand"
    ? "The gateway has asked something that nobody was asked before. Answer it before the time is over."
    : "The gateway has asked something that nobody was asked before, and looks at the answer.";
}

const NAMES: Readonly<Record<string, string>> = { "public-key": "the key of this page", webauthn: "a passkey" };

function inside(): string {
  const { rejected, expiring, wanted } = connection;
  if (rejected && connection.isSealed) {
    return `That message was rejected, and the connection goes on. ${fault(rejected)}`;
  }
  if (rejected) {
    return `The refresh was rejected, and the lease goes on as it was. ${fault(rejected)}`;
  }
  if (wanted) {
    const ways = wanted.map((name) => NAMES[name] ?? name).join(" or ");
    return `The gateway wants a second proof, while messages pass: ${ways}. Choose it and authenticate, or the connection ends.`;
  }
  if (connection.isAsked) {
    return "The gateway asks again. Messages pass meanwhile, and nothing is prolonged before a right answer.";
  }
  return expiring ? "The credential ends soon. Refresh it to stay." : "Messages pass between you and the chat server.";
}

function show(): void {
  const { state, expiring, identity, isOpen } = connection;
  const panel = element("state");
  panel.dataset.state = state;
  panel.dataset.expiring = String(state === "inside" && (expiring || connection.wanted !== null));
  for (const place of panel.querySelectorAll<HTMLElement>("[data-room]")) {
    place.classList.toggle("here", place.dataset.room === room(connection));
  }
  const [title, text, outcome = ""] = describe();
  panel.dataset.outcome = outcome;
  put(element("state-title"), title);
  put(element("state-text"), text);
  showIdentity();
  showClock();
  const busy = state === "connecting";
  enable("connect", !isOpen && !busy);
  enable("close", isOpen || busy);
  // A token of the issuer lengthens only what its user has begun.
  const ours = state === "inside" && (identity.issuer ?? settings.page) === settings.page;
  const wanting = state === "waiting" || connection.wanted !== null;
  offer("authenticate", wanting && !connection.isSealed);
  offer("answer", connection.isAsked && connection.answering === "by hand");
  offer("refresh", ours || (state === "inside" && (identity.mechanism ?? "") in ASKED));
  offer("refresh-other", ours);
  offer("expire", state === "inside" && !connection.isSealed && identity.mechanism === "bearer");
  offer("revoke", state === "inside" && identity.connection !== undefined);
  showReplay();
  offer("withdraw", state === "inside" && identity.issuer === `${settings.page}/opaque`);
  offer("logout", isOpen && !connection.isSealed);
  enable("send", isOpen);
}

function showReplay(): void {
  put(element("replay"), chosen().mechanism in ASKED ? "Replay the answer" : "Replay the ticket");
  offer("replay", replayable() !== null);
}

function enable(id: string, useful: boolean): void {
  (usedUp(id, useful) as HTMLButtonElement).disabled = !useful;
}

/** Shows a button where it is of use. */
function offer(id: string, useful: boolean): void {
  usedUp(id, useful).hidden = !useful;
}

/** A button that loses its use would drop the focus: the state, which has changed, gets it. */
function usedUp(id: string, useful: boolean): HTMLElement {
  const button = element(id);
  if (!useful && document.activeElement === button) {
    element("state-title").focus({ preventScroll: true });
  }
  return button;
}

function showIdentity(): void {
  const { identity, state } = connection;
  const list = element("identity");
  const rows = Object.entries({
    Subject: identity.subject,
    Issuer: identity.issuer,
    Scopes: identity.scopes?.join(" "),
    Mechanism: identity.mechanism,
    Connection: identity.connection,
  }).flatMap(([name, value]) => (value ? [[name, value] as const] : []));
  list.hidden = state !== "inside" || rows.length === 0;
  list.replaceChildren(
    ...rows.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))),
  );
}

const LEFT: Partial<Record<State, string>> = { inside: "left of the credential", challenged: "left to answer" };

function showClock(): void {
  const { clock, state } = connection;
  const lease = element("lease");
  lease.hidden = clock === null;
  if (clock !== null) {
    const left = Math.max(0, clock.ends - performance.now());
    const part = clock.length > 0 ? Math.min(1, left / clock.length) : 0;
    element("lease-arc").setAttribute("stroke-dasharray", `${(100 * part).toFixed(1)} 100`);
    const what = connection.wanted ? "left for a second proof" : (LEFT[state] ?? "left to authenticate");
    put(element("lease-text"), `${span(left / 1000)} ${what}`);
  }
}

function showChoice(): void {
  const { user, mechanism, carrier } = chosen();
  const ways = WAYS[mechanism] ?? [];
  const carriers = controls.elements.namedItem("carrier") as RadioNodeList;
  for (const input of carriers as Iterable<Node> as Iterable<HTMLInputElement>) {
    input.disabled = !ways.includes(input.value);
  }
  if (!ways.includes(carrier)) {
    carriers.value = ways[0] ?? "message";
    return showChoice();
  }
  const bought = ["bearer", "opaque", "ticket", "oauthbearer", "dpop"].includes(mechanism);
  element("token-choice").hidden = !bought;
  element("password-choice").hidden = !(mechanism in TYPED);
  element("passkey-choice").hidden = mechanism !== "webauthn";
  element("careful-choice").hidden = !(mechanism in STEPPED && carrier === "message");
  element("answer-choice").hidden = !(mechanism in ASKED);
  connection.answering = field("hand").checked ? "by hand" : "at once";
  showReplay();
  if (element("whose").textContent !== named(user) || field("password").value === "") {
    field("password").value = settings.passwords?.[user] ?? "";
  }
  put(element("whose"), named(user));
  put(element("passkey-of"), named(user));
  put(element("other"), named(other()));
  const query = carrier === "query" ? `?${parameter(mechanism)}=\u2026` : "";
  put(element("target"), address(chosen()) + query);
  document.title = `Vestibule demo: ${named(user)}`;
}

function line({ mark, kind, text }: Line): void {
  // JSON without spaces may be broken after a comma.
  const parts = masked(text).split(/(?<=,)/).flatMap((part) => [part, h("wbr")]);
  const item = h(
    "li",
    { class: `${mark} ${kind}` },
    h("time", {}, new Date().toLocaleTimeString([], { hour12: false })),
    h("span", { class: "mark", role: "img", "aria-label": SPOKEN[mark] }, MARKS[mark]),
    h("span", { class: "words" }, ...parts),
  );
  const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
  log.append(item);
  while (log.children.length > LINES) {
    log.firstElementChild?.remove();
  }
  if (atEnd) {
    log.scrollTop = log.scrollHeight;
  }
}

/** What can be copied into a terminal. */
function showCommands(): void {
  const items = settings.commands.map(({ about, text }) => {
    const copy = h("button", { type: "button", class: "quiet", "aria-label": `Copy: ${about}` }, "Copy");
    copy.addEventListener("click", () =>
      act(async () => {
        await navigator.clipboard.writeText(text);
        put(copy, "Copied");
        setTimeout(() => put(copy, "Copy"), 2000);
        note(`copied: ${about}`);
      }),
    );
    return h("li", {}, h("div", { class: "title" }, h("span", {}, about), copy), h("pre", {}, h("code", {}, text)));
  });
  element("commands").replaceChildren(...items);
}

const note = (text: string): void => line({ mark: "note", kind: "note", text });

// What is pressed.

/** Runs what a button does; a failure is told in the log. */
function act(run: () => Promise<void>): void {
  run().catch((error: Error) => note(`failed: ${error.message}`));
}

function press(id: string, run: () => unknown): void {
  element(id).addEventListener("click", () => act(async () => void (await run())));
}

controls.addEventListener("submit", (event) => {
  event.preventDefault();
  act(connect);
});
controls.addEventListener("change", showChoice);
press("close", () => connection.close());
press("authenticate", authenticate);
press("make-passkey", makePasskey);
press("answer", () => connection.respond());
press("refresh", () => refresh(chosen().user));
press("refresh-other", () => refresh(other()));
press("expire", () => refresh(connection.identity.subject ?? "", "brief"));
press("revoke", revoke);
press("withdraw", withdraw);
press("replay", replay);
press("logout", () => connection.logout());
press("foreign", tryForeign);
press("clear", () => log.replaceChildren());
element("chat").addEventListener("submit", (event) => {
  event.preventDefault();
  const input = field("text");
  if (input.value !== "" && connection.isOpen) {
    connection.say(input.value);
    input.value = "";
  }
});
window.addEventListener("message", (event) => {
  if (event.origin === settings.foreign && typeof event.data?.foreign === "string") {
    note(`foreign page: ${event.data.foreign}`);
  }
});

connection.addEventListener("change", show);
connection.addEventListener("line", (event) => line((event as CustomEvent<Line>).detail));
setInterval(showClock, 250);
put(element("deadline"), String(settings.auth_deadline));
(element("console") as HTMLAnchorElement).href = settings.console;
showCommands();
showChoice();
show();
