/** The source behind a citation: document, page, quote, and the passage marked where it stands. */

import { describe, get, isAbort } from "../api.js";
import { GuruElement } from "../element.js";
import { icons } from "../icons.js";
import { html, nothing } from "../vendor/lit/lit-element.js";
import { errorNote } from "./notes.js";
import "./page-image.js";
import { inTextField } from "./shortcuts-dialog.js";
import "./text-passage.js";

/** @import { ApiErrorBody, Citation, Conflict, DocumentInfo, Highlight } from "../types.js" */

const ZOOMS = [1, 1.5, 2, 3];

/**
 * The quote, with the words that answer marked. Offsets count code points, which a spread string has one by one.
 *
 * @param {Citation} citation
 */
function quoteWithAnswer({ quote, start, answer }) {
  if (!answer) return quote;
  const letters = [...quote];
  const [first, last] = [answer.start - start, answer.end - start];
  return html`${letters.slice(0, first).join("")}<mark>${letters.slice(first, last).join("")}</mark>${letters.slice(last).join("")}`;
}

class SourcePanel extends GuruElement {
  static properties = {
    citations: { attribute: false },
    conflicts: { attribute: false },
    n: { type: Number },
    info: { state: true },
    highlights: { state: true },
    page: { state: true },
    view: { state: true },
    zoom: { state: true },
    error: { state: true },
  };

  constructor() {
    super();
    /** @type {Citation[]} */
    this.citations = [];
    /** @type {Conflict[]} */
    this.conflicts = [];
    this.n = 0;
    /** @type {DocumentInfo | null} */
    this.info = null;
    /** @type {Highlight[]} */
    this.highlights = [];
    this.page = 0;
    /** @type {"page" | "text"} */
    this.view = "page";
    this.zoom = 1;
    /** @type {ApiErrorBody | null} */
    this.error = null;
    /** Which passage is loaded or on its way. */
    this.loaded = "";
    this.loading = new AbortController();
    this.onKey = this.onKey.bind(this);
  }

  connectedCallback() {
    super.connectedCallback();
    document.addEventListener("keydown", this.onKey);
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    document.removeEventListener("keydown", this.onKey);
    this.loading.abort();
  }

  get citation() {
    return this.citations.find(({ n }) => n === this.n) ?? this.citations[0];
  }

  get isPdf() {
    return this.info?.media_type === "application/pdf";
  }

  /** @param {Map<string, unknown>} changed */
  willUpdate(changed) {
    if (changed.has("n") || changed.has("citations")) this.load();
  }

  async load() {
    const { document_id, start, end, page } = this.citation;
    const key = `${document_id} ${start} ${end}`;
    if (key === this.loaded) return;
    this.loaded = key;
    this.loading.abort();
    this.loading = new AbortController();
    const { signal } = this.loading;
    this.error = null;
    this.highlights = [];
    this.page = page ?? 1;
    if (this.info?.id !== document_id) this.info = null;
    const path = `/documents/${encodeURIComponent(document_id)}`;
    try {
      this.info ??= await get(path, signal);
      if (!this.isPdf) return;
      this.highlights = (await get(`${path}/highlight?start=${start}&end=${end}`, signal)).pages;
      // Whoever has turned the page meanwhile stays there.
      if (this.highlights.length && this.page === (page ?? 1)) this.page = this.highlights[0].page;
    } catch (error) {
      if (isAbort(error)) return;
      this.loaded = "";
      this.error = describe(error);
    }
  }

  render() {
    const { citation, info } = this;
    if (!citation) return nothing;
    return html`
      <header class="source-head">
        <div class="source-title">
          <h2 tabindex="-1"><span class="cite-number" aria-hidden="true">${citation.n}</span><span class="visually-hidden">Source ${citation.n}: </span>${info?.title || citation.document}</h2>
          <button class="icon-button" aria-label="Close the source" title="Close (Esc)" @click=${() => this.emit("close-source")}>${icons.close}</button>
        </div>
        <p class="faint small">${citation.document}${citation.page ? ` · page ${citation.page}` : ""}${info?.pages ? ` of ${info.pages}` : ""} ·
          <a href="/documents/${citation.document_id}?start=${citation.start}&end=${citation.end}">Open the document</a></p>
        <blockquote class="quote">${quoteWithAnswer(citation)}</blockquote>
        ${this.renderConflicts()}
        ${this.renderBar()}
      </header>
      <div class="source-body">${this.renderBody()}</div>
    `;
  }

