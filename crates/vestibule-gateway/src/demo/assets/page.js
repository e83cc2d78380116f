// src/dom.ts
function h(name, properties = {}, ...children) {
  return furnish(document.createElement(name), properties, children);
}
function furnish(element2, properties, children) {
  for (const [name, value] of Object.entries(properties)) {
    if (typeof value === "function") {
      element2.addEventListener(name.slice(2), value);
    } else if (value === true) {
      element2.setAttribute(name, "");
    } else if (value !== false && value !== void 0 && value !== null) {
      element2.setAttribute(name, String(value));
    }
  }
  element2.append(...children.filter((child) => child !== null && child !== void 0 && child !== false));
  return element2;
}
function put(node, text) {
  if (node.textContent !== text) {
    node.textContent = text;
  }
}

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
var TOKEN = /^[\w\-.~+/]{1,12288}=*$/;
function credential(mechanism, token2, handshake) {
  if (typeof token2 !== "string" || !TOKEN.test(token2)) {
    throw new VestibuleError("credential_unavailable");
  }
  return { id: token2, message: (as) => control(as, { mechanism, token: token2 }), handshake };
}

// ../clients/js/src/exchange.ts
var LONGEST_DIALOG = 120;
function exchange(state, input, effects, now) {
  if (state.name !== "authenticating" && state.name !== "open") {
    return void 0;
  }
  if (input.type === "no_response" || input.type === "response") {
    if (state.step !== "responding") {
      return void 0;
    }
    if (input.type === "no_response") {
      return state.name === "open" ? { ...state, step: "none", until: Infinity } : "challenge_failed";
    }
    effects.push({ type: "respond" });
    const until = state.left === void 0 ? state.until : now + state.left;
    return { ...state, step: "presented", response: { proof: input.proof }, until, left: void 0 };
  }
  if (input.type !== "text" || !input.text.startsWith(PREFIX)) {
    return void 0;
  }
  const answered = state.step === "presented" ? state.response : void 0;
  if (parse(input.text).type === "accepted") {
    if (state.name === "open" && !answered) {
      return state.step === "none" || state.step === "asking" ? void 0 : state;
    }
    const { message } = JSON.parse(input.text).auth;
    return answered && (answered.proof ?? message) === message ? void 0 : "challenge_failed";
  }
  const demand = state.step === "presented" && !answered && demandOf(input.text);
  if (!demand) {
    return void 0;
  }
  effects.push(demand);
  if ("options" in demand) {
    return { ...state, step: "responding", until: now + demand.expires_in * 1e3, left: state.until - now };
  }
  return { ...state, step: "responding" };
}
function demandOf(text) {
  try {
    const { type, nonce, message, options, expires_in } = text.length > LONGEST ? void 0 : JSON.parse(text).auth;
    const timed = Number.isSafeInteger(expires_in) && expires_in >= 0;
    const [demand, ...more] = [
      ...typeof nonce === "string" ? [{ nonce }] : [],
      ...typeof message === "string" ? [{ message }] : [],
      ...options instanceof Object ? [{ options, expires_in: Math.min(expires_in, LONGEST_DIALOG) }] : []
    ];
    return type === "challenge" && timed && demand && more.length === 0 ? { type, ...demand } : void 0;
  } catch {
    return void 0;
  }
}

// ../clients/js/src/challenge.ts
function exchanging(begin, renew = "off") {
  return {
    [source]: () => {
      let round;
      let count = 0;
      let text = "";
      let pending;
      return {
        carrier: "message",
        renew,
        exchange,
        provide: async (request) => {
          pending?.abort();
          const begun = await begin(request);
          count += 1;
          return {
            id: begun.id ?? `${count}`,
            message: (as) => {
              round = begun;
              return control(as, begun.presented);
            }
          };
        },
        respond: (demand, address2, send, answer) => {
          const asked = round;
          if (demand.type === "respond") {
            return send(text);
          }
          pending?.abort();
          if (demand.type === "cancel") {
            return;
          }
          const { signal } = pending = new AbortController();
          Promise.resolve().then(() => asked?.respond(demand, address2, signal)).then(({ members, proof }) => () => {
            text = control("respond", members);
            answer({ type: "response", proof });
          }).catch(() => () => answer({ type: "no_response" })).then((say) => round === asked ? say() : void 0);
        }
      };
    }
  };
}
function bytesOf(text) {
  return Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (sign) => sign.charCodeAt(0));
}
var utf8 = (text) => new TextEncoder().encode(text);
function base64(bytes) {
  return btoa(String.fromCharCode(...new Uint8Array(bytes)));
}
function base64url(bytes) {
  return base64(bytes).replace(/[+/=]/g, (sign) => sign === "+" ? "-" : sign === "/" ? "_" : "");
}

// ../clients/js/src/signing.ts
function algorithmOf(privateKey, publicKey2) {
  const { name, namedCurve } = publicKey2.algorithm;
  if (name !== "Ed25519" && namedCurve !== "P-256" || privateKey.algorithm.name !== name || !privateKey.usages.includes("sign")) {
    throw new TypeError("a key that signs with Ed25519 or P-256 is needed");
  }
  return [{ name, hash: "SHA-256" }, name === "Ed25519" ? "EdDSA" : "ES256"];
}
function nonceOf(challenge) {
  const { nonce } = challenge;
  if (!/^[\w-]{43}$/.test(nonce)) {
    throw new TypeError("nonce");
  }
  return nonce;
}

