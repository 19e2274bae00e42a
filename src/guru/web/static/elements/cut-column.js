/** One way to cut a text: strategy and sizes to choose, and the chunks that they give. */

import { describe, isAbort, patch, post, postForm } from "../api.js";
import { GuruElement } from "../element.js";
import { count, duration, plural } from "../format.js";
import { icons } from "../icons.js";
import { html, nothing } from "../vendor/lit/lit-element.js";
import { chunkCard } from "./chunk-card.js";
import { errorNote } from "./notes.js";

/** @import { ApiErrorBody, Cut } from "../types.js" */

/** @typedef {{text: string} | {file: File} | {document_id: string, collection: string}} CutSource */

/** @type {[string, string][]} */
const STRATEGIES = [
  ["recursive", "headings, paragraphs, sentences"],
  ["heading", "one chunk for each section"],
  ["sentence", "whole sentences"],
  ["fixed", "windows of tokens"],
  ["semantic", "where the subject changes"],
  ["code", "functions and classes"],
  ["hierarchical", "small to search, large to read"],
];

/** The sizes that a strategy has. @type {[string, string, {min: number, max: number}, (strategy: string) => boolean][]} */
const SIZES = [
  ["chunk_tokens", "Tokens", { min: 1, max: 100_000 }, () => true],
  ["chunk_overlap", "Overlap", { min: 0, max: 100_000 }, (strategy) => strategy !== "code"],
  ["parent_tokens", "Tokens to read", { min: 1, max: 100_000 }, (strategy) => strategy === "hierarchical"],
  ["semantic_percentile", "Percentile", { min: 0, max: 100 }, (strategy) => strategy === "semantic"],
];

const SHOWN = 100;

class CutColumn extends GuruElement {
  static properties = {
    label: {},
    strategy: {},
    source: { attribute: false },
    sizes: { state: true },
    cut: { state: true },
    busy: { state: true },
    shown: { state: true },
    adopted: { state: true },
    error: { state: true },
  };

  constructor() {
    super();
    /** What the column is called: "left" or "right". */
    this.label = "";
    this.strategy = "recursive";
    /** @type {CutSource | null} */
    this.source = null;
    /** What was typed, by the names of the settings. @type {Record<string, string>} */
    this.sizes = {};
    /** @type {Cut | null} */
    this.cut = null;
    this.busy = false;
    this.shown = SHOWN;
    /** Whether the collection has been told to cut like this. */
    this.adopted = false;
    /** @type {ApiErrorBody | null} */
    this.error = null;
    this.cutting = new AbortController();
  }

  /** @param {Map<string, unknown>} changed */
  updated(changed) {
    if (changed.has("source")) this.load();
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    this.cutting.abort();
  }

  /** The sizes of this strategy that were typed. */
  get chosen() {
    const typed = SIZES.filter(([name, , , has]) => has(this.strategy) && this.sizes[name]);
    return Object.fromEntries(typed.map(([name]) => [name, Number(this.sizes[name])]));
  }

  async load() {
    this.cutting.abort();
    this.cutting = new AbortController();
    this.error = null;
    this.adopted = false;
    if (!this.source) {
      this.cut = null;
      return;
    }
    this.busy = true;
    const { signal } = this.cutting;
    try {
      this.cut = await this.ask(this.source, { strategy: this.strategy, ...this.chosen }, signal);
      this.shown = SHOWN;
    } catch (error) {
      if (isAbort(error)) return;
      this.error = describe(error);
      this.cut = null;
    }
    this.busy = false;
  }

  /** @param {CutSource} source @param {Record<string, string | number>} options @param {AbortSignal} signal @returns {Promise<Cut>} */
  ask(source, options, signal) {
    if ("text" in source) return post("/chunk", { text: source.text, ...options }, signal);
    if ("document_id" in source) return post("/chunk", { document_id: source.document_id, ...options }, signal);
    const form = new FormData();
    for (const [name, value] of Object.entries(options)) form.append(name, String(value));
    form.append("file", source.file, source.file.name);
    return postForm("/chunk", form, signal);
  }

