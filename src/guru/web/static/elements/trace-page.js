/** One request as a waterfall of its spans, each with everything that was sent. */

import { describe, get } from "../api.js";
import { GuruElement } from "../element.js";
import { cost, count, duration, when } from "../format.js";
import { html, nothing, svg } from "../vendor/lit/lit-element.js";
import { errorNote } from "./notes.js";
import { spanDetail } from "./span-detail.js";
import { statusBadge } from "./status-badge.js";

/** @import { ApiErrorBody, Span, Trace } from "../types.js" */

/** The colour of a kind of work is the same on every trace. @type {Record<string, string>} */
const SERIES = {
  route: "series-6",
  retrieve: "series-1",
  search: "series-1",
  embed: "series-5",
  embeddings: "series-5",
  model: "series-3",
  chat: "series-3",
  text_completion: "series-3",
  cite: "series-2",
  settle: "series-6",
};

/** A span is named for the kind of work, and what did it: "chat local/smollm2-135m". @param {string} name */
const kindOf = (name) => name.split(" ")[0];

class TracePage extends GuruElement {
  static properties = { traceId: { attribute: "trace-id" }, trace: { state: true }, error: { state: true } };

  constructor() {
    super();
    this.traceId = "";
    /** @type {Trace | null} */
    this.trace = null;
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
      this.trace = await get(`/traces/${encodeURIComponent(this.traceId)}`);
    } catch (error) {
      this.error = describe(error);
    }
  }

  render() {
    const { trace } = this;
    if (this.error) return errorNote(this.error, () => this.load());
    if (!trace) return html`<span class="skeleton block"></span>`;
    return html`
      <nav aria-label="Breadcrumb"><ol class="breadcrumb"><li><a href="/traces">Traces</a></li><li aria-current="page">${trace.id}</li></ol></nav>
      <header class="page-head"><div><h1>${trace.preview || trace.id}</h1><p>${when(trace.started_at)}</p></div>${statusBadge(trace.status)}</header>
      ${this.renderFigures(trace)}
      ${this.renderWaterfall(trace)}
    `;
  }

  /** @param {Trace} trace */
  renderFigures(trace) {
    /** @type {[string, string][]} */
    const figures = [
      ["Route", trace.route],
      ["Model", trace.model ?? "–"],
      ["Duration", duration(trace.duration)],
      ["First token", duration(trace.first_token)],
      ["Prompt", `${count(trace.prompt_tokens)} tokens`],
      ["Answer", `${count(trace.completion_tokens)} tokens`],
      ["Cost", cost(trace.cost, trace.unpriced_calls)],
    ];
    return html`<dl class="card figures">${figures.map(([label, value]) => html`<div><dt>${label}</dt><dd class="number">${value}</dd></div>`)}</dl>`;
  }

  /** @param {Trace} trace */
  renderWaterfall(trace) {
    const spans = inOrder(trace.spans);
    const total = Math.max(trace.duration ?? 0, ...trace.spans.map(({ end, start }) => end ?? start), 1e-6);
    if (!spans.length) return html`<p class="note">This trace has no spans.</p>`;
    return html`
      <section aria-labelledby="spans-title">
        <div class="section-head">
          <h2 id="spans-title">Timeline</h2>
          <button class="button quiet" @click=${this.toggleAll}>Open or close all</button>
        </div>
        <div class="card waterfall">
          <div class="scale faint number" aria-hidden="true"><span></span><span class="ticks">${[0, 0.25, 0.5, 0.75, 1].map((at) => html`<span>${at ? duration(at * total) : "0"}</span>`)}</span><span></span></div>
          ${spans.map(({ span, depth }) => this.renderSpan(span, depth, total))}
        </div>
      </section>
    `;
  }

  /** @param {Span} span @param {number} depth @param {number} total */
  renderSpan(span, depth, total) {
    const length = (span.end ?? total) - span.start;
    const width = Math.max(0.4, (length / total) * 100);
    const x = Math.min((span.start / total) * 100, 100 - width);
    const failed = !["ok", "running", "unset"].includes(span.status);
    return html`<details class="span" data-name=${span.name}>
      <summary>
        <span class="span-name" data-depth=${Math.min(depth, 6)}>${span.name}${failed ? statusBadge(span.status) : nothing}</span>
        <svg class="span-bar" aria-hidden="true" focusable="false">${svg`<rect class="track" width="100%" height="100%" rx="3" /><rect class=${failed ? "failed" : (SERIES[kindOf(span.name)] ?? (depth ? "series-4" : "series-6"))} x=${`${x.toFixed(2)}%`} width=${`${width.toFixed(2)}%`} height="100%" rx="3" />`}</svg>
        <span class="span-time number">${duration(length)}</span>
      </summary>
      ${spanDetail(span)}
    </details>`;
  }

  toggleAll() {
    const all = [...this.querySelectorAll("details.span")];
    const open = !all.every((item) => /** @type {HTMLDetailsElement} */ (item).open);
    for (const item of all) /** @type {HTMLDetailsElement} */ (item).open = open;
  }
}
customElements.define("guru-trace", TracePage);

/** Parents before their children, each level by its start. @param {Span[]} spans @returns {{span: Span, depth: number}[]} */
function inOrder(spans) {
  const ids = new Set(spans.map(({ id }) => id));
  const sorted = [...spans].sort((a, b) => a.start - b.start);
  /** @param {(span: Span) => boolean} among @param {number} depth @returns {{span: Span, depth: number}[]} */
  const level = (among, depth) =>
    sorted.filter(among).flatMap((span) => [{ span, depth }, ...level((child) => child.parent_id === span.id, depth + 1)]);
  return level(({ parent_id }) => parent_id == null || !ids.has(parent_id), 0);
}
