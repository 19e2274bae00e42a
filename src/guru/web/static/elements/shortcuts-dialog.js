/** The list of keyboard shortcuts, opened with `?` or the button in the header. */

import { GuruElement } from "../element.js";
import { html } from "../vendor/lit/lit-element.js";

/** @type {[string, string][]} */
const SHORTCUTS = [
  ["Enter", "Send the question"],
  ["Shift Enter", "Start a new line"],
  ["/", "Go to the question box, or to the search"],
  ["Alt N", "New conversation"],
  ["Esc", "Stop the answer, close a panel, leave an edit"],
  ["← →", "Turn the pages of an open source"],
  ["?", "Show this list"],
];

/** Whether the key press belongs to a text field. @param {Event} event */
export const inTextField = (event) =>
  event.composedPath().some((node) => node instanceof HTMLElement && (node.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(node.tagName)));

class ShortcutsDialog extends GuruElement {
  connectedCallback() {
    super.connectedCallback();
    document.getElementById("show-shortcuts")?.addEventListener("click", () => this.open());
    document.addEventListener("keydown", (event) => {
      if (event.key === "?" && !inTextField(event) && !event.ctrlKey && !event.metaKey) this.open();
    });
  }

  open() {
    const dialog = this.querySelector("dialog");
    if (dialog && !dialog.open) dialog.showModal();
  }

  render() {
    return html`
      <dialog class="dialog" aria-labelledby="shortcuts-title">
        <h2 id="shortcuts-title">Keyboard</h2>
        <dl class="keys">
          ${SHORTCUTS.map(([keys, what]) => html`<dt>${keys.split(" ").map((key) => html`<kbd>${key}</kbd> `)}</dt><dd>${what}</dd>`)}
        </dl>
        <form method="dialog" class="actions"><button class="button">Close</button></form>
      </dialog>
    `;
  }
}
customElements.define("guru-shortcuts", ShortcutsDialog);
