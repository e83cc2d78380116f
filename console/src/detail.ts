// One connection: who, how, for how long; what was seen of it; and its end.

import type { Api } from "./api.js";
import { Spark } from "./charts.js";
import { confirm } from "./confirm.js";
import { announce, h, put, s, set } from "./dom.js";
import type { Connection } from "./model.js";
import { bytes, clock, moment, span } from "./words.js";
import { type Known, WINDOW, type World } from "./world.js";

const ROUND = 2 * Math.PI * 20;

export class Detail {
  readonly element: HTMLElement;
  readonly #title = h("h2", { id: "detail-title", tabindex: "-1" });
  readonly #state = h("p", { class: "soft" });
  readonly #arc = s("circle", { class: "arc", cx: 24, cy: 24, r: 20 });
  readonly #left = h("p", { class: "left" });
  readonly #facts = h("dl");
  readonly #spark = new Spark("Bytes a second");
  readonly #traffic = h("p", { class: "soft" });
  readonly #events = h("ol", { class: "events" });
  readonly #buttons = h("div", { class: "buttons" });
  #id: string | null = null;
  #lease: { ends: number; length: number } | null = null;
  #drawn = "";

  constructor(
    readonly world: World,
    readonly api: Api,
    readonly close: () => void,
  ) {
    const leave = () => this.#leave();
    this.element = h(
      "aside",
      {
        class: "panel detail",
        hidden: true,
        "aria-labelledby": "detail-title",
        onkeydown: (event: KeyboardEvent) => {
          if (event.key === "Escape") {
            leave();
          }
        },
      },
      h("div", { class: "title" }, h("div", {}, this.#title, this.#state), h("button", { type: "button", class: "quiet", onclick: leave }, "Close the details")),
      h("div", { class: "lease" }, s("svg", { class: "ring", viewBox: "0 0 48 48", "aria-hidden": "true" }, s("circle", { class: "track", cx: 24, cy: 24, r: 20 }), this.#arc), this.#left),
      this.#buttons,
      this.#facts,
      h("h3", {}, "Traffic"),
      this.#spark.element,
      this.#traffic,
      h("h3", {}, "What was seen"),
      this.#events,
    );
  }

  open(id: string): void {
    this.#id = id;
    this.#lease = null;
    this.#drawn = "";
    this.element.hidden = false;
    this.update();
    this.#title.focus({ preventScroll: true });
  }

  update(): void {
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
    const row = flows.map(({ toClient, toUpstream }) => toClient + toUpstream);
    this.#spark.draw(row, WINDOW, `${bytes(row.at(-1) ?? 0)} in the last second`);
    put(this.#traffic, `${bytes(connection.to_client)} to the client, ${bytes(connection.to_upstream)} to the upstream`);
    const drawn = `${events.length} ${ended} ${connection.token}`;
    if (drawn !== this.#drawn) {
      this.#drawn = drawn;
      this.#events.replaceChildren(...events.toReversed().map(({ time, what }) => h("li", {}, h("time", {}, clock(time)), " ", what)));
      this.#offer(known);
    }
  }

  #leave(): void {
    this.#id = null;
    this.element.hidden = true;
    this.close();
  }

  #known(): Known | undefined {
    const id = this.#id;
    return id === null ? undefined : (this.world.connections.get(id) ?? this.world.ended.find(({ connection }) => connection.id === id));
  }

  #ring({ connection, ended }: Known): void {
    const ends = connection.lease_ends;
    if (ends === undefined || ended !== null) {
      set(this.#arc, "stroke-dasharray", `0 ${ROUND}`);
      put(this.#left, ended === null ? "is being closed" : "over");
      return;
    }
    // How long the whole lease was is not told: from the first sight of it, or from when it was let in.
    if (this.#lease?.ends !== ends) {
      const from = this.#lease === null ? connection.since : this.world.time;
      this.#lease = { ends, length: Math.max(1, ends - from) };
    }
    const left = Math.max(0, ends - this.world.time);
    set(this.#arc, "stroke-dasharray", `${((ROUND * left) / this.#lease.length).toFixed(1)} ${ROUND}`);
    put(this.#left, `${span(left)} left of the lease`);
  }

  #tell({ connection }: Known): void {
    const rows: readonly (readonly [string, string | undefined])[] = [
      ["Issuer", connection.issuer],
      ["Mechanism", `${connection.mechanism}, carrier ${connection.carrier}`],
      ["Methods", connection.methods?.join(" ") || undefined],
      ["Context", connection.context],
      ["Second proof", proof(connection)],
      ["Address", connection.address],
      ["Origin", connection.origin],
      ["Let in", moment(connection.since)],
      ["Credential ends", moment(connection.expires)],
      ["Session", connection.session],
      ["Token id", connection.token],
      ["Connection", connection.id],
    ];
    const shown = rows.filter(([, value]) => value !== undefined);
    if (this.#facts.childElementCount !== shown.length) {
      this.#facts.replaceChildren(...shown.map(([name]) => h("div", {}, h("dt", {}, name), h("dd"))));
    }
    for (const [place, [name, value]] of shown.entries()) {
      const [term, detail] = (this.#facts.children[place] as HTMLElement).children;
      put(term as Element, name);
      put(detail as Element, value ?? "");
    }
  }

  #offer({ connection, ended }: Known): void {
    const { id, subject, issuer, session, token } = connection;
    const revoke = (what: string, body: Record<string, unknown>, text: string) => () =>
      confirm({
        title: `Revoke ${what}?`,
        text,
        verb: "Revoke",
        reason: "reason",
        act: async (reason) => {
          await this.api.ask("POST", "/revocations", { ...body, ...(reason === undefined ? {} : { reason }) });
          announce("Revoked.");
        },
      });
    const close = () =>
      confirm({
        title: "Close this connection?",
        text: `The client of ${subject} may connect again with the same credential. To keep somebody out, revoke.`,
        verb: "Close the connection",
        reason: "reason",
        act: async (reason) => {
          const query = reason === undefined ? "" : `?${new URLSearchParams({ reason })}`;
          await this.api.ask("DELETE", `/connections/${encodeURIComponent(id)}${query}`);
          announce("The connection is being closed.");
        },
      });
    const button = (text: string, act: () => void) => h("button", { type: "button", onclick: act }, text);
    this.#buttons.replaceChildren(
      ...(ended === null ? [button("Close …", close)] : []),
      ...(token === undefined ? [] : [button("Revoke the token …", revoke("this token", { token, issuer }, "This one credential is refused from now on, and its live connections end with 4410."))]),
      ...(session === undefined
        ? []
        : [button("Revoke the session …", revoke("this session", { session }, "Everything that came of this login is refused from now on, and its live connections end with 4410."))]),
      button(`Revoke all of ${subject} …`, revoke(`everything of ${subject}`, { subject, issuer }, "All that was issued up to now is refused, and its live connections end with 4410. Signing in again stays possible.")),
    );
  }
}

/** How far a second proof is, where one was asked for. */
function proof({ stepped_up, step_up_due }: Connection): string | undefined {
  if (step_up_due !== undefined) {
    return `owed until ${moment(step_up_due)}`;
  }
  return stepped_up === undefined ? undefined : `shown ${moment(stepped_up)}`;
}
