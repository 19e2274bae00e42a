/** Try the search of a collection: results with the score of every stage. */

import { describe, isAbort, post } from "../api.js";
import { GuruElement } from "../element.js";
import { duration, plural } from "../format.js";
import { icons } from "../icons.js";
import { html, nothing } from "../vendor/lit/lit-element.js";
import { errorNote } from "./notes.js";
import { bestScores, scoreBars } from "./score-bars.js";
import { inTextField } from "./shortcuts-dialog.js";

/** @import { ApiErrorBody, DocumentInfo, Hit } from "../types.js" */

const MODES = /** @type {const} */ (["hybrid", "dense", "sparse"]);

class SearchPanel extends GuruElement {
  static properties = {
    collection: { type: String },
    documents: { attribute: false },
    mode: { state: true },
    only: { state: true },
    query: { state: true },
    results: { state: true },
    timings: { state: true },
    error: { state: true },
  };

  constructor() {
    super();
    this.collection = "";
    /** @type {DocumentInfo[]} */
    this.documents = [];
    /** @type {typeof MODES[number]} */
    this.mode = "hybrid";
    /** The document to search in; all when empty. */
    this.only = "";
    this.query = "";
    /** @type {Hit[] | null} */
    this.results = null;
    /** @type {Record<string, number>} */
    this.timings = {};
    /** @type {ApiErrorBody | null} */
    this.error = null;
    this.searching = new AbortController();
    this.onKey = this.onKey.bind(this);
  }

  connectedCallback() {
    super.connectedCallback();
    document.addEventListener("keydown", this.onKey);
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    document.removeEventListener("keydown", this.onKey);
  }

  /** @param {KeyboardEvent} event */
  onKey(event) {
    if (event.key !== "/" || inTextField(event)) return;
    event.preventDefault();
    this.focusOn("#search-query");
  }

  async search() {
    this.searching.abort();
    this.searching = new AbortController();
    this.error = null;
    if (!this.query) {
      this.results = null;
      return;
    }
    const filter = this.only ? { document: this.only } : undefined;
    const body = { query: this.query, k: 10, mode: this.mode, filter, explain: true };
    try {
      const answer = await post(`/collections/${encodeURIComponent(this.collection)}/search`, body, this.searching.signal);
      this.results = answer.results;
      this.timings = answer.timings ?? {};
    } catch (error) {
      if (!isAbort(error)) this.error = describe(error);
    }
  }

  /** @param {SubmitEvent} event */
  onSubmit(event) {
    event.preventDefault();
    this.query = /** @type {HTMLInputElement} */ (this.querySelector("#search-query")).value.trim();
    this.search();
  }

  /** @param {typeof MODES[number]} mode */
  setMode(mode) {
    this.mode = mode;
    this.search();
  }

  render() {
    return html`
      <section class="search" aria-labelledby="search-title">
        <h2 id="search-title">Search</h2>
        <form class="search-form" role="search" @submit=${this.onSubmit}>
          <div class="with-icon">${icons.search}<input class="field" id="search-query" type="search" aria-label="Search the passages" placeholder="Search the passages" /></div>
          <span class="segmented" role="group" aria-label="Kind of search">
            ${MODES.map((mode) => html`<button type="button" aria-pressed=${mode === this.mode} @click=${() => this.setMode(mode)}>${mode}</button>`)}
          </span>
          <select class="select bordered" aria-label="Search in" @change=${(/** @type {any} */ event) => {
            this.only = event.target.value;
            this.search();
          }}>
            <option value="">All documents</option>
            ${this.documents.map(({ name }) => html`<option value=${name}>${name}</option>`)}
          </select>
          <button class="button primary">Search</button>
        </form>
        ${this.error ? errorNote(this.error, () => this.search()) : this.renderResults()}
      </section>
    `;
  }

  renderResults() {
    if (!this.results) return nothing;
    const best = bestScores(this.results);
    const total = this.timings.total ?? Object.values(this.timings).reduce((sum, value) => sum + value, 0);
    return html`
      <p class="faint small" role="status">${this.results.length ? plural(this.results.length, "passage") : "Nothing found. Try other words, or another kind of search."}${total ? ` in ${duration(total)}` : ""}</p>
      <ol class="results">${this.results.map((hit) => this.renderHit(hit, best))}</ol>
    `;
  }

  /** @param {Hit} hit @param {Record<string, number>} best */
  renderHit(hit, best) {
    const where = [hit.document, hit.page ? `p. ${hit.page}` : "", ...(hit.heading_path ?? [])].filter(Boolean).join(" › ");
    return html`<li class="card result">
      <div class="result-text">
        <a class="plain" href="/documents/${hit.document_id}?start=${hit.start}&end=${hit.end}">${hit.title || hit.document}</a>
        <span class="faint small">${where}</span>
        <p>${hit.text.replaceAll(/\n\s*\n/g, "\n")}</p>
      </div>
      <div class="result-scores">
        <p><span class="big number">${Math.round(hit.score * 100)}%</span> <span class="faint small">relevant</span></p>
        ${scoreBars(hit, best)}
      </div>
    </li>`;
  }
}
customElements.define("guru-search", SearchPanel);
