// The page: what is pressed, and what is shown.

import { Connection } from "/connection.js";
import * as gateway from "/gateway.js";
import * as issuer from "/issuer.js";
import { closing, fault, masked, span } from "/words.js";

const LINES = 500;
const MARKS = { in: "\u2190", out: "\u2192", note: "\u00b7" };
const SPOKEN = { in: "received", out: "sent", note: "note" };

const settings = await issuer.settings();
const connection = new Connection(settings.auth_deadline);
const element = (id) => document.getElementById(id);
const controls = element("controls");
const log = element("log");

// What is chosen.

const chosen = () => Object.fromEntries(new FormData(controls));
const other = () => (chosen().user === "alice" ? "bob" : "alice");
const named = (user) => user[0].toUpperCase() + user.slice(1);

/** How each mechanism can travel. */
const WAYS = {
  bearer: ["message", "subprotocol", "cookie", "query", "none"],
  ticket: ["message", "query"],
  session: ["message", "subprotocol"],
  "api-key": ["message", "subprotocol"],
  login: ["cookie"],
};
/** Routes to the same chat: one that takes any token in the query, one that speaks first, one for who has signed in. */
const PATHS = { "bearer query": "/open-query", "bearer none": "/announced", "login cookie": "/signed-in" };
const address = ({ mechanism, carrier }) => settings.gateway + (PATHS[`${mechanism} ${carrier}`] ?? "/chat");
/** The carrier of the connection that is open. */
let used = "none";
/** The ticket that was shown last, for those who want to show it again. */
let shown = null;

async function connect() {
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
    await gateway.login(settings.endpoints, user, element("password").value);
    note(`signed in as ${named(user)} by password; the browser keeps the cookie`);
    return connection.open(url, []);
  }
  if (ambient || carrier === "none") {
    return connection.open(url, []);
  }
  const token = await credential(choice);
  switch (carrier) {
    case "subprotocol":
      return connection.open(url, ["chat", `vestibule.bearer.${token}`]);
    case "query":
      return connection.open(`${url}?${mechanism === "ticket" ? "ticket" : "access_token"}=${token}`, []);
    default:
      return connection.open(url, [], { mechanism, token });
  }
}

/** What is going to be shown. */
async function credential({ user, life, mechanism }) {
  switch (mechanism) {
    case "ticket":
      shown = await gateway.buy(settings.endpoints, await issuer.token(user, life));
      note("bought a ticket with the access token");
      return shown;
    case "session":
      if (connection.session === null) {
        throw new Error("no session yet: connect once with an access token in the first message");
      }
      return connection.session;
    case "api-key":
      return settings.api_key;
    default:
      return issuer.token(user, life);
  }
}

async function present(kind, user, life = chosen().life) {
  connection.present(kind, { mechanism: "bearer", token: await issuer.token(user, life) });
}

/** The same ticket once more, on a connection of its own. */
function replay() {
  const socket = new WebSocket(`${settings.gateway}/chat?ticket=${shown}`);
  note("the ticket is shown a second time, on another connection");
  socket.addEventListener("message", () => {
    note("the replayed ticket got in. That is a hole.");
    socket.close();
  });
  socket.addEventListener("close", ({ code, reason }) => note(`the replayed ticket: closed ${code} ${reason}`));
}

async function tryForeign() {
  await issuer.signIn(chosen().user, "long");
  note(`signed in as ${named(chosen().user)} by cookie; the foreign page opens ${settings.gateway}/chat`);
  const frame = element("frame");
  frame.hidden = false;
  frame.src = `${settings.foreign}/`;
}

// What is shown.

const ROOMS = { idle: "street", connecting: "street", waiting: "vestibule", inside: "inside", closed: "out" };
const room = ({ state, expiring }) => (state === "inside" && expiring ? "leaving" : ROOMS[state]);

function describe() {
  const { state, identity, end } = connection;
  switch (state) {
    case "connecting":
      return ["Connecting", "The handshake is on its way."];
    case "waiting":
      return ["Connected, not authenticated", waiting()];
    case "inside":
      return [`Authenticated as ${identity.subject}`, inside()];
    case "closed": {
      const { title, text, calm } = closing(end.code, end.reason);
      // Whoever was inside was not refused: it came to an end.
      const name = identity.subject && title === "Refused" ? "Ended" : title;
      const how = [`${name}: ${end.code}`, end.reason].filter(Boolean).join(" ");
      return [how, text, calm ? "calm" : "refused"];
    }
    default:
      return ["Not connected", "Choose a user, a token and a carrier, then connect."];
  }
}

function waiting() {
  const { rejected } = connection;
  if (rejected) {
    return `${fault(rejected)} Choose another token and authenticate.`;
  }
  if (used === "cookie") {
    return "The gateway looks at the cookie. One that does not verify counts as none: then it waits for a message.";
  }
  return "The gateway waits for a credential. The chat server has not been called.";
}

function inside() {
  const { rejected, expiring } = connection;
  if (rejected) {
    return `The refresh was rejected, and the lease goes on as it was. ${fault(rejected)}`;
  }
  return expiring ? "The credential ends soon. Refresh it to stay." : "Messages pass between you and the chat server.";
}

/** Sets a text only where it is another: a live region repeats what is set. */
function put(node, text) {
  if (node.textContent !== text) {
    node.textContent = text;
  }
}

