/** Prompts: all of them, with their labels. */

import { describe, get } from "../api.js";
import { GuruElement } from "../element.js";
import { ago, when } from "../format.js";
import { icons } from "../icons.js";
import { placeOf } from "../prompts.js";
import { html, nothing } from "../vendor/lit/lit-element.js";
import { emptyState, errorNote } from "./notes.js";

/** @import { ApiErrorBody, Prompt } from "../types.js" */

class PromptsPage extends GuruElement {
  static properties = { prompts: { state: true }, problems: { state: true }, error: { state: true } };

  constructor() {
    super();
    /** @type {Prompt[] | null} */
    this.prompts = null;
    /** @type {{file: string, error: string}[]} */
    this.problems = [];
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
      <header class="page-head"><div><h1>Prompts</h1><p>Every prompt with its versions. A label, such as prod, says which version is asked for by that name.</p></div></header>
      ${this.error ? errorNote(this.error, () => this.load()) : nothing}
      ${this.problems.map(({ file, error }) => html`<div class="note warning">${icons.warning}<div><strong>${file} cannot be used.</strong> ${error}</div></div>`)}
      ${this.renderBody()}
    `;
  }

  renderBody() {
    if (!this.prompts) return this.error ? nothing : html`<span class="skeleton block"></span>`;
    if (!this.prompts.length) return emptyState({ icon: icons.file, title: "There are no prompts yet", text: html`Save one: <code>guru prompt save NAME FILE</code>` });
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