// ../clients/js/src/dpop.ts
function dpopKey({ privateKey, publicKey: publicKey2 }) {
  const [algorithm, alg] = algorithmOf(privateKey, publicKey2);
  const { subtle } = globalThis.crypto;
  const encoded = (value) => base64url(utf8(JSON.stringify(value)));
  return {
    proof: async (method, url, { token: token2, nonce } = {}) => {
      const htu = new URL(url);
      htu.search = htu.hash = "";
      const { kty, crv, x, y } = await subtle.exportKey("jwk", publicKey2);
      const claims = {
        jti: crypto.randomUUID(),
        htm: method,
        htu: htu.href,
        iat: Math.floor(Date.now() / 1e3),
        ath: token2 && base64url(await subtle.digest("SHA-256", utf8(token2))),
        nonce
      };
      const signed = `${encoded({ typ: "dpop+jwt", alg, jwk: { kty, crv, x, y } })}.${encoded(claims)}`;
      return `${signed}.${base64url(await subtle.sign(algorithm, privateKey, utf8(signed)))}`;
    }
  };
}
function dpop({ token: token2, key }) {
  return exchanging(async (request) => {
    const given = credential("dpop", await token2(request)).id;
    return {
      id: given,
      presented: { mechanism: "dpop", token: given },
      respond: async (challenge, address2) => {
        const proof = await key.proof("GET", address2.replace(/^ws/, "http"), { token: given, nonce: nonceOf(challenge) });
        return { members: { proof } };
      }
    };
  }, "on");
}

// ../clients/js/src/options.ts
var LOOPBACK = /^(127(\.\d+){3}|\[::1\]|(.+\.)?localhost)$/;
function endpointOf(url, options) {
  const endpoint = new URL(url, globalThis.location?.href);
  if (!/^https?:$/.test(endpoint.protocol)) {
    throw new DOMException("bad URL", "SyntaxError");
  }
  if (isExposed(endpoint, options)) {
    throw new DOMException("a credential needs https:", "SecurityError");
  }
  return endpoint;
}
function isExposed({ protocol, hostname }, options) {
  return /^(ws|http):/.test(protocol) && !LOOPBACK.test(hostname) && !options.dangerouslyAllowInsecure;
}

// ../clients/js/src/passkey.ts
var MARGIN = 1e3;
function passkey({ user, credentials = container() } = {}) {
  return exchanging(async () => ({
    presented: { mechanism: "webauthn", user },
    respond: async (challenge, _, signal) => {
      const { options, expires_in } = challenge;
      const mine = new AbortController();
      const leave = () => mine.abort();
      const timer = setTimeout(leave, expires_in * 1e3 - MARGIN);
      signal.addEventListener("abort", leave);
      try {
        const publicKey2 = read("parseRequestOptionsFromJSON", options);
        return { members: { assertion: written(await credentials.get({ publicKey: publicKey2, signal: mine.signal })) } };
      } finally {
        clearTimeout(timer);
      }
    }
  }));
}
async function registerPasskey(url, options = {}) {
  const { bearer, name, credentials = container() } = options;
  const signal = options.signal ?? new AbortController().signal;
  const endpoint = endpointOf(url, options);
  const headers = { "Content-Type": "application/json" };
  if (bearer) {
    headers.Authorization = `Bearer ${credential("bearer", await bearer({ reason: "connect", attempt: 1, signal })).id}`;
  }
  async function post2(path, body) {
    const address2 = new URL(endpoint);
    address2.pathname = `${endpoint.pathname.replace(/\/$/, "")}/${path}`;
    const answer = await (options.fetch ?? globalThis.fetch)(address2, {
      method: "POST",
      headers,
      body: JSON.stringify(body),
      credentials: bearer ? "omit" : "include",
      cache: "no-store",
      redirect: "error",
      signal
    });
    if (!answer.ok) {
      throw new VestibuleError(/^40[13]$/.test(`${answer.status}`) ? "credential_refused" : "credential_unavailable");
    }
    return answer.json();
  }
  const { options: wanted } = await post2("register/options", {});
  const publicKey2 = read("parseCreationOptionsFromJSON", wanted);
  return post2("register", { name, credential: written(await credentials.create({ publicKey: publicKey2, signal })) });
}
function container() {
  return globalThis.navigator?.credentials;
}
function read(how, options) {
  const browser = globalThis.PublicKeyCredential;
  if (browser?.[how]) {
    return browser[how](options);
  }
  const known = (of) => of && { ...of, id: bytesOf(of.id) };
  const { challenge, user, allowCredentials, excludeCredentials } = options;
  return {
    ...options,
    challenge: bytesOf(challenge),
    user: known(user),
    allowCredentials: allowCredentials?.map(known),
    excludeCredentials: excludeCredentials?.map(known)
  };
}
var BYTES = ["clientDataJSON", "authenticatorData", "signature", "userHandle", "attestationObject"];
function written(made) {
  if (made.toJSON) {
    return made.toJSON();
  }
  const { id, type, authenticatorAttachment, response: said } = made;
  const response = { transports: said.getTransports?.() };
  for (const name of BYTES) {
    response[name] = said[name] ? base64url(said[name]) : void 0;
  }
  return { id, rawId: id, type, authenticatorAttachment, clientExtensionResults: made.getClientExtensionResults(), response };
}

// ../clients/js/src/public-key.ts
function publicKey({ privateKey, publicKey: publicKey2 }, options = {}) {
  const { origin = globalThis.location?.origin ?? "" } = options;
  const [algorithm] = algorithmOf(privateKey, publicKey2);
  return exchanging(async () => ({
    presented: { mechanism: "public-key", key: await fingerprint(publicKey2) },
    respond: async (challenge, address2) => {
      const { host, pathname } = new URL(address2);
      const signed = ["vestibule-public-key-v1", nonceOf(challenge), host.replace(/\.(?=:|$)/, ""), pathname, origin].join("\0");
      return { members: { signature: base64url(await crypto.subtle.sign(algorithm, privateKey, utf8(signed))) } };
    }
  }));
}
async function fingerprint(key) {
  const raw = new Uint8Array(await crypto.subtle.exportKey("raw", key));
  const names = key.algorithm.name === "Ed25519" ? ["ssh-ed25519"] : ["ecdsa-sha2-nistp256", "nistp256"];
  const blob = [...names.map(utf8), raw].flatMap((part) => [0, 0, 0, part.length, ...part]);
  return `SHA256:${base64(await crypto.subtle.digest("SHA-256", new Uint8Array(blob))).replace("=", "")}`;
}

