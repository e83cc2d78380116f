// Live connections: search, filters, order; and one of them in detail.

import type { Api } from "./api.js";
import { Detail } from "./detail.js";
import { announce, h, put, set } from "./dom.js";
import { List } from "./list.js";
import type { Connection } from "./model.js";
import type { View } from "./view.js";
import { bytes, count, span } from "./words.js";
import type { World } from "./world.js";

const CHOICES = ["route", "mechanism", "carrier"] as const;

export class Connections implements View {
  readonly element: HTMLElement;
  readonly #list: List<Connection>;
  readonly #detail: Detail;
  readonly #search: HTMLInputElement;
  readonly #choices = new Map<(typeof CHOICES)[number], HTMLSelectElement>();
  readonly #count = h("p", { class: "count", role: "status" });
  readonly #empty = h("p", { class: "empty" });

  constructor(
    readonly world: World,
    api: Api,
  ) {
    const now = () => this.world.time;
    const lease = (row: Connection) => (row.lease_ends ?? now()) - now();
    this.#list = new List<Connection>(
      "Live connections",
      [
        { id: "subject", title: "Subject", text: (row) => row.subject, order: (row) => row.subject },
        { id: "route", title: "Route", text: (row) => row.route, order: (row) => row.route },
        { id: "way", title: "Mechanism", text: (row) => `${row.mechanism}, ${row.carrier}`, order: (row) => `${row.mechanism} ${row.carrier}` },
        { id: "address", title: "Address", text: (row) => row.address, order: (row) => row.address },
        { id: "since", title: "Open for", number: true, text: (row) => span(now() - row.since), order: (row) => -row.since },
        {
          id: "lease",
          title: "Lease",
          number: true,
          text: (row) => (row.lease_ends === undefined ? "closing" : span(lease(row))),
          tone: (row) => (row.lease_ends === undefined || lease(row) <= 10 ? "warn" : ""),
          order: lease,
        },
        { id: "out", title: "To client", number: true, text: (row) => bytes(row.to_client), order: (row) => row.to_client },
        { id: "in", title: "To upstream", number: true, text: (row) => bytes(row.to_upstream), order: (row) => row.to_upstream },
      ],
      (row) => row.id,
      (row) => this.#open(row.id),
    );
    this.#list.onorder = () => this.update();
    this.#detail = new Detail(world, api, () => this.#close());
    this.#search = h("input", {
      type: "search",
      id: "search",
      placeholder: "Subject, address, session …",
      autocomplete: "off",
      spellcheck: "false",
      oninput: () => this.update(),
    });
    const choices = CHOICES.map((name) => {
      const select = h("select", { "aria-label": `Only this ${name}`, onchange: () => this.update() }, h("option", { value: "" }, `Every ${name}`));
      this.#choices.set(name, select);
      return select;
    });
    const bar = h("div", { class: "bar-top", role: "search" }, h("label", { class: "hidden", for: "search" }, "Search"), this.#search, ...choices, this.#count);
    this.element = h("div", { class: "split" }, h("section", { class: "panel table", "aria-label": "Live connections" }, bar, this.#list.element, this.#empty), this.#detail.element);
  }

  update(): void {
    const all = [...this.world.connections.values()].map(({ connection }) => connection);
    for (const [name, select] of this.#choices) {
      this.#offer(select, [...new Set(all.map((connection) => connection[name]))].sort());
    }
    const words = this.#search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const fits = (connection: Connection) => {
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

  #offer(select: HTMLSelectElement, names: readonly string[]): void {
    const there = [...select.options].slice(1).map(({ value }) => value);
    if (there.join("\n") !== names.join("\n")) {
      const chosen = select.value;
      // What was chosen stays, though nobody is connected by it any more.
      const shown = chosen === "" || names.includes(chosen) ? names : [...names, chosen];
      select.replaceChildren(select.options[0] as HTMLOptionElement, ...shown.map((name) => h("option", { value: name }, name)));
      select.value = chosen;
    }
  }

  #open(id: string): void {
    this.#list.choose(id);
    this.#detail.open(id);
    set(this.element, "data-open", "");
    announce("Details are beside the list.");
  }

  #close(): void {
    set(this.element, "data-open", null);
    this.#list.element.querySelector<HTMLElement>('.row[tabindex="0"]')?.focus();
    this.#list.choose(null);
  }
}

/** What is searched, in small letters; kept, because it is looked at with every key. */
function haystack(connection: Connection): string {
  const { id, subject, issuer, address, origin = "", session = "", token = "", route } = connection;
  const known = hay.get(connection);
  if (known?.token === token) {
    return known.text;
  }
  const text = [id, subject, issuer, address, origin, session, token, route].join("\n").toLowerCase();
  hay.set(connection, { token, text });
  return text;
}

const hay = new WeakMap<Connection, { token: string; text: string }>();
