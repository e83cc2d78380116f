// Nothing is ended by one press: a question, with a reason for the audit log.

import { h } from "./dom.js";

export interface Question {
  readonly title: string;
  readonly text: string;
  /** What the button says. */
  readonly verb: string;
  /** Whether a reason can be given. */
  readonly reason: "reason" | "none";
  /** Does it. What it throws is shown, and the question stays. */
  readonly act: (reason: string | undefined) => Promise<void>;
}

/** Asks. Escape and Cancel change nothing; the focus goes back to where it was. */
export function confirm(question: Question): void {
  const reason = h("input", { id: "reason", maxlength: 200, autocomplete: "off" });
  const failed = h("p", { class: "failed", role: "alert" });
  const yes = h("button", { type: "submit", class: "danger" }, question.verb);
  const no = h("button", { type: "button", onclick: () => dialog.close() }, "Cancel");
  const dialog = h(
    "dialog",
    { "aria-labelledby": "question", onclose: () => dialog.remove() },
    h(
      "form",
      {
        method: "dialog",
        onsubmit: (event: Event) => {
          event.preventDefault();
          yes.disabled = true;
          question
            .act(reason.value.trim() || undefined)
            .then(() => dialog.close())
            .catch((error: Error) => {
              failed.textContent = error.message;
              yes.disabled = false;
            });
        },
      },
      h("h2", { id: "question" }, question.title),
      h("p", {}, question.text),
      question.reason === "reason" && h("label", { for: "reason" }, "Reason, for the audit log"),
      question.reason === "reason" && reason,
      failed,
      h("div", { class: "buttons" }, yes, no),
    ),
  );
  document.body.append(dialog);
  dialog.showModal();
  (question.reason === "reason" ? reason : no).focus();
}
