/** What a span holds: the messages as sent, the passages with their scores, and everything else by name. */

import { duration } from "../format.js";
import { html, nothing } from "../vendor/lit/lit-element.js";
import { bestScores, scoreBars } from "./score-bars.js";

/** @import { Hit, Span } from "../types.js" */

/** @param {Span} span */
export function spanDetail(span) {
  const entries = Object.entries(span.attributes ?? {});
  const plain = entries.filter(([, value]) => typeof value !== "object" || value === null);
  const rich = entries.filter(([, value]) => typeof value === "object" && value !== null);
  return html`<div class="span-detail">
    <dl class="attributes">
      <div><dt>starts</dt><dd class="number">${duration(span.start)}</dd></div>
      ${plain.map(([name, value]) => (isLong(value) ? nothing : html`<div><dt>${label(name)}</dt><dd class="number">${value === null ? (name === "guru.cost" ? "unknown" : "–") : String(value)}</dd></div>`))}
    </dl>
    ${plain.filter(([, value]) => isLong(value)).map(([name, value]) => html`<h3>${label(name)}</h3><pre tabindex="0">${value}</pre>`)}
    ${rich.map(([name, value]) => html`<h3>${label(name)}</h3>${renderValue(value)}`)}
  </div>`;
}

/** An attribute's name without the prefix of its standard. @param {string} name */
const label = (name) => name.replace(/^(gen_ai|guru)\./, "").replaceAll(/[._]/g, " ");

/** @param {unknown} value */
const isLong = (value) => typeof value === "string" && (value.length > 120 || value.includes("\n"));

/** @param {unknown} value */
function renderValue(value) {
  if (isListOf(value, "role")) return html`<ol class="sent">${value.map(renderMessage)}</ol>`;
  if (isListOf(value, "score", "document")) return renderHits(/** @type {Hit[]} */ (/** @type {unknown} */ (value)));
  if (Object.keys(/** @type {object} */ (value)).length === 0) return html`<p class="faint">none</p>`;
  return html`<pre tabindex="0">${JSON.stringify(value, null, 2)}</pre>`;
}

/** @param {unknown} value @param {string[]} keys @returns {value is Record<string, unknown>[]} */
const isListOf = (value, ...keys) =>
  Array.isArray(value) && value.length > 0 && value.every((item) => item && typeof item === "object" && keys.every((key) => key in item));

/** @param {Record<string, unknown>} message */
function renderMessage({ role, content, ...rest }) {
  const text = typeof content === "string" ? content : JSON.stringify(content, null, 2);
  const more = Object.entries(rest).filter(([, value]) => value != null);
  return html`<li><span class="badge">${role}</span><pre tabindex="0">${text ?? ""}</pre>${more.length ? html`<pre tabindex="0">${JSON.stringify(Object.fromEntries(more), null, 2)}</pre>` : nothing}</li>`;
}

/** @param {Hit[]} hits */
function renderHits(hits) {
  const best = bestScores(hits);
  return html`<ol class="sent-hits">${hits.map(
    (hit) => html`<li>
      <div>
        <p class="number"><strong>${hit.rank}</strong> ${hit.document_id ? html`<a href="/documents/${hit.document_id}?start=${hit.start}&end=${hit.end}">${hit.document}</a>` : hit.document}${hit.page ? ` · p. ${hit.page}` : ""} <span class="faint">${Math.round(hit.score * 100)}%</span></p>
        ${hit.text ? html`<p class="hit-text">${hit.text.replaceAll(/\n\s*\n/g, "\n")}</p>` : nothing}
      </div>
      ${scoreBars(hit, best)}
    </li>`,
  )}</ol>`;
}
