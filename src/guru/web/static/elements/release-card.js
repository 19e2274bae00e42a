/** One release: how the candidate compares, drawn, and what an administrator may do about it. */

import { describe, post } from "../api.js";
import { GuruElement } from "../element.js";
import { ago, cost, count, when } from "../format.js";
import { html, nothing, svg } from "../vendor/lit/lit-element.js";
import { confirm } from "./confirm-dialog.js";
import { errorNote } from "./notes.js";

/** @import { ApiErrorBody, Comparison, Release } from "../types.js" */

/** @type {Record<string, string>} */
const STATUS = { running: "accent", promoted: "accent", "rolled-back": "danger", stopped: "" };
/** @type {Record<string, string>} */
const VERDICT = { worse: "danger", better: "accent", within: "accent", unclear: "" };
/** @type {Record<string, string>} */
const SAID = { worse: "worse", better: "better", within: "within the limit", unclear: "not decided yet" };
const WIDTH = 320;
const HEIGHT = 26;

class ReleaseCard extends GuruElement {
  static properties = { release: { attribute: false }, busy: { state: true }, error: { state: true } };

  constructor() {
    super();
    /** @type {Release | null} */
    this.release = null;
    this.busy = false;
    /** @type {ApiErrorBody | null} */
    this.error = null;
  }

  /** @param {string} what @param {{title: string, text: string, action: string}} question @param {unknown} [body] */
  async decide(what, question, body = {}) {
    if (this.busy || !this.release || !(await confirm(question)) || this.busy) return;
    this.busy = true;
    this.error = null;
    try {
      await post(`/releases/${encodeURIComponent(this.release.alias)}/${what}`, body);
    } catch (error) {
      this.error = describe(error);
    } finally {
      this.busy = false;
      this.emit("changed"); // also after an error: somebody else may have decided meanwhile
    }
  }

  promote() {
    const { alias, candidate } = /** @type {Release} */ (this.release);
    this.decide("promote", { title: `Promote ${candidate}?`, text: `Everybody who asks for ${alias} gets ${candidate}.`, action: "Promote" });
  }

  rollBack() {
    const { alias, candidate } = /** @type {Release} */ (this.release);
    this.decide("rollback", { title: `Roll back ${candidate}?`, text: `Nobody who asks for ${alias} gets ${candidate} any more, from now on.`, action: "Roll back" }, { reason: "Decided on the page." });
  }

  stop() {
    const { alias } = /** @type {Release} */ (this.release);
    this.decide("stop", { title: `Stop the release of ${alias}?`, text: `It ends undecided: ${alias.includes("@") ? "what the label stands for holds" : "the weights of the configuration hold"} again.`, action: "Stop" });
  }

  render() {
    const { release } = this;
    if (!release) return nothing;
    return html`
      <article class="card release" aria-label="Release of ${release.alias}">
        <header class="release-head">
          <div>
            <h3>${release.alias}: ${release.candidate}${release.baseline ? ` against ${release.baseline}` : ""} <span class="badge ${STATUS[release.status] ?? ""}">${release.status}</span></h3>
            <p class="faint small">${release.kind}, version ${release.version}, ${percent(release.share)} for the candidate, begun <span title=${when(release.started_at)}>${ago(release.started_at)}</span>${release.flags.length ? `, always for ${release.flags.join(", ")}` : ""}</p>
            ${release.reason ? html`<p class="small">${release.reason}</p>` : nothing}
          </div>
          <div class="row">
            ${release.status === "promoted" ? nothing : html`<button class="button" ?disabled=${this.busy} @click=${this.promote}>Promote</button>`}
            ${release.status === "rolled-back" ? nothing : html`<button class="button danger" ?disabled=${this.busy} @click=${this.rollBack}>Roll back</button>`}
            <button class="button quiet" ?disabled=${this.busy} @click=${this.stop}>Stop</button>
          </div>
        </header>
        ${this.error ? errorNote(this.error) : nothing}
        <div class="table-wrap" tabindex="0" role="region" aria-label="Variants of ${release.alias}">
          <table class="table">
            <thead><tr><th scope="col">Variant</th><th scope="col" class="end">Requests</th><th scope="col" class="end">Errors</th><th scope="col" class="end">Cost</th><th scope="col" class="end">Scores</th></tr></thead>
            <tbody>${this.renderSide("candidate", release.candidate)}${this.renderSide("baseline", release.baseline ?? "all others")}</tbody>
          </table>
        </div>
        ${release.comparisons.length ? html`<dl class="comparisons">${release.comparisons.map((one) => this.renderComparison(one))}</dl>` : html`<p class="faint small">Nothing to compare yet.</p>`}
        <p class="small"><a href="/audit?action=releases">Who changed releases</a></p>
      </article>
    `;
  }

