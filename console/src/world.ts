// What is known about the gateway, as the watch tells it: connections, what became of them, and counters as they went.

import { bearer, VestibuleSocket } from "../../clients/js/src/index.js";
import type { Api } from "./api.js";
import type { Connection, Sample, Status, Told } from "./model.js";

/** Seconds that charts go back. */
export const WINDOW = 180;
/** Connections that ended and are still shown, the last ones. */
const ENDED = 200;
/** Events that are kept of one connection. */
const EVENTS = 50;

/** Something that was seen of a connection. */
export interface Seen {
  readonly time: number;
  readonly what: string;
}

/** Traffic between two messages, in bytes a second. */
export interface Flow {
  readonly time: number;
  readonly toClient: number;
  readonly toUpstream: number;
}

/** A connection with what was seen of it. */
export interface Known {
  readonly connection: Connection;
  readonly events: Seen[];
  readonly flows: Flow[];
  ended: number | null;
}

/** Rates between two messages, a second. */
export interface Pace {
  readonly time: number;
  readonly accepted: number;
  readonly refused: number;
  readonly connections: number;
  /** Median and 95th percentile of the time to authenticate, in seconds; `null` where nobody did. */
  readonly median: number | null;
  readonly slow: number | null;
}

export type Link = "connecting" | "live" | "away" | "crowded" | "refused";

/** Events: `change` after each message, `link` when the line to the gateway is another. */
export class World extends EventTarget {
  readonly connections = new Map<string, Known>();
  readonly ended: Known[] = [];
  readonly paces: Pace[] = [];
  status: Status | null = null;
  time = 0;
  more = false;
  link: Link = "connecting";
  #socket: VestibuleSocket;
  #begun = false;
  #last: { time: number; at: number; counters: Counters } | null = null;

  constructor(api: Api) {
    super();
    const url = new URL("/api/v1/watch", location.href);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    // Where this page itself came without TLS, the token is no worse off in the socket than in the requests.
    this.#socket = new VestibuleSocket(url.href, [], {
      auth: bearer(() => api.token),
      dangerouslyAllowInsecure: true,
      reconnect: { base: 500, max: 5000 },
    });
    this.#socket.addEventListener("open", () => {
      // A new connection tells everything again: what has gone meanwhile is not among it.
      this.#begun = false;
      this.#become("live");
    });
    this.#socket.addEventListener("message", (event) => {
      this.#hear(JSON.parse((event as MessageEvent).data).watch);
    });
    this.#socket.addEventListener("reconnecting", (event) => {
      this.#become(event.detail.error === "too_many_connections" ? "crowded" : "away");
    });
    this.#socket.addEventListener("close", () => this.#become("refused"));
  }

  close(): void {
    this.#socket.close();
  }

  /** A counter or gauge, summed over what fits. */
  total(name: string, fits: Readonly<Record<string, string>> = {}): number {
    return sum(this.status?.metrics ?? [], name, fits);
  }

  #become(link: Link): void {
    this.link = link;
    this.dispatchEvent(new Event("link"));
  }

  #hear(told: Told): void {
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

  #put(connection: Connection): void {
    const known = this.connections.get(connection.id);
    if (!known) {
      const events = [{ time: connection.since, what: `let in by ${connection.mechanism}, carrier ${connection.carrier}` }];
      this.connections.set(connection.id, { connection, events, flows: [], ended: null });
      return;
    }
    const before = known.connection;
    this.#flow(known, connection.to_client, connection.to_upstream);
    if (connection.lease_ends === undefined && before.lease_ends !== undefined) {
      this.#note(known, "is being closed");
    } else if (connection.expires !== before.expires || connection.token !== before.token) {
      this.#note(known, `refreshed: its credential is good for ${Math.max(0, connection.expires - this.time)} s`);
    }
    Object.assign(before, connection);
  }

  #flow(known: Known, toClient: number, toUpstream: number): void {
    const { connection, flows } = known;
    flows.push({
      time: this.time,
      toClient: toClient - connection.to_client,
      toUpstream: toUpstream - connection.to_upstream,
    });
    if (flows.length > WINDOW) {
      flows.shift();
    }
    connection.to_client = toClient;
    connection.to_upstream = toUpstream;
  }

  #note(known: Known, what: string): void {
    known.events.push({ time: this.time, what });
    if (known.events.length > EVENTS) {
      known.events.splice(1, 1);
    }
  }

  #end(id: string): void {
    const known = this.connections.get(id);
    if (known) {
      this.connections.delete(id);
      known.ended = this.time;
      this.#note(known, "ended");
      this.ended.unshift(known);
      this.ended.length = Math.min(this.ended.length, ENDED);
    }
  }

  #pace(told: Told): void {
    const { metrics } = told.status;
    const counters = read(metrics);
    // The clock of this machine has finer steps than the whole seconds that were told.
    const at = performance.now() / 1000;
    const last = this.#last;
    this.#last = { time: told.time, at, counters };
    if (last && counters.accepted >= last.counters.accepted && at > last.at) {
      const passed = at - last.at;
      const buckets = counters.buckets.map(({ le, count }, place) => ({
        le,
        count: count - (last.counters.buckets[place]?.count ?? 0),
      }));
      this.paces.push({
        time: told.time,
        accepted: (counters.accepted - last.counters.accepted) / passed,
        refused: (counters.refused - last.counters.refused) / passed,
        connections: sum(metrics, "vestibule_connections", {}),
        median: quantile(buckets, 0.5),
        slow: quantile(buckets, 0.95),
      });
      if (this.paces.length > WINDOW) {
        this.paces.shift();
      }
    }
  }
}