// ../clients/js/src/scram.ts
var FEWEST_ITERATIONS = 4096;
var MOST_ITERATIONS = 1e6;
function scram(user, password, options = {}) {
  const { nonce = random } = options;
  const name = prepared(user).replace(/=/g, "=3D").replace(/,/g, "=2C");
  if (typeof password === "string") {
    prepared(password);
  }
  return exchanging(async () => {
    const secret = utf8(prepared(typeof password === "function" ? await password() : password));
    const mine = nonce();
    const bare = `n=${name},r=${mine}`;
    return {
      presented: { mechanism: "scram-sha-256", message: `n,,${bare}` },
      respond: async (challenge) => {
        const { message = "" } = challenge;
        const [, theirs, salt, count] = SERVER_FIRST.exec(message) ?? [];
        const iterations = Number(count);
        const fair = iterations >= FEWEST_ITERATIONS && iterations <= MOST_ITERATIONS;
        if (!theirs || !salt || !fair || !theirs.startsWith(mine) || theirs === mine) {
          throw new TypeError("challenge");
        }
        const { subtle } = crypto;
        const bits = { name: "PBKDF2", hash: "SHA-256", salt: bytesOf(salt), iterations };
        const salted = await subtle.deriveBits(bits, await subtle.importKey("raw", secret, "PBKDF2", false, ["deriveBits"]), 256);
        const clientKey = await hmac(salted, "Client Key");
        const unproven = `c=biws,r=${theirs}`;
        const transcript = `${bare},${message},${unproven}`;
        const signature = await hmac(await subtle.digest("SHA-256", clientKey), transcript);
        const proof = clientKey.map((byte, at) => byte ^ signature[at]);
        return {
          members: { message: `${unproven},p=${base64(proof)}` },
          proof: `v=${base64(await hmac(await hmac(salted, "Server Key"), transcript))}`
        };
      }
    };
  });
}
var SERVER_FIRST = /^r=([!-+\--~]{1,1024}),s=([A-Za-z\d+/]{2,1024}={0,2}),i=([1-9]\d{0,6})$/;
function random() {
  return base64(crypto.getRandomValues(new Uint8Array(18)));
}
async function hmac(key, text) {
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  const imported = await crypto.subtle.importKey("raw", key, algorithm, false, ["sign"]);
  return new Uint8Array(await crypto.subtle.sign(algorithm, imported, utf8(text)));
}
function prepared(text) {
  const mapped = text.replace(/[\p{Zs}\u200b]/gu, " ").replace(/[\u00ad\u034f\u1806\u180b-\u180d\u200c\u200d\u2060\ufe00-\ufe0f\ufeff]/g, "").normalize("NFKC");
  if (!mapped || /[\p{C}\u2028\u2029\u2ff0-\u2ffb\ufffc\ufffd]/u.test(mapped)) {
    throw new TypeError("SASLprep refuses this");
  }
  return mapped;
}

