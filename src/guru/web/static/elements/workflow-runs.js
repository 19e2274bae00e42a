/** Runs of workflows, the newest first: of one or of all, in one state or in any, as far back as one reads. */

import { describe, get } from "../api.js";
import { GuruElement } from "../element.js";
import { ago, when } from "../format.js";
import { icons } from "../icons.js";
import { reach, renewed } from "../paging.js";
import { html, nothing } from "../vendor/lit/lit-element.js";
import { repeat } from "../vendor/lit/repeat.js";
import { filterSelect } from "./filter-select.js";
import { errorNote } from "./notes.js";
import { statusBadge } from "./status-badge.js";

/** @import { ApiErrorBody, WorkflowRun } from "../types.js" */

const STATES = ["queued", "running", "waiting", "done", "failed", "cancelled"];

class WorkflowRuns extends GuruElement {
  static properties = {
    workflow: { type: String }, names: { attribute: false }, runs: { state: true }, ofWorkflow: { state: true }, ofState: { state: true }, error: { state: true },
  };

  constructor() {
    super();
    /** Those of this one alone; "": of all. */
    this.workflow = "";
    /** The workflows that there are, to choose from. @type {string[]} */
    this.names = [];
    /** @type {{items: WorkflowRun[], next: string | null} | null} */
    this.runs = null;
    this.ofWorkflow = "";
    this.ofState = "";
    /** @type {ApiErrorBody | null} */
    this.error = null;
    this.turn = 0;
  }

  connectedCallback() {
    super.connectedCallback();
    this.load();
  }

  /** Read the list anew, or what follows `before`. @param {string} [before] */
  async load(before = "") {
    const turn = ++this.turn; // an answer that comes late must not stand for what was asked after it
    const known = this.runs ?? { items: [], next: null };
    const query = new URLSearchParams({ limit: String(reach(before ? [] : known.items)) });
    if (this.workflow || this.ofWorkflow) query.set("workflow", this.workflow || this.ofWorkflow);
    if (this.ofState) query.set("status", this.ofState);
    if (before) query.set("before", before);
    try {
      const { runs: items, next } = await get(`/workflow-runs?${query}`);
      if (turn !== this.turn) return;
      this.error = null;
      this.runs = before ? { items: [...known.items, ...items], next } : renewed(known, { items, next });
    } catch (error) {
      if (turn === this.turn) this.error = describe(error);
    }
  }

  /** @param {{ofWorkflow?: string, ofState?: string}} chosen */
  filter(chosen) {
    Object.assign(this, chosen);
    this.runs = null;
    this.load();
  }

  render() {
    if (this.error) return errorNote(this.error, () => this.load());
    const filtered = this.ofWorkflow || this.ofState;
    const none = this.runs !== null && !this.runs.items.length;
    if (none && !filtered && !this.workflow && !this.names.length) return nothing;
    const names = [...new Set([...this.names, ...(this.runs?.items ?? []).map(({ workflow }) => workflow), ...(this.ofWorkflow ? [this.ofWorkflow] : [])])].sort();
    return html`
      <section aria-labelledby="runs-title">
        <div class="workflow-head row">
          <h2 id="runs-title">Runs</h2>
          <div class="row">
            ${this.workflow ? nothing : filterSelect({ label: "Runs of", all: "All workflows", names, chosen: this.ofWorkflow }, (ofWorkflow) => this.filter({ ofWorkflow }))}
            ${filterSelect({ label: "State", all: "All states", names: STATES, chosen: this.ofState }, (ofState) => this.filter({ ofState }))}
            <button class="button" @click=${() => this.load()}>${icons.retry}Refresh</button>
          </div>
        </div>
        ${this.runs === null ? html`<span class="skeleton block"></span>` : none ? html`<p class="faint">${filtered ? "There are none like this." : "There are no runs yet."}</p>` : this.renderTable(this.runs.items)}
        ${this.runs?.next ? html`<button class="button more" @click=${() => this.load(this.runs?.next ?? "")}>Older ones</button>` : nothing}
      </section>
    `;
  }

  /** @param {WorkflowRun[]} runs */
  renderTable(runs) {
    return html`
      <div class="table-wrap" tabindex="0" role="region" aria-label="Runs of workflows">
        <table class="table">
          <thead><tr><th scope="col">Run</th><th scope="col">Workflow</th><th scope="col">State</th><th scope="col">Begun</th></tr></thead>
          <tbody>${repeat(runs, ({ id }) => id, (run) => html`<tr>
            <td><a class="plain" href="/workflows?run=${run.id}">${run.id}</a></td><td>${run.workflow} <span class="faint">v${run.version}</span></td>
            <td>${statusBadge(run.status)}${run.error ? html` <span class="faint small">${run.error}</span>` : nothing}</td>
            <td title=${when(run.created_at)}>${ago(run.created_at)}</td>
          </tr>`)}</tbody>
        </table>
      </div>
    `;
  }
}
customElements.define("guru-workflow-runs", WorkflowRuns);
