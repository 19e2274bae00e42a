/** What differs between two versions of a prompt, side by side. */

import { describe, get } from "../api.js";
import { GuruElement } from "../element.js";
import { placeOf, sideBySide } from "../prompts.js";
import { html, nothing } from "../vendor/lit/lit-element.js";
import { errorNote } from "./notes.js";

/** @import { ApiErrorBody, PromptDetail, PromptDifference } from "../types.js" */

class PromptDiff extends GuruElement {
  static properties = {
    prompt: { attribute: false }, version: { attribute: false }, against: { state: true }, differences: { state: true }, error: { state: true },
  };

  constructor() {
    super();
    /** @type {PromptDetail | null} */
    this.prompt = null;
    this.version = 0;
    /** The one that is compared with; 0: the one before, or for the first one the newest. */
    this.against = 0;
    /** @type {PromptDifference[] | null} */
    this.differences = null;
    /** @type {ApiErrorBody | null} */
    this.error = null;
    this.turn = 0;
  }

  get other() {
    return this.against || (this.version > 1 ? this.version - 1 : (this.prompt?.latest ?? 1));
  }

  /** @param {Map<string, unknown>} changed */
  willUpdate(changed) {
    if (changed.has("version") || changed.has("against")) this.load();
  }

  async load() {
    const turn = ++this.turn;
    try {
      const { differences } = await get(`${placeOf(this.prompt?.name ?? "")}/diff?before=${this.other}&after=${this.version}`);
      if (turn !== this.turn) return;
      this.differences = differences;
      this.error = null;
    } catch (error) {
      if (turn === this.turn) this.error = describe(error);
    }
  }

  render() {
    return html`
      <div class="row prompt-compared"><label for="before">Compared with version</label>
        <select class="select bordered" id="before" @change=${(/** @type {any} */ event) => { this.against = Number(event.target.value); }}>
          ${this.prompt?.versions.map(({ version }) => html`<option value=${version} ?selected=${version === this.other}>${version}</option>`)}
        </select></div>
      ${this.error ? errorNote(this.error, () => this.load()) : nothing}
      ${this.differences?.length === 0 ? html`<p role="status">Both are the same.</p>` : nothing}
      ${this.differences?.map((one) => this.renderOne(one))}
    `;
  }

  /** @param {PromptDifference} one */
  renderOne({ place, kind, unified }) {
    return html`<section class="card prompt-difference" aria-label=${place}>
      <h2>${place} <span class="badge">${kind}</span></h2>
      <div class="table-wrap" tabindex="0" role="region" aria-label="Both sides of ${place}">
        <table class="sides"><thead class="visually-hidden"><tr><th scope="col">Version ${this.other}</th><th scope="col">Version ${this.version}</th></tr></thead>
          <tbody>${sideBySide(unified).map((row) => html`<tr class=${row.kind}>
            <td>${row.kind === "changed" && row.left !== null ? html`<del>${row.left}</del>` : row.left}</td>
            <td>${row.kind === "changed" && row.right !== null ? html`<ins>${row.right}</ins>` : row.right}</td>
          </tr>`)}</tbody></table>
      </div>
    </section>`;
  }
}
customElements.define("guru-prompt-diff", PromptDiff);