// src/demo/connection.ts
var PREFIX2 = '{"auth":';
var Connection = class extends EventTarget {
  #socket = null;
  #deadline;
  state = "idle";
  identity = {};
  /** When this state ends by itself, and how long it lasts, in milliseconds. */
  clock = null;
  /** When the gateway's patience with who has not authenticated ends. */
  #patience = null;
  /** What is being proven, from `authenticate` until it was believed or refused. */
  #opening = null;
  #asked = null;
  #answer = null;
  answering = "at once";
  /** The token that goes along with each message, on a route that wants that. */
  each = null;
  /** The exchange that was completed last, for those who want to repeat it. */
  exchange = null;
  /** Whether the gateway has said that the credential ends soon. */
  expiring = false;
  /** What the gateway wants one of, of who is inside already. */
  wanted = null;
  /** Why the last credential was rejected, where that did not end the connection. */
  rejected = null;
  end = null;
  /** The session that the gateway handed out, for a reconnect; kept in this page alone. */
  session = null;
  /** `deadline`: how long the gateway waits for a credential, in seconds. */
  constructor(deadline) {
    super();
    this.#deadline = deadline;
  }
  get isOpen() {
    return this.state === "waiting" || this.state === "challenged" || this.state === "inside";
  }
  /** Whether a challenge waits for somebody to answer it. */
  get isAsked() {
    return this.#asked !== null && this.#answer === null;
  }
  /** Opens; `first` is what to authenticate with at once, `each` the token that goes along with each message. */
  open(url, protocols, { first, each } = {}) {
    this.#socket?.close();
    this.each = each ?? null;
    this.identity = {};
    this.rejected = null;
    this.wanted = null;
    this.end = null;
    this.#forget();
    this.#line("note", "note", `new WebSocket("${url}"${offer(protocols)})`);
    this.#become("connecting", null);
    const socket = new WebSocket(url, protocols);
    this.#socket = socket;
    const mine = (act2) => (event) => {
      if (this.#socket === socket) {
        act2(event);
      }
    };
    socket.addEventListener("open", mine(() => this.#opened(socket, first)));
    socket.addEventListener("message", mine((event) => this.#heard(event.data)));
    socket.addEventListener("close", mine((event) => this.#closed(event)));
  }
  /** Sends a message of the application. */
  say(text) {
    if (this.each === null) {
      return this.#send("chat", text);
    }
    this.#send("chat", JSON.stringify({ auth: { token: this.each }, data: text }));
    this.rejected = null;
    this.#become(this.state, this.state === "inside" ? left(this.each) : void 0);
  }
  /** Whether each message carries its token. */
  get isSealed() {
    return this.each !== null;
  }
  authenticate(opening2) {
    this.#forget();
    this.#opening = opening2;
    this.#send("auth", opening2.first);
  }
  /** Renews what there is, by the same or by something stronger. */
  renew(opening2) {
    this.#forget();
    this.#opening = opening2;
    this.#send("auth", opening2.again);
  }
  /** Answers the challenge that is out. */
  async respond() {
    const [opening2, asked] = [this.#opening, this.#asked];
    if (!opening2?.answer || !asked || this.#answer) {
      return;
    }
    const answer = await opening2.answer(asked);
    if (this.#asked === asked && this.#answer === null) {
      this.#answer = answer;
      this.exchange = { first: opening2.first, answer: answer.text };
      this.#send("auth", answer.text);
      this.#become(this.state);
    }
  }
  logout() {
    this.#send("auth", JSON.stringify({ auth: { type: "logout" } }));
  }
  close() {
    this.#socket?.close(1e3);
  }
  #opened({ protocol }, first) {
    this.#line("note", "note", protocol ? `open, subprotocol ${protocol}` : "open");
    this.#become("waiting", this.#deadline);
    this.#patience = this.clock;
    if (first) {
      this.authenticate(first);
    }
  }
  #heard(data) {
    if (typeof data !== "string") {
      this.#line("in", "chat", "a binary message");
      return;
    }
    const message = parsed(data);
    const told = data.startsWith(PREFIX2) ? message?.auth : void 0;
    this.#line("in", told ? "auth" : "chat", data);
    if (told) {
      this.#told(told);
    } else if (message?.welcome) {
      this.#welcomed(message.welcome);
    }
  }
  #told(auth) {
    switch (auth.type) {
      case "required":
        if (this.state === "inside") {
          this.wanted = auth.mechanisms ?? [];
          this.#become("inside", auth.timeout);
          break;
        }
        this.#become("waiting", auth.timeout);
        this.#patience = this.clock;
        break;
      case "challenge":
        this.#challenged(auth);
        break;
      case "accepted":
        if (!this.#believes(auth)) {
          break;
        }
        this.#forget();
        this.identity = { ...this.identity, ...named(auth) };
        this.session = auth.session ?? this.session;
        this.expiring = false;
        this.rejected = null;
        this.wanted = null;
        this.#become("inside", auth.expires_in);
        break;
      case "expiring":
        this.expiring = true;
        this.#become("inside", auth.expires_in, this.clock?.length);
        break;
      case "rejected":
        this.rejected = auth.error ?? null;
        this.#forget();
        if (this.state === "challenged") {
          this.clock = this.#patience;
          this.#become("waiting");
        } else {
          this.#become(this.state);
        }
        break;
      default:
        break;
    }
  }
  #challenged({ nonce, message, options, expires_in = 0 }) {
    if (options !== void 0) {
      this.#asked = { type: "challenge", options, expires_in };
    } else if (nonce !== void 0) {
      this.#asked = { type: "challenge", nonce };
    } else if (message !== void 0) {
      this.#asked = { type: "challenge", message };
    }
    this.#answer = null;
    this.rejected = null;
    if (this.state === "inside") {
      this.#become("inside");
    } else {
      this.#become("challenged", expires_in);
    }
    if (this.answering === "at once") {
      this.respond().catch((error) => this.#giveUp(error.message));
    }
  }
  /** Who demands a proof must get it: a gateway that accepts without has proved nothing. */
  #believes({ message }) {
    if (!this.#opening?.answer) {
      return true;
    }
    if (this.#answer === null || this.#answer.proof !== void 0 && this.#answer.proof !== message) {
      this.#giveUp("the gateway could not prove that it knows the secret");
      return false;
    }
    if (this.#answer.proof !== void 0) {
      this.#line("note", "note", "checked: the gateway knows the password's keys, too");
    }
    return true;
  }
  #giveUp(why) {
    this.#line("note", "note", `failed: ${why}`);
    this.close();
  }
  #forget() {
    this.#opening = null;
    this.#asked = null;
    this.#answer = null;
  }
  #welcomed(identity) {
    const known = this.state === "inside";
    this.identity = { ...identity, ...this.identity };
    if (known) {
      this.#become("inside");
    } else {
      this.expiring = false;
      this.#become("inside", (identity.expires ?? 0) - Date.now() / 1e3);
    }
  }
  #closed({ code, reason }) {
    this.#socket = null;
    this.#forget();
    this.end = { code, reason };
    this.#line("note", "note", reason ? `closed ${code} ${reason}` : `closed ${code}`);
    this.#become("closed", null);
  }
  #send(kind, text) {
    if (this.#socket?.readyState === WebSocket.OPEN) {
      this.#line("out", kind, text);
      this.#socket.send(text);
    }
  }
  /** `seconds`: how long this state lasts at the most; undefined leaves the clock as it is. `whole`: of how long. */
  #become(state, seconds, whole) {
    this.state = state;
    if (seconds === null) {
      this.clock = null;
    } else if (seconds !== void 0) {
      this.clock = { ends: performance.now() + seconds * 1e3, length: whole ?? seconds * 1e3 };
    }
    this.dispatchEvent(new Event("change"));
  }
  #line(mark, kind, text) {
    this.dispatchEvent(new CustomEvent("line", { detail: { mark, kind, text } }));
  }
};
function left(token2) {
  const [, claims = ""] = token2.split(".");
  const { exp } = claims && parsed(atob(claims.replace(/-/g, "+").replace(/_/g, "/")));
  return exp === void 0 ? void 0 : Math.max(0, exp - Date.now() / 1e3);
}
function offer(protocols) {
  return protocols.length > 0 ? `, ${JSON.stringify(protocols)}` : "";
}
function named({ subject, mechanism }) {
  return { ...subject === void 0 ? {} : { subject }, ...mechanism === void 0 ? {} : { mechanism } };
}
function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

