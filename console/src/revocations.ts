// Revocations: those that hold, a new one, and taking one back.

import type { Api } from "./api.js";
import { confirm } from "./confirm.js";
import { announce, h, put } from "./dom.js";
import type { Revocation } from "./model.js";
import type { View } from "./view.js";
import { moment } from "./words.js";
import type { World } from "./world.js";

const MOST = 1000;

const KINDS: Readonly<Record<string, { title: string; value: string; issuer: "needed" | "possible" | "none" }>> = {
  subject: { title: "a subject", value: "Subject", issuer: "possible" },
  session: { title: "a session", value: "Session", issuer: "none" },
  token: { title: "one token", value: "Token id (jti)", issuer: "needed" },
  everything: { title: "everything", value: "", issuer: "possible" },
};

/** For how long, in seconds. */
const SPANS: readonly (readonly [string, string])[] = [
  ["", "until it is lifted"],
  ["3600", "for an hour"],
  ["86400", "for a day"],
  ["604800", "for a week"],
  ["2592000", "for 30 days"],
];

export class Revocations implements View {
  readonly element: HTMLElement;
  readonly #body = h("tbody");
  readonly #state = h("p", { class: "soft", role: "status" });
  readonly #kind: HTMLSelectElement;
  readonly #value = h("input", { id: "revoke-value", autocomplete: "off", spellcheck: "false" });
  readonly #valueLabel = h("label", { for: "revoke-value" });
  readonly #issuer = h("input", { id: "revoke-issuer", autocomplete: "off", spellcheck: "false" });
  readonly #issuerLabel = h("label", { for: "revoke-issuer" });
  readonly #span: HTMLSelectElement;
  #count = -1;
  #loading = false;

  constructor(
    readonly world: World,
    readonly api: Api,
  ) {
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
          onsubmit: (event: Event) => {
            event.preventDefault();
            this.#make();
          },
        },
        h("h2", {}, "Revoke"),
        h("div", {}, h("label", { for: "revoke-kind" }, "What"), this.#kind),
        h("div", {}, this.#valueLabel, this.#value),
        h("div", {}, this.#issuerLabel, this.#issuer),
        h("div", {}, h("label", { for: "revoke-span" }, "How long"), this.#span),
        h("button", { type: "submit", class: "danger" }, "Revoke …"),
      ),
      h(
        "section",
        { class: "panel" },
        h("h2", {}, "Revocations that hold"),
        this.#state,
        h("div", { class: "wide-table", tabindex: "0", role: "region", "aria-label": "Revocations that hold" }, h("table", {}, h("thead", {}, h("tr", {}, ...heads.map((name) => h("th", { scope: "col" }, name)), h("th", { scope: "col" }, h("span", { class: "hidden" }, "Lift")))), this.#body)),
      ),
    );
    this.#choose();
  }

  enter(): void {
    this.#count = -1;
  }

  update(): void {
    const count = this.world.total("vestibule_revocations");
    if (count !== this.#count && this.world.status) {
      this.#count = count;
      void this.#load();
    }
  }

  async #load(): Promise<void> {
    if (this.#loading) {
      return;
    }
    this.#loading = true;
    try {
      const found = await this.api.all<Revocation>("/revocations", "revocations", MOST);
      this.#body.replaceChildren(...found.toSorted((one, other) => other.made - one.made).map((revocation) => this.#row(revocation)));
      put(this.#state, found.length === 0 ? "None." : "");
    } catch (error) {
      put(this.#state, (error as Error).message);
    } finally {
      this.#loading = false;
    }
  }

  #row(revocation: Revocation): HTMLElement {
    const { id, issuer, issued_before, until, made, by, reason } = revocation;
    const what = named(revocation);
    const cells = [issuer ?? "every", issued_before === undefined ? "–" : moment(issued_before), `${moment(made)} by ${by}`, until === undefined ? "it is lifted" : moment(until), reason ?? "–"];
    const lift = () =>
      confirm({
        title: `Lift the revocation of ${what}?`,
        text: "What it covers counts again, until it ends by itself. Connections that it ended stay ended.",
        verb: "Lift",
        reason: "none",
        act: async () => {
          await this.api.ask("DELETE", `/revocations/${encodeURIComponent(id)}`);
          announce("Lifted.");
          await this.#load();
        },
      });
    return h("tr", {}, h("th", { scope: "row" }, what), ...cells.map((text) => h("td", {}, text)), h("td", {}, h("button", { type: "button", class: "small", "aria-label": `Lift the revocation of ${what}`, onclick: lift }, "Lift …")));
  }

  #choose(): void {
    const kind = KINDS[this.#kind.value];
    put(this.#valueLabel, kind?.value ?? "");
    put(this.#issuerLabel, kind?.issuer === "needed" ? "Issuer" : "Issuer, every one if empty");
    const value = this.#value.parentElement as HTMLElement;
    value.hidden = kind?.value === "";
    this.#value.required = kind?.value !== "";
    const issuer = this.#issuer.parentElement as HTMLElement;
    issuer.hidden = kind?.issuer === "none";
    this.#issuer.required = kind?.issuer === "needed";
  }

  #make(): void {
    const kind = this.#kind.value;
    const value = this.#value.value.trim();
    const issuer = KINDS[kind]?.issuer === "none" ? "" : this.#issuer.value.trim();
    const until = this.#span.value === "" ? undefined : Math.floor(Date.now() / 1000) + Number(this.#span.value);
    const what = kind === "everything" ? "everything that was issued up to now" : `${kind} ${value}`;
    confirm({
      title: `Revoke ${what}?`,
      text: "It is refused from now on, and its live connections end with 4410.",
      verb: "Revoke",
      reason: "reason",
      act: async (reason) => {
        await this.api.ask("POST", "/revocations", {
          [kind]: kind === "everything" ? true : value,
          ...(issuer === "" ? {} : { issuer }),
          ...(until === undefined ? {} : { until }),
          ...(reason === undefined ? {} : { reason }),
        });
        this.#value.value = "";
        announce("Revoked.");
        await this.#load();
      },
    });
  }
}

function named(revocation: Revocation): string {
  const { token, session, subject } = revocation;
  if (token !== undefined) {
    return `token ${token}`;
  }
  return session !== undefined ? `session ${session}` : subject !== undefined ? `subject ${subject}` : "everything";
}
