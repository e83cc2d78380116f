// A long table of which only the rows in sight exist. Rows are as high as each other; the keyboard moves through all of
// them, and whoever hears the page is told which row of how many it is.

import { h, put, set } from "./dom.js";

const ROW = 36;
const SPARE = 8;

export interface Column<T> {
  readonly id: string;
  readonly title: string;
  readonly text: (row: T) => string;
  /** A class for the cell, where it depends on the row. */
  readonly tone?: (row: T) => string;
  /** What the rows are ordered by; absent where they cannot be. */
  readonly order?: (row: T) => number | string;
  readonly number?: true;
}

export class List<T> {
  readonly element: HTMLElement;
  readonly #columns: readonly Column<T>[];
  readonly #key: (row: T) => string;
  readonly #open: (row: T) => void;
  readonly #view: HTMLElement;
  readonly #room: HTMLElement;
  readonly #heads = new Map<string, HTMLElement>();
  readonly #pool: HTMLElement[] = [];
  #rows: readonly T[] = [];
  #current: string | null = null;
  #drawing = 0;
  order: { id: string; down: boolean };
  onorder: () => void = () => {};

  constructor(label: string, columns: readonly Column<T>[], key: (row: T) => string, open: (row: T) => void) {
    this.#columns = columns;
    this.#key = key;
    this.#open = open;
    this.order = { id: columns[0]?.id ?? "", down: false };
    const heads = columns.map((column) => this.#head(column));
    this.#room = h("div", { class: "room", role: "rowgroup" });
    this.#view = h("div", { class: "rows", role: "presentation", onscroll: () => this.#later() }, this.#room);
    this.element = h(
      "div",
      { class: "list", role: "grid", "aria-label": label, "aria-readonly": "true", onkeydown: (event: KeyboardEvent) => this.#pressed(event) },
      h("div", { role: "rowgroup", class: "headgroup" }, h("div", { class: "row head", role: "row", "aria-rowindex": 1 }, ...heads)),
      this.#view,
    );
    new ResizeObserver(() => this.#later()).observe(this.#view);
  }

  /** Shows these, in this order. */
  show(rows: readonly T[]): void {
    this.#rows = rows;
    set(this.element, "aria-rowcount", String(rows.length + 1));
    for (const [id, head] of this.#heads) {
      set(head, "aria-sort", id === this.order.id ? (this.order.down ? "descending" : "ascending") : "none");
    }
    this.#draw();
  }

  /** Sorts by the column that was chosen. */
  sorted(rows: T[]): T[] {
    const column = this.#columns.find(({ id }) => id === this.order.id);
    const order = column?.order;
    if (!order) {
      return rows;
    }
    const sign = this.order.down ? -1 : 1;
    const keyed = rows.map((row) => ({ row, by: order(row), key: this.#key(row) }));
    keyed.sort((one, other) => {
      const first = one.by < other.by ? -1 : one.by > other.by ? 1 : 0;
      return first === 0 ? (one.key < other.key ? -1 : 1) : first * sign;
    });
    return keyed.map(({ row }) => row);
  }

  /** Marks the row that is open. */
  choose(key: string | null): void {
    this.#current = key;
    this.#draw();
  }

  #head(column: Column<T>): HTMLElement {
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

  #later(): void {
    if (this.#drawing === 0) {
      this.#drawing = requestAnimationFrame(() => this.#draw());
    }
  }

  #draw(): void {
    cancelAnimationFrame(this.#drawing);
    this.#drawing = 0;
    this.#room.style.height = `${this.#rows.length * ROW}px`;
    const first = Math.max(0, Math.floor(this.#view.scrollTop / ROW) - SPARE);
    const last = Math.min(this.#rows.length, Math.ceil((this.#view.scrollTop + this.#view.clientHeight) / ROW) + SPARE);
    while (this.#pool.length < last - first) {
      const row = h("div", { class: "row", role: "row" }, ...this.#columns.map(({ id, number }) => h("div", { class: `cell at-${id}${number ? " number" : ""}`, role: "gridcell" })));
      row.addEventListener("click", () => this.#openAt(Number(row.dataset["place"])));
      this.#pool.push(row);
      this.#room.append(row);
    }
    const entry = this.#entry();
    for (const [offset, element] of this.#pool.entries()) {
      const place = first + offset;
      const row = place < last ? this.#rows[place] : undefined;
      element.hidden = row === undefined;
      if (row !== undefined) {
        this.#fill(element, row, place, entry);
      }
    }
  }

  /** Which row the Tab key leads to. */
  #entry(): number {
    const chosen = this.#current === null ? -1 : this.#rows.findIndex((row) => this.#key(row) === this.#current);
    const top = Math.ceil(this.#view.scrollTop / ROW);
    return chosen >= 0 ? chosen : Math.min(top, this.#rows.length - 1);
  }

  #fill(element: HTMLElement, row: T, place: number, entry: number): void {
    element.dataset["place"] = String(place);
    element.style.transform = `translateY(${place * ROW}px)`;
    set(element, "aria-rowindex", String(place + 2));
    set(element, "tabindex", place === entry ? "0" : "-1");
    set(element, "aria-selected", String(this.#key(row) === this.#current));
    for (const [number, column] of this.#columns.entries()) {
      const cell = element.children[number] as HTMLElement;
      const text = column.text(row);
      put(cell, text);
      set(cell, "title", text.length > 16 ? text : null);
      if (column.tone) {
        set(cell, "data-tone", column.tone(row));
      }
    }
  }

  #openAt(place: number): void {
    const row = this.#rows[place];
    if (row !== undefined) {
      this.#open(row);
    }
  }

  #pressed(event: KeyboardEvent): void {
    const element = (event.target as HTMLElement).closest<HTMLElement>(".room .row");
    if (!element) {
      return;
    }
    const place = Number(element.dataset["place"]);
    const page = Math.max(1, Math.floor(this.#view.clientHeight / ROW) - 1);
    const last = this.#rows.length - 1;
    const to: Record<string, number> = {
      ArrowDown: place + 1,
      ArrowUp: place - 1,
      PageDown: place + page,
      PageUp: place - page,
      Home: 0,
      End: last,
    };
    if (event.key === "Enter" || event.key === " ") {
      this.#openAt(place);
    } else if (event.key in to) {
      this.#focus(Math.max(0, Math.min(last, to[event.key] as number)));
    } else {
      return;
    }
    event.preventDefault();
  }

  #focus(place: number): void {
    const top = place * ROW;
    const room = this.#view.clientHeight;
    if (top < this.#view.scrollTop) {
      this.#view.scrollTop = top;
    } else if (top + ROW > this.#view.scrollTop + room) {
      this.#view.scrollTop = top + ROW - room;
    }
    this.#draw();
    this.#pool.find((row) => !row.hidden && row.dataset["place"] === String(place))?.focus({ preventScroll: true });
  }
}
