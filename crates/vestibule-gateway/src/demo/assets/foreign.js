// src/demo/issuer.ts
async function settings() {
  const answer = await fetch("/settings.json");
  return await answer.json();
}

// src/demo/foreign.ts
var { gateway, page } = await settings();
var result = document.getElementById("result");
document.getElementById("origin").textContent = location.origin;
function tell(text, outcome) {
  result.textContent = text;
  document.body.dataset.outcome = outcome;
  if (window.parent !== window) {
    window.parent.postMessage({ foreign: text, outcome }, page);
  }
}
var socket = new WebSocket(`${gateway}/chat`);
socket.addEventListener("message", ({ data }) => {
  if (typeof data === "string" && data.startsWith('{"welcome":')) {
    tell("It got in. That is a hole: it could read and write as you.", "inside");
  }
});
socket.addEventListener("close", ({ code }) => {
  if (document.body.dataset.outcome === void 0) {
    tell(
      `It did not get in. It sees code ${code} and cannot even tell why; the network panel of this browser shows the HTTP 403.`,
      "refused"
    );
  }
});
