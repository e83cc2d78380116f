// One connection, and what is known about it. A page learns that it is authenticated from what it
// hears: `accepted` from the gateway, or the welcome of the chat server behind it.

const PREFIX = '{"auth":';

/**
 * Events: `change` when the state is another, `line` for everything that was said
 * (detail: { mark: "in" | "out" | "note", kind: "auth" | "chat" | "note", text }).
 *
 * States: idle, connecting, waiting (open, and not authenticated), inside, closed.
 */
export class Connection extends EventTarget {
  #socket = null;
  #deadline;

  state = "idle";
  /** Who the gateway says is here. */
  identity = {};
  /** When this state ends by itself, and how long it lasts: { ends, length } in milliseconds. */
  clock = null;
  /** Whether the gateway has said that the credential ends soon. */
  expiring = false;
  /** Why the last credential was rejected, where that did not end the connection. */
  rejected = null;
  /** How it ended: { code, reason }. */
  end = null;
  /** The session that the gateway handed out, for a reconnect; kept in this page alone. */
  session = null;

  /** `deadline`: how long the gateway waits for a credential, in seconds. */
  constructor(deadline) {
    super();
    this.#deadline = deadline;
  }

  get isOpen() {
    return this.state === "waiting" || this.state === "inside";
  }

  /** Opens; `first` is what to authenticate with at once: { mechanism, token }. */
  open(url, protocols, first) {
    this.#socket?.close();
    this.identity = {};
    this.rejected = null;
    this.end = null;
    this.#line("note", "note", `new WebSocket("${url}"${offer(protocols)})`);
    this.#become("connecting", null);
    const socket = new WebSocket(url, protocols);
    this.#socket = socket;
    const mine = (act) => (event) => {
      if (this.#socket === socket) {
        act(event);
      }
    };
    socket.addEventListener("open", mine(() => this.#opened(first)));
    socket.addEventListener("message", mine((event) => this.#heard(event.data)));
    socket.addEventListener("close", mine((event) => this.#closed(event)));
  }

  /** Sends a message of the application. */
  say(text) {
    this.#send("chat", text);
  }

  /** `kind`: authenticate or refresh; `credential`: { mechanism, token }. */
  present(kind, credential) {
    this.#send("auth", JSON.stringify({ auth: { type: kind, ...credential } }));
  }

  logout() {
    this.#send("auth", JSON.stringify({ auth: { type: "logout" } }));
  }

  close() {
    this.#socket?.close(1000);
  }

  #opened(first) {
    const { protocol } = this.#socket;
    this.#line("note", "note", protocol ? `open, subprotocol ${protocol}` : "open");
    this.#become("waiting", this.#deadline);
    if (first) {
      this.present("authenticate", first);
    }
  }

  #heard(data) {
    if (typeof data !== "string") {
      this.#line("in", "chat", "a binary message");
      return;
    }
    const message = parsed(data);
    const control = data.startsWith(PREFIX) && message?.auth;
    this.#line("in", control ? "auth" : "chat", data);
    if (control) {
      this.#told(message.auth);
    } else if (message?.welcome) {
      this.#welcomed(message.welcome);
    }
  }

  #told(auth) {
    switch (auth.type) {
      case "required":
        this.#become("waiting", auth.timeout);
        break;
      case "accepted":
        this.identity = { ...this.identity, subject: auth.subject, mechanism: auth.mechanism };
        this.session = auth.session ?? this.session;
        this.expiring = false;
        this.rejected = null;
        this.#become("inside", auth.expires_in);
        break;
      case "expiring":
        this.expiring = true;
        this.clock = { ...this.clock, ends: performance.now() + auth.expires_in * 1000 };
        this.#become("inside");
        break;
      case "rejected":
        this.rejected = auth.error;
        this.#become(this.state);
        break;
      default:
        break;
    }
  }

  #welcomed(identity) {
    // The gateway's own word on the lease, where it gave one, is the newer.
    const known = this.state === "inside";
    this.identity = { ...identity, ...this.identity };
    if (known) {
      this.#become("inside");
    } else {
      this.expiring = false;
      this.#become("inside", identity.expires - Date.now() / 1000);
    }
  }

  #closed({ code, reason }) {
    this.#socket = null;
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

  /** `seconds`: how long this state lasts at the most; undefined leaves the clock as it is. */
  #become(state, seconds) {
    this.state = state;
    if (seconds === null) {
      this.clock = null;
    } else if (seconds !== undefined) {
      this.clock = { ends: performance.now() + seconds * 1000, length: seconds * 1000 };
    }
    this.dispatchEvent(new Event("change"));
  }

  #line(mark, kind, text) {
    this.dispatchEvent(new CustomEvent("line", { detail: { mark, kind, text } }));
  }
}

function offer(protocols) {
  return protocols.length > 0 ? `, ${JSON.stringify(protocols)}` : "";
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