/** A bucket of a histogram: observations up to `le`, those of smaller buckets included. */
export interface Bucket {
  readonly le: number;
  readonly count: number;
}

interface Counters {
  readonly accepted: number;
  readonly refused: number;
  readonly buckets: readonly Bucket[];
}

function read(metrics: readonly Sample[]): Counters {
  const name = "vestibule_authentications_total";
  const accepted = sum(metrics, name, { outcome: "accepted" });
  return { accepted, refused: sum(metrics, name, {}) - accepted, buckets: histogram(metrics, "vestibule_authentication_seconds") };
}

function sum(metrics: readonly Sample[], name: string, fits: Readonly<Record<string, string>>): number {
  const wanted = Object.entries(fits);
  let total = 0;
  for (const { name: found, labels, value } of metrics) {
    if (found === name && wanted.every(([label, text]) => labels[label] === text)) {
      total += value;
    }
  }
  return total;
}

/** The buckets of a histogram, over all of its other labels. */
export function histogram(metrics: readonly Sample[], name: string): Bucket[] {
  const counts = new Map<number, number>();
  for (const { name: found, labels, value } of metrics) {
    if (found === `${name}_bucket`) {
      const le = labels["le"] === "+Inf" ? Infinity : Number(labels["le"]);
      counts.set(le, (counts.get(le) ?? 0) + value);
    }
  }
  return [...counts].map(([le, count]) => ({ le, count })).sort((one, other) => one.le - other.le);
}

/** An estimate, by a straight line within the bucket; `null` where nothing was observed. */
export function quantile(buckets: readonly Bucket[], part: number): number | null {
  const all = buckets.at(-1)?.count ?? 0;
  if (all <= 0) {
    return null;
  }
  const wanted = all * part;
  let below: Bucket = { le: 0, count: 0 };
  for (const bucket of buckets) {
    if (bucket.count >= wanted) {
      const within = bucket.count - below.count;
      return Number.isFinite(bucket.le) && within > 0
        ? below.le + ((bucket.le - below.le) * (wanted - below.count)) / within
        : below.le;
    }
    below = bucket;
  }
  return below.le;
}