// src/demo/gateway.ts
async function post(target, body, fields = {}) {
  const answer = await fetch(target, {
    method: "POST",
    headers: { "content-type": "application/json", ...fields },
    body: JSON.stringify(body),
    credentials: "include"
  });
  const said = await answer.json();
  if (!answer.ok) {
    throw new Error(`the gateway answered ${answer.status} ${said.error}`);
  }
  return said;
}
async function login(endpoints, username, password) {
  await post(`${endpoints}/login`, { username, password, cookie: true });
}
async function makePasskey(endpoints, username, password) {
  const { access_token } = await post(`${endpoints}/login`, { username, password });
  const name = "made on the page of the demonstration";
  await registerPasskey(`${endpoints}/webauthn`, { bearer: () => access_token, name });
}
async function buyByProof(endpoints, token2, key) {
  const target = `${endpoints}/ticket`;
  let nonce;
  for (; ; ) {
    const answer = await fetch(target, {
      method: "POST",
      headers: {
        authorization: `DPoP ${token2}`,
        "content-type": "application/json",
        dpop: await key.proof("POST", target, { token: token2, nonce })
      },
      body: JSON.stringify({ path: "/chat" })
    });
    const { ticket: ticket2, error } = await answer.json();
    if (answer.ok) {
      return ticket2;
    }
    if (error !== "use_dpop_nonce" || nonce !== void 0) {
      throw new Error(`the gateway answered ${answer.status} ${error}`);
    }
    nonce = answer.headers.get("dpop-nonce") ?? "";
  }
}
async function buy(endpoints, token2) {
  const bearer = { authorization: `Bearer ${token2}` };
  const { ticket: ticket2 } = await post(`${endpoints}/ticket`, { path: "/chat" }, bearer);
  return ticket2;
}

// src/demo/issuer.ts
var TTL = { brief: 4, short: 30, long: 600 };
function order(user, life, more = {}) {
  const ttl = TTL[life];
  const asked = ttl === void 0 ? { user, ttl: "600", flaw: life } : { user, ttl: String(ttl) };
  return new URLSearchParams({ ...asked, ...more }).toString();
}
async function ask(method, target, body = null) {
  const answer = await fetch(target, { method, body });
  const said = (await answer.text()).trim();
  if (!answer.ok) {
    throw new Error(`the issuer answered ${answer.status}: ${said}`);
  }
  return said;
}
var token = (user, life) => ask("GET", `/token?${order(user, life)}`);
var boundToken = (user, life, jkt) => ask("GET", `/token?${order(user, life, { jkt })}`);
var opaqueToken = (user, life) => ask("GET", `/token?${order(user, life, { form: "opaque" })}`);
var withdraw = (token2) => ask("POST", "/withdraw", token2);
var signIn = (user, life) => ask("POST", `/session?${order(user, life)}`);
var signOut = () => ask("DELETE", "/session");
var revoke = (connection2) => ask("POST", `/revoke?connection=${encodeURIComponent(connection2)}`);
var register = (user, key) => ask("POST", `/keys?${new URLSearchParams({ user })}`, JSON.stringify(key));
async function settings() {
  const answer = await fetch("/settings.json");
  return await answer.json();
}

// src/demo/proofs.ts
function shown(mechanism, token2) {
  const said = (type) => JSON.stringify({ auth: { type, mechanism, token: token2 } });
  return { first: said("authenticate"), again: said("refresh") };
}
function saslShown(token2) {
  const message = `n,,auth=Bearer ${token2}`;
  const said = (type) => JSON.stringify({ auth: { type, mechanism: "oauthbearer", message } });
  return { first: said("authenticate"), again: said("refresh") };
}
async function proven(auth, address2) {
  const { provide, respond } = auth[source]();
  const credential3 = await provide({ reason: "connect", attempt: 1, signal: new AbortController().signal }, address2);
  if (!credential3 || !respond) {
    throw new Error("this provider answers no challenge");
  }
  const answer = (challenge) => new Promise((resolve, reject) => {
    respond(challenge, address2, () => {
    }, (input) => {
      if (input.type !== "response") {
        return reject(new Error("the challenge was not answered: it cannot be, or nobody wanted to"));
      }
      const { proof } = input;
      respond({ type: "respond" }, address2, (text) => resolve({ text, proof }), () => {
      });
    });
  });
  return { first: credential3.message("authenticate"), again: credential3.message("refresh"), answer };
}
var Keys = class {
  #made = /* @__PURE__ */ new Map();
  #register;
  /** `register`: has an operator register the public half. */
  constructor(register2) {
    this.#register = register2;
  }
  /** The proof by the user's key, which is made and registered where there is none. */
  async of(user) {
    const made = this.#made.get(user) ?? this.#make(user);
    this.#made.set(user, made);
    try {
      return publicKey(await made);
    } catch (error) {
      this.forget(user);
      throw error;
    }
  }
  /** The next proof takes a new key. */
  forget(user) {
    this.#made.delete(user);
  }
  async #make(user) {
    const keys2 = await generated();
    await this.#register(user, await crypto.subtle.exportKey("jwk", keys2.publicKey));
    return keys2;
  }
};
async function bindingKey() {
  const keys2 = await generated();
  const { crv, kty, x, y } = await crypto.subtle.exportKey("jwk", keys2.publicKey);
  const members = new TextEncoder().encode(JSON.stringify({ crv, kty, x, y }));
  return { key: dpopKey(keys2), thumbprint: base64url(await crypto.subtle.digest("SHA-256", members)) };
}
async function generated() {
  try {
    return await crypto.subtle.generateKey({ name: "Ed25519" }, false, ["sign", "verify"]);
  } catch {
    return crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, false, ["sign", "verify"]);
  }
}