  /** Let the document's collection be cut like this. */
  async adopt() {
    if (!this.source || !("document_id" in this.source)) return;
    try {
      await patch(`/collections/${encodeURIComponent(this.source.collection)}`, { chunking: this.strategy, ...this.chosen });
      this.adopted = true;
    } catch (error) {
      this.error = describe(error);
    }
  }

  render() {
    return html`
      <section aria-label="Cut on the ${this.label}">
        ${this.renderForm()}
        ${this.error ? errorNote(this.error, () => this.load()) : this.renderCut()}
      </section>
    `;
  }

  renderForm() {
    const id = `cut-${this.label}`;
    return html`<form class="cut-form" @submit=${(/** @type {Event} */ event) => event.preventDefault()}>
      <div class="cut-strategy">
        <label class="label" for="${id}-strategy">Strategy</label>
        <select class="select bordered" id="${id}-strategy" @change=${(/** @type {any} */ event) => {
          this.strategy = event.target.value;
          this.load();
        }}>
          ${STRATEGIES.map(([name, says]) => html`<option value=${name} ?selected=${name === this.strategy}>${name}: ${says}</option>`)}
        </select>
      </div>
      ${SIZES.filter(([, , , has]) => has(this.strategy)).map(([name, label, { min, max }]) => html`<div>
        <label class="label" for="${id}-${name}">${label}</label>
        <input class="field number" id="${id}-${name}" type="number" min=${min} max=${max} step="1" placeholder=${this.placeholder(name)}
          .value=${this.sizes[name] ?? ""} @change=${(/** @type {any} */ event) => this.resize(name, event.target)} />
      </div>`)}
    </form>`;
  }

  /** What was used where nothing was typed. @param {string} name */
  placeholder(name) {
    return this.cut && !this.sizes[name] ? String(/** @type {any} */ (this.cut)[name]) : "";
  }

  /** @param {string} name @param {HTMLInputElement} input */
  resize(name, input) {
    if (!input.reportValidity()) return;
    this.sizes = { ...this.sizes, [name]: input.value };
    this.load();
  }

  renderCut() {
    const { cut } = this;
    if (!this.source) return nothing;
    if (!cut) return html`<span class="skeleton block"></span>`;
    const sizes = cut.chunks.map(({ tokens }) => tokens);
    const mean = sizes.reduce((sum, tokens) => sum + tokens, 0) / (sizes.length || 1);
    const facts = sizes.length
      ? `${plural(sizes.length, "chunk")} of ${count(Math.round(mean))} tokens on average, ${count(Math.min(...sizes))} to ${count(Math.max(...sizes))}`
      : "No chunks";
    return html`
      <p class="faint small number" role="status">${this.busy ? "Cutting…" : `${facts}, in ${duration(cut.seconds)}.`}</p>
      ${cut.warnings.map((warning) => html`<p class="note warning">${icons.warning}<span>${warning}</span></p>`)}
      ${this.renderAdopt()}
      <ol class="chunks" aria-busy=${this.busy}>${cut.chunks.slice(0, this.shown).map((chunk) => chunkCard(chunk, { shared: chunk.shared }))}</ol>
      ${cut.chunks.length > this.shown ? html`<button class="button more" @click=${() => (this.shown += SHOWN)}>Show more chunks</button>` : nothing}
    `;
  }

  renderAdopt() {
    if (!this.source || !("document_id" in this.source)) return nothing;
    const { collection } = this.source;
    if (this.adopted) return html`<p class="note" role="status">${icons.check}<span>${collection} is cut like this from its next ingest on.</span></p>`;
    return html`<button class="button adopt" @click=${() => this.adopt()}>Cut ${collection} like this</button>`;
  }
}
customElements.define("guru-cut", CutColumn);
