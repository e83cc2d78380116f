// A page that was never asked in. Its browser sends the user's cookie along with the handshake, as
// browsers do; the gateway looks at the Origin first.

const answer = await fetch("/settings.json");
const { gateway, page } = await answer.json();
const result = document.getElementById("result");
document.getElementById("origin").textContent = location.origin;

function tell(text, outcome) {
  result.textContent = text;
  document.body.dataset.outcome = outcome;
  if (window.parent !== window) {
    window.parent.postMessage({ foreign: text, outcome }, page);
  }
}

const socket = new WebSocket(`${gateway}/chat`);
socket.addEventListener("message", (event) => {
  if (event.data.startsWith('{"welcome":')) {
    tell("It got in. That is a hole: it could read and write as you.", "inside");
  }
});
socket.addEventListener("close", (event) => {
  if (document.body.dataset.outcome === undefined) {
    tell(
      `It did not get in. It sees code ${event.code} and cannot even tell why; ` +
        "the network panel of this browser shows the HTTP 403.",
      "refused",
    );
  }
});
