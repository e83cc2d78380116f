// The console: signing in, and the views.

import { Accounts } from "./accounts.js";
import { Api, Refused } from "./api.js";
import { Connections } from "./connections.js";
import { h, put, set } from "./dom.js";
import { Overview } from "./overview.js";
import { Revocations } from "./revocations.js";
import type { View } from "./view.js";
import { World } from "./world.js";

const app = document.getElementById("app") as HTMLElement;

const LINKS = {
  connecting: "connecting …",
  live: "live",
  away: "the gateway does not answer; trying again",
  crowded: "too many consoles are open; trying again",
  refused: "signed out",
};

/** Asks for the token. `said`: why. */
function signIn(said = ""): void {
  document.title = "Vestibule console";
  const token = h("input", { id: "token", type: "password", autocomplete: "off", spellcheck: "false", required: true });
  const failed = h("p", { class: "failed", role: "alert" }, said);
  const button = h("button", { type: "submit", class: "primary" }, "Sign in");
  const form = h(
    "form",
    {
      class: "panel sign-in",
      onsubmit: async (event: Event) => {
        event.preventDefault();
        button.disabled = true;
        const api = new Api(token.value.trim());
        try {
          await api.ask("GET", "/status");
          api.remember();
          enter(api);
        } catch (error) {
          failed.textContent = error instanceof Refused && error.status === 401 ? "That is not the token." : (error as Error).message;
          button.disabled = false;
          token.select();
        }
      },
    },
    h("h1", {}, "Vestibule console"),
    h("p", { class: "soft" }, "The token is in the file that ", h("code", {}, "token_file"), " of ", h("code", {}, "[admin]"), " names. It stays in this tab, and goes when the tab is closed."),
    h("label", { for: "token" }, "Admin token"),
    token,
    failed,
    button,
  );
  app.replaceChildren(h("main", { id: "main" }, form));
  token.focus();
}

/** Shows the views. */
function enter(api: Api): void {
  const world = new World(api);
  const views: Readonly<Record<string, { title: string; view: View }>> = {
    overview: { title: "Overview", view: new Overview(world) },
    connections: { title: "Connections", view: new Connections(world, api) },
    revocations: { title: "Revocations", view: new Revocations(world, api) },
    accounts: { title: "Users and keys", view: new Accounts(api) },
  };
  const status = h("span", { class: "pill" }, "…");
  const link = h("span", { class: "link", role: "status" }, LINKS.connecting);
  const main = h("main", { id: "main", tabindex: "-1" });
  const tabs = Object.entries(views).map(([name, { title }]) => h("a", { href: `#${name}` }, title));
  const leave = (said = "") => {
    world.close();
    Api.forget();
    removeEventListener("hashchange", turn);
    signIn(said);
  };
  let current: View | undefined;
  const turn = () => {
    const name = location.hash.slice(1);
    const [found, { title, view }] = Object.entries(views).find(([known]) => known === name) ?? (Object.entries(views)[0] as [string, { title: string; view: View }]);
    for (const tab of tabs) {
      set(tab, "aria-current", tab.hash === `#${found}` ? "page" : null);
    }
    document.title = `${title} · Vestibule console`;
    main.replaceChildren(h("h1", { class: "hidden" }, title), view.element);
    current = view;
    view.enter?.();
    view.update();
  };
  app.replaceChildren(
    h("header", {}, h("a", { class: "brand", href: "#overview" }, "Vestibule"), h("nav", { "aria-label": "Views" }, ...tabs), h("div", { class: "right" }, status, link, h("button", { type: "button", class: "quiet", onclick: () => leave() }, "Sign out"))),
    main,
  );
  addEventListener("hashchange", turn);
  world.addEventListener("change", () => {
    put(status, world.status?.state ?? "");
    set(status, "data-tone", world.status?.state === "ready" ? "good" : "warn");
    current?.update();
  });
  world.addEventListener("link", () => {
    put(link, LINKS[world.link]);
    set(link, "data-link", world.link);
    if (world.link === "refused" && document.body.contains(main)) {
      leave("The gateway does not take the token any more.");
    }
  });
  turn();
}

const remembered = Api.remembered();
if (remembered) {
  enter(remembered);
} else {
  signIn();
}