  /** What the other sources say, where they disagree with this one. */
  renderConflicts() {
    const disputed = this.conflicts.filter(({ positions }) => positions.some(({ n }) => n === this.citation.n));
    return disputed.map(
      ({ positions }) => html`<section class="conflict" aria-label="Sources that disagree">
        <h3>The sources disagree</h3>
        <ul>${positions.map(
          ({ n, says, document, date }) => html`<li>
            <button class="cite" aria-label="Source ${n}" aria-current=${n === this.citation.n ? "true" : nothing} @click=${() => this.emit("show-source", n)}>${n}</button>
            “${says}” <span class="faint small">${document}${date ? ` · ${date}` : ""}</span>
          </li>`,
        )}</ul>
      </section>`,
    );
  }

  renderBar() {
    const several = this.citations.length > 1;
    if (!this.isPdf && !several) return nothing;
    return html`
      <div class="source-bar">
        ${several
          ? html`<span class="row tight" role="group" aria-label="Sources of this answer">${this.citations.map(
              ({ n }) => html`<button class="cite" aria-label="Source ${n}" aria-current=${n === this.n ? "true" : nothing} @click=${() => this.emit("show-source", n)}>${n}</button>`,
            )}</span>`
          : nothing}
        ${this.isPdf ? this.renderPageTools() : nothing}
      </div>
    `;
  }

  renderPageTools() {
    const last = this.info?.pages ?? this.page;
    const at = ZOOMS.indexOf(this.zoom);
    const onPage = this.view === "page";
    /** @param {keyof typeof icons} icon @param {string} label @param {boolean} disabled @param {() => void} action */
    const button = (icon, label, disabled, action) =>
      html`<button class="icon-button compact" aria-label=${label} title=${label} ?disabled=${disabled} @click=${action}>${icons[icon]}</button>`;
    return html`
      <span class="segmented" role="group" aria-label="View">
        ${(/** @type {const} */ (["page", "text"])).map((view) => html`<button aria-pressed=${this.view === view} @click=${() => (this.view = view)}>${view === "page" ? "Page" : "Text"}</button>`)}
      </span>
      ${onPage
        ? html`<span class="row tight" role="group" aria-label="Pages">
              ${button("left", "Previous page", this.page <= 1, () => this.turn(-1))}
              <span class="number small" aria-live="polite">${this.page}<span class="faint"> / ${last}</span></span>
              ${button("right", "Next page", this.page >= last, () => this.turn(1))}
            </span>
            <span class="row tight" role="group" aria-label="Zoom">
              ${button("zoomOut", "Smaller", at <= 0, () => (this.zoom = ZOOMS[at - 1]))}
              ${button("zoomIn", "Larger", at >= ZOOMS.length - 1, () => (this.zoom = ZOOMS[at + 1]))}
            </span>`
        : nothing}
    `;
  }

  renderBody() {
    const { citation } = this;
    if (this.error) return errorNote(this.error, () => this.load());
    if (!this.info) return html`<span class="skeleton block"></span>`;
    if (this.isPdf && this.view === "page") {
      return html`<guru-page-image .documentId=${citation.document_id} .page=${this.page} .zoom=${this.zoom}
        .highlight=${this.highlights.find(({ page }) => page === this.page) ?? this.blankPage()}></guru-page-image>`;
    }
    return html`<guru-text-passage .documentId=${citation.document_id} .start=${citation.start} .end=${citation.end}></guru-text-passage>`;
  }

  /** A page without a passage on it, of the size of the ones with: nothing jumps when the page is turned. */
  blankPage() {
    const [known] = this.highlights;
    return known ? { ...known, page: this.page, rects: [] } : null;
  }

  /** @param {number} step */
  turn(step) {
    const last = this.info?.pages ?? this.page;
    this.page = Math.min(last, Math.max(1, this.page + step));
  }

  /** @param {KeyboardEvent} event */
  onKey(event) {
    if (inTextField(event) || event.altKey || event.ctrlKey || event.metaKey || !this.isPdf || this.view !== "page") return;
    if (event.key === "ArrowLeft") this.turn(-1);
    else if (event.key === "ArrowRight") this.turn(1);
  }
}
customElements.define("guru-source", SourcePanel);
