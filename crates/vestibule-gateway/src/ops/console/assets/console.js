// src/api.ts
var KEY = "vestibule-admin-token";
var Refused = class extends Error {
  constructor(status, error, description) {
    super(description);
    this.status = status;
    this.error = error;
  }
  status;
  error;
};
var Api = class _Api {
  constructor(token) {
    this.token = token;
  }
  token;
  static remembered() {
    const token = sessionStorage.getItem(KEY);
    return token ? new _Api(token) : null;
  }
  remember() {
    sessionStorage.setItem(KEY, this.token);
  }
  static forget() {
    sessionStorage.removeItem(KEY);
  }
  async ask(method, path, body) {
    const answer = await fetch(`/api/v1${path}`, {
      method,
      headers: { authorization: `Bearer ${this.token}`, "x-vestibule-operator": "console" },
      cache: "no-store",
      credentials: "omit",
      redirect: "error",
      ...body === void 0 ? {} : { body: JSON.stringify(body) }
    });
    const text = await answer.text();
    const read2 = text === "" ? null : JSON.parse(text);
    if (!answer.ok) {
      throw new Refused(answer.status, read2?.error ?? "", read2?.error_description ?? `the gateway answered ${answer.status}`);
    }
    return read2;
  }
  /** All pages of a list. */
  async all(path, member, most) {
    const found = [];
    let after;
    do {
      const query = new URLSearchParams({ limit: "100", ...after === void 0 ? {} : { after } });
      const page = await this.ask("GET", `${path}?${query}`);
      found.push(...page[member]);
      after = page["next"];
    } while (after !== void 0 && found.length < most);
    return found;
  }
};

// src/dom.ts
var SVG = "http://www.w3.org/2000/svg";
function h(name, properties = {}, ...children) {
  return furnish(document.createElement(name), properties, children);
}
function s(name, properties = {}, ...children) {
  return furnish(document.createElementNS(SVG, name), properties, children);
}
function furnish(element, properties, children) {
  for (const [name, value] of Object.entries(properties)) {
    if (typeof value === "function") {
      element.addEventListener(name.slice(2), value);
    } else if (value === true) {
      element.setAttribute(name, "");
    } else if (value !== false && value !== void 0 && value !== null) {
      element.setAttribute(name, String(value));
    }
  }
  element.append(...children.filter((child) => child !== null && child !== void 0 && child !== false));
  return element;
}
function put(node, text) {
  if (node.textContent !== text) {
    node.textContent = text;
  }
}
function set(node, name, value) {
  if (value === null) {
    node.removeAttribute(name);
  } else if (node.getAttribute(name) !== value) {
    node.setAttribute(name, value);
  }
}
function announce(text) {
  const region = document.getElementById("said");
  if (region) {
    region.textContent = text;
  }
}

// src/confirm.ts
function confirm(question) {
  const reason = h("input", { id: "reason", maxlength: 200, autocomplete: "off" });
  const failed = h("p", { class: "failed", role: "alert" });
  const yes = h("button", { type: "submit", class: "danger" }, question.verb);
  const no = h("button", { type: "button", onclick: () => dialog.close() }, "Cancel");
  const dialog = h(
    "dialog",
    { "aria-labelledby": "question", onclose: () => dialog.remove() },
    h(
      "form",
      {
        method: "dialog",
        onsubmit: (event) => {
          event.preventDefault();
          yes.disabled = true;
          question.act(reason.value.trim() || void 0).then(() => dialog.close()).catch((error) => {
            failed.textContent = error.message;
            yes.disabled = false;
          });
        }
      },
      h("h2", { id: "question" }, question.title),
      h("p", {}, question.text),
      question.reason === "reason" && h("label", { for: "reason" }, "Reason, for the audit log"),
      question.reason === "reason" && reason,
      failed,
      h("div", { class: "buttons" }, yes, no)
    )
  );
  document.body.append(dialog);
  dialog.showModal();
  (question.reason === "reason" ? reason : no).focus();
}

