/** One document: what is known about it, its pages or its text, and its chunks. */

import { describe, get } from "../api.js";
import { GuruElement } from "../element.js";
import { bytes, count, date, fileType } from "../format.js";
import { icons } from "../icons.js";
import { html, nothing } from "../vendor/lit/lit-element.js";
import "./chunk-list.js";
import { errorNote } from "./notes.js";
import "./page-image.js";
import { inTextField } from "./shortcuts-dialog.js";
import "./text-passage.js";

/** @import { ApiErrorBody, DocumentInfo, Highlight } from "../types.js" */

class DocumentPage extends GuruElement {
  static properties = {
    documentId: { attribute: "document-id" },
    info: { state: true },
    highlights: { state: true },
    page: { state: true },
    view: { state: true },
    error: { state: true },
  };

  constructor() {
    super();
    this.documentId = "";
    /** @type {DocumentInfo | null} */
    this.info = null;
    /** @type {Highlight[]} */
    this.highlights = [];
    this.page = 1;
    /** @type {"pages" | "text" | "chunks"} */
    this.view = "text";
    /** @type {ApiErrorBody | null} */
    this.error = null;
    const query = new URLSearchParams(location.search);
    this.start = Number(query.get("start")) || 0;
    this.end = Number(query.get("end")) || 0;
    this.onKey = this.onKey.bind(this);
  }

  get path() {
    return `/documents/${encodeURIComponent(this.documentId)}`;
  }

  connectedCallback() {
    super.connectedCallback();
    document.addEventListener("keydown", this.onKey);
    this.load();
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    document.removeEventListener("keydown", this.onKey);
  }

  async load() {
    this.error = null;
    try {
      /** @type {DocumentInfo} */
      const info = await get(this.path);
      document.title = `${info.title || info.name} · Guru`;
      if (info.media_type === "application/pdf") {
        this.view = "pages";
        // The first page needs its size too, so that nothing jumps when the image comes.
        const range = this.end > this.start ? `start=${this.start}&end=${this.end}` : "start=0&end=1";
        const { pages } = await get(`${this.path}/highlight?${range}`);
        this.highlights = this.end > this.start ? pages : pages.map((/** @type {Highlight} */ page) => ({ ...page, rects: [] }));
        this.page = pages[0]?.page ?? 1;
      }
      this.info = info;
    } catch (error) {
      this.error = describe(error);
    }
  }

  render() {
    const { info } = this;
    if (this.error) return errorNote(this.error, () => this.load());
    if (!info) return html`<span class="skeleton block"></span>`;
    return html`
      <nav aria-label="Breadcrumb"><ol class="breadcrumb">
        <li><a href="/collections">Collections</a></li>
        ${info.collection ? html`<li><a href="/collections/${encodeURIComponent(info.collection)}">${info.collection}</a></li>` : nothing}
        <li aria-current="page">${info.name}</li>
      </ol></nav>
      <header class="page-head">
        <div><h1>${info.title || info.name}</h1>${info.author ? html`<p>${info.author}</p>` : nothing}</div>
        <div class="row">
          <a class="button" href="/chunks?document=${encodeURIComponent(info.id)}">Try other cuts</a>
          <a class="button" href="/api/v1${this.path}/file" target="_blank" rel="noopener">${icons.external}Original file</a>
        </div>
      </header>
      ${(info.warnings ?? []).map((warning) => html`<p class="note warning">${icons.warning}<span>${warning}</span></p>`)}
      <div class="document-layout">
        <section class="document-view" aria-label="Content">${this.renderTools(info)}${this.renderView(info)}</section>
        <aside class="card facts-card" aria-label="About this document">${this.renderFacts(info)}</aside>
      </div>
    `;
  }

  /** @param {DocumentInfo} info */
  renderTools(info) {
    const isPdf = info.media_type === "application/pdf";
    /** @type {[typeof this.view, string][]} */
    const views = [...(isPdf ? /** @type {[typeof this.view, string][]} */ ([["pages", "Pages"]]) : []), ["text", "Text"], ["chunks", `Chunks (${info.chunks})`]];
    const last = info.pages ?? 1;
    return html`<div class="row document-tools">
      <span class="segmented" role="group" aria-label="View">
        ${views.map(([view, label]) => html`<button aria-pressed=${view === this.view} @click=${() => (this.view = view)}>${label}</button>`)}
      </span>
      ${this.view === "pages"
        ? html`<span class="row tight" role="group" aria-label="Pages">
            <button class="icon-button compact" aria-label="Previous page" ?disabled=${this.page <= 1} @click=${() => this.turn(-1)}>${icons.left}</button>
            <span class="number small" aria-live="polite">${this.page}<span class="faint"> / ${last}</span></span>
            <button class="icon-button compact" aria-label="Next page" ?disabled=${this.page >= last} @click=${() => this.turn(1)}>${icons.right}</button>
          </span>`
        : nothing}
    </div>`;
  }

  /** @param {DocumentInfo} info */
  renderView(info) {
    if (this.view === "chunks") return html`<guru-chunks .documentId=${info.id} .start=${this.start} .end=${this.end}></guru-chunks>`;
    if (this.view === "text") {
      return html`<div class="card"><guru-text-passage .documentId=${info.id} .start=${this.start} .end=${this.end} .context=${20_000}></guru-text-passage></div>`;
    }
    const [first] = this.highlights;
    const highlight = this.highlights.find(({ page }) => page === this.page) ?? (first ? { ...first, page: this.page, rects: [] } : null);
    return html`<guru-page-image .documentId=${info.id} .page=${this.page} .highlight=${highlight}></guru-page-image>`;
  }

  /** @param {DocumentInfo} info */
  renderFacts(info) {
    /** @type {[string, unknown][]} */
    const facts = [
      ["Name", info.name],
      ["Type", fileType(info.media_type, info.name)],
      ["Pages", info.pages == null ? null : count(info.pages)],
      ["Chunks", count(info.chunks)],
      ["Size", bytes(info.bytes)],
      ["Language", info.language],
      ["Created", date(info.created)],
      ["Modified", date(info.modified)],
      ["Added", date(info.ingested_at)],
      ...Object.entries(info.metadata ?? {}).map(([key, value]) => /** @type {[string, unknown]} */ ([key.replaceAll("_", " "), typeof value === "object" && value ? JSON.stringify(value) : value])),
    ];
    return html`<h2>About</h2><dl class="facts-list">
      ${facts.filter(([, value]) => value != null && value !== "").map(([label, value]) => html`<div><dt>${label}</dt><dd>${value}</dd></div>`)}
    </dl>`;
  }

  /** @param {number} step */
  turn(step) {
    this.page = Math.min(this.info?.pages ?? 1, Math.max(1, this.page + step));
  }

  /** @param {KeyboardEvent} event */
  onKey(event) {
    if (inTextField(event) || event.altKey || event.ctrlKey || event.metaKey || this.view !== "pages") return;
    if (event.key === "ArrowLeft") this.turn(-1);
    else if (event.key === "ArrowRight") this.turn(1);
  }
}
customElements.define("guru-document", DocumentPage);
