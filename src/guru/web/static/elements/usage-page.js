/** Who used how much, and what it cost: totals, a chart by the day, and a table by whatever is asked. */

import { describe, get } from "../api.js";
import { GuruElement } from "../element.js";
import { count } from "../format.js";
import { icons } from "../icons.js";
import { html, nothing } from "../vendor/lit/lit-element.js";
import { emptyState, errorNote } from "./notes.js";
import { money } from "./usage-chart.js";

/** @import { ApiErrorBody, UsageReport, UsageRow, UsageTotals } from "../types.js" */

/** @type {[string, string][]} */
const GROUPS = [
  ["model", "Model"], ["key", "Key"], ["team", "Team"], ["user", "User"], ["requested", "Asked for"], ["route", "Route"], ["tag", "Tag"],
];
const PERIODS = [7, 30, 90, 365];
/** @type {[string, string][]} */
const METRICS = [["cost", "Cost"], ["requests", "Requests"], ["tokens", "Tokens"]];
const DAY = 86_400_000;

class UsagePage extends GuruElement {
  static properties = {
    report: { state: true }, daily: { state: true }, group: { state: true }, days: { state: true }, metric: { state: true }, error: { state: true },
  };

  constructor() {
    super();
    /** @type {UsageReport | null} */
    this.report = null;
    /** @type {UsageReport | null} */
    this.daily = null;
    this.group = "model";
    this.days = 30;
    this.metric = "cost";
    this.turn = 0;
    /** @type {ApiErrorBody | null} */
    this.error = null;
  }

  connectedCallback() {
    super.connectedCallback();
    this.load();
  }

  /** The query of what is shown. @param {string} groups @param {number} [offset] */
  query(groups, offset = 0) {
    const from = new Date(Date.now() - (this.days - 1) * DAY).toISOString().slice(0, 10);
    return new URLSearchParams({ group_by: groups, from, limit: groups === this.group ? "100" : "1000", offset: String(offset) });
  }

  async load() {
    this.error = null;
    const turn = ++this.turn; // an answer that comes late must not stand for what was asked after it
    try {
      const [report, daily] = await Promise.all([get(`/usage?${this.query(this.group)}`), get(`/usage?${this.query(`day,${this.group}`)}`)]);
      const days = daily.next === null ? daily : await get(`/usage?${this.query("day")}`); // too many to tell apart
      if (turn !== this.turn) return;
      if (this.report === null && !report.total?.cost) this.metric = "requests"; // nothing here costs money
      this.report = { ...report, rows: labelled(report.rows, this.group) };
      this.daily = { ...days, rows: labelled(days.rows, daily.next === null ? this.group : "") };
    } catch (error) {
      if (turn === this.turn) this.error = describe(error);
    }
  }

  async more() {
    if (!this.report?.next) return;
    const turn = ++this.turn;
    try {
      const page = await get(`/usage?${this.query(this.group, this.report.next)}`);
      if (turn !== this.turn) return;
      this.report = { ...page, rows: labelled([...this.report.rows, ...page.rows], this.group) };
    } catch (error) {
      if (turn === this.turn) this.error = describe(error);
    }
  }

  render() {
    return html`
      <header class="page-head">
        <div><h1>Usage</h1><p>Requests, tokens and costs, by the hour they began in (UTC).</p></div>
        <div class="row">
          <select class="select bordered" aria-label="Period" @change=${(/** @type {any} */ event) => { this.days = Number(event.target.value); this.load(); }}>
            ${PERIODS.map((days) => html`<option value=${days} ?selected=${days === this.days}>Last ${days} days</option>`)}
          </select>
          <select class="select bordered" aria-label="Group by" @change=${(/** @type {any} */ event) => { this.group = event.target.value; this.load(); }}>
            ${GROUPS.map(([key, label]) => html`<option value=${key} ?selected=${key === this.group}>By ${label.toLowerCase()}</option>`)}
          </select>
          <a class="button" href="/api/v1/usage?${this.query(this.group)}&format=csv" download="usage.csv">CSV</a>
        </div>
      </header>
      ${this.renderBody()}
    `;
  }