// src/words.ts
function span(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  if (whole < 100) {
    return `${whole} s`;
  }
  const minutes = Math.floor(whole / 60);
  if (minutes < 100) {
    return `${minutes} min`;
  }
  const hours = Math.floor(minutes / 60);
  if (hours < 48) {
    return minutes % 60 === 0 ? `${hours} h` : `${hours} h ${minutes % 60} min`;
  }
  return `${Math.floor(hours / 24)} d`;
}
var UNITS = ["B", "kB", "MB", "GB", "TB"];
function bytes(count2) {
  let [value, unit] = [count2, 0];
  while (value >= 1e3 && unit < UNITS.length - 1) {
    value /= 1e3;
    unit += 1;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${UNITS[unit]}`;
}
var count = (number) => number.toLocaleString("en").replace(/,/g, " ");
var rate = (value) => value >= 10 || value === 0 ? String(Math.round(value)) : value.toFixed(1);
function short(seconds) {
  if (seconds >= 1) {
    return `${seconds.toFixed(1)} s`;
  }
  const millis = seconds * 1e3;
  return millis >= 10 ? `${Math.round(millis)} ms` : `${Number(millis.toPrecision(2))} ms`;
}
function moment(seconds) {
  return new Date(seconds * 1e3).toLocaleString([], { dateStyle: "medium", timeStyle: "medium" });
}
function clock(seconds) {
  return new Date(seconds * 1e3).toLocaleTimeString([], { hour12: false });
}
var spoken = (label) => label.replace(/_/g, " ");

// src/accounts.ts
var MOST = 1e3;
var Accounts = class {
  constructor(api) {
    this.api = api;
    const table = (name, heads, body) => h(
      "section",
      { class: "panel" },
      h("h2", {}, name),
      h("div", { class: "wide-table", tabindex: "0", role: "region", "aria-label": name }, h("table", {}, h("thead", {}, h("tr", {}, ...heads.map((head) => h("th", { scope: "col" }, head)), h("th", { scope: "col" }, h("span", { class: "hidden" }, "Action")))), body))
    );
    this.element = h(
      "div",
      { class: "stack" },
      this.#state,
      table("Users", ["Name", "State", "Scopes", "Groups", "Added"], this.#users),
      table("API keys", ["Label", "Of", "Scopes", "Made", "Ends", "Last used"], this.#keys)
    );
  }
  api;
  element;
  #users = h("tbody");
  #keys = h("tbody");
  #state = h("p", { class: "soft", role: "status" });
  update() {
  }
  enter() {
    void this.#load();
  }
  async #load() {
    try {
      const [users, keys] = await Promise.all([this.api.all("/users", "users", MOST), this.api.all("/keys", "keys", MOST)]);
      this.#users.replaceChildren(...users.map((user) => this.#user(user)));
      this.#keys.replaceChildren(...keys.map((key) => this.#key(key)));
      put(this.#state, "");
    } catch (error) {
      const nothing = error instanceof Refused && error.status === 503;
      put(this.#state, nothing ? "This gateway has no users and keys of its own: its configuration has no [auth]." : error.message);
    }
  }
  #user(user) {
    const { name, state, scopes, groups, created } = user;
    const next = state === "enabled" ? "disabled" : "enabled";
    const [verb, text] = next === "disabled" ? ["Shut out", "No login and no API key counts any more, and what was issued is revoked: live connections end with 4410."] : ["Let in", "The user can sign in again. What was revoked stays revoked."];
    const change = () => confirm({
      title: `${verb} ${name}?`,
      text,
      verb,
      reason: "none",
      act: async () => {
        await this.api.ask("PATCH", `/users/${encodeURIComponent(name)}`, { state: next });
        announce(`${name} is ${next}.`);
        await this.#load();
      }
    });
    return row(name, [state, list(scopes), list(groups), moment(created)], h("button", { type: "button", class: "small", "aria-label": `${verb} ${name}`, onclick: change }, `${verb} …`));
  }
  #key(key) {
    const { id, label, user, machine: machine2, scopes, created, expires, used } = key;
    const remove = () => confirm({
      title: `Remove the key ${label}?`,
      text: "It is refused from now on, and its live connections end with 4410.",
      verb: "Remove",
      reason: "none",
      act: async () => {
        await this.api.ask("DELETE", `/keys/${encodeURIComponent(id)}`);
        announce("Removed.");
        await this.#load();
      }
    });
    const of = user ?? (machine2 === void 0 ? "–" : `machine:${machine2}`);
    const cells = [of, list(scopes), moment(created), expires === void 0 ? "never" : moment(expires), used === void 0 ? "never" : moment(used)];
    return row(label, cells, h("button", { type: "button", class: "small", "aria-label": `Remove the key ${label}`, onclick: remove }, "Remove …"));
  }
};
var list = (names) => names.length === 0 ? "–" : names.join(" ");
function row(name, cells, button) {
  return h("tr", {}, h("th", { scope: "row" }, name), ...cells.map((text) => h("td", {}, text)), h("td", {}, button));
}

// src/charts.ts
var [WIDTH, HEIGHT] = [600, 120];
var Lines = class {
  constructor(title, series, show, least) {
    this.title = title;
    this.series = series;
    this.show = show;
    this.least = least;
    this.#paths = series.map(({ tone }) => s("path", { class: `line ${tone}`, "vector-effect": "non-scaling-stroke" }));
    this.#values = series.map(() => h("b", {}, "–"));
    this.#top = h("span", { class: "top", "aria-hidden": "true" });
    this.#picture = s(
      "svg",
      { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img" },
      s("path", { class: "grid", d: `M0 1H${WIDTH}M0 ${HEIGHT / 2}H${WIDTH}M0 ${HEIGHT - 1}H${WIDTH}`, "vector-effect": "non-scaling-stroke" }),
      ...this.#paths
    );
    const legend = series.map(({ name, tone }, place) => h("li", {}, h("i", { class: tone }), `${name} `, this.#values[place]));
    this.element = h(
      "figure",
      { class: "panel chart" },
      h("figcaption", {}, h("h2", {}, title), h("ul", { class: "legend" }, ...legend)),
      h("div", { class: "plot" }, this.#picture, this.#top),
      h("div", { class: "axis", "aria-hidden": "true" }, h("span", {}, "3 min ago"), h("span", {}, "now"))
    );
  }
  title;
  series;
  show;
  least;
  element;
  #paths;
  #values;
  #top;
  #picture;
  /** Draws; the last of `places` values is now. */
  draw(rows, places) {
    const values = rows.flat().filter((value) => value !== null);
    const top = nice(Math.max(this.least, ...values));
    put(this.#top, this.show(top));
    const said = [];
    for (const [place, { name }] of this.series.entries()) {
      const row2 = rows[place] ?? [];
      set(this.#paths[place], "d", line(row2, places, top));
      const newest = row2.findLast((value) => value !== null) ?? null;
      const text = newest === null ? "–" : this.show(newest);
      put(this.#values[place], text);
      said.push(`${name} ${text}`);
    }
    set(this.#picture, "aria-label", `${this.title}: ${said.join(", ")}; the scale ends at ${this.show(top)}`);
  }
};
function line(row2, places, top) {
  let path = "";
  let pen = false;
  for (const [place, value] of row2.entries()) {
    if (value === null) {
      pen = false;
      continue;
    }
    const x = WIDTH * (places - row2.length + place) / (places - 1);
    const y = HEIGHT - 1 - value / top * (HEIGHT - 6);
    path += `${pen ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}${pen ? "" : "h.1"}`;
    pen = true;
  }
  return path;
}
function nice(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  const found = [1, 2, 5, 10].find((step) => step * power >= value * 0.999) ?? 10;
  return found * power;
}
function bars(rows, none) {
  if (rows.length === 0) {
    return h("p", { class: "soft" }, none);
  }
  const most = Math.max(...rows.map(({ value }) => value));
  return h(
    "ul",
    { class: "bars" },
    ...rows.map(
      ({ name, value, text, tone }) => h(
        "li",
        {},
        h("span", { class: "name" }, name),
        s(
          "svg",
          { class: `bar ${tone}`, viewBox: "0 0 100 10", preserveAspectRatio: "none", "aria-hidden": "true" },
          s("rect", { class: "rest", width: "100", height: "10" }),
          s("rect", { class: "part", width: most > 0 ? (100 * value / most).toFixed(2) : "0", height: "10" })
        ),
        h("b", {}, text)
      )
    )
  );
}
var Spark = class {
  constructor(title) {
    this.title = title;
    this.#path = s("path", { class: "line accent", "vector-effect": "non-scaling-stroke" });
    this.element = s("svg", { class: "spark", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img" }, this.#path);
  }
  title;
  element;
  #path;
  draw(row2, places, said) {
    set(this.#path, "d", line(row2, places, nice(Math.max(10, ...row2))));
    set(this.element, "aria-label", `${this.title}: ${said}`);
  }
};

// ../clients/js/src/errors.ts
var VestibuleError = class extends Error {
  constructor(code, closeCode = 1006, error = "") {
    super(code.replace(/_/g, " "));
    Object.assign(this, { name: "VestibuleError", code, closeCode, error });
  }
};

// ../clients/js/src/wire.ts
var PREFIX = '{"auth":';
var LONGEST = 16384;
function parse(text) {
  let auth;
  try {
    auth = text.length > LONGEST ? null : JSON.parse(text).auth;
  } catch {
  }
  const { type, subject, expires_in, error, retry } = auth ?? {};
  const timed = Number.isSafeInteger(expires_in) && expires_in >= 0;
  const valid = {
    // It is read by `exchange`, where one can be answered.
    challenge: false,
    accepted: timed && typeof subject === "string",
    expiring: timed,
    rejected: typeof error === "string" && typeof retry === "boolean"
  };
  const name = /^[a-z_]{1,40}$/.test(error) ? error : "";
  const known = typeof type === "string" && valid[type] !== false ? type : "garbage";
  return { type: known, subject, expires_in, error: name, retry };
}
function control(type, members = {}) {
  return JSON.stringify({ auth: { type, ...members } });
}

// ../clients/js/src/auth.ts
var source = /* @__PURE__ */ Symbol("source");
function bearer(provider, options = {}) {
  const { carrier } = options;
  return {
    [source]: () => ({
      carrier: carrier ? "subprotocol" : "message",
      provide: async (request) => credential("bearer", await provider(request), carrier)
    })
  };
}
var TOKEN = /^[\w\-.~+/]{1,12288}=*$/;
function credential(mechanism, token, handshake) {
  if (typeof token !== "string" || !TOKEN.test(token)) {
    throw new VestibuleError("credential_unavailable");
  }
  return { id: token, message: (as) => control(as, { mechanism, token }), handshake };
}

// ../clients/js/src/options.ts
var LOOPBACK = /^(127(\.\d+){3}|\[::1\]|(.+\.)?localhost)$/;
function addressOf(url, options) {
  let address;
  try {
    address = new URL(url, globalThis.location?.href);
  } catch {
  }
  if (address) {
    address.protocol = address.protocol.replace(/^http/, "ws");
  }
  if (!address || !/^wss?:$/.test(address.protocol) || address.hash) {
    throw new DOMException("bad URL", "SyntaxError");
  }
  if (options.auth[source]().carrier !== "cookie" && isExposed(address, options)) {
    throw new DOMException("use wss:", "SecurityError");
  }
  return address.href;
}
function isExposed({ protocol, hostname }, options) {
  return /^(ws|http):/.test(protocol) && !LOOPBACK.test(hostname) && !options.dangerouslyAllowInsecure;
}
function protocolsOf(protocols) {
  const list2 = typeof protocols === "string" ? [protocols] : [...protocols];
  if (new Set(list2).size < list2.length || !list2.every((name) => /^[!#$%&'*+\-.^`|~\w]+$/.test(name))) {
    throw new DOMException("bad subprotocols", "SyntaxError");
  }
  return list2;
}
function settingsOf(options, { carrier, renew }) {
  const { reconnect, connectTimeout = 1e4, authTimeout = 1e4, settle = 50, codes = {} } = options;
  const { base = 500, max = 3e4, stable = 5e3, attempts = 0 } = reconnect || {};
  const numbers = { connectTimeout, authTimeout, settle, base, max, stable, attempts };
  if (!Object.values(numbers).every((number) => number >= 0)) {
    throw new RangeError("negative option");
  }
  return { carrier, renew, ...numbers, codes, reconnect: reconnect === false ? "off" : "on" };
}
function webSocketOf(options) {
  const found = options.webSocket ?? globalThis.WebSocket;
  if (!found) {
    throw new TypeError("no webSocket");
  }
  return found;
}

// ../clients/js/src/environment.ts
var SLEPT = 1e3;
function sleeplessClock(steady, wall) {
  let now = 0;
  let lastSteady = steady();
  let lastWall = wall();
  return () => {
    const [newSteady, newWall] = [steady(), wall()];
    const [passed, leapt] = [newSteady - lastSteady, newWall - lastWall];
    now += leapt - passed > SLEPT ? leapt : passed;
    [lastSteady, lastWall] = [newSteady, newWall];
    return now;
  };
}
function environment() {
  return {
    now: sleeplessClock(() => performance.now(), Date.now),
    random: Math.random,
    setTimeout: (run, milliseconds) => setTimeout(run, milliseconds),
    clearTimeout: (timer) => clearTimeout(timer),
    watch: (awake) => {
      const listening = new AbortController();
      const hear = (target, type, what) => target?.addEventListener?.(type, () => awake(what), listening);
      hear(globalThis.document, "visibilitychange", "tick");
      hear(globalThis, "pageshow", "tick");
      hear(globalThis, "online", "online");
      return () => listening.abort();
    }
  };
}

// ../clients/js/src/codes.ts
var STOPS = {
  1e3: "completed",
  1002: "protocol",
  4400: "protocol",
  4403: "refused",
  4404: "refused",
  4410: "revoked"
};
var LOST = { code: 1006, reason: "", clean: false };
var LONGEST_WAIT = 86400;
function verdictOf(code, codes) {
  const verdict = codes[code] ?? STOPS[code] ?? (code === 4401 ? "fresh" : "wait");
  return verdict === "stop" ? "refused" : verdict;
}
function readReason(reason) {
  const [, error = "", seconds = 0] = /^([a-z_]{1,40})(?:; retry-after=(\d{1,9}))?$/.exec(reason) ?? [];
  return { error, retryAfter: Math.min(Number(seconds), LONGEST_WAIT) };
}

// ../clients/js/src/delays.ts
var REFRESH_FLOOR = 3e3;
var LONGEST_LEASE = 1e9;
function renewalOf(seconds, jitter) {
  return Math.max(REFRESH_FLOOR, Math.floor(Math.min(seconds, LONGEST_LEASE) * 1e3 * (0.75 + 0.15 * jitter)));
}
function backoffOf(failures, { base, max }, jitter) {
  return Math.floor(jitter * Math.min(max, base * 2 ** failures));
}
function delayOf({ code, reason }, verdict, failures, settings, jitter) {
  const asked = readReason(reason).retryAfter * 1e3;
  if (code === 4429 && asked === 0) {
    const floor = Math.floor(settings.max / 2);
    return { floor, delay: floor + Math.floor(jitter * floor) };
  }
  return { floor: asked, delay: asked + (verdict === "fresh" ? 0 : backoffOf(failures, settings, jitter)) };
}