// src/demo/words.ts
var CODES = {
  1e3: ["Closed", "A normal end."],
  1001: ["Closed", "The gateway or this page is going away."],
  1005: ["Closed", "A normal end, without a code."],
  1006: [
    "Failed",
    "The handshake was refused by HTTP, or the network failed. A browser does not tell a page which."
  ],
  1011: ["Failed", "The server failed."],
  1012: ["Closed", "The server restarts: connect again."],
  1013: ["Not now", "A key set or store cannot answer: connect again later."],
  1014: ["Not now", "The credential was fine, but the chat server cannot be reached."],
  4400: ["Refused", "Not a message of the protocol: a bug in the client."],
  4401: ["Refused", "The credential is missing, invalid or expired: get a new one and reconnect."],
  4403: ["Refused", "Not allowed: origin, scope, mechanism or identity."],
  4404: ["Refused", "No such route."],
  4408: ["Refused", "Nobody presented a credential in time."],
  4410: ["Signed out", "Revoked or logged out: sign in again."],
  4429: ["Refused", "Too many attempts or connections: come back later."]
};
var REASONS = {
  token_expired: "The token is genuine, and over.",
  invalid_token: "The token is not believed. What was wrong with it is told to the operator alone: it would help a forger.",
  invalid_credentials: "The proof is not good. Whether a user, password or key is wrong or unknown, the gateway tells nobody.",
  too_many_attempts: "A password may be tried five times, and then once in half a minute, also by who knows it. Come back then.",
  insufficient_scope: "The token is genuine, but does not allow this chat.",
  identity_changed: "A refresh named somebody else. A connection keeps its user for life.",
  credential_required: "No credential came, by no carrier that counts here.",
  auth_timeout: "The time to authenticate is over.",
  invalid_request: "Not a message of the protocol. Before authentication nothing else is taken, and nothing is passed on.",
  logged_out: "You logged out.",
  token_revoked: "Somebody has revoked it: it is refused from now on, everywhere.",
  step_up_required: "No second proof came in time.",
  origin_not_allowed: "This page is not on the list.",
  mechanism_not_allowed: "This route does not take that."
};
var CALM = ["Closed", "Signed out"];
function closing(code, reason) {
  const [title, general] = CODES[code] ?? ["Closed", "A code of the application."];
  const [name = ""] = reason.split(";");
  return { title, text: REASONS[name] ?? general, calm: CALM.includes(title) };
}
var fault = (error) => REASONS[error] ?? `The gateway says ${error}.`;
function masked(text) {
  const hidden = (token2) => `[token, ${token2.length} characters]`;
  return text.replace(/[\w-]{10,}\.[\w-]{10,}\.[\w-]{10,}|(?:vs[a-z]|demo)_[\w-]{10,}/g, hidden);
}
function span(seconds) {
  const whole = Math.max(0, Math.ceil(seconds));
  if (whole < 100) {
    return `${whole} s`;
  }
  const hours = Math.round(whole / 3600);
  if (hours >= 3) {
    return hours < 72 ? `${hours} hours` : `${Math.round(hours / 24)} days`;
  }
  return `${Math.floor(whole / 60)} min ${String(whole % 60).padStart(2, "0")} s`;
}

