/** Prompts: all of them, with their labels. */

import { describe, get } from "../api.js";
import { GuruElement } from "../element.js";
import { ago, when } from "../format.js";
import { icons } from "../icons.js";
import { placeOf } from "../prompts.js";
import { html, nothing } from "../vendor/lit/lit-element.js";
import { emptyState, errorNote } from "./notes.js";
import "./prompt-editor.js";

/** @import { ApiErrorBody, Prompt } from "../types.js" */

class PromptsPage extends GuruElement {
  static properties = { prompts: { state: true }, problems: { state: true }, writing: { state: true }, error: { state: true } };

  constructor() {
    super();
    /** @type {Prompt[] | null} */
    this.prompts = null;
    /** @type {{file: string, error: string}[]} */
    this.problems = [];
    this.writing = false;
    /** @type {ApiErrorBody | null} */
    this.error = null;
  }

  connectedCallback() {
    super.connectedCallback();
    this.load();
  }

  async load() {
    try {
      const { prompts, problems } = await get("/prompts");
      this.prompts = prompts;
      this.problems = problems;
      this.error = null;
    } catch (error) {
      this.error = describe(error);
    }
  }

  render() {
    return html`
      <header class="page-head">
        <div><h1>Prompts</h1><p>Every prompt with its versions. A label, such as prod, says which version is asked for by that name.</p></div>
        ${this.writing ? nothing : html`<button class="button primary" id="add" @click=${() => { this.writing = true; }}>${icons.plus} New prompt</button>`}
      </header>
      ${this.writing ? html`<guru-prompt-editor @saved=${(/** @type {CustomEvent} */ { detail }) => location.assign(placeOf(detail.name))} @closed=${() => this.close()}></guru-prompt-editor>` : nothing}
      ${this.error ? errorNote(this.error, () => this.load()) : nothing}
      ${this.problems.map(({ file, error }) => html`<div class="note warning">${icons.warning}<div><strong>${file} cannot be used.</strong> ${error}</div></div>`)}
      ${this.renderBody()}
    `;
  }

  close() {
    this.writing = false;
    this.focusOn("#add");
  }

  renderBody() {
    if (!this.prompts) return this.error ? nothing : html`<span class="skeleton block"></span>`;
    if (!this.prompts.length) return emptyState({ icon: icons.file, title: "There are no prompts yet", text: html`Write one here, or save a file: <code>guru prompt save NAME FILE</code>` });
    return html`
      <div class="table-wrap" tabindex="0" role="region" aria-label="Prompts">
        <table class="table">
          <thead><tr><th scope="col">Name</th><th scope="col" class="end">Versions</th><th scope="col">Labels</th><th scope="col">File</th><th scope="col">Changed</th></tr></thead>
          <tbody>${this.prompts.map((prompt) => html`<tr>
            <th scope="row"><a class="plain" href=${placeOf(prompt.name)}>${prompt.name}</a></th>
            <td class="end number">${prompt.latest}</td>
            <td><span class="row">${Object.entries(prompt.labels).map(([label, version]) => html`<span class="badge">${label}: ${version}</span>`)}</span></td>
            <td class="faint">${prompt.file ?? ""}</td>
            <td class="faint" title=${when(prompt.updated_at)}>${ago(prompt.updated_at)}</td>
          </tr>`)}</tbody>
        </table>
      </div>
    `;
  }
}
customElements.define("guru-prompts", PromptsPage);