// ../clients/js/src/machine.ts
var CLOSING = 3e3;
var MOST_CONTROLS = 30;
var MINUTE = 6e4;
function machine(settings, exchange) {
  const { carrier, connectTimeout, authTimeout, settle, reconnect, stable, attempts, codes, renew: renewing = exchange ? "off" : "on" } = settings;
  const sealed = carrier === "per-message";
  const renews = carrier !== "cookie" && renewing === "on";
  let state = { name: "stopped", step: "none", until: Infinity };
  let failures = 0;
  let attempt = 0;
  let fresh = "untried";
  let opening = "first";
  let reason = "connect";
  let controls = 0;
  let controlsSince = 0;
  let effects = [];
  let now = 0;
  let jitter = 0;
  function lapse() {
    switch (state.name) {
      case "connecting":
        return abandon("connect_timeout");
      case "asking":
      case "authenticating":
        return abandon(state.step === "asking" ? "credential_unavailable" : "auth_timeout");
      case "settling":
        return open();
      case "waiting":
        return ask(reason);
      case "closing":
        return leave("closed", LOST);
      case "open":
        if (state.step === "none") {
          return renew(state);
        }
        if (state.step === "asking") {
          return renewLater(state);
        }
        if (!sealed) {
          return abandon("auth_timeout");
        }
        state = { ...state, step: "none", until: Infinity };
    }
  }
  function take(input) {
    const turn = exchange?.(state, input, effects, now);
    if (typeof turn === "string") {
      return leave(turn, LOST);
    }
    if (turn) {
      state = turn;
      return;
    }
    switch (input.type) {
      case "start":
        drop(1e3);
        calm();
        opening = "first";
        return ask("connect");
      case "credential":
        return provided();
      case "no_credential":
        return notProvided(input.failure);
      case "socket_open":
        return connected();
      case "text":
        return input.text.startsWith(PREFIX) ? heard(parse(input.text)) : application();
      case "binary":
        return application();
      case "fault":
        return nonsense();
      case "socket_closed":
        return closed(input);
      case "close":
        if (state.name === "open") {
          effects.push({ type: "cancel" }, { type: "close", code: input.code, reason: input.reason });
          return become("closing", CLOSING);
        }
        return state.name === "closing" ? void 0 : leave("closed", { ...input, clean: true });
      case "abort":
        return leave("aborted", { code: 1e3, reason: "", clean: true });
      case "logout":
        if (!speaks()) {
          return take({ type: "close", code: 1e3, reason: "" });
        }
        effects.push({ type: "cancel" }, { type: "logout" });
        return become("closing", CLOSING);
      case "refresh":
        return renewEarly();
      case "online":
        return state.name === "waiting" && state.floor <= now ? ask(reason) : void 0;
    }
  }
  function ask(why) {
    reason = why;
    attempt += 1;
    state = { name: "asking", step: "asking", until: now + authTimeout };
    effects.push({ type: "auth", state: "waiting", reason }, { type: "ask", reason, attempt });
  }
  function provided() {
    if (state.name === "asking") {
      become("connecting", connectTimeout);
      effects.push({ type: "connect" });
    } else if (state.step === "asking") {
      present();
    }
  }
  function notProvided(failure) {
    if (state.step !== "asking") {
      return;
    }
    if (state.name === "open" && (!sealed || failure === "failed")) {
      return renewLater(state);
    }
    if (failure === "failed") {
      return abandon("credential_unavailable");
    }
    drop(1e3);
    return reason === "refused" || failure === "denied" ? stop("credential_refused", LOST) : ask("refused");
  }
  function present() {
    const from = state;
    const at = { step: "presented", until: now + (sealed ? REFRESH_FLOOR : authTimeout), response: void 0 };
    state = from.name === "open" ? { ...from, ...at } : { name: "authenticating", ...at };
    effects.push({ type: "present", as: reason === "refresh" ? "refresh" : "authenticate" });
  }
  function renew(from) {
    state = { ...from, step: "asking", until: now + authTimeout };
    effects.push({ type: "auth", state: "refreshing" }, { type: "ask", reason, attempt: from.failed + 1 });
  }
  function renewEarly() {
    if (state.name === "open" && state.step === "none" && renews && (sealed || speaks())) {
      renew(state);
    }
  }
  function renewLater(from) {
    const until = now + REFRESH_FLOOR + backoffOf(from.failed, settings, jitter);
    state = { ...from, step: "none", until, failed: from.failed + 1 };
    effects.push({ type: "cancel" }, { type: "auth", state: "waiting", reason });
  }
  function speaks() {
    return state.name === "open" && state.lease === "known";
  }
  function connected() {
    if (state.name === "connecting") {
      controls = 0;
      controlsSince = now;
      if (carrier === "message") {
        present();
      } else {
        become("settling", settle);
      }
    }
  }
  function application() {
    const { name } = state;
    if (name === "settling") {
      open();
    }
    if (name === "authenticating") {
      nonsense();
    } else if (holds()) {
      effects.push({ type: "deliver" });
    }
  }
  function heard(message) {
    const { name } = state;
    if (!holds() || name === "closing") {
      return;
    }
    if (now - controlsSince >= MINUTE) {
      controls = 0;
      controlsSince = now;
    }
    controls += 1;
    if (message.type === "garbage" || controls > MOST_CONTROLS && !sealed) {
      return nonsense();
    }
    switch (message.type) {
      case "required":
        if (speaks()) {
          reason = "step-up";
          effects.push({ type: "cancel" });
          return renew(state);
        }
        return name === "authenticating" ? void 0 : refuse("credential_required");
      case "accepted":
        return accepted(message.subject, message.expires_in);
      case "expiring":
        return expiring(message.expires_in);
      case "rejected":
        return rejected(message.error, message.retry);
    }
  }
  function accepted(subject, expires_in) {
    const known = state.name === "open" && (state.step === "presented" || state.lease === "known");
    effects.push({ type: "auth", state: known ? "refreshed" : "authenticated", subject, expires_in });
    const until = renews ? now + renewalOf(expires_in, jitter) : Infinity;
    if (state.name !== "open") {
      open("known", until);
    } else if (state.step === "asking") {
      state = { ...state, lease: "known" };
    } else {
      reason = "refresh";
      state = { ...state, lease: "known", step: "none", until, failed: 0 };
    }
  }
  function expiring(expires_in) {
    if (state.name === "settling") {
      open();
    }
    if (state.name === "open") {
      effects.push({ type: "auth", state: "expiring", expires_in });
      state = { ...state, lease: "known" };
      renewEarly();
    }
  }
  function rejected(error, retry) {
    if (sealed ? state.name !== "open" : state.step !== "presented") {
      return;
    }
    effects.push({ type: "auth", state: "rejected", error, retry });
    if (state.name === "open" && sealed) {
      return state.step === "none" && spend(error) ? renew(state) : void 0;
    }
    if (state.name === "open") {
      spend(error);
      return renewLater(state);
    }
    if (retry && fresh === "tried") {
      return refuse(error);
    }
    spend(error);
    if (retry) {
      fresh = "tried";
      ask("refused");
      state = { name: "authenticating", step: "asking", until: now + authTimeout };
    }
  }
  function closed(end) {
    if (state.name === "closing") {
      stop("closed", end);
    } else if (holds()) {
      ended(state.name === "connecting" ? "connect_failed" : "connection_lost", end);
    }
  }
  function become(name, span2) {
    state = { name, step: "none", until: now + span2 };
  }
  function open(lease = "unknown", until = Infinity) {
    state = { name: "open", step: "none", until, failed: 0, since: now, lease };
    if (lease === "unknown") {
      effects.push({ type: "auth", state: "authenticated" });
    }
    effects.push({ type: "open", how: opening });
    opening = "again";
    reason = "refresh";
  }
  function abandon(fault, end = LOST) {
    drop(4408);
    ended(fault, end);
  }
  function refuse(reason2) {
    abandon("connection_lost", { code: 4401, reason: reason2, clean: true });
  }
  function nonsense() {
    leave("protocol", LOST, 4400);
  }
  function leave(why, end, code = 1e3) {
    if (state.name !== "stopped") {
      drop(code);
      stop(why, end);
    }
  }
  function ended(fault, end) {
    if (state.name === "open" && now - state.since >= stable) {
      calm();
    }
    const { code } = end;
    const { error } = readReason(end.reason);
    const verdict = end === LOST ? "wait" : verdictOf(code, codes);
    reason = state.step === "asking" && state.name !== "open" ? reason : "reconnect";
    if (verdict === "fresh") {
      spend(error);
      if (fresh === "tried") {
        return stop("credential_refused", end);
      }
      fresh = "tried";
      reason = "refused";
    } else if (verdict !== "wait") {
      return stop(verdict, end);
    }
    if (reconnect === "off" && (verdict === "wait" || opening === "again")) {
      return stop("ended", end, end.clean ? void 0 : fault);
    }
    const { floor, delay } = delayOf(end, verdict, failures, settings, jitter);
    if (verdict === "wait") {
      failures += 1;
      if (failures === attempts) {
        return stop("attempts_exhausted", end);
      }
    }
    if (fault === "credential_unavailable") {
      effects.push({ type: "cancel" });
    }
    effects.push({ type: "reconnecting", cause: fault, code, error, attempt: attempt + 1, delay });
    state = { name: "waiting", step: "none", until: now + delay, floor: now + floor };
  }
  function stop(why, end, fault) {
    state = { name: "stopped", step: "none", until: Infinity };
    effects.push({ type: "cancel" }, { type: "auth", state: "stopped", reason: why });
    const wrong = /^(closed|aborted|completed|ended)$/.test(why) ? fault : why;
    if (wrong) {
      effects.push({ type: "error", cause: wrong, code: end.code, error: readReason(end.reason).error });
    }
    effects.push({ ...end, type: "closed" });
  }
  function calm() {
    failures = 0;
    attempt = 0;
    fresh = "untried";
  }
  function spend(error) {
    const useless = /^(invalid_token|token_expired)$/.test(error);
    if (useless) {
      effects.push({ type: "spend" });
    }
    return useless;
  }
  function holds() {
    return state.name !== "stopped" && state.name !== "asking" && state.name !== "waiting";
  }
  function drop(code) {
    if (holds()) {
      effects.push({ type: "drop", code });
    }
  }
  return {
    handle: (input, time, chance) => {
      effects = [];
      now = time;
      jitter = chance;
      if (now >= state.until && input.type !== "socket_closed" && (state.name !== "settling" || input.type !== "text")) {
        lapse();
      }
      take(input);
      return effects;
    },
    state: () => state.name,
    deadline: () => state.until
  };
}

