/** The chunks of a document, in order, with their boundaries and what they share with the one before. */

import { describe, get } from "../api.js";
import { GuruElement } from "../element.js";
import { slice } from "../format.js";
import { html, nothing } from "../vendor/lit/lit-element.js";
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
    return html`<li class="card chunk">
      <p class="chunk-head faint number">
        <strong>${chunk.ordinal + 1}</strong>
        ${chunk.page ? html`<span>page ${chunk.page}</span>` : nothing}
        <span>${chunk.tokens} tokens</span>
        <span>${chunk.start}–${chunk.end}</span>
        ${shared ? html`<span>${shared} shared with the one before</span>` : nothing}
        ${chunk.heading_path?.length ? html`<span class="path">${chunk.heading_path.join(" › ")}</span>` : nothing}
      </p>
      <p class="chunk-text">${this.pieces(chunk, chunk.start + shared)}</p>
    </li>`;
  }

  /**
   * The text of a chunk, cut where the shared part ends and where the passage begins and ends.
   * @param {Chunk} chunk @param {number} own Where the part that only this chunk has begins.
   */
  pieces(chunk, own) {
    const inside = (/** @type {number} */ at) => Math.min(chunk.end, Math.max(chunk.start, at));
    const cuts = [...new Set([chunk.start, own, inside(this.start), inside(this.end), chunk.end])].sort((a, b) => a - b);
    return cuts.slice(0, -1).map((from, index) => {
      const text = slice(chunk.text, from - chunk.start, cuts[index + 1] - chunk.start);
      if (this.end > this.start && from >= this.start && from < this.end) return html`<mark>${text}</mark>`;
      return from < own ? html`<span class="shared">${text}</span>` : text;
    });
  }
}
customElements.define("guru-chunks", ChunkList);
