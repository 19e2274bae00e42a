/** One workflow: its drawing, a form that begins a run, its versions and its runs. */

import { describe, get, post } from "../api.js";
import { GuruElement } from "../element.js";
import { when } from "../format.js";
import { html, nothing } from "../vendor/lit/lit-element.js";
import { errorNote } from "./notes.js";
import { readSchemaForm, schemaFields } from "./schema-form.js";
import "./workflow-graph.js";
import "./workflow-runs.js";

/** @import { ApiErrorBody, Workflow } from "../types.js" */

class WorkflowView extends GuruElement {
  static properties = {
    name: { type: String }, workflow: { state: true }, selected: { state: true }, error: { state: true },
    formError: { state: true }, busy: { state: true },
  };

  constructor() {
    super();
    this.name = "";
    /** @type {Workflow | null} */
    this.workflow = null;
    this.selected = "";
    /** @type {ApiErrorBody | null} */
    this.error = null;
    /** @type {ApiErrorBody | null} */
    this.formError = null;
    this.busy = false;
  }

  connectedCallback() {
    super.connectedCallback();
    this.load();
  }

  /** @param {string} [version] */
  async load(version = "") {
    try {
      this.workflow = await get(`/workflows/${encodeURIComponent(this.name)}${version ? `?version=${version}` : ""}`);
      this.error = null;
    } catch (error) {
      this.error = describe(error);
    }
  }

  /** @param {SubmitEvent} event */
  async begin(event) {
    event.preventDefault();
    if (this.busy || !this.workflow) return;
    this.busy = true;
    this.formError = null;
    try {
      const input = readSchemaForm(/** @type {HTMLFormElement} */ (event.target), this.workflow.definition.input);
      const run = await post(`/workflows/${encodeURIComponent(this.name)}/runs`, { input, version: this.workflow.version });
      location.assign(`/workflows?run=${run.id}`);
    } catch (error) {
      this.formError = describe(error);
    } finally {
      this.busy = false;
    }
  }

  render() {
    if (this.error) return errorNote(this.error, () => this.load());
    if (!this.workflow) return html`<span class="skeleton block"></span>`;
    const { workflow } = this;
    return html`
      <header class="page-head">
        <div><h1>${workflow.name}</h1><p>${workflow.description}</p></div>
        <div><label class="label" for="version">Version</label>
          <select class="select bordered" id="version" @change=${(/** @type {Event} */ event) => this.load(/** @type {HTMLSelectElement} */ (event.target).value)}>
            ${workflow.versions.map(({ version, created_at }) => html`<option value=${version} ?selected=${version === workflow.version}>${version}, ${when(created_at)}</option>`)}
          </select></div>
      </header>
      <div class="workflow-panes">
        <guru-workflow-graph .graph=${workflow.graph} .selected=${this.selected} @choose=${(/** @type {CustomEvent<string>} */ event) => { this.selected = event.detail; }}></guru-workflow-graph>
        <aside class="workflow-side">
          <form class="card ask" aria-label="Begin a run" @submit=${this.begin}>
            <h2>Run it</h2>
            ${schemaFields(workflow.definition.input, "input")}
            ${this.formError ? errorNote(this.formError) : nothing}
            <div class="row"><button class="button primary" ?disabled=${this.busy}>Begin</button></div>
          </form>
          ${this.selected ? html`<section class="card step-detail" aria-label="Step"><h2>${this.selected}</h2>
            <pre class="contents" tabindex="0" role="region" aria-label="Definition of the step">${JSON.stringify(stepOf(workflow, this.selected), null, 2)}</pre></section>` : nothing}
        </aside>
      </div>
      <guru-workflow-runs .workflow=${this.name}></guru-workflow-runs>
    `;
  }
}
customElements.define("guru-workflow", WorkflowView);

/** The definition of a box's step. @param {Workflow} workflow @param {string} id */
function stepOf(workflow, id) {
  /** @type {any} */
  let block = workflow.definition;
  let step = null;
  const parts = id.split("/");
  for (let at = 0; at < parts.length; at += 1) {
    step = block.steps[parts[at]];
    block = step.kind === "parallel" && at + 1 < parts.length ? step.branches[Number(parts[(at += 1)])] : step;
  }
  return step;
}