// ../clients/js/src/queue.ts
var MOST2 = 2 ** 20;
function queue({ maxBytes = MOST2, overflow = "throw" }, flows, send) {
  const waiting = [];
  let total = 0;
  function shift() {
    const [data, bytes2] = waiting.shift();
    total -= bytes2;
    return data;
  }
  return {
    bytes: () => total,
    push: (data) => {
      const bytes2 = sizeOf(data, maxBytes);
      while (total + bytes2 > maxBytes) {
        if (overflow === "throw") {
          throw new VestibuleError("queue_full");
        }
        if (overflow === "drop-newest" || bytes2 > maxBytes) {
          return;
        }
        shift();
      }
      waiting.push([copied(data), bytes2]);
      total += bytes2;
    },
    flush: () => {
      while (waiting.length > 0 && flows()) {
        send(shift());
      }
    },
    clear: () => {
      total = 0;
      return waiting.splice(0).length;
    }
  };
}
function sizeOf(data, most) {
  return typeof data === "string" && data.length > most ? data.length : new Blob([data]).size;
}
function copied(data) {
  if (ArrayBuffer.isView(data)) {
    return data.buffer.slice(data.byteOffset, data.byteOffset + data.byteLength);
  }
  return typeof data === "string" ? data : data.slice(0);
}

// ../clients/js/src/driver.ts
var OPEN = 1;
var LONGEST_TIMER = 2 ** 31 - 1;
function driver(address, protocols, options, dispatch) {
  const { auth, signal, queue: queueing = {} } = options;
  const made = auth[source]();
  const { carrier, provide, exchange, respond, accepted, seal } = made;
  const { now, random, setTimeout: setTimeout2, clearTimeout: clearTimeout2, watch } = { ...environment(), ...options.environment };
  const Implementation = webSocketOf(options);
  const { handle, state, deadline } = machine(settingsOf(options, made), exchange);
  const waiting = queue(queueing, flows, pass);
  let socket;
  let question;
  let credential2;
  let handshake = [address, protocols];
  let presented;
  let spent;
  let timer;
  let armed = Infinity;
  let unwatch;
  let incoming;
  const events = [];
  let telling;
  function happened(input) {
    step(input);
    tell();
  }
  function step(input) {
    for (const effect of handle(input, now(), random())) {
      perform(effect);
    }
    arm();
    unwatch = state() === "stopped" ? unwatch?.() : unwatch ?? watched();
  }
  function perform(effect) {
    switch (effect.type) {
      case "ask":
        return ask(effect.reason, effect.attempt);
      case "cancel":
        question?.abort();
        question = void 0;
        return respond?.(effect, address, hand, happened);
      case "spend":
        spent = presented;
        return;
      case "connect":
        return connect();
      case "present":
        if (credential2 && !seal) {
          hand(credential2.message(effect.as));
        }
        use();
        return waiting.flush();
      case "challenge":
      case "respond":
        return respond?.(effect, address, hand, happened);
      case "logout":
        return hand(control("logout"));
      case "close":
        return effect.code === 1005 ? socket?.close() : socket?.close(effect.code, effect.reason);
      case "drop": {
        const last = socket;
        socket = void 0;
        return last?.close(effect.code);
      }
      case "open":
        if (effect.how === "again" && queueing.resend === "none") {
          waiting.clear();
        }
        waiting.flush();
        break;
      case "auth":
        if ("subject" in effect) {
          accepted?.(incoming.data);
        }
    }
    events.push(eventOf(effect));
  }
  function eventOf(effect) {
    switch (effect.type) {
      case "open":
        return new Event("open");
      case "deliver":
        return new MessageEvent("message", incoming);
      case "auth":
      case "reconnecting": {
        const { type, expires_in, ...told } = effect;
        const lease = expires_in === void 0 ? {} : { expiresIn: expires_in };
        const rest = told.state === "stopped" ? { unsent: waiting.clear() } : {};
        return new CustomEvent(type, { detail: { ...told, ...lease, ...rest } });
      }
      case "error":
        return Object.assign(new Event("error"), {
          error: new VestibuleError(effect.cause, effect.code, effect.error)
        });
      case "closed": {
        const { code, reason, clean } = effect;
        return Object.assign(new Event("close"), { code, reason, wasClean: clean });
      }
    }
  }
  function ask(reason, attempt) {
    if (question) {
      return;
    }
    const asked = new AbortController();
    question = asked;
    Promise.resolve({ reason, attempt, signal: asked.signal }).then((request) => provide(request, address)).then((given) => {
      if (given && given.id === spent) {
        return { type: "no_credential", failure: "repeated" };
      }
      const carried = given?.handshake?.(given.id, address, protocols) ?? [address, protocols];
      if (question === asked) {
        handshake = carried;
        credential2 = given;
      }
      return { type: "credential" };
    }).catch((thrown) => {
      const denied = thrown instanceof VestibuleError && thrown.code === "credential_refused";
      return { type: "no_credential", failure: denied ? "denied" : "failed" };
    }).then((input) => {
      if (question === asked) {
        question = void 0;
        happened(input);
      }
    });
  }
  const ready = () => socket?.readyState === OPEN;
  function hand(data) {
    if (ready()) {
      socket?.send(data);
    }
  }
  function flows() {
    return state() === "open" && ready() && !(seal && presented === spent);
  }
  function pass(data) {
    hand(seal ? seal(data, presented) : data);
  }
  function use() {
    presented = credential2?.id;
    credential2 = void 0;
  }
  function connect() {
    let made2;
    try {
      made2 = new Implementation(handshake[0], [...handshake[1]]);
      made2.binaryType = face.binaryType;
    } catch {
      return step({ type: "fault" });
    }
    socket = made2;
    if (carrier !== "message") {
      use();
    }
    const hear = (type, read2) => made2.addEventListener(type, (event) => {
      if (socket === made2) {
        happened(read2(event));
      }
    });
    const legal = ["", "bearer", ...protocols];
    hear("open", () => ({ type: legal.includes(made2.protocol) ? "socket_open" : "fault" }));
    hear("message", ({ data, origin = "" }) => {
      incoming = { data, origin };
      return typeof data === "string" ? { type: "text", text: data } : { type: "binary" };
    });
    hear("close", ({ code, reason, wasClean }) => {
      socket = void 0;
      return { type: "socket_closed", code, reason, clean: wasClean };
    });
    made2.addEventListener("error", () => {
    });
  }
  function arm() {
    const until = deadline();
    if (until !== armed) {
      armed = until;
      clearTimeout2(timer);
      if (until < Infinity) {
        timer = setTimeout2(() => {
          armed = Infinity;
          happened({ type: "tick" });
        }, Math.min(Math.ceil(until - now()), LONGEST_TIMER));
      }
    }
  }
  function watched() {
    const end = watch((type) => happened({ type }));
    const abort = () => face.order({ type: "tick" });
    signal?.addEventListener("abort", abort);
    return () => {
      end();
      return signal?.removeEventListener("abort", abort);
    };
  }
  function tell() {
    for (; !telling && (telling = events.shift()); telling = void 0) {
      dispatch(telling);
    }
  }
  const face = {
    state,
    socket: () => socket,
    queued: waiting.bytes,
    binaryType: "blob",
    order: (input) => {
      step(input);
      if (signal?.aborted) {
        step({ type: "abort" });
      }
      queueMicrotask(tell);
    },
    send: (data) => {
      if (typeof data === "string" && data.startsWith(PREFIX) && carrier === "message") {
        throw new VestibuleError("reserved_message");
      }
      seal?.(data, "");
      if (flows()) {
        pass(data);
      } else if (state() !== "closing" && state() !== "stopped") {
        waiting.push(data);
      }
    }
  };
  return face;
}

