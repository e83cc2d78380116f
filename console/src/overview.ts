// How it goes: rates, times, rejections, keys.

import { bars, Lines } from "./charts.js";
import { h, put, set } from "./dom.js";
import type { View } from "./view.js";
import { count, rate, short, span, spoken } from "./words.js";
import { histogram, quantile, WINDOW, type World } from "./world.js";

const ENDS_WELL = ["client", "upstream"];

export class Overview implements View {
  readonly element: HTMLElement;
  readonly #tiles = new Map<string, HTMLElement>();
  readonly #rates = new Lines(
    "Authentications a second",
    [
      { name: "accepted", tone: "good" },
      { name: "refused", tone: "bad" },
    ],
    rate,
    1,
  );
  readonly #times = new Lines(
    "Time to authenticate",
    [
      { name: "median", tone: "accent" },
      { name: "95 %", tone: "warn" },
    ],
    short,
    0.001,
  );
  readonly #open = new Lines("Live connections", [{ name: "now", tone: "accent" }], (value) => count(Math.round(value)), 10);
  readonly #rejections = h("div");
  readonly #ends = h("div");
  readonly #keys = h("tbody");
  #drawn = "";

  constructor(readonly world: World) {
    const tiles = ["Connections", "Waiting at the door", "Accepted", "Refused", "Revocations that hold", "Median time to authenticate"];
    const tile = (name: string) => {
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
        h("section", { class: "panel" }, h("h2", {}, "How connections ended"), h("p", { class: "soft" }, "Since the start"), this.#ends),
      ),
      h(
        "section",
        { class: "panel" },
        h("h2", {}, "Key sets"),
        h("div", { class: "wide-table", tabindex: "0", role: "region", "aria-label": "Key sets" }, h("table", {}, h("thead", {}, h("tr", {}, ...heads.map((name) => h("th", { scope: "col" }, name)))), this.#keys)),
      ),
    );
  }

  update(): void {
    const { paces, status } = this.world;
    if (!status) {
      return;
    }
    this.#rates.draw([paces.map(({ accepted }) => accepted), paces.map(({ refused }) => refused)], WINDOW);
    this.#times.draw([paces.map(({ median }) => median), paces.map(({ slow }) => slow)], WINDOW);
    this.#open.draw([paces.map(({ connections }) => connections)], WINDOW);
    const accepted = this.world.total("vestibule_authentications_total", { outcome: "accepted" });
    const median = quantile(histogram(status.metrics, "vestibule_authentication_seconds"), 0.5);
    const values: Record<string, string> = {
      Connections: count(this.world.total("vestibule_connections")),
      "Waiting at the door": count(this.world.total("vestibule_pending")),
      Accepted: count(accepted),
      Refused: count(sumOf(this.#by("vestibule_decisions_total", "outcome", ["accepted", "left"]))),
      "Revocations that hold": count(this.world.total("vestibule_revocations")),
      "Median time to authenticate": median === null ? "–" : short(median),
    };
    for (const [name, element] of this.#tiles) {
      put(element, values[name] ?? "");
    }
    this.#lists();
    this.#keySets();
  }

  #by(metric: string, label: string, without: readonly string[]): Map<string, number> {
    const found = new Map<string, number>();
    for (const { name, labels, value } of this.world.status?.metrics ?? []) {
      const key = labels[label];
      if (name === metric && key !== undefined && !without.includes(key)) {
        found.set(key, (found.get(key) ?? 0) + value);
      }
    }
    return found;
  }

  #lists(): void {
    const rejections = this.#by("vestibule_decisions_total", "outcome", ["accepted", "left"]);
    const ends = this.#by("vestibule_closed_total", "reason", []);
    // Drawn anew only when something was counted: a reader is not thrown out of the list each second.
    const drawn = JSON.stringify([[...rejections], [...ends]]);
    if (drawn !== this.#drawn) {
      this.#drawn = drawn;
      this.#rejections.replaceChildren(bars(ranked(rejections, () => "bad"), "Nobody was refused."));
      this.#ends.replaceChildren(bars(ranked(ends, (name) => (ENDS_WELL.includes(name) ? "good" : "warn")), "None has ended."));
    }
  }

  #keySets(): void {
    const issuers = this.world.status?.issuers ?? [];
    while (this.#keys.rows.length < issuers.length) {
      this.#keys.append(h("tr", {}, h("th", { scope: "row" }), ...Array.from({ length: 5 }, () => h("td"))));
    }
    for (const [place, issuer] of issuers.entries()) {
      const row = this.#keys.rows[place];
      const ago = (seconds: number | undefined) => (seconds === undefined ? "–" : span(seconds));
      const state = issuer.last_error === undefined ? issuer.state : `${issuer.state}: ${issuer.last_error}`;
      const read = issuer.last_success === undefined ? "never" : `${span(issuer.last_success)} ago`;
      const texts = [issuer.name, issuer.kind, state, String(issuer.keys), ago(issuer.age), read];
      for (const [cell, text] of texts.entries()) {
        put(row?.cells[cell] as Element, text);
      }
      set(row?.cells[2] as Element, "data-tone", issuer.state === "ready" && issuer.last_error === undefined ? "good" : "bad");
    }
  }
}

const sumOf = (counts: ReadonlyMap<string, number>): number => [...counts.values()].reduce((sum, value) => sum + value, 0);

function ranked(counts: ReadonlyMap<string, number>, tone: (name: string) => string) {
  return [...counts]
    .filter(([, value]) => value > 0)
    .sort(([one, a], [other, b]) => b - a || (one < other ? -1 : 1))
    .map(([name, value]) => ({ name: spoken(name), value, text: count(value), tone: tone(name) }));
}
