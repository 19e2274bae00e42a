/** One dialog that asks before something is lost. */

import { GuruElement } from "../element.js";
import { html } from "../vendor/lit/lit-element.js";

class ConfirmDialog extends GuruElement {
  static properties = { question: { state: true } };

  constructor() {
    super();
    this.question = { title: "", text: "", action: "" };
  }

  /** @param {{title: string, text: string, action: string}} question @returns {Promise<boolean>} */
  async ask(question) {
    this.question = question;
    await this.updateComplete;
    const dialog = /** @type {HTMLDialogElement} */ (this.querySelector("dialog"));
    dialog.returnValue = "";
    dialog.showModal();
    return new Promise((resolve) => {
      dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
    });
  }

  render() {
    return html`
      <dialog class="dialog" aria-labelledby="confirm-title" aria-describedby="confirm-text">
        <h2 id="confirm-title">${this.question.title}</h2>
        <p id="confirm-text">${this.question.text}</p>
        <form method="dialog" class="actions">
          <button class="button" value="no" autofocus>Cancel</button>
          <button class="button danger" value="yes">${this.question.action}</button>
        </form>
      </dialog>
    `;
  }
}
customElements.define("guru-confirm", ConfirmDialog);

/** Ask the reader. @param {{title: string, text: string, action: string}} question @returns {Promise<boolean>} */
export async function confirm(question) {
  const dialog = /** @type {ConfirmDialog} */ (document.querySelector("guru-confirm"));
  return dialog.ask(question);
}
