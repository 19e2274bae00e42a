/** What was asked of Guru, newest first. */

import { describe, get } from "../api.js";
import { GuruElement } from "../element.js";
import { ago, cost, count, duration, when } from "../format.js";
import { icons } from "../icons.js";
import { html, nothing } from "../vendor/lit/lit-element.js";
import { repeat } from "../vendor/lit/repeat.js";
import { filterSelect } from "./filter-select.js";
import { emptyState, errorNote } from "./notes.js";
import { statusBadge } from "./status-badge.js";

/** @import { ApiErrorBody, TraceRow } from "../types.js" */

const PAGE = 50;

class TracesPage extends GuruElement {
  static properties = { traces: { state: true }, next: { state: true }, route: { state: true }, error: { state: true } };

  constructor() {
    super();
    /** @type {TraceRow[] | null} */
    this.traces = null;
    /** @type {string | null} */
    this.next = null;
    this.route = "";
    this.turn = 0;
    /** Every route seen so far, to filter by. @type {Set<string>} */
    this.routes = new Set();
    /** @type {ApiErrorBody | null} */
    this.error = null;
  }

  connectedCallback() {
    super.connectedCallback();
    this.load();
  }

  async load(before = "") {
    this.error = null;
    const turn = ++this.turn; // an answer that comes late must not stand for what was asked after it
    const query = new URLSearchParams({ limit: String(PAGE) });
    if (before) query.set("before", before);
    if (this.route) query.set("route", this.route);
    try {
      const { traces, next } = await get(`/traces?${query}`);
      if (turn !== this.turn) return;
      for (const { route } of traces) this.routes.add(route);
      this.traces = before ? [...(this.traces ?? []), ...traces] : traces;
      this.next = next ?? null;
    } catch (error) {
      if (turn === this.turn) this.error = describe(error);
    }
  }

  /** @param {string} route */
  filter(route) {
    this.route = route;
    this.load();
  }

  render() {
    return html`
      <header class="page-head">
        <div><h1>Traces</h1><p>Every request, with everything that was sent.</p></div>
        <div class="row">
          ${filterSelect({ label: "Route", all: "All routes", names: [...this.routes].sort(), chosen: this.route }, (route) => this.filter(route))}
          <button class="button" @click=${() => this.load()}>${icons.retry}Refresh</button>
        </div>
      </header>
      ${this.renderTable()}
    `;
  }

  renderTable() {
    if (this.error) return errorNote(this.error, () => this.load());
    if (!this.traces) return html`<span class="skeleton block"></span>`;
    if (!this.traces.length) {
      return emptyState({ icon: icons.trace, title: "Nothing asked yet", text: html`Ask something in the <a href="/">chat</a>, and its trace stands here.` });
    }
    return html`
      <div class="table-wrap" tabindex="0" role="region" aria-label="Traces">
        <table class="table traces">
          <thead><tr>
            <th scope="col">Request</th><th scope="col">Route</th><th scope="col">Model</th><th scope="col">Status</th>
            <th scope="col" class="end">First token</th><th scope="col" class="end">Duration</th><th scope="col" class="end">Tokens</th><th scope="col" class="end">Cost</th>
          </tr></thead>
          <tbody>${repeat(this.traces, ({ id }) => id, (trace) => this.renderRow(trace))}</tbody>
        </table>
      </div>
      ${this.next ? html`<button class="button more" @click=${() => this.load(this.next ?? "")}>Older ones</button>` : nothing}
    `;
  }

  /** @param {TraceRow} trace */
  renderRow(trace) {
    const tokens = trace.prompt_tokens == null ? null : `${count(trace.prompt_tokens)} + ${count(trace.completion_tokens ?? 0)}`;
    return html`<tr>
      <td class="preview"><a class="plain" href="/traces/${trace.id}">${trace.preview || trace.id}</a><time class="faint" datetime=${trace.started_at} title=${when(trace.started_at)}>${ago(trace.started_at)}</time></td>
      <td><span class="badge">${trace.route}</span></td>
      <td class="model">${trace.model ?? "–"}</td>
      <td>${statusBadge(trace.status)}</td>
      <td class="end number nowrap">${duration(trace.first_token)}</td>
      <td class="end number nowrap">${duration(trace.duration)}</td>
      <td class="end number nowrap">${tokens ?? "–"}</td>
      <td class="end number">${trace.status === "ok" || trace.cost || trace.unpriced_calls ? cost(trace.cost, trace.unpriced_calls) : "–"}</td>
    </tr>`;
  }
}
customElements.define("guru-traces", TracesPage);