  /** @param {"candidate" | "baseline"} arm @param {string} name */
  renderSide(arm, name) {
    const side = /** @type {Release} */ (this.release).sides[arm];
    return html`<tr>
      <th scope="row">${name} <span class="faint">${arm}</span></th>
      <td class="end number">${count(side.requests)}</td>
      <td class="end number">${side.requests ? `${percent(side.errors / side.requests)} (${count(side.errors)})` : "–"}</td>
      <td class="end number">${side.cost ? cost(side.cost) : "–"}</td>
      <td class="end number">${count(side.scores)}</td>
    </tr>`;
  }

  /** @param {Comparison} one */
  renderComparison(one) {
    const text = one.at_least === null || one.at_most === null || one.difference === null
      ? "too little is known"
      : `${signed(one.difference)}; between ${signed(one.at_least)} and ${signed(one.at_most)}, allowed are ${signed(one.allowed)}`;
    return html`<div>
      <dt>${one.metric} <span class="badge ${VERDICT[one.verdict]}">${SAID[one.verdict]}</span></dt>
      <dd>${drawn(one, text)}<span class="faint small number">${text}</span></dd>
    </div>`;
  }
}
customElements.define("guru-release", ReleaseCard);

/**
 * By how much the candidate is worse: the interval that holds at all times at once, the best guess in it, and where
 * "too much" begins. To the left the candidate is better.
 * @param {Comparison} one @param {string} text
 */
function drawn(one, text) {
  const far = Math.max(one.allowed * 4, Math.abs(one.difference ?? 0) * 1.5, 0.01);
  const x = (/** @type {number} */ value) => Math.round(((Math.min(Math.max(value, -far), far) + far) / (2 * far)) * WIDTH * 10) / 10;
  const middle = HEIGHT / 2;
  const known = one.at_least !== null && one.at_most !== null && one.difference !== null;
  const [low, high] = [x(one.at_least ?? -far), x(one.at_most ?? far)];
  return html`<svg class="interval ${one.verdict}" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${one.metric}: ${text}">
    ${svg`<rect class="too-much" x=${x(one.allowed)} y="0" width=${WIDTH - x(one.allowed)} height=${HEIGHT} />
      <line class="zero" x1=${x(0)} x2=${x(0)} y1="0" y2=${HEIGHT} />
      <line class="limit" x1=${x(one.allowed)} x2=${x(one.allowed)} y1="0" y2=${HEIGHT} />`}
    ${known ? svg`<rect class="range" x=${low} y=${middle - 4} width=${Math.max(high - low, 2)} height="8" rx="4" />` : nothing}
    ${known ? svg`<circle class="guess" cx=${x(one.difference ?? 0)} cy=${middle} r="5" />` : nothing}
  </svg>`;
}

/** @param {number} share */
const percent = (share) => `${(share * 100).toLocaleString(undefined, { maximumFractionDigits: 1 })} %`;

/** @param {number} share */
const signed = (share) => (share > 9.99 ? "more than +999 %" : `${share > 0 ? "+" : ""}${percent(share)}`);
