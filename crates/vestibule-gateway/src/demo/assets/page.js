// The page: what is pressed, and what is shown.

import { Connection } from "/connection.js";
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

/** Three routes to the same chat: one that takes the token in the query, one that speaks first. */
const PATHS = { query: "/open-query", none: "/announced" };
const address = (carrier) => settings.gateway + (PATHS[carrier] ?? "/chat");
/** The carrier of the connection that is open. */
let used = "none";

async function connect() {
  const { user, life, carrier } = chosen();
  const url = address(carrier);
  used = carrier;
  if (matchMedia("(max-width: 56rem)").matches) {
    element("state").scrollIntoView();
  }
  // A cookie goes along with every handshake: the other carriers are shown without one.
  await (carrier === "cookie" ? issuer.signIn(user, life) : issuer.signOut());
  switch (carrier) {
    case "message":
      return connection.open(url, [], await issuer.token(user, life));
    case "subprotocol": {
      const token = await issuer.token(user, life);
      return connection.open(url, ["chat", `vestibule.bearer.${token}`]);
    }
    case "query": {
      const token = await issuer.token(user, life);
      return connection.open(`${url}?access_token=${token}`, []);
    }
    default:
      return connection.open(url, []);
  }
}

async function present(kind, user) {
  connection.present(kind, await issuer.token(user, chosen().life));
}

async function tryForeign() {
  await issuer.signIn(chosen().user, "long");
  note(`signed in as ${named(chosen().user)} by cookie; the foreign page opens ${address("cookie")}`);
  const frame = element("frame");
  frame.hidden = false;
  frame.src = `${settings.foreign}/`;
}

// What is shown.

const ROOMS = { idle: "street", connecting: "street", waiting: "vestibule", inside: "inside", closed: "street" };

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
  for (const room of panel.querySelectorAll("[data-room]")) {
    room.classList.toggle("here", room.dataset.room === ROOMS[state]);
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
    element("lease-bar").value = clock.length > 0 ? Math.min(1, left / clock.length) : 0;
    const what = state === "inside" ? "left of the credential" : "left to authenticate";
    put(element("lease-text"), `${span(left / 1000)} ${what}`);
  }
}

function showChoice() {
  const { user, carrier } = chosen();
  put(element("other"), named(other()));
  const query = carrier === "query" ? "?access_token=\u2026" : "";
  put(element("target"), address(carrier) + query);
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
showChoice();
show();
