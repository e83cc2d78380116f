// Users and API keys: who there is, shutting somebody out, removing a key.

import { type Api, Refused } from "./api.js";
import { confirm } from "./confirm.js";
import { announce, h, put } from "./dom.js";
import type { Key, User } from "./model.js";
import type { View } from "./view.js";
import { moment } from "./words.js";

const MOST = 1000;

export class Accounts implements View {
  readonly element: HTMLElement;
  readonly #users = h("tbody");
  readonly #keys = h("tbody");
  readonly #state = h("p", { class: "soft", role: "status" });

  constructor(readonly api: Api) {
    const table = (name: string, heads: readonly string[], body: HTMLElement) =>
      h(
        "section",
        { class: "panel" },
        h("h2", {}, name),
        h("div", { class: "wide-table", tabindex: "0", role: "region", "aria-label": name }, h("table", {}, h("thead", {}, h("tr", {}, ...heads.map((head) => h("th", { scope: "col" }, head)), h("th", { scope: "col" }, h("span", { class: "hidden" }, "Action")))), body)),
      );
    this.element = h(
      "div",
      { class: "stack" },
      this.#state,
      table("Users", ["Name", "State", "Scopes", "Groups", "Added"], this.#users),
      table("API keys", ["Label", "Of", "Scopes", "Made", "Ends", "Last used"], this.#keys),
    );
  }

  update(): void {}

  enter(): void {
    void this.#load();
  }

  async #load(): Promise<void> {
    try {
      const [users, keys] = await Promise.all([this.api.all<User>("/users", "users", MOST), this.api.all<Key>("/keys", "keys", MOST)]);
      this.#users.replaceChildren(...users.map((user) => this.#user(user)));
      this.#keys.replaceChildren(...keys.map((key) => this.#key(key)));
      put(this.#state, "");
    } catch (error) {
      const nothing = error instanceof Refused && error.status === 503;
      put(this.#state, nothing ? "This gateway has no users and keys of its own: its configuration has no [auth]." : (error as Error).message);
    }
  }

  #user(user: User): HTMLElement {
    const { name, state, scopes, groups, created } = user;
    const next = state === "enabled" ? "disabled" : "enabled";
    const [verb, text] =
      next === "disabled"
        ? ["Shut out", "No login and no API key counts any more, and what was issued is revoked: live connections end with 4410."]
        : ["Let in", "The user can sign in again. What was revoked stays revoked."];
    const change = () =>
      confirm({
        title: `${verb} ${name}?`,
        text,
        verb,
        reason: "none",
        act: async () => {
          await this.api.ask("PATCH", `/users/${encodeURIComponent(name)}`, { state: next });
          announce(`${name} is ${next}.`);
          await this.#load();
        },
      });
    return row(name, [state, list(scopes), list(groups), moment(created)], h("button", { type: "button", class: "small", "aria-label": `${verb} ${name}`, onclick: change }, `${verb} …`));
  }

  #key(key: Key): HTMLElement {
    const { id, label, user, machine, scopes, created, expires, used } = key;
    const remove = () =>
      confirm({
        title: `Remove the key ${label}?`,
        text: "It is refused from now on, and its live connections end with 4410.",
        verb: "Remove",
        reason: "none",
        act: async () => {
          await this.api.ask("DELETE", `/keys/${encodeURIComponent(id)}`);
          announce("Removed.");
          await this.#load();
        },
      });
    const of = user ?? (machine === undefined ? "–" : `machine:${machine}`);
    const cells = [of, list(scopes), moment(created), expires === undefined ? "never" : moment(expires), used === undefined ? "never" : moment(used)];
    return row(label, cells, h("button", { type: "button", class: "small", "aria-label": `Remove the key ${label}`, onclick: remove }, "Remove …"));
  }
}

const list = (names: readonly string[]): string => (names.length === 0 ? "–" : names.join(" "));

function row(name: string, cells: readonly string[], button: HTMLElement): HTMLElement {
  return h("tr", {}, h("th", { scope: "row" }, name), ...cells.map((text) => h("td", {}, text)), h("td", {}, button));
}
