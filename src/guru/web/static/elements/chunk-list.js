/** The chunks of a document, in order, with their boundaries and what they share with the one before. */

import { describe, get } from "../api.js";
import { GuruElement } from "../element.js";
import { html, nothing } from "../vendor/lit/lit-element.js";
import { chunkCard } from "./chunk-card.js";
import { errorNote } from "./notes.js";

/** @import { ApiErrorBody, Chunk } from "../types.js" */

const PAGE = 50;

class ChunkList extends GuruElement {
  static properties = {
    documentId: { attribute: false },
    start: { type: Number },
    end: { type: Number },
    chunks: { state: true },
    next: { state: true },
    error: { state: true },
  };

  constructor() {
    super();
    this.documentId = "";
    /** The passage to mark; none when both are 0. */
    this.start = 0;
    this.end = 0;
    /** @type {Chunk[] | null} */
    this.chunks = null;
    /** @type {string | number | null} */
    this.next = null;
    /** @type {ApiErrorBody | null} */
    this.error = null;
  }

  connectedCallback() {
    super.connectedCallback();
    this.load();
  }

  async load() {
    this.error = null;
    try {
      await this.loadMore();
      while (this.next != null && this.end && (this.chunks?.at(-1)?.end ?? 0) < this.end) await this.loadMore();
    } catch (error) {
      this.error = describe(error);
    }
    await this.updateComplete;
    this.querySelector("mark")?.scrollIntoView({ block: "center" });
  }

  async loadMore() {
    const after = this.next == null ? "" : `&after=${encodeURIComponent(this.next)}`;
    const { chunks, next } = await get(`/documents/${encodeURIComponent(this.documentId)}/chunks?limit=${PAGE}${after}`);
    this.chunks = [...(this.chunks ?? []), ...chunks];
    this.next = next ?? null;
  }

  render() {
    if (this.error) return errorNote(this.error, () => this.load());
    if (!this.chunks) return html`<span class="skeleton block"></span>`;
    return html`
      <ol class="chunks">${this.chunks.map((chunk, index) => this.renderChunk(chunk, this.chunks?.[index - 1]))}</ol>
      ${this.next == null ? nothing : html`<button class="button more" @click=${() => this.loadMore()}>Show more chunks</button>`}
    `;
  }

  /** @param {Chunk} chunk @param {Chunk | undefined} previous */
  renderChunk(chunk, previous) {
    const shared = previous ? Math.max(0, Math.min(previous.end, chunk.end) - chunk.start) : 0;
    return chunkCard(chunk, { shared, start: this.start, end: this.end });
  }
}
customElements.define("guru-chunks", ChunkList);