// ../clients/js/src/socket.ts
var REASON_BYTES = 123;
var READY = { open: 1, closing: 2, stopped: 3 };
var TYPES = ["open", "message", "close", "error", "auth", "reconnecting"];
var VestibuleSocket = class _VestibuleSocket extends EventTarget {
  url;
  #driver;
  #protocols;
  #handlers = {};
  static {
    for (const target of [this, this.prototype]) {
      Object.assign(target, { CONNECTING: 0, OPEN: 1, CLOSING: 2, CLOSED: 3 });
    }
    for (const type of TYPES) {
      Object.defineProperty(this.prototype, `on${type}`, {
        get() {
          return this.#handlers[type] ?? null;
        },
        set(run) {
          this.#handlers[type] = typeof run === "function" ? run : null;
        }
      });
    }
    if (Symbol.dispose) {
      this.prototype[Symbol.dispose] = function() {
        this.close();
      };
    }
  }
  /** Connects at once. Throws what `new WebSocket` throws, and a `SecurityError` where a token would go over `ws:`. */
  constructor(url, protocols, options) {
    super();
    for (const type of TYPES) {
      super.addEventListener(type, (event) => this.#handlers[type]?.call(this, event));
    }
    this.url = addressOf(url, options);
    this.#protocols = protocolsOf(protocols);
    this.#driver = driver(this.url, this.#protocols, options, (event) => this.dispatchEvent(event));
    this.#driver.order({ type: "start" });
  }
  /** A class that others can construct as they construct a WebSocket, such as `webSocketImpl` of `graphql-ws`. */
  static with(options) {
    return class extends _VestibuleSocket {
      constructor(url, protocols = []) {
        super(url, protocols, options);
      }
    };
  }
  get readyState() {
    return READY[this.#driver.state()] ?? 0;
  }
  /** Bytes that have not left yet, those in the queue included. */
  get bufferedAmount() {
    return this.#driver.queued() + (this.#driver.socket()?.bufferedAmount ?? 0);
  }
  /** Never the entry that holds a token, nor the marker beside it. */
  get protocol() {
    const { protocol = "" } = this.#driver.socket() ?? {};
    return this.#protocols.includes(protocol) ? protocol : "";
  }
  get extensions() {
    return this.#driver.socket()?.extensions ?? "";
  }
  get binaryType() {
    return this.#driver.binaryType;
  }
  set binaryType(type) {
    if (type === "blob" || type === "arraybuffer") {
      this.#driver.binaryType = type;
      Object.assign(this.#driver.socket() ?? {}, { binaryType: type });
    }
  }
  /**
   * Sends, or queues while there is no connection. Does nothing once it is closing or closed, as a WebSocket does.
   * Throws a `VestibuleError`: `queue_full`, or `reserved_message` for a text that would be a control message.
   */
  send(data) {
    this.#driver.send(data);
  }
  /** Ends it for good, whatever it is doing. `close` follows. */
  close(code, reason = "") {
    if (code !== void 0 && code !== 1e3 && !(code >= 3e3 && code <= 4999)) {
      throw new DOMException("bad code", "InvalidAccessError");
    }
    if (sizeOf(reason, REASON_BYTES) > REASON_BYTES) {
      throw new DOMException("bad reason", "SyntaxError");
    }
    this.#driver.order({ type: "close", code: code ?? 1005, reason });
  }
  /** Connects anew, from any state: after `close`, too. What waits stays in the queue. */
  reconnect() {
    this.#driver.order({ type: "start" });
  }
  /** Presents a newer credential now, where the connection can carry one. */
  refresh() {
    this.#driver.order({ type: "refresh" });
  }
  /** Tells the gateway to end this connection as logged out; where it cannot be told, closes it. */
  logout() {
    this.#driver.order({ type: "logout" });
  }
};

// src/world.ts
var WINDOW = 180;
var ENDED = 200;
var EVENTS = 50;
var World = class extends EventTarget {
  connections = /* @__PURE__ */ new Map();
  ended = [];
  paces = [];
  status = null;
  time = 0;
  more = false;
  link = "connecting";
  #socket;
  #begun = false;
  #last = null;
  constructor(api) {
    super();
    const url = new URL("/api/v1/watch", location.href);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    this.#socket = new VestibuleSocket(url.href, [], {
      auth: bearer(() => api.token),
      dangerouslyAllowInsecure: true,
      reconnect: { base: 500, max: 5e3 }
    });
    this.#socket.addEventListener("open", () => {
      this.#begun = false;
      this.#become("live");
    });
    this.#socket.addEventListener("message", (event) => {
      this.#hear(JSON.parse(event.data).watch);
    });
    this.#socket.addEventListener("reconnecting", (event) => {
      this.#become(event.detail.error === "too_many_connections" ? "crowded" : "away");
    });
    this.#socket.addEventListener("close", () => this.#become("refused"));
  }
  close() {
    this.#socket.close();
  }
  /** A counter or gauge, summed over what fits. */
  total(name, fits = {}) {
    return sum(this.status?.metrics ?? [], name, fits);
  }
  #become(link) {
    this.link = link;
    this.dispatchEvent(new Event("link"));
  }
  #hear(told) {
    this.time = told.time;
    this.status = told.status;
    this.more = told.more;
    if (!this.#begun) {
      const still = new Set(told.put.map((connection) => connection.id));
      for (const id of this.connections.keys()) {
        if (!still.has(id)) {
          this.#end(id);
        }
      }
      this.#begun = true;
    }
    for (const connection of told.put) {
      this.#put(connection);
    }
    for (const [id, toClient, toUpstream] of told.moved) {
      const known = this.connections.get(id);
      if (known) {
        this.#flow(known, toClient, toUpstream);
      }
    }
    for (const id of told.gone) {
      this.#end(id);
    }
    this.#pace(told);
    this.dispatchEvent(new Event("change"));
  }
  #put(connection) {
    const known = this.connections.get(connection.id);
    if (!known) {
      const events = [{ time: connection.since, what: `let in by ${connection.mechanism}, carrier ${connection.carrier}` }];
      this.connections.set(connection.id, { connection, events, flows: [], ended: null });
      return;
    }
    const before = known.connection;
    this.#flow(known, connection.to_client, connection.to_upstream);
    if (connection.lease_ends === void 0 && before.lease_ends !== void 0) {
      this.#note(known, "is being closed");
    } else if (connection.expires !== before.expires || connection.token !== before.token) {
      this.#note(known, `refreshed: its credential is good for ${Math.max(0, connection.expires - this.time)} s`);
    }
    Object.assign(before, connection);
  }
  #flow(known, toClient, toUpstream) {
    const { connection, flows } = known;
    flows.push({
      time: this.time,
      toClient: toClient - connection.to_client,
      toUpstream: toUpstream - connection.to_upstream
    });
    if (flows.length > WINDOW) {
      flows.shift();
    }
    connection.to_client = toClient;
    connection.to_upstream = toUpstream;
  }
  #note(known, what) {
    known.events.push({ time: this.time, what });
    if (known.events.length > EVENTS) {
      known.events.splice(1, 1);
    }
  }
  #end(id) {
    const known = this.connections.get(id);
    if (known) {
      this.connections.delete(id);
      known.ended = this.time;
      this.#note(known, "ended");
      this.ended.unshift(known);
      this.ended.length = Math.min(this.ended.length, ENDED);
    }
  }
  #pace(told) {
    const { metrics } = told.status;
    const counters = read(metrics);
    const at = performance.now() / 1e3;
    const last = this.#last;
    this.#last = { time: told.time, at, counters };
    if (last && counters.accepted >= last.counters.accepted && at > last.at) {
      const passed = at - last.at;
      const buckets = counters.buckets.map(({ le, count: count2 }, place) => ({
        le,
        count: count2 - (last.counters.buckets[place]?.count ?? 0)
      }));
      this.paces.push({
        time: told.time,
        accepted: (counters.accepted - last.counters.accepted) / passed,
        refused: (counters.refused - last.counters.refused) / passed,
        connections: sum(metrics, "vestibule_connections", {}),
        median: quantile(buckets, 0.5),
        slow: quantile(buckets, 0.95)
      });
      if (this.paces.length > WINDOW) {
        this.paces.shift();
      }
    }
  }
};
function read(metrics) {
  const name = "vestibule_authentications_total";
  const accepted = sum(metrics, name, { outcome: "accepted" });
  return { accepted, refused: sum(metrics, name, {}) - accepted, buckets: histogram(metrics, "vestibule_authentication_seconds") };
}
function sum(metrics, name, fits) {
  const wanted = Object.entries(fits);
  let total = 0;
  for (const { name: found, labels, value } of metrics) {
    if (found === name && wanted.every(([label, text]) => labels[label] === text)) {
      total += value;
    }
  }
  return total;
}
function histogram(metrics, name) {
  const counts = /* @__PURE__ */ new Map();
  for (const { name: found, labels, value } of metrics) {
    if (found === `${name}_bucket`) {
      const le = labels["le"] === "+Inf" ? Infinity : Number(labels["le"]);
      counts.set(le, (counts.get(le) ?? 0) + value);
    }
  }
  return [...counts].map(([le, count2]) => ({ le, count: count2 })).sort((one, other) => one.le - other.le);
}
function quantile(buckets, part) {
  const all = buckets.at(-1)?.count ?? 0;
  if (all <= 0) {
    return null;
  }
  const wanted = all * part;
  let below = { le: 0, count: 0 };
  for (const bucket of buckets) {
    if (bucket.count >= wanted) {
      const within = bucket.count - below.count;
      return Number.isFinite(bucket.le) && within > 0 ? below.le + (bucket.le - below.le) * (wanted - below.count) / within : below.le;
    }
    below = bucket;
  }
  return below.le;
}

