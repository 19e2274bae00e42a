/** How a document, a text or a file would be cut: two ways side by side. */

import { describe, get } from "../api.js";
import { GuruElement } from "../element.js";
import { chosenFiles } from "../files.js";
import { html, nothing } from "../vendor/lit/lit-element.js";
import "./cut-column.js";
import { errorNote } from "./notes.js";

/** @import { ApiErrorBody, Collection, DocumentInfo } from "../types.js" */
/** @import { CutSource } from "./cut-column.js" */

const KINDS = /** @type {const} */ ([["document", "A document"], ["text", "Text"], ["file", "A file"]]);
const PAGE = 200;
/** Milliseconds without a keystroke after which pasted text is cut. */
const PAUSE = 400;

class ChunkingPage extends GuruElement {
  static properties = {
    kind: { state: true },
    collections: { state: true },
    collection: { state: true },
    documents: { state: true },
    documentId: { state: true },
    text: { state: true },
    file: { state: true },
    source: { state: true },
    error: { state: true },
  };

  constructor() {
    super();
    /** @type {typeof KINDS[number][0]} */
    this.kind = "document";
    /** @type {Collection[]} */
    this.collections = [];
    this.collection = "";
    /** @type {DocumentInfo[]} */
    this.documents = [];
    this.documentId = "";
    this.text = "";
    /** @type {File | null} */
    this.file = null;
    /** @type {CutSource | null} */
    this.source = null;
    /** @type {ApiErrorBody | null} */
    this.error = null;
    this.typing = 0;
  }

  connectedCallback() {
    super.connectedCallback();
    this.load();
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    clearTimeout(this.typing);
  }

  async load() {
    this.error = null;
    try {
      const wanted = new URLSearchParams(location.search).get("document");
      const [{ collections }, info] = await Promise.all([get("/collections"), wanted ? get(`/documents/${encodeURIComponent(wanted)}`) : null]);
      this.collections = collections.filter((/** @type {Collection} */ { documents }) => documents);
      if (this.collections.length) await this.openCollection(info?.collection ?? this.collections[0].name, info?.id);
      else this.setKind("text");
    } catch (error) {
      this.error = describe(error);
    }
  }

  /** @param {string} name @param {string} [documentId] The first one where none is given. */
  async openCollection(name, documentId) {
    this.collection = name;
    this.error = null;
    try {
      const { documents } = await get(`/collections/${encodeURIComponent(name)}/documents?limit=${PAGE}`);
      if (documentId && !documents.some((/** @type {DocumentInfo} */ { id }) => id === documentId)) {
        documents.unshift(await get(`/documents/${encodeURIComponent(documentId)}`));
      }
      this.documents = documents;
      this.documentId = documentId ?? documents[0]?.id ?? "";
      this.choose();
    } catch (error) {
      this.error = describe(error);
    }
  }

  /** Let both columns cut what is chosen now. */
  choose() {
    const { kind, documentId, collection, text, file } = this;
    if (kind === "document") this.source = documentId ? { document_id: documentId, collection } : null;
    else if (kind === "text") this.source = text.trim() ? { text } : null;
    else this.source = file ? { file } : null;
  }

  /** @param {typeof KINDS[number][0]} kind */
  setKind(kind) {
    this.kind = kind;
    this.choose();
  }

  /** @param {string} text */
  onText(text) {
    this.text = text;
    clearTimeout(this.typing);
    this.typing = window.setTimeout(() => this.choose(), PAUSE);
  }

  render() {
    return html`
      <header class="page-head"><div><h1>Chunks</h1><p>How a document is cut into the passages that are found and read. Nothing here is stored.</p></div></header>
      ${this.error ? errorNote(this.error, () => this.load()) : nothing}
      <section class="chunking-source" aria-label="What to cut">
        <span class="segmented" role="group" aria-label="Kind of source">
          ${KINDS.map(([kind, label]) => html`<button type="button" aria-pressed=${kind === this.kind} @click=${() => this.setKind(kind)}>${label}</button>`)}
        </span>
        ${this.renderSource()}
      </section>
      <div class="cut-columns">
        <guru-cut label="left" strategy="recursive" .source=${this.source}></guru-cut>
        <guru-cut label="right" strategy="heading" .source=${this.source}></guru-cut>
      </div>
    `;
  }

  renderSource() {
    if (this.kind === "text") {
      return html`<textarea class="field" rows="8" aria-label="Text to cut" placeholder="Paste a text. Markdown headings and tables are seen as such."
        .value=${this.text} @input=${(/** @type {any} */ event) => this.onText(event.target.value)}></textarea>`;
    }
    if (this.kind === "file") {
      return html`<div class="row">
        <label class="button file-button">Choose a file<input class="visually-hidden" type="file" @change=${(/** @type {Event} */ event) => {
          this.file = chosenFiles(event)[0]?.file ?? this.file;
          this.choose();
        }} /></label>
        <span class="faint small">${this.file ? this.file.name : "PDF, Word, Markdown, code: whatever can be ingested."}</span>
      </div>`;
    }
    if (!this.collections.length) return html`<p class="faint">There are no documents yet. Paste a text, or choose a file.</p>`;
    return html`<div class="row">
      <select class="select bordered" aria-label="Collection" @change=${(/** @type {any} */ event) => this.openCollection(event.target.value)}>
        ${this.collections.map(({ name }) => html`<option value=${name} ?selected=${name === this.collection}>${name}</option>`)}
      </select>
      <select class="select bordered" aria-label="Document" @change=${(/** @type {any} */ event) => {
        this.documentId = event.target.value;
        this.choose();
      }}>
        ${this.documents.map(({ id, name }) => html`<option value=${id} ?selected=${id === this.documentId}>${name}</option>`)}
      </select>
    </div>`;
  }
}
customElements.define("guru-chunking", ChunkingPage);
