// A clock that goes when it is told to, and sockets without a network.

/** An environment whose time passes in `pass`. */
export class FakeEnvironment {
  #now = 0;
  #timers = new Map();
  #next = 1;
  awake = undefined;
  watching = 0;
  jitter = 0.5;

  get environment() {
    return {
      now: () => this.#now,
      random: () => this.jitter,
      setTimeout: (run, milliseconds) => {
        this.#timers.set(this.#next, { at: this.#now + milliseconds, run });
        return this.#next++;
      },
      clearTimeout: (timer) => this.#timers.delete(timer),
      watch: (awake) => {
        this.awake = awake;
        this.watching += 1;
        return () => {
          this.watching -= 1;
        };
      },
    };
  }

  get timers() {
    return this.#timers.size;
  }

  /** Lets time pass, and runs what is due on the way. */
  async pass(milliseconds) {
    const end = this.#now + milliseconds;
    for (;;) {
      await settled();
      const due = [...this.#timers].filter(([, { at }]) => at <= end).sort(([, a], [, b]) => a.at - b.at)[0];
      if (!due) {
        break;
      }
      const [timer, { at, run }] = due;
      this.#timers.delete(timer);
      this.#now = Math.max(this.#now, at);
      run();
    }
    this.#now = end;
    await settled();
  }

  /** The device sleeps: time passes, and no timer notices. */
  sleep(milliseconds) {
    this.#now += milliseconds;
  }
}

/** Lets everything that waits for a promise go on. */
export async function settled() {
  for (let turn = 0; turn < 20; turn += 1) {
    await Promise.resolve();
  }
}

/** A WebSocket implementation; `made` are its sockets, in order. */
export function fakeImplementation() {
  const made = [];
  class FakeSocket extends EventTarget {
    readyState = 0;
    bufferedAmount = 0;
    protocol = "";
    extensions = "";
    binaryType = "blob";
    sent = [];
    closes = [];

    constructor(url, protocols) {
      super();
      Object.assign(this, { url, protocols });
      made.push(this);
    }

    send(data) {
      if (this.readyState === 0) {
        throw new DOMException("connecting", "InvalidStateError");
      }
      if (this.readyState === 1) {
        this.sent.push(data);
      }
    }

    /** As strict as a browser. */
    close(...all) {
      const [code] = all;
      if (all.length > 0 && code !== 1000 && !(code >= 3000 && code <= 4999)) {
        throw new DOMException("close code", "InvalidAccessError");
      }
      this.closes.push(all);
      this.readyState = Math.max(this.readyState, 2);
    }

    // What the server does.

    open(protocol = "") {
      this.readyState = 1;
      this.protocol = protocol;
      this.dispatchEvent(new Event("open"));
    }

    say(data) {
      this.dispatchEvent(new MessageEvent("message", { data, origin: "wss://example.com" }));
    }

    auth(auth) {
      this.say(JSON.stringify({ auth }));
    }

    accept(expires_in = 600, subject = "alice") {
      this.auth({ type: "accepted", subject, mechanism: "bearer", expires_in });
    }

    end(code = 1006, reason = "") {
      this.readyState = 3;
      if (code === 1006) {
        this.dispatchEvent(new Event("error"));
      }
      this.dispatchEvent(Object.assign(new Event("close"), { code, reason, wasClean: code !== 1006 }));
    }
  }
  return { FakeSocket, made };
}

const TYPES = ["open", "message", "close", "error", "auth", "reconnecting"];

/** Writes down what a socket says, each event as one line. */
export function record(socket) {
  const lines = [];
  for (const type of TYPES) {
    socket.addEventListener(type, (event) => lines.push(lineOf(type, event)));
  }
  return lines;
}

function lineOf(type, event) {
  switch (type) {
    case "message":
      return `message ${event.data}`;
    case "close":
      return `close ${event.code} ${event.reason}`.trim();
    case "error":
      return `error ${event.error.code}`;
    case "auth": {
      const { state, reason = "" } = event.detail;
      return `auth ${state} ${reason}`.trim();
    }
    case "reconnecting":
      return `reconnecting ${event.detail.cause} ${event.detail.delay}`;
    default:
      return type;
  }
}

/** Resolves at the next event of a type for which `wanted` holds. */
export function once(socket, type, wanted = () => true) {
  return new Promise((resolve) => {
    const listen = (event) => {
      if (wanted(event)) {
        socket.removeEventListener(type, listen);
        resolve(event);
      }
    };
    socket.addEventListener(type, listen);
  });
}
