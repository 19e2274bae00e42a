/** Says who you are to a server that asks: an API key, traded for a cookie that no script can read. */

import { describe, post } from "../api.js";
import { GuruElement } from "../element.js";
import { html, nothing } from "../vendor/lit/lit-element.js";
import { errorNote } from "./notes.js";

/** @import { ApiErrorBody } from "../types.js" */

class LoginPage extends GuruElement {
  static properties = { error: { state: true }, busy: { state: true } };

  constructor() {
    super();
    /** @type {ApiErrorBody | null} */
    this.error = null;
    this.busy = false;
  }

  /** @param {SubmitEvent} event */
  async submit(event) {
    event.preventDefault();
    const form = /** @type {HTMLFormElement} */ (event.target);
    if (this.busy) return;
    this.busy = true;
    this.error = null;
    try {
      await post("/login", { key: String(new FormData(form).get("key") ?? "").trim() });
      form.reset(); // the page that is left is kept for the way back: not with the key in it
      location.assign(destination());
    } catch (error) {
      this.error = describe(error);
      this.busy = false;
      this.focusOn("input");
    }
  }

  render() {
    return html`
      <h1>Log in</h1>
      ${new URLSearchParams(location.search).has("ended") ? html`<p class="note warning" role="status">Your session has ended. Log in, and you go on where you were.</p>` : nothing}
      <p class="faint">This server asks for an API key. Whoever runs it makes one with <code>guru keys create NAME</code>.</p>
      <form class="card login-form" @submit=${this.submit}>
        <label class="label" for="key">API key</label>
        <input class="field" id="key" name="key" type="password" autocomplete="current-password" required autofocus placeholder="sk-guru-…">
        <button class="button primary" ?disabled=${this.busy}>Log in</button>
        ${this.error ? errorNote(this.error) : nothing}
      </form>
    `;
  }
}
customElements.define("guru-login", LoginPage);

/** Where the reader wanted to go: a path of this server and of no other. */
function destination() {
  const next = new URL(new URLSearchParams(location.search).get("next") ?? "/", location.origin);
  return next.origin === location.origin ? next.href : "/"; // whole: a path like //other.example names a host
}
