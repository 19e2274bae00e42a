/** Workflows: what there is, one of them, or one run, as the address says; and a place to write a new one. */

import { describe, get, post } from "../api.js";
import { GuruElement } from "../element.js";
import { ago, when } from "../format.js";
import { icons } from "../icons.js";
import { html, nothing } from "../vendor/lit/lit-element.js";
import { repeat } from "../vendor/lit/repeat.js";
import { emptyState, errorNote } from "./notes.js";
import "./workflow-run.js";
import "./workflow-runs.js";
import "./workflow-view.js";

/** @import { ApiErrorBody, WorkflowGraph, WorkflowItem } from "../types.js" */

const EXAMPLE = `name = "hello"
start = "greet"

[steps.greet]
kind = "task"
prompt = "Greet {{ input.name }} in one sentence."
next = "send"

[steps.send]
kind = "human"
title = "Send this?"
text = "{{ steps.greet.output.text }}"
decisions = ["send", "throw away"]
end = true
`;

class WorkflowsPage extends GuruElement {
  static properties = {
    workflows: { state: true }, writing: { state: true }, checked: { state: true }, error: { state: true }, formError: { state: true }, busy: { state: true },
  };

  constructor() {
    super();
    const query = new URLSearchParams(location.search);
    this.workflow = query.get("workflow");
    this.run = query.get("run");
    /** @type {WorkflowItem[] | null} */
    this.workflows = null;
    this.writing = false;
    /** What a check has said. @type {{ok: boolean, problems: {place: string, message: string}[], graph: WorkflowGraph | null} | null} */
    this.checked = null;
    /** @type {ApiErrorBody | null} */
    this.error = null;
    /** @type {ApiErrorBody | null} */
    this.formError = null;
    this.busy = false;
  }

  connectedCallback() {
    super.connectedCallback();
    if (!this.workflow && !this.run) this.load();
  }

  async load() {
    try {
      this.workflows = (await get("/workflows")).workflows;
      this.error = null;
    } catch (error) {
      this.error = describe(error);
    }
  }

  /** Check what is written, or keep it. @param {SubmitEvent} event */
  async submit(event) {
    event.preventDefault();
    if (this.busy) return;
    const values = new FormData(/** @type {HTMLFormElement} */ (event.target));
    const body = { text: String(values.get("text")), format: String(values.get("format")) };
    const keep = /** @type {HTMLButtonElement | null} */ (event.submitter)?.value === "save";
    this.busy = true;
    this.formError = null;
    try {
      this.checked = await post("/workflows/check", body);
      if (keep && this.checked?.ok) {
        const { name } = await post("/workflows", body);
        location.assign(`/workflows?workflow=${encodeURIComponent(name)}`);
      }
    } catch (error) {
      this.formError = describe(error);
    } finally {
      this.busy = false;
    }
  }

  render() {
    if (this.run) return html`<guru-workflow-run .runId=${this.run}></guru-workflow-run>`;
    if (this.workflow) return html`<guru-workflow .name=${this.workflow}></guru-workflow>`;
    return html`
      <header class="page-head">
        <div><h1>Workflows</h1><p>Steps that go on after a crash, wait without holding anything, and ask people.</p></div>
        <button class="button primary" ?disabled=${this.writing} @click=${() => { this.writing = true; this.focusOn("#text"); }}>${icons.plus} New workflow</button>
      </header>
      ${this.error ? errorNote(this.error, () => this.load()) : nothing}
      ${this.writing ? this.renderForm() : nothing}
      ${this.workflows ? this.renderLists(this.workflows) : this.error ? nothing : html`<span class="skeleton block"></span>`}
    `;
  }

  renderForm() {
    return html`
      <form class="card ask" aria-label="New workflow" @submit=${this.submit}>
        <label class="label" for="text">Definition</label>
        <textarea class="field code" id="text" name="text" rows="16" spellcheck="false">${EXAMPLE}</textarea>
        <div class="row">
          <label class="label" for="format">Format</label>
          <select class="select bordered" id="format" name="format">
            <option value="toml">TOML</option><option value="yaml">YAML</option><option value="json">JSON</option>
          </select>
          <button class="button" value="check" ?disabled=${this.busy}>Check</button>
          <button class="button primary" value="save" ?disabled=${this.busy}>Save</button>
          <button type="button" class="button quiet" @click=${() => { this.writing = false; this.checked = null; }}>Cancel</button>
        </div>
        ${this.formError ? errorNote(this.formError) : nothing}
        ${this.checked ? this.renderChecked(this.checked) : nothing}
      </form>
    `;
  }

  /** @param {NonNullable<WorkflowsPage["checked"]>} checked */
  renderChecked({ ok, problems, graph }) {
    return html`
      <div role="status">${ok ? html`<p class="note">${icons.check} Nothing is wrong with it.</p>` : html`<ul class="problems">${problems.map(({ place, message }) => html`<li><code>${place || "definition"}</code> ${message}</li>`)}</ul>`}</div>
      ${graph ? html`<guru-workflow-graph .graph=${graph}></guru-workflow-graph>` : nothing}
    `;
  }

  /** @param {WorkflowItem[]} workflows */
  renderLists(workflows) {
    const empty = emptyState({ icon: icons.trace, title: "There are no workflows yet", text: "Write one here, or keep a file: guru workflow save FILE." });
    return html`
      ${workflows.length ? this.renderTable(workflows) : this.writing ? nothing : empty}
      <guru-workflow-runs .names=${workflows.map(({ name }) => name)}></guru-workflow-runs>
    `;
  }

  /** @param {WorkflowItem[]} workflows */
  renderTable(workflows) {
    return html`
      <div class="table-wrap" tabindex="0" role="region" aria-label="Workflows">
        <table class="table">
          <thead><tr><th scope="col">Workflow</th><th scope="col">What it does</th><th scope="col" class="end">Version</th><th scope="col">Changed</th></tr></thead>
          <tbody>${repeat(workflows, ({ name }) => name, (item) => html`<tr>
            <td><a class="plain" href="/workflows?workflow=${encodeURIComponent(item.name)}">${item.name}</a></td>
            <td>${item.description}</td><td class="end number">${item.version}</td><td title=${when(item.updated_at)}>${ago(item.updated_at)}</td>
          </tr>`)}</tbody>
        </table>
      </div>
    `;
  }
}
customElements.define("guru-workflows", WorkflowsPage);
