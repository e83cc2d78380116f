// Small charts. Lines are stretched to the room there is; words stay outside, where they are not.

import { h, put, s, set } from "./dom.js";

const [WIDTH, HEIGHT] = [600, 120];

export interface Series {
  readonly name: string;
  /** The class that gives the colour. */
  readonly tone: string;
}

/** Lines over time, with the highest value, the newest ones, and what they mean. */
export class Lines {
  readonly element: HTMLElement;
  readonly #paths: SVGElement[];
  readonly #values: HTMLElement[];
  readonly #top: HTMLElement;
  readonly #picture: SVGElement;

  constructor(
    readonly title: string,
    readonly series: readonly Series[],
    readonly show: (value: number) => string,
    /** The least height of the scale. */
    readonly least: number,
  ) {
    this.#paths = series.map(({ tone }) => s("path", { class: `line ${tone}`, "vector-effect": "non-scaling-stroke" }));
    this.#values = series.map(() => h("b", {}, "–"));
    this.#top = h("span", { class: "top", "aria-hidden": "true" });
    this.#picture = s(
      "svg",
      { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img" },
      s("path", { class: "grid", d: `M0 1H${WIDTH}M0 ${HEIGHT / 2}H${WIDTH}M0 ${HEIGHT - 1}H${WIDTH}`, "vector-effect": "non-scaling-stroke" }),
      ...this.#paths,
    );
    const legend = series.map(({ name, tone }, place) => h("li", {}, h("i", { class: tone }), `${name} `, this.#values[place]));
    this.element = h(
      "figure",
      { class: "panel chart" },
      h("figcaption", {}, h("h2", {}, title), h("ul", { class: "legend" }, ...legend)),
      h("div", { class: "plot" }, this.#picture, this.#top),
      h("div", { class: "axis", "aria-hidden": "true" }, h("span", {}, "3 min ago"), h("span", {}, "now")),
    );
  }

  /** Draws; the last of `places` values is now. */
  draw(rows: readonly (readonly (number | null)[])[], places: number): void {
    const values = rows.flat().filter((value) => value !== null);
    const top = nice(Math.max(this.least, ...values));
    put(this.#top, this.show(top));
    const said: string[] = [];
    for (const [place, { name }] of this.series.entries()) {
      const row = rows[place] ?? [];
      set(this.#paths[place] as Element, "d", line(row, places, top));
      const newest = row.findLast((value) => value !== null) ?? null;
      const text = newest === null ? "–" : this.show(newest);
      put(this.#values[place] as Element, text);
      said.push(`${name} ${text}`);
    }
    set(this.#picture, "aria-label", `${this.title}: ${said.join(", ")}; the scale ends at ${this.show(top)}`);
  }
}

/** Gaps stay gaps; a value that stands alone is a dot. */
function line(row: readonly (number | null)[], places: number, top: number): string {
  let path = "";
  let pen = false;
  for (const [place, value] of row.entries()) {
    if (value === null) {
      pen = false;
      continue;
    }
    const x = (WIDTH * (places - row.length + place)) / (places - 1);
    const y = HEIGHT - 1 - (value / top) * (HEIGHT - 6);
    path += `${pen ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}${pen ? "" : "h.1"}`;
    pen = true;
  }
  return path;
}

/** The next of 1, 2, 5, 10, 20 … */
function nice(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value));
  const found = [1, 2, 5, 10].find((step) => step * power >= value * 0.999) ?? 10;
  return found * power;
}

/** Bars beside names and counts, the longest first: a list for those who do not see them. */
export function bars(rows: readonly { name: string; value: number; text: string; tone: string }[], none: string): HTMLElement {
  if (rows.length === 0) {
    return h("p", { class: "soft" }, none);
  }
  const most = Math.max(...rows.map(({ value }) => value));
  return h(
    "ul",
    { class: "bars" },
    ...rows.map(({ name, value, text, tone }) =>
      h(
        "li",
        {},
        h("span", { class: "name" }, name),
        s(
          "svg",
          { class: `bar ${tone}`, viewBox: "0 0 100 10", preserveAspectRatio: "none", "aria-hidden": "true" },
          s("rect", { class: "rest", width: "100", height: "10" }),
          s("rect", { class: "part", width: most > 0 ? ((100 * value) / most).toFixed(2) : "0", height: "10" }),
        ),
        h("b", {}, text),
      ),
    ),
  );
}

/** What passed, second by second. */
export class Spark {
  readonly element: SVGElement;
  readonly #path: SVGElement;

  constructor(readonly title: string) {
    this.#path = s("path", { class: "line accent", "vector-effect": "non-scaling-stroke" });
    this.element = s("svg", { class: "spark", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img" }, this.#path);
  }

  draw(row: readonly number[], places: number, said: string): void {
    set(this.#path, "d", line(row, places, nice(Math.max(10, ...row))));
    set(this.element, "aria-label", `${this.title}: ${said}`);
  }
}
