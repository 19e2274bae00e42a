/** The documents of a collection. */

import { GuruElement } from "../element.js";
import { bytes, count, date, fileType, plural } from "../format.js";
import { icons } from "../icons.js";
import { html, nothing } from "../vendor/lit/lit-element.js";
import { repeat } from "../vendor/lit/repeat.js";
import { emptyState } from "./notes.js";

/** @import { DocumentInfo } from "../types.js" */

class DocumentTable extends GuruElement {
  static properties = { documents: { attribute: false }, more: { type: Boolean }, query: { state: true } };

  constructor() {
    super();
    /** @type {DocumentInfo[] | null} Null until they are known. */
    this.documents = null;
    this.more = false;
    this.query = "";
  }

  render() {
    if (!this.documents) return html`<span class="skeleton block"></span>`;
    if (!this.documents.length) {
      return emptyState({ icon: icons.file, title: "No documents yet", text: "Drop files above. Guru reads them, and they can be asked as soon as they are in." });
    }
    const query = this.query.toLowerCase();
    const shown = this.documents.filter(({ name, title }) => `${name} ${title ?? ""}`.toLowerCase().includes(query));
    return html`
      <div>
        <div class="section-head">
          <h2 id="documents-title">Documents</h2>
          <div class="with-icon">${icons.search}<input class="field" type="search" aria-label="Filter documents by name" placeholder="Filter by name"
            @input=${(/** @type {any} */ event) => (this.query = event.target.value)} /></div>
        </div>
        <div class="table-wrap" tabindex="0" role="region" aria-labelledby="documents-title">
          <table class="table documents">
            <thead><tr>
              <th scope="col">Document</th><th scope="col">Type</th><th scope="col" class="end">Pages</th><th scope="col" class="end">Chunks</th>
              <th scope="col" class="end">Size</th><th scope="col">Language</th><th scope="col">Changed</th><th scope="col"><span class="visually-hidden">Actions</span></th>
            </tr></thead>
            <tbody>${repeat(shown, ({ id }) => id, (document) => this.renderRow(document))}</tbody>
          </table>
        </div>
        ${this.more ? html`<button class="button more" @click=${() => this.emit("more-documents")}>Show more</button>` : nothing}
      </div>
    `;
  }

  /** @param {DocumentInfo} document */
  renderRow(document) {
    const warnings = document.warnings ?? [];
    return html`<tr>
      <td class="name">
        <a class="plain" href="/documents/${document.id}">${document.title || document.name}</a>
        ${document.title && document.title !== document.name ? html`<span class="faint">${document.name}</span>` : nothing}
        ${warnings.length
          ? html`<details class="warnings"><summary class="badge warning">${icons.warning}${plural(warnings.length, "warning")}</summary>
              <ul>${warnings.map((warning) => html`<li>${warning}</li>`)}</ul></details>`
          : nothing}
      </td>
      <td><span class="badge">${fileType(document.media_type, document.name)}</span></td>
      <td class="end number">${count(document.pages)}</td>
      <td class="end number">${count(document.chunks)}</td>
      <td class="end number nowrap">${bytes(document.bytes)}</td>
      <td>${document.language ?? "–"}</td>
      <td class="nowrap">${date(document.modified ?? document.created ?? document.ingested_at) || "–"}</td>
      <td class="end"><button class="icon-button compact" aria-label="Remove ${document.name}" title="Remove" @click=${() => this.emit("delete-document", document)}>${icons.trash}</button></td>
    </tr>`;
  }
}
customElements.define("guru-documents", DocumentTable);