// src/demo/page.ts
var LINES = 500;
var MARKS = { in: "←", out: "→", note: "·" };
var SPOKEN = { in: "received", out: "sent", note: "note" };
var settings2 = await settings();
var connection = new Connection(settings2.auth_deadline);
var element = (id) => document.getElementById(id);
var field = (id) => element(id);
var controls = element("controls");
var log = element("log");
var chosen = () => Object.fromEntries(new FormData(controls));
var other = () => chosen().user === "alice" ? "bob" : "alice";
var named2 = (user) => user.slice(0, 1).toUpperCase() + user.slice(1);
var ASKED = { "scram-sha-256": true, "public-key": true, webauthn: true, dpop: true };
var STEPPED = { "scram-sha-256": true, "public-key": true, webauthn: true };
var TYPED = { login: true, "scram-sha-256": true, webauthn: true };
var WAYS = {
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
  login: ["cookie"]
};
var PATHS = {
  "bearer query": "/open-query",
  "login cookie": "/signed-in",
  none: "/announced",
  "per-message": "/each-message"
};
function address({ mechanism, carrier }) {
  if (carrier === "message" && mechanism in STEPPED && field("careful").checked) {
    return `${settings2.gateway}/second-proof`;
  }
  return settings2.gateway + (PATHS[`${mechanism} ${carrier}`] ?? PATHS[carrier] ?? "/chat");
}
var keys = new Keys(async (user, key) => {
  const fingerprint2 = await register(user, key);
  note(`made a key that no script can read, and had its public half registered with ${user}: ${fingerprint2}`);
});
var opaque = "";
var binding = bindingKey();
var used = "none";
var ticket = null;
async function connect() {
  const choice = chosen();
  const { user, life, mechanism, carrier } = choice;
  const url = address(choice);
  used = carrier;
  if (matchMedia("(max-width: 56rem)").matches) {
    element("state").scrollIntoView();
  }
  const ambient = mechanism === "bearer" && carrier === "cookie";
  await (ambient ? signIn(user, life) : signOut());
  if (mechanism === "login") {
    await login(settings2.endpoints, user, field("password").value);
    note(`signed in as ${named2(user)} by password; the browser keeps the cookie`);
    return connection.open(url, []);
  }
  if (ambient || carrier === "none") {
    return connection.open(url, []);
  }
  if (carrier === "message") {
    return connection.open(url, [], { first: await opening(choice) });
  }
  const token2 = await credential2(choice);
  if (carrier === "per-message") {
    return connection.open(url, [], { each: token2 });
  }
  if (carrier === "subprotocol") {
    return connection.open(url, ["chat", `vestibule.bearer.${token2}`]);
  }
  connection.open(`${url}?${parameter(mechanism)}=${token2}`, []);
}
var parameter = (mechanism) => mechanism === "bearer" ? "access_token" : "ticket";
async function opening(choice) {
  const { user, mechanism } = choice;
  switch (mechanism) {
    case "scram-sha-256":
      note("the password stays in this page: what goes out is a proof that this page knows it");
      return proven(scram(user, field("password").value), address(choice));
    case "public-key":
      return proven(await keys.of(user), address(choice));
    case "oauthbearer":
      return saslShown(await credential2(choice));
    case "dpop": {
      const { key } = await binding;
      return proven(dpop({ token: () => credential2(choice), key }), address(choice));
    }
    case "webauthn":
      return proven(passkey({ user }), address(choice));
    default:
      return shown(mechanism === "opaque" ? "bearer" : mechanism, await credential2(choice));
  }
}
async function credential2({ user, life, mechanism, carrier }) {
  switch (mechanism) {
    case "ticket":
      ticket = await buy(settings2.endpoints, await token(user, life));
      note("bought a ticket with the access token");
      return ticket;
    case "dpop": {
      const { key, thumbprint } = await binding;
      const token2 = await boundToken(user, life, thumbprint);
      if (carrier !== "query") {
        return token2;
      }
      ticket = await buyByProof(settings2.endpoints, token2, key);
      note("bought a ticket with the token and a proof by its key");
      return ticket;
    }
    case "opaque":
      opaque = await opaqueToken(user, life);
      return opaque;
    case "session":
      if (connection.session === null) {
        throw new Error("no session yet: connect once with an access token in the first message");
      }
      return connection.session;
    case "api-key":
      return settings2.api_key ?? "";
    default:
      return token(user, life);
  }
}
async function authenticate() {
  const choice = chosen();
  if (connection.state === "inside") {
    return connection.authenticate(await opening(choice));
  }
  const sayable = WAYS[choice.mechanism]?.includes("message") ?? false;
  connection.authenticate(await opening(sayable ? choice : { ...choice, mechanism: "bearer" }));
}
async function refresh(user, life = chosen().life) {
  if (connection.isSealed) {
    connection.each = await token(user, life);
    return note(`the next message carries another token of ${named2(user)}`);
  }
  const { mechanism = "", subject = "" } = connection.identity;
  if (!(mechanism in ASKED)) {
    return connection.renew(shown("bearer", await token(user, life)));
  }
  field("password").value = settings2.passwords?.[subject] ?? "";
  connection.renew(await opening({ ...chosen(), user: subject, mechanism }));
}
function replay() {
  const again = replayable();
  if (again === null) {
    return;
  }
  const { what, url, first, answer } = again;
  const socket = new WebSocket(url);
  note(`the ${what} is shown a second time, on another connection`);
  if (first !== void 0) {
    socket.addEventListener("open", () => socket.send(first));
  }
  socket.addEventListener("message", ({ data }) => {
    if (answer !== void 0 && data.startsWith('{"auth":{"type":"challenge"')) {
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
function replayable() {
  const url = `${settings2.gateway}/chat`;
  const { mechanism } = chosen();
  if (mechanism in ASKED) {
    return connection.exchange && { what: "answer", url, ...connection.exchange };
  }
  return ticket === null ? null : { what: "ticket", url: `${url}?ticket=${ticket}` };
}
async function revoke2() {
  const { connection: name = "", mechanism, subject = "" } = connection.identity;
  if (mechanism === "public-key") {
    keys.forget(subject);
  }
  await revoke(name);
  note("the other side has revoked it");
}
async function withdraw2() {
  await withdraw(opaque);
  note("withdrawn at the issuer; the gateway finds out when it asks again, in two seconds at the latest");
}
async function makePasskey2() {
  const { user } = chosen();
  await makePasskey(settings2.endpoints, user, field("password").value);
  note(`made a passkey, and registered it with ${named2(user)}`);
}
async function tryForeign() {
  await signIn(chosen().user, "long");
  note(`signed in as ${named2(chosen().user)} by cookie; the foreign page opens ${settings2.gateway}/chat`);
  const frame = element("frame");
  frame.hidden = false;
  frame.src = `${settings2.foreign}/`;
}
var ROOMS = {
  idle: "street",
  connecting: "street",
  waiting: "vestibule",
  challenged: "challenge",
  inside: "inside",
  closed: "out"
};
var room = ({ state, expiring }) => state === "inside" && expiring ? "leaving" : ROOMS[state];
function describe() {
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
      const name = identity.subject && title === "Refused" ? "Ended" : title;
      const how = [`${name}: ${code}`, reason].filter(Boolean).join(" ");
      return [how, text, calm ? "calm" : "refused"];
    }
    default:
      return ["Not connected", "Choose who you are and how you show it, then connect."];
  }
}
function waiting() {
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
function challenged() {
  return connection.isAsked && connection.answering === "by hand" ? "The gateway has asked something that nobody was asked before. Answer it before the time is over." : "The gateway has asked something that nobody was asked before, and looks at the answer.";
}
var NAMES = { "public-key": "the key of this page", webauthn: "a passkey" };
function inside() {
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
function show() {
  const { state, expiring, identity, isOpen } = connection;
  const panel = element("state");
  panel.dataset.state = state;
  panel.dataset.expiring = String(state === "inside" && (expiring || connection.wanted !== null));
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
  const ours = state === "inside" && (identity.issuer ?? settings2.page) === settings2.page;
  const wanting = state === "waiting" || connection.wanted !== null;
  offer2("authenticate", wanting && !connection.isSealed);
  offer2("answer", connection.isAsked && connection.answering === "by hand");
  offer2("refresh", ours || state === "inside" && (identity.mechanism ?? "") in ASKED);
  offer2("refresh-other", ours);
  offer2("expire", state === "inside" && !connection.isSealed && identity.mechanism === "bearer");
  offer2("revoke", state === "inside" && identity.connection !== void 0);
  showReplay();
  offer2("withdraw", state === "inside" && identity.issuer === `${settings2.page}/opaque`);
  offer2("logout", isOpen && !connection.isSealed);
  enable("send", isOpen);
}
function showReplay() {
  put(element("replay"), chosen().mechanism in ASKED ? "Replay the answer" : "Replay the ticket");
  offer2("replay", replayable() !== null);
}
function enable(id, useful) {
  usedUp(id, useful).disabled = !useful;
}
function offer2(id, useful) {
  usedUp(id, useful).hidden = !useful;
}
function usedUp(id, useful) {
  const button = element(id);
  if (!useful && document.activeElement === button) {
    element("state-title").focus({ preventScroll: true });
  }
  return button;
}
function showIdentity() {
  const { identity, state } = connection;
  const list = element("identity");
  const rows = Object.entries({
    Subject: identity.subject,
    Issuer: identity.issuer,
    Scopes: identity.scopes?.join(" "),
    Mechanism: identity.mechanism,
    Connection: identity.connection
  }).flatMap(([name, value]) => value ? [[name, value]] : []);
  list.hidden = state !== "inside" || rows.length === 0;
  list.replaceChildren(
    ...rows.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value)))
  );
}
var LEFT = { inside: "left of the credential", challenged: "left to answer" };
function showClock() {
  const { clock, state } = connection;
  const lease = element("lease");
  lease.hidden = clock === null;
  if (clock !== null) {
    const left2 = Math.max(0, clock.ends - performance.now());
    const part = clock.length > 0 ? Math.min(1, left2 / clock.length) : 0;
    element("lease-arc").setAttribute("stroke-dasharray", `${(100 * part).toFixed(1)} 100`);
    const what = connection.wanted ? "left for a second proof" : LEFT[state] ?? "left to authenticate";
    put(element("lease-text"), `${span(left2 / 1e3)} ${what}`);
  }
}
function showChoice() {
  const { user, mechanism, carrier } = chosen();
  const ways = WAYS[mechanism] ?? [];
  const carriers = controls.elements.namedItem("carrier");
  for (const input of carriers) {
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
  if (element("whose").textContent !== named2(user) || field("password").value === "") {
    field("password").value = settings2.passwords?.[user] ?? "";
  }
  put(element("whose"), named2(user));
  put(element("passkey-of"), named2(user));
  put(element("other"), named2(other()));
  const query = carrier === "query" ? `?${parameter(mechanism)}=…` : "";
  put(element("target"), address(chosen()) + query);
  document.title = `Vestibule demo: ${named2(user)}`;
}
function line({ mark, kind, text }) {
  const parts = masked(text).split(/(?<=,)/).flatMap((part) => [part, h("wbr")]);
  const item = h(
    "li",
    { class: `${mark} ${kind}` },
    h("time", {}, (/* @__PURE__ */ new Date()).toLocaleTimeString([], { hour12: false })),
    h("span", { class: "mark", role: "img", "aria-label": SPOKEN[mark] }, MARKS[mark]),
    h("span", { class: "words" }, ...parts)
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
function showCommands() {
  const items = settings2.commands.map(({ about, text }) => {
    const copy = h("button", { type: "button", class: "quiet", "aria-label": `Copy: ${about}` }, "Copy");
    copy.addEventListener(
      "click",
      () => act(async () => {
        await navigator.clipboard.writeText(text);
        put(copy, "Copied");
        setTimeout(() => put(copy, "Copy"), 2e3);
        note(`copied: ${about}`);
      })
    );
    return h("li", {}, h("div", { class: "title" }, h("span", {}, about), copy), h("pre", {}, h("code", {}, text)));
  });
  element("commands").replaceChildren(...items);
}
var note = (text) => line({ mark: "note", kind: "note", text });
function act(run) {
  run().catch((error) => note(`failed: ${error.message}`));
}
function press(id, run) {
  element(id).addEventListener("click", () => act(async () => void await run()));
}
controls.addEventListener("submit", (event) => {
  event.preventDefault();
  act(connect);
});
controls.addEventListener("change", showChoice);
press("close", () => connection.close());
press("authenticate", authenticate);
press("make-passkey", makePasskey2);
press("answer", () => connection.respond());
press("refresh", () => refresh(chosen().user));
press("refresh-other", () => refresh(other()));
press("expire", () => refresh(connection.identity.subject ?? "", "brief"));
press("revoke", revoke2);
press("withdraw", withdraw2);
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
  if (event.origin === settings2.foreign && typeof event.data?.foreign === "string") {
    note(`foreign page: ${event.data.foreign}`);
  }
});
connection.addEventListener("change", show);
connection.addEventListener("line", (event) => line(event.detail));
setInterval(showClock, 250);
put(element("deadline"), String(settings2.auth_deadline));
element("console").href = settings2.console;
showCommands();
showChoice();
show();
