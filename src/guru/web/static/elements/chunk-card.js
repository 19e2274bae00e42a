/** One chunk: its place, its size, its headings, and its text with what it shares with the one before. */

import { slice } from "../format.js";
import { html, nothing } from "../vendor/lit/lit-element.js";

/** @import { Chunk, CutChunk } from "../types.js" */

/**
 * @param {Chunk | CutChunk} chunk
 * @param {{shared: number, start?: number, end?: number}} options How many characters at its beginning the one before
 *   has as well; the passage to mark, none when both are 0.
 */
export function chunkCard(chunk, { shared, start = 0, end = 0 }) {
  const { parent = null, header = null } = "parent" in chunk ? chunk : {};
  return html`<li class="card chunk">
    <p class="chunk-head faint number">
      <strong>${chunk.ordinal + 1}</strong>
      ${chunk.page ? html`<span>page ${chunk.page}</span>` : nothing}
      <span>${chunk.tokens} tokens</span>
      <span>${chunk.start}–${chunk.end}</span>
      ${shared ? html`<span>${shared} shared with the one before</span>` : nothing}
      ${parent ? html`<span>read as ${parent.start}–${parent.end}</span>` : nothing}
      ${chunk.heading_path?.length ? html`<span class="path">${chunk.heading_path.join(" › ")}</span>` : nothing}
    </p>
    ${header ? html`<p class="chunk-header small"><span class="faint">below the header</span> ${header}</p>` : nothing}
    <p class="chunk-text">${pieces(chunk, chunk.start + shared, start, end)}</p>
  </li>`;
}

/**
 * The text of a chunk, cut where the shared part ends and where the passage begins and ends.
 * @param {Chunk | CutChunk} chunk @param {number} own Where the part that only this chunk has begins.
 * @param {number} start @param {number} end
 */
function pieces(chunk, own, start, end) {
  const inside = (/** @type {number} */ at) => Math.min(chunk.end, Math.max(chunk.start, at));
  const cuts = [...new Set([chunk.start, own, inside(start), inside(end), chunk.end])].sort((a, b) => a - b);
  return cuts.slice(0, -1).map((from, index) => {
    const text = slice(chunk.text, from - chunk.start, cuts[index + 1] - chunk.start);
    if (end > start && from >= start && from < end) return html`<mark>${text}</mark>`;
    return from < own ? html`<span class="shared">${text}</span>` : text;
  });
}