// src/detail.ts
var ROUND = 2 * Math.PI * 20;
var Detail = class {
  constructor(world, api, close) {
    this.world = world;
    this.api = api;
    this.close = close;
    const leave = () => this.#leave();
    this.element = h(
      "aside",
      {
        class: "panel detail",
        hidden: true,
        "aria-labelledby": "detail-title",
        onkeydown: (event) => {
          if (event.key === "Escape") {
            leave();
          }
        }
      },
      h("div", { class: "title" }, h("div", {}, this.#title, this.#state), h("button", { type: "button", class: "quiet", onclick: leave }, "Close the details")),
      h("div", { class: "lease" }, s("svg", { class: "ring", viewBox: "0 0 48 48", "aria-hidden": "true" }, s("circle", { class: "track", cx: 24, cy: 24, r: 20 }), this.#arc), this.#left),
      this.#buttons,
      this.#facts,
      h("h3", {}, "Traffic"),
      this.#spark.element,
      this.#traffic,
      h("h3", {}, "What was seen"),
      this.#events
    );
  }
  world;
  api;
  close;
  element;
  #title = h("h2", { id: "detail-title", tabindex: "-1" });
  #state = h("p", { class: "soft" });
  #arc = s("circle", { class: "arc", cx: 24, cy: 24, r: 20 });
  #left = h("p", { class: "left" });
  #facts = h("dl");
  #spark = new Spark("Bytes a second");
  #traffic = h("p", { class: "soft" });
  #events = h("ol", { class: "events" });
  #buttons = h("div", { class: "buttons" });
  #id = null;
  #lease = null;
  #drawn = "";
  open(id) {
    this.#id = id;
    this.#lease = null;
    this.#drawn = "";
    this.element.hidden = false;
    this.update();
    this.#title.focus({ preventScroll: true });
  }
  update() {
    const known = this.#known();
    if (!known) {
      return;
    }
    const { connection, events, flows, ended } = known;
    put(this.#title, connection.subject);
    put(this.#state, ended === null ? `on ${connection.route} for ${span(this.world.time - connection.since)}` : `ended at ${clock(ended)}`);
    set(this.element, "data-ended", ended === null ? null : "");
    this.#ring(known);
    this.#tell(known);
    const row2 = flows.map(({ toClient, toUpstream }) => toClient + toUpstream);
    this.#spark.draw(row2, WINDOW, `${bytes(row2.at(-1) ?? 0)} in the last second`);
    put(this.#traffic, `${bytes(connection.to_client)} to the client, ${bytes(connection.to_upstream)} to the upstream`);
    const drawn = `${events.length} ${ended} ${connection.token}`;
    if (drawn !== this.#drawn) {
      this.#drawn = drawn;
      this.#events.replaceChildren(...events.toReversed().map(({ time, what }) => h("li", {}, h("time", {}, clock(time)), " ", what)));
      this.#offer(known);
    }
  }
  #leave() {
    this.#id = null;
    this.element.hidden = true;
    this.close();
  }
  #known() {
    const id = this.#id;
    return id === null ? void 0 : this.world.connections.get(id) ?? this.world.ended.find(({ connection }) => connection.id === id);
  }
  #ring({ connection, ended }) {
    const ends = connection.lease_ends;
    if (ends === void 0 || ended !== null) {
      set(this.#arc, "stroke-dasharray", `0 ${ROUND}`);
      put(this.#left, ended === null ? "is being closed" : "over");
      return;
    }
    if (this.#lease?.ends !== ends) {
      const from = this.#lease === null ? connection.since : this.world.time;
      this.#lease = { ends, length: Math.max(1, ends - from) };
    }
    const left = Math.max(0, ends - this.world.time);
    set(this.#arc, "stroke-dasharray", `${(ROUND * left / this.#lease.length).toFixed(1)} ${ROUND}`);
    put(this.#left, `${span(left)} left of the lease`);
  }
  #tell({ connection }) {
    const rows = [
      ["Issuer", connection.issuer],
      ["Mechanism", `${connection.mechanism}, carrier ${connection.carrier}`],
      ["Methods", connection.methods?.join(" ") || void 0],
      ["Context", connection.context],
      ["Second proof", proof(connection)],
      ["Address", connection.address],
      ["Origin", connection.origin],
      ["Let in", moment(connection.since)],
      ["Credential ends", moment(connection.expires)],
      ["Session", connection.session],
      ["Token id", connection.token],
      ["Connection", connection.id]
    ];
    const shown = rows.filter(([, value]) => value !== void 0);
    if (this.#facts.childElementCount !== shown.length) {
      this.#facts.replaceChildren(...shown.map(([name]) => h("div", {}, h("dt", {}, name), h("dd"))));
    }
    for (const [place, [name, value]] of shown.entries()) {
      const [term, detail] = this.#facts.children[place].children;
      put(term, name);
      put(detail, value ?? "");
    }
  }
  #offer({ connection, ended }) {
    const { id, subject, issuer, session, token } = connection;
    const revoke = (what, body, text) => () => confirm({
      title: `Revoke ${what}?`,
      text,
      verb: "Revoke",
      reason: "reason",
      act: async (reason) => {
        await this.api.ask("POST", "/revocations", { ...body, ...reason === void 0 ? {} : { reason } });
        announce("Revoked.");
      }
    });
    const close = () => confirm({
      title: "Close this connection?",
      text: `The client of ${subject} may connect again with the same credential. To keep somebody out, revoke.`,
      verb: "Close the connection",
      reason: "reason",
      act: async (reason) => {
        const query = reason === void 0 ? "" : `?${new URLSearchParams({ reason })}`;
        await this.api.ask("DELETE", `/connections/${encodeURIComponent(id)}${query}`);
        announce("The connection is being closed.");
      }
    });
    const button = (text, act) => h("button", { type: "button", onclick: act }, text);
    this.#buttons.replaceChildren(
      ...ended === null ? [button("Close …", close)] : [],
      ...token === void 0 ? [] : [button("Revoke the token …", revoke("this token", { token, issuer }, "This one credential is refused from now on, and its live connections end with 4410."))],
      ...session === void 0 ? [] : [button("Revoke the session …", revoke("this session", { session }, "Everything that came of this login is refused from now on, and its live connections end with 4410."))],
      button(`Revoke all of ${subject} …`, revoke(`everything of ${subject}`, { subject, issuer }, "All that was issued up to now is refused, and its live connections end with 4410. Signing in again stays possible."))
    );
  }
};
function proof({ stepped_up, step_up_due }) {
  if (step_up_due !== void 0) {
    return `owed until ${moment(step_up_due)}`;
  }
  return stepped_up === void 0 ? void 0 : `shown ${moment(stepped_up)}`;
}

// src/list.ts
var ROW = 36;
var SPARE = 8;
var List = class {
  element;
  #columns;
  #key;
  #open;
  #view;
  #room;
  #heads = /* @__PURE__ */ new Map();
  #pool = [];
  #rows = [];
  #current = null;
  #drawing = 0;
  order;
  onorder = () => {
  };
  constructor(label, columns, key, open) {
    this.#columns = columns;
    this.#key = key;
    this.#open = open;
    this.order = { id: columns[0]?.id ?? "", down: false };
    const heads = columns.map((column) => this.#head(column));
    this.#room = h("div", { class: "room", role: "rowgroup" });
    this.#view = h("div", { class: "rows", role: "presentation", onscroll: () => this.#later() }, this.#room);
    this.element = h(
      "div",
      { class: "list", role: "grid", "aria-label": label, "aria-readonly": "true", onkeydown: (event) => this.#pressed(event) },
      h("div", { role: "rowgroup", class: "headgroup" }, h("div", { class: "row head", role: "row", "aria-rowindex": 1 }, ...heads)),
      this.#view
    );
    new ResizeObserver(() => this.#later()).observe(this.#view);
  }
  /** Shows these, in this order. */
  show(rows) {
    this.#rows = rows;
    set(this.element, "aria-rowcount", String(rows.length + 1));
    for (const [id, head] of this.#heads) {
      set(head, "aria-sort", id === this.order.id ? this.order.down ? "descending" : "ascending" : "none");
    }
    this.#draw();
  }
  /** Sorts by the column that was chosen. */
  sorted(rows) {
    const column = this.#columns.find(({ id }) => id === this.order.id);
    const order = column?.order;
    if (!order) {
      return rows;
    }
    const sign = this.order.down ? -1 : 1;
    const keyed = rows.map((row2) => ({ row: row2, by: order(row2), key: this.#key(row2) }));
    keyed.sort((one, other) => {
      const first = one.by < other.by ? -1 : one.by > other.by ? 1 : 0;
      return first === 0 ? one.key < other.key ? -1 : 1 : first * sign;
    });
    return keyed.map(({ row: row2 }) => row2);
  }
  /** Marks the row that is open. */
  choose(key) {
    this.#current = key;
    this.#draw();
  }
  #head(column) {
    const cell = h("div", { class: `cell at-${column.id}${column.number ? " number" : ""}`, role: "columnheader" });
    if (column.order) {
      const order = () => {
        this.order = { id: column.id, down: this.order.id === column.id ? !this.order.down : column.number === true };
        this.onorder();
      };
      cell.append(h("button", { type: "button", class: "sort", onclick: order }, column.title));
      this.#heads.set(column.id, cell);
    } else {
      cell.append(column.title);
    }
    return cell;
  }
  #later() {
    if (this.#drawing === 0) {
      this.#drawing = requestAnimationFrame(() => this.#draw());
    }
  }
  #draw() {
    cancelAnimationFrame(this.#drawing);
    this.#drawing = 0;
    this.#room.style.height = `${this.#rows.length * ROW}px`;
    const first = Math.max(0, Math.floor(this.#view.scrollTop / ROW) - SPARE);
    const last = Math.min(this.#rows.length, Math.ceil((this.#view.scrollTop + this.#view.clientHeight) / ROW) + SPARE);
    while (this.#pool.length < last - first) {
      const row2 = h("div", { class: "row", role: "row" }, ...this.#columns.map(({ id, number }) => h("div", { class: `cell at-${id}${number ? " number" : ""}`, role: "gridcell" })));
      row2.addEventListener("click", () => this.#openAt(Number(row2.dataset["place"])));
      this.#pool.push(row2);
      this.#room.append(row2);
    }
    const entry = this.#entry();
    for (const [offset, element] of this.#pool.entries()) {
      const place = first + offset;
      const row2 = place < last ? this.#rows[place] : void 0;
      element.hidden = row2 === void 0;
      if (row2 !== void 0) {
        this.#fill(element, row2, place, entry);
      }
    }
  }
  /** Which row the Tab key leads to. */
  #entry() {
    const chosen = this.#current === null ? -1 : this.#rows.findIndex((row2) => this.#key(row2) === this.#current);
    const top = Math.ceil(this.#view.scrollTop / ROW);
    return chosen >= 0 ? chosen : Math.min(top, this.#rows.length - 1);
  }
  #fill(element, row2, place, entry) {
    element.dataset["place"] = String(place);
    element.style.transform = `translateY(${place * ROW}px)`;
    set(element, "aria-rowindex", String(place + 2));
    set(element, "tabindex", place === entry ? "0" : "-1");
    set(element, "aria-selected", String(this.#key(row2) === this.#current));
    for (const [number, column] of this.#columns.entries()) {
      const cell = element.children[number];
      const text = column.text(row2);
      put(cell, text);
      set(cell, "title", text.length > 16 ? text : null);
      if (column.tone) {
        set(cell, "data-tone", column.tone(row2));
      }
    }
  }
  #openAt(place) {
    const row2 = this.#rows[place];
    if (row2 !== void 0) {
      this.#open(row2);
    }
  }
  #pressed(event) {
    const element = event.target.closest(".room .row");
    if (!element) {
      return;
    }
    const place = Number(element.dataset["place"]);
    const page = Math.max(1, Math.floor(this.#view.clientHeight / ROW) - 1);
    const last = this.#rows.length - 1;
    const to = {
      ArrowDown: place + 1,
      ArrowUp: place - 1,
      PageDown: place + page,
      PageUp: place - page,
      Home: 0,
      End: last
    };
    if (event.key === "Enter" || event.key === " ") {
      this.#openAt(place);
    } else if (event.key in to) {
      this.#focus(Math.max(0, Math.min(last, to[event.key])));
    } else {
      return;
    }
    event.preventDefault();
  }
  #focus(place) {
    const top = place * ROW;
    const room = this.#view.clientHeight;
    if (top < this.#view.scrollTop) {
      this.#view.scrollTop = top;
    } else if (top + ROW > this.#view.scrollTop + room) {
      this.#view.scrollTop = top + ROW - room;
    }
    this.#draw();
    this.#pool.find((row2) => !row2.hidden && row2.dataset["place"] === String(place))?.focus({ preventScroll: true });
  }
};

// src/connections.ts
var CHOICES = ["route", "mechanism", "carrier"];
var Connections = class {
  constructor(world, api) {
    this.world = world;
    const now = () => this.world.time;
    const lease = (row2) => (row2.lease_ends ?? now()) - now();
    this.#list = new List(
      "Live connections",
      [
        { id: "subject", title: "Subject", text: (row2) => row2.subject, order: (row2) => row2.subject },
        { id: "route", title: "Route", text: (row2) => row2.route, order: (row2) => row2.route },
        { id: "way", title: "Mechanism", text: (row2) => `${row2.mechanism}, ${row2.carrier}`, order: (row2) => `${row2.mechanism} ${row2.carrier}` },
        { id: "address", title: "Address", text: (row2) => row2.address, order: (row2) => row2.address },
        { id: "since", title: "Open for", number: true, text: (row2) => span(now() - row2.since), order: (row2) => -row2.since },
        {
          id: "lease",
          title: "Lease",
          number: true,
          text: (row2) => row2.lease_ends === void 0 ? "closing" : span(lease(row2)),
          tone: (row2) => row2.lease_ends === void 0 || lease(row2) <= 10 ? "warn" : "",
          order: lease
        },
        { id: "out", title: "To client", number: true, text: (row2) => bytes(row2.to_client), order: (row2) => row2.to_client },
        { id: "in", title: "To upstream", number: true, text: (row2) => bytes(row2.to_upstream), order: (row2) => row2.to_upstream }
      ],
      (row2) => row2.id,
      (row2) => this.#open(row2.id)
    );
    this.#list.onorder = () => this.update();
    this.#detail = new Detail(world, api, () => this.#close());
    this.#search = h("input", {
      type: "search",
      id: "search",
      placeholder: "Subject, address, session …",
      autocomplete: "off",
      spellcheck: "false",
      oninput: () => this.update()
    });
    const choices = CHOICES.map((name) => {
      const select = h("select", { "aria-label": `Only this ${name}`, onchange: () => this.update() }, h("option", { value: "" }, `Every ${name}`));
      this.#choices.set(name, select);
      return select;
    });
    const bar = h("div", { class: "bar-top", role: "search" }, h("label", { class: "hidden", for: "search" }, "Search"), this.#search, ...choices, this.#count);
    this.element = h("div", { class: "split" }, h("section", { class: "panel table", "aria-label": "Live connections" }, bar, this.#list.element, this.#empty), this.#detail.element);
  }
  world;
  element;
  #list;
  #detail;
  #search;
  #choices = /* @__PURE__ */ new Map();
  #count = h("p", { class: "count", role: "status" });
  #empty = h("p", { class: "empty" });
  update() {
    const all = [...this.world.connections.values()].map(({ connection }) => connection);
    for (const [name, select] of this.#choices) {
      this.#offer(select, [...new Set(all.map((connection) => connection[name]))].sort());
    }
    const words = this.#search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const fits = (connection) => {
      for (const [name, { value }] of this.#choices) {
        if (value !== "" && connection[name] !== value) {
          return false;
        }
      }
      return words.length === 0 || words.every((word) => haystack(connection).includes(word));
    };
    const found = this.#list.sorted(all.filter(fits));
    this.#list.show(found);
    const of = found.length === all.length ? "" : ` of ${count(all.length)}`;
    const more = this.world.more ? `, the first of ${count(this.world.total("vestibule_connections"))}` : "";
    put(this.#count, `${count(found.length)}${of}${more}`);
    set(this.#count, "aria-label", `${found.length}${of} connections`);
    this.#empty.hidden = found.length > 0;
    put(this.#empty, all.length === 0 ? "Nobody is connected." : "No connection fits.");
    this.#detail.update();
  }
  #offer(select, names) {
    const there = [...select.options].slice(1).map(({ value }) => value);
    if (there.join("\n") !== names.join("\n")) {
      const chosen = select.value;
      const shown = chosen === "" || names.includes(chosen) ? names : [...names, chosen];
      select.replaceChildren(select.options[0], ...shown.map((name) => h("option", { value: name }, name)));
      select.value = chosen;
    }
  }
  #open(id) {
    this.#list.choose(id);
    this.#detail.open(id);
    set(this.element, "data-open", "");
    announce("Details are beside the list.");
  }
  #close() {
    set(this.element, "data-open", null);
    this.#list.element.querySelector('.row[tabindex="0"]')?.focus();
    this.#list.choose(null);
  }
};
function haystack(connection) {
  const { id, subject, issuer, address, origin = "", session = "", token = "", route } = connection;
  const known = hay.get(connection);
  if (known?.token === token) {
    return known.text;
  }
  const text = [id, subject, issuer, address, origin, session, token, route].join("\n").toLowerCase();
  hay.set(connection, { token, text });
  return text;
}
var hay = /* @__PURE__ */ new WeakMap();

// src/overview.ts
var ENDS_WELL = ["client", "upstream"];
var Overview = class {
  constructor(world) {
    this.world = world;
    const tiles = ["Connections", "Waiting at the door", "Accepted", "Refused", "Revocations that hold", "Median time to authenticate"];
    const tile = (name) => {
      const value = h("dd", {}, "–");
      this.#tiles.set(name, value);
      return h("div", { class: "panel" }, h("dt", {}, name), value);
    };
    const heads = ["Issuer", "Keys from", "State", "Keys", "Unchanged for", "Last read"];
    this.element = h(
      "div",
      { class: "overview" },
      h("dl", { class: "tiles" }, ...tiles.map(tile)),
      h("div", { class: "charts" }, this.#rates.element, this.#times.element, this.#open.element),
      h(
        "div",
        { class: "halves" },
        h("section", { class: "panel" }, h("h2", {}, "Rejections by reason"), h("p", { class: "soft" }, "Since the start"), this.#rejections),
        h("section", { class: "panel" }, h("h2", {}, "How connections ended"), h("p", { class: "soft" }, "Since the start"), this.#ends)
      ),
      h(
        "section",
        { class: "panel" },
        h("h2", {}, "Key sets"),
        h("div", { class: "wide-table", tabindex: "0", role: "region", "aria-label": "Key sets" }, h("table", {}, h("thead", {}, h("tr", {}, ...heads.map((name) => h("th", { scope: "col" }, name)))), this.#keys))
      )
    );
  }
  world;
  element;
  #tiles = /* @__PURE__ */ new Map();
  #rates = new Lines(
    "Authentications a second",
    [
      { name: "accepted", tone: "good" },
      { name: "refused", tone: "bad" }
    ],
    rate,
    1
  );
  #times = new Lines(
    "Time to authenticate",
    [
      { name: "median", tone: "accent" },
      { name: "95 %", tone: "warn" }
    ],
    short,
    1e-3
  );
  #open = new Lines("Live connections", [{ name: "now", tone: "accent" }], (value) => count(Math.round(value)), 10);
  #rejections = h("div");
  #ends = h("div");
  #keys = h("tbody");
  #drawn = "";
  update() {
    const { paces, status } = this.world;
    if (!status) {
      return;
    }
    this.#rates.draw([paces.map(({ accepted: accepted2 }) => accepted2), paces.map(({ refused }) => refused)], WINDOW);
    this.#times.draw([paces.map(({ median: median2 }) => median2), paces.map(({ slow }) => slow)], WINDOW);
    this.#open.draw([paces.map(({ connections }) => connections)], WINDOW);
    const accepted = this.world.total("vestibule_authentications_total", { outcome: "accepted" });
    const median = quantile(histogram(status.metrics, "vestibule_authentication_seconds"), 0.5);
    const values = {
      Connections: count(this.world.total("vestibule_connections")),
      "Waiting at the door": count(this.world.total("vestibule_pending")),
      Accepted: count(accepted),
      Refused: count(sumOf(this.#by("vestibule_decisions_total", "outcome", ["accepted", "left"]))),
      "Revocations that hold": count(this.world.total("vestibule_revocations")),
      "Median time to authenticate": median === null ? "–" : short(median)
    };
    for (const [name, element] of this.#tiles) {
      put(element, values[name] ?? "");
    }
    this.#lists();
    this.#keySets();
  }
  #by(metric, label, without) {
    const found = /* @__PURE__ */ new Map();
    for (const { name, labels, value } of this.world.status?.metrics ?? []) {
      const key = labels[label];
      if (name === metric && key !== void 0 && !without.includes(key)) {
        found.set(key, (found.get(key) ?? 0) + value);
      }
    }
    return found;
  }
  #lists() {
    const rejections = this.#by("vestibule_decisions_total", "outcome", ["accepted", "left"]);
    const ends = this.#by("vestibule_closed_total", "reason", []);
    const drawn = JSON.stringify([[...rejections], [...ends]]);
    if (drawn !== this.#drawn) {
      this.#drawn = drawn;
      this.#rejections.replaceChildren(bars(ranked(rejections, () => "bad"), "Nobody was refused."));
      this.#ends.replaceChildren(bars(ranked(ends, (name) => ENDS_WELL.includes(name) ? "good" : "warn"), "None has ended."));
    }
  }
  #keySets() {
    const issuers = this.world.status?.issuers ?? [];
    while (this.#keys.rows.length < issuers.length) {
      this.#keys.append(h("tr", {}, h("th", { scope: "row" }), ...Array.from({ length: 5 }, () => h("td"))));
    }
    for (const [place, issuer] of issuers.entries()) {
      const row2 = this.#keys.rows[place];
      const ago = (seconds) => seconds === void 0 ? "–" : span(seconds);
      const state = issuer.last_error === void 0 ? issuer.state : `${issuer.state}: ${issuer.last_error}`;
      const read2 = issuer.last_success === void 0 ? "never" : `${span(issuer.last_success)} ago`;
      const texts = [issuer.name, issuer.kind, state, String(issuer.keys), ago(issuer.age), read2];
      for (const [cell, text] of texts.entries()) {
        put(row2?.cells[cell], text);
      }
      set(row2?.cells[2], "data-tone", issuer.state === "ready" && issuer.last_error === void 0 ? "good" : "bad");
    }
  }
};
var sumOf = (counts) => [...counts.values()].reduce((sum2, value) => sum2 + value, 0);
function ranked(counts, tone) {
  return [...counts].filter(([, value]) => value > 0).sort(([one, a], [other, b]) => b - a || (one < other ? -1 : 1)).map(([name, value]) => ({ name: spoken(name), value, text: count(value), tone: tone(name) }));
}

// src/revocations.ts
var MOST3 = 1e3;
var KINDS = {
  subject: { title: "a subject", value: "Subject", issuer: "possible" },
  session: { title: "a session", value: "Session", issuer: "none" },
  token: { title: "one token", value: "Token id (jti)", issuer: "needed" },
  everything: { title: "everything", value: "", issuer: "possible" }
};
var SPANS = [
  ["", "until it is lifted"],
  ["3600", "for an hour"],
  ["86400", "for a day"],
  ["604800", "for a week"],
  ["2592000", "for 30 days"]
];
var Revocations = class {
  constructor(world, api) {
    this.world = world;
    this.api = api;
    this.#kind = h("select", { id: "revoke-kind", onchange: () => this.#choose() }, ...Object.entries(KINDS).map(([name, { title }]) => h("option", { value: name }, title)));
    this.#span = h("select", { id: "revoke-span" }, ...SPANS.map(([value, text]) => h("option", { value }, text)));
    const heads = ["What", "Issuer", "Issued up to", "Made", "Until", "Reason"];
    this.element = h(
      "div",
      { class: "stack" },
      h(
        "form",
        {
          class: "panel fields",
          onsubmit: (event) => {
            event.preventDefault();
            this.#make();
          }
        },
        h("h2", {}, "Revoke"),
        h("div", {}, h("label", { for: "revoke-kind" }, "What"), this.#kind),
        h("div", {}, this.#valueLabel, this.#value),
        h("div", {}, this.#issuerLabel, this.#issuer),
        h("div", {}, h("label", { for: "revoke-span" }, "How long"), this.#span),
        h("button", { type: "submit", class: "danger" }, "Revoke …")
      ),
      h(
        "section",
        { class: "panel" },
        h("h2", {}, "Revocations that hold"),
        this.#state,
        h("div", { class: "wide-table", tabindex: "0", role: "region", "aria-label": "Revocations that hold" }, h("table", {}, h("thead", {}, h("tr", {}, ...heads.map((name) => h("th", { scope: "col" }, name)), h("th", { scope: "col" }, h("span", { class: "hidden" }, "Lift")))), this.#body))
      )
    );
    this.#choose();
  }
  world;
  api;
  element;
  #body = h("tbody");
  #state = h("p", { class: "soft", role: "status" });
  #kind;
  #value = h("input", { id: "revoke-value", autocomplete: "off", spellcheck: "false" });
  #valueLabel = h("label", { for: "revoke-value" });
  #issuer = h("input", { id: "revoke-issuer", autocomplete: "off", spellcheck: "false" });
  #issuerLabel = h("label", { for: "revoke-issuer" });
  #span;
  #count = -1;
  #loading = false;
  enter() {
    this.#count = -1;
  }
  update() {
    const count2 = this.world.total("vestibule_revocations");
    if (count2 !== this.#count && this.world.status) {
      this.#count = count2;
      void this.#load();
    }
  }
  async #load() {
    if (this.#loading) {
      return;
    }
    this.#loading = true;
    try {
      const found = await this.api.all("/revocations", "revocations", MOST3);
      this.#body.replaceChildren(...found.toSorted((one, other) => other.made - one.made).map((revocation) => this.#row(revocation)));
      put(this.#state, found.length === 0 ? "None." : "");
    } catch (error) {
      put(this.#state, error.message);
    } finally {
      this.#loading = false;
    }
  }
  #row(revocation) {
    const { id, issuer, issued_before, until, made, by, reason } = revocation;
    const what = named(revocation);
    const cells = [issuer ?? "every", issued_before === void 0 ? "–" : moment(issued_before), `${moment(made)} by ${by}`, until === void 0 ? "it is lifted" : moment(until), reason ?? "–"];
    const lift = () => confirm({
      title: `Lift the revocation of ${what}?`,
      text: "What it covers counts again, until it ends by itself. Connections that it ended stay ended.",
      verb: "Lift",
      reason: "none",
      act: async () => {
        await this.api.ask("DELETE", `/revocations/${encodeURIComponent(id)}`);
        announce("Lifted.");
        await this.#load();
      }
    });
    return h("tr", {}, h("th", { scope: "row" }, what), ...cells.map((text) => h("td", {}, text)), h("td", {}, h("button", { type: "button", class: "small", "aria-label": `Lift the revocation of ${what}`, onclick: lift }, "Lift …")));
  }
  #choose() {
    const kind = KINDS[this.#kind.value];
    put(this.#valueLabel, kind?.value ?? "");
    put(this.#issuerLabel, kind?.issuer === "needed" ? "Issuer" : "Issuer, every one if empty");
    const value = this.#value.parentElement;
    value.hidden = kind?.value === "";
    this.#value.required = kind?.value !== "";
    const issuer = this.#issuer.parentElement;
    issuer.hidden = kind?.issuer === "none";
    this.#issuer.required = kind?.issuer === "needed";
  }
  #make() {
    const kind = this.#kind.value;
    const value = this.#value.value.trim();
    const issuer = KINDS[kind]?.issuer === "none" ? "" : this.#issuer.value.trim();
    const until = this.#span.value === "" ? void 0 : Math.floor(Date.now() / 1e3) + Number(this.#span.value);
    const what = kind === "everything" ? "everything that was issued up to now" : `${kind} ${value}`;
    confirm({
      title: `Revoke ${what}?`,
      text: "It is refused from now on, and its live connections end with 4410.",
      verb: "Revoke",
      reason: "reason",
      act: async (reason) => {
        await this.api.ask("POST", "/revocations", {
          [kind]: kind === "everything" ? true : value,
          ...issuer === "" ? {} : { issuer },
          ...until === void 0 ? {} : { until },
          ...reason === void 0 ? {} : { reason }
        });
        this.#value.value = "";
        announce("Revoked.");
        await this.#load();
      }
    });
  }
};
function named(revocation) {
  const { token, session, subject } = revocation;
  if (token !== void 0) {
    return `token ${token}`;
  }
  return session !== void 0 ? `session ${session}` : subject !== void 0 ? `subject ${subject}` : "everything";
}

// src/main.ts
var app = document.getElementById("app");
var LINKS = {
  connecting: "connecting …",
  live: "live",
  away: "the gateway does not answer; trying again",
  crowded: "too many consoles are open; trying again",
  refused: "signed out"
};
function signIn(said = "") {
  document.title = "Vestibule console";
  const token = h("input", { id: "token", type: "password", autocomplete: "off", spellcheck: "false", required: true });
  const failed = h("p", { class: "failed", role: "alert" }, said);
  const button = h("button", { type: "submit", class: "primary" }, "Sign in");
  const form = h(
    "form",
    {
      class: "panel sign-in",
      onsubmit: async (event) => {
        event.preventDefault();
        button.disabled = true;
        const api = new Api(token.value.trim());
        try {
          await api.ask("GET", "/status");
          api.remember();
          enter(api);
        } catch (error) {
          failed.textContent = error instanceof Refused && error.status === 401 ? "That is not the token." : error.message;
          button.disabled = false;
          token.select();
        }
      }
    },
    h("h1", {}, "Vestibule console"),
    h("p", { class: "soft" }, "The token is in the file that ", h("code", {}, "token_file"), " of ", h("code", {}, "[admin]"), " names. It stays in this tab, and goes when the tab is closed."),
    h("label", { for: "token" }, "Admin token"),
    token,
    failed,
    button
  );
  app.replaceChildren(h("main", { id: "main" }, form));
  token.focus();
}
function enter(api) {
  const world = new World(api);
  const views = {
    overview: { title: "Overview", view: new Overview(world) },
    connections: { title: "Connections", view: new Connections(world, api) },
    revocations: { title: "Revocations", view: new Revocations(world, api) },
    accounts: { title: "Users and keys", view: new Accounts(api) }
  };
  const status = h("span", { class: "pill" }, "…");
  const link = h("span", { class: "link", role: "status" }, LINKS.connecting);
  const main = h("main", { id: "main", tabindex: "-1" });
  const tabs = Object.entries(views).map(([name, { title }]) => h("a", { href: `#${name}` }, title));
  const leave = (said = "") => {
    world.close();
    Api.forget();
    removeEventListener("hashchange", turn);
    signIn(said);
  };
  let current;
  const turn = () => {
    const name = location.hash.slice(1);
    const [found, { title, view }] = Object.entries(views).find(([known]) => known === name) ?? Object.entries(views)[0];
    for (const tab of tabs) {
      set(tab, "aria-current", tab.hash === `#${found}` ? "page" : null);
    }
    document.title = `${title} · Vestibule console`;
    main.replaceChildren(h("h1", { class: "hidden" }, title), view.element);
    current = view;
    view.enter?.();
    view.update();
  };
  app.replaceChildren(
    h("header", {}, h("a", { class: "brand", href: "#overview" }, "Vestibule"), h("nav", { "aria-label": "Views" }, ...tabs), h("div", { class: "right" }, status, link, h("button", { type: "button", class: "quiet", onclick: () => leave() }, "Sign out"))),
    main
  );
  addEventListener("hashchange", turn);
  world.addEventListener("change", () => {
    put(status, world.status?.state ?? "");
    set(status, "data-tone", world.status?.state === "ready" ? "good" : "warn");
    current?.update();
  });
  world.addEventListener("link", () => {
    put(link, LINKS[world.link]);
    set(link, "data-link", world.link);
    if (world.link === "refused" && document.body.contains(main)) {
      leave("The gateway does not take the token any more.");
    }
  });
  turn();
}
var remembered = Api.remembered();
if (remembered) {
  enter(remembered);
} else {
  signIn();
}