function show() {
  const { state, expiring, isOpen } = connection;
  const panel = element("state");
  panel.dataset.state = state;
  panel.dataset.expiring = state === "inside" && expiring;
  for (const place of panel.querySelectorAll("[data-room]")) {
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
  enable("authenticate", state === "waiting");
  enable("refresh", state === "inside");
  enable("refresh-other", state === "inside");
  enable("expire", state === "inside" && connection.identity.mechanism === "bearer");
  enable("revoke", state === "inside" && connection.identity.connection !== undefined);
  enable("replay", shown !== null);
  enable("logout", isOpen);
  enable("send", isOpen);
}

/** A button that loses its use would drop the focus: the state, which has changed, gets it. */
function enable(id, useful) {
  const button = element(id);
  if (!useful && document.activeElement === button) {
    element("state-title").focus({ preventScroll: true });
  }
  button.disabled = !useful;
}

function showIdentity() {
  const { identity, state } = connection;
  const list = element("identity");
  const rows = Object.entries({
    Subject: identity.subject,
    Issuer: identity.issuer,
    Scopes: identity.scopes?.join(" "),
    Mechanism: identity.mechanism,
    Connection: identity.connection,
  }).filter(([, value]) => value);
  list.hidden = state !== "inside" || rows.length === 0;
  list.replaceChildren(
    ...rows.map(([name, value]) => {
      const row = document.createElement("div");
      const term = document.createElement("dt");
      const detail = document.createElement("dd");
      term.textContent = name;
      detail.textContent = value;
      row.append(term, detail);
      return row;
    }),
  );
}

function showClock() {
  const { clock, state } = connection;
  const lease = element("lease");
  lease.hidden = clock === null;
  if (clock !== null) {
    const left = Math.max(0, clock.ends - performance.now());
    const part = clock.length > 0 ? Math.min(1, left / clock.length) : 0;
    element("lease-arc").setAttribute("stroke-dasharray", `${(100 * part).toFixed(1)} 100`);
    const what = state === "inside" ? "left of the credential" : "left to authenticate";
    put(element("lease-text"), `${span(left / 1000)} ${what}`);
  }
}

function showChoice() {
  const { user, mechanism, carrier } = chosen();
  for (const input of controls.elements.carrier) {
    input.disabled = !WAYS[mechanism].includes(input.value);
  }
  if (!WAYS[mechanism].includes(carrier)) {
    controls.elements.carrier.value = WAYS[mechanism][0];
    return showChoice();
  }
  const bought = mechanism === "bearer" || mechanism === "ticket";
  element("token-choice").hidden = !bought;
  element("password-choice").hidden = mechanism !== "login";
  if (element("whose").textContent !== named(user) || element("password").value === "") {
    element("password").value = settings.passwords?.[user] ?? "";
  }
  put(element("whose"), named(user));
  put(element("other"), named(other()));
  const query = carrier === "query" ? `?${mechanism === "ticket" ? "ticket" : "access_token"}=\u2026` : "";
  put(element("target"), address(chosen()) + query);
  document.title = `Vestibule demo: ${named(user)}`;
}

function line({ mark, kind, text }) {
  const item = document.createElement("li");
  item.className = `${mark} ${kind}`;
  const time = document.createElement("time");
  time.textContent = new Date().toLocaleTimeString([], { hour12: false });
  const arrow = document.createElement("span");
  arrow.className = "mark";
  arrow.textContent = MARKS[mark];
  arrow.setAttribute("aria-label", SPOKEN[mark]);
  arrow.setAttribute("role", "img");
  const words = document.createElement("span");
  words.className = "words";
  // JSON without spaces may be broken after a comma.
  words.append(...masked(text).split(/(?<=,)/).flatMap((part) => [part, document.createElement("wbr")]));
  item.append(time, arrow, words);
  const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
  log.append(item);
  while (log.children.length > LINES) {
    log.firstElementChild.remove();
  }
  if (atEnd) {
    log.scrollTop = log.scrollHeight;
  }
}

const note = (text) => line({ mark: "note", kind: "note", text });

// What is pressed.

/** Runs what a button does; a failure is told in the log. */
function act(run) {
  run().catch((error) => note(`failed: ${error.message}`));
}

function press(id, run) {
  element(id).addEventListener("click", () => act(async () => run()));
}

controls.addEventListener("submit", (event) => {
  event.preventDefault();
  act(connect);
});
controls.addEventListener("change", showChoice);
press("close", () => connection.close());
press("authenticate", () => present("authenticate", chosen().user));
press("refresh", () => present("refresh", chosen().user));
press("refresh-other", () => present("refresh", other()));
press("expire", () => present("refresh", connection.identity.subject, "brief"));
press("revoke", () => issuer.revoke(connection.identity.connection));
press("replay", replay);
press("logout", () => connection.logout());
press("foreign", tryForeign);
press("clear", () => log.replaceChildren());
element("chat").addEventListener("submit", (event) => {
  event.preventDefault();
  const input = element("text");
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
connection.addEventListener("line", (event) => line(event.detail));
setInterval(showClock, 250);
put(element("deadline"), String(settings.auth_deadline));
element("console").href = settings.console;
showChoice();
show();