  renderBody() {
    if (this.error) return errorNote(this.error, () => this.load());
    if (!this.report || !this.daily) return html`<span class="skeleton block"></span>`;
    if (!this.report.rows.length) {
      return emptyState({ icon: icons.trace, title: "Nothing used yet", text: html`Ask something in the <a href="/">chat</a>, and it is counted here.` });
    }
    return html`
      ${this.renderTotals(this.report.total)}
      <section aria-labelledby="by-day">
        <div class="usage-head">
          <h2 id="by-day">By day</h2>
          <div class="segments" role="group" aria-label="What to show">
            ${METRICS.map(([key, label]) => html`<button class="button quiet" aria-pressed=${String(key === this.metric)} @click=${() => { this.metric = key; }}>${label}</button>`)}
          </div>
        </div>
        <guru-usage-chart .report=${this.daily} .group=${this.group} .metric=${this.metric}></guru-usage-chart>
      </section>
      ${this.renderTable(this.report)}
    `;
  }

  /** @param {UsageTotals} total */
  renderTotals(total) {
    const cached = total.cached_exact + total.cached_semantic + total.cached_stale;
    /** @type {[string, string, string][]} */
    const facts = [
      ["Cost", money(total.cost), total.unpriced_calls ? `${count(total.unpriced_calls)} calls without a known price` : "every price is known"],
      ["Requests", count(total.requests), `${count(total.errors)} failed, ${count(total.cancelled)} cancelled`],
      ["Tokens", count(total.prompt_tokens + total.completion_tokens), `${count(total.prompt_tokens)} in, ${count(total.completion_tokens)} out`],
      ["From the cache", count(cached), `${count(total.cached_tokens)} prompt tokens from providers' caches`],
    ];
    return html`<dl class="facts">${facts.map(([name, value, note]) => html`<div class="card fact"><dt>${name}</dt><dd><strong class="number">${value}</strong><small>${note}</small></dd></div>`)}</dl>`;
  }

  /** @param {UsageReport} report */
  renderTable(report) {
    const label = GROUPS.find(([key]) => key === this.group)?.[1] ?? "";
    return html`
      <section aria-labelledby="by-group">
        <h2 id="by-group">By ${label.toLowerCase()}</h2>
        <div class="table-wrap" tabindex="0" role="region" aria-label="Usage by ${label.toLowerCase()}">
          <table class="table">
            <thead><tr>
              <th scope="col">${label}</th><th scope="col" class="end">Requests</th><th scope="col" class="end">Failed</th><th scope="col" class="end">From the cache</th>
              <th scope="col" class="end">Tokens in</th><th scope="col" class="end">Tokens out</th><th scope="col" class="end">Cost</th>
            </tr></thead>
            <tbody>${report.rows.map((row) => this.renderRow(row))}</tbody>
          </table>
        </div>
        ${report.next ? html`<button class="button more" @click=${() => this.more()}>More</button>` : nothing}
      </section>
    `;
  }

  /** @param {UsageRow} row */
  renderRow(row) {
    return html`<tr>
      <th scope="row" class="usage-name">${row.label}${row.key && row.key_name ? html`<code class="faint">${row.key}</code>` : nothing}</th>
      <td class="end number">${count(row.requests)}</td>
      <td class="end number">${count(row.errors)}</td>
      <td class="end number">${count(row.cached_exact + row.cached_semantic + row.cached_stale)}</td>
      <td class="end number">${count(row.prompt_tokens)}</td>
      <td class="end number">${count(row.completion_tokens)}</td>
      <td class="end number">${money(row.cost, row.unpriced_calls)}</td>
    </tr>`;
  }
}
customElements.define("guru-usage", UsagePage);

/** Rows with what to call them: a key by its name, and by its id besides where a name was given again. @param {UsageRow[]} rows @param {string} group */
function labelled(rows, group) {
  /** @type {Map<string, Set<string>>} */
  const bearers = new Map();
  for (const { key, key_name: name } of rows) if (name) bearers.set(name, (bearers.get(name) ?? new Set()).add(key));
  return rows.map((row) => {
    const name = group === "key" ? row.key_name : null;
    const label = name ? ((bearers.get(name)?.size ?? 0) > 1 ? `${name} (${row.key})` : name) : group ? (row[group] ?? "none") : "all together";
    return { ...row, label };
  });
}
