/** A column for each day, in the colours of what was used most. The same numbers stand in a table for whoever cannot see it. */

import { GuruElement } from "../element.js";
import { count } from "../format.js";
import { html, nothing, svg } from "../vendor/lit/lit-element.js";
import { watchWidth } from "../width.js";

/** @import { UsageReport, UsageTotals } from "../types.js" */

const SERIES = 5;
const OTHERS = "others";
const HEIGHT = 200;
const BOTTOM = 22;
const DAY = 86_400_000;

/** @param {number | null} dollars @param {number} unpriced */
export function money(dollars, unpriced = 0) {
  if (dollars == null) return "unknown";
  const text = dollars === 0 || dollars >= 1 ? `$${dollars.toFixed(2)}` : `$${dollars.toPrecision(2)}`;
  return unpriced ? `${text} + unknown` : text;
}

/** @param {UsageTotals} row @param {string} metric */
export function measure(row, metric) {
  if (metric === "tokens") return row.prompt_tokens + row.completion_tokens;
  return metric === "requests" ? row.requests : (row.cost ?? 0);
}

/** @param {number} value A round number at or above it. */
function ceiling(value) {
  if (value <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return ([1, 1.5, 2, 3, 4, 5, 6, 8, 10].find((step) => step * power >= value) ?? 10) * power;
}

class UsageChart extends GuruElement {
  static properties = { report: { attribute: false }, group: {}, metric: {}, width: { state: true } };

  constructor() {
    super();
    /** @type {UsageReport | null} */
    this.report = null;
    this.group = "model";
    this.metric = "cost";
    this.width = 640;
    watchWidth(this, (width) => { this.width = Math.max(240, width); });
  }

  /** @param {number} value */
  show(value) {
    return this.metric === "cost" ? money(value) : count(Math.round(value));
  }

  /** Days in order, without gaps, each with a value for every series. @param {UsageReport} report */
  columns(report) {
    const totals = new Map();
    for (const row of report.rows) {
      const name = row.label;
      totals.set(name, (totals.get(name) ?? 0) + measure(row, this.metric));
    }
    const ranked = [...totals].filter(([, value]) => value > 0).sort(([, a], [, b]) => b - a).map(([name]) => name);
    const names = ranked.slice(0, SERIES);
    if (ranked.length > SERIES) names.push(OTHERS);
    const days = [];
    const places = new Map();
    for (let time = Date.parse(report.from.slice(0, 10)); time < Date.parse(report.to); time += DAY) {
      places.set(time, days.length);
      days.push({ day: new Date(time).toISOString().slice(0, 10), values: names.map(() => 0) });
    }
    for (const row of report.rows) {
      const found = days[places.get(Date.parse(row.day ?? ""))];
      const series = names.indexOf(row.label);
      const place = series >= 0 ? series : names.length - 1;
      if (found && place >= 0) found.values[place] += measure(row, this.metric);
    }
    return { names, days };
  }

  render() {
    if (!this.report) return nothing;
    const { names, days } = this.columns(this.report);
    const sums = days.map(({ values }) => values.reduce((sum, value) => sum + value, 0));
    if (!sums.some((sum) => sum > 0)) return html`<p class="faint">Nothing to show: ${this.metric === "cost" ? "no cost is known or everything was free." : "nothing was used."}</p>`;
    const top = ceiling(Math.max(...sums));
    const label = `${this.metric} per day, ${days[0].day} to ${days[days.length - 1].day}; the most is ${this.show(Math.max(...sums))}, all together ${this.show(sums.reduce((a, b) => a + b, 0))}`;
    return html`
      <figure class="usage-chart">
        <svg viewBox="0 0 ${this.width} ${HEIGHT + BOTTOM}" width=${this.width} height=${HEIGHT + BOTTOM} role="img" aria-label=${label}>${this.renderColumns(days, top)}</svg>
        <figcaption>${names.map((name, place) => html`<span class="key"><svg viewBox="0 0 10 10" width="10" height="10" aria-hidden="true"><rect class="series-${place + 1}" width="10" height="10" rx="2"></rect></svg>${name}</span>`)}</figcaption>
      </figure>
      ${this.renderTable(names, days)}
    `;
  }

  /** @param {{day: string, values: number[]}[]} days @param {number} top */
  renderColumns(days, top) {
    const left = 56;
    const step = (this.width - left) / days.length;
    const gap = Math.min(step * 0.25, 6);
    const every = Math.ceil((days.length * 62) / (this.width - left));
    const lines = [0, 0.5, 1].map((share) => {
      const y = 8 + (HEIGHT - 8) * (1 - share);
      return svg`<line class="grid" x1=${left} x2=${this.width} y1=${y} y2=${y}></line><text class="axis" x=${left - 8} y=${y + 4} text-anchor="end">${this.show(top * share)}</text>`;
    });
    const columns = days.map(({ day, values }, number) => {
      const x = left + number * step + gap / 2;
      let y = HEIGHT;
      const bars = values.map((value, place) => {
        if (!value) return nothing;
        const height = Math.max((value / top) * (HEIGHT - 8), 0.75);
        y -= height;
        return svg`<rect class="series-${place + 1}" x=${x} y=${y} width=${Math.max(step - gap, 1)} height=${height}></rect>`;
      });
      const text = number % every === 0 ? svg`<text class="axis" x=${Math.min(x, this.width - 40)} y=${HEIGHT + 16}>${day.slice(5)}</text>` : nothing;
      const sum = values.reduce((total, value) => total + value, 0);
      return svg`<g><title>${day}: ${this.show(sum)}</title><rect class="hover" x=${x} y="0" width=${Math.max(step - gap, 1)} height=${HEIGHT}></rect>${bars}${text}</g>`;
    });
    return [...lines, ...columns];
  }

  /** @param {string[]} names @param {{day: string, values: number[]}[]} days */
  renderTable(names, days) {
    const used = days.filter(({ values }) => values.some((value) => value > 0));
    return html`<details class="usage-table"><summary>Show as a table</summary>
      <div class="table-wrap" tabindex="0" role="region" aria-label="The chart as a table">
        <table class="table">
          <thead><tr><th scope="col">Day</th>${names.map((name) => html`<th scope="col" class="end">${name}</th>`)}</tr></thead>
          <tbody>${used.map(({ day, values }) => html`<tr><th scope="row">${day}</th>${values.map((value) => html`<td class="end number">${this.show(value)}</td>`)}</tr>`)}</tbody>
        </table>
      </div>
    </details>`;
  }
}
customElements.define("guru-usage-chart", UsageChart);
