// A page that was never asked in. Its browser sends the user's cookie along with the handshake, as
// browsers do; the gateway looks at the Origin first.

import { settings } from "./issuer.js";

const { gateway, page } = await settings();
const result = document.getElementById("result") as HTMLElement;
(document.getElementById("origin") as HTMLElement).textContent = location.origin;

function tell(text: string, outcome: "inside" | "refused"): void {
  result.textContent = text;
  document.body.dataset.outcome = outcome;
  if (window.parent !== window) {
    window.parent.postMessage({ foreign: text, outcome }, page);
  }
}

const socket = new WebSocket(`${gateway}/chat`);
socket.addEventListener("message", ({ data }: MessageEvent) => {
  if (typeof data === "string" && data.startsWith('{"welcome":')) {
    tell("It got in. That is a hole: it could read and write as you.", "inside");
  }
});
socket.addEventListener("close", ({ code }) => {
  if (document.body.dataset.outcome === undefined) {
    tell(
      `It did not get in. It sees code ${code} and cannot even tell why; ` +
        "the network panel of this browser shows the HTTP 403.",
      "refused",
    );
  }
});
