/** One run: its drawing, lit as it goes; what went in and came out of each step; questions, answered here. */

import { describe, events, get, isAbort, post, remove } from "../api.js";
import { GuruElement } from "../element.js";
import { duration, when } from "../format.js";
import { icons } from "../icons.js";
import { html, nothing } from "../vendor/lit/lit-element.js";
import { repeat } from "../vendor/lit/repeat.js";
import { boxStates } from "../workflow-state.js";
import { confirm } from "./confirm-dialog.js";
import { errorNote } from "./notes.js";
import { readSchemaForm, schemaFields } from "./schema-form.js";
import { statusBadge } from "./status-badge.js";
import "./workflow-graph.js";

/** @import { ApiErrorBody, WorkflowRun, WorkflowStep } from "../types.js" */

const AGAIN = 1500;

class WorkflowRunElement extends GuruElement {
  static properties = {
    runId: { type: String }, run: { state: true }, selected: { state: true }, detail: { state: true }, error: { state: true },
    formError: { state: true }, busy: { state: true },
  };

  constructor() {
    super();
    this.runId = "";
    /** @type {WorkflowRun | null} */
    this.run = null;
    /** The box that is looked at. */
    this.selected = "";
    /** The step that is looked at, with its contents. @type {WorkflowStep | null} */
    this.detail = null;
    /** @type {ApiErrorBody | null} */
    this.error = null;
    /** @type {ApiErrorBody | null} */
    this.formError = null;
    this.busy = false;
    this.leaving = new AbortController();
  }

  connectedCallback() {
    super.connectedCallback();
    this.leaving = new AbortController();
    this.follow(this.leaving.signal);
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    this.leaving.abort();
  }

  get place() {
    return `/workflow-runs/${encodeURIComponent(this.runId)}`;
  }

  /** Read the run, and every change of it until it has ended. @param {AbortSignal} signal */
  async follow(signal) {
    while (!signal.aborted) {
      try {
        this.run = await get(this.place, signal);
        this.error = null;
        for await (const { data } of events(`${this.place}/events`, { signal })) {
          if (data?.run && this.run) this.run = { ...this.run, ...data.run, steps: merged(this.run.steps ?? [], data.steps) };
          this.refresh();
          if (ended(this.run)) {
            this.run = await get(this.place, signal);
            return;
          }
        }
      } catch (error) {
        if (isAbort(error)) return;
        this.error = describe(error);
        if (this.error.status && this.error.status < 500) return;
      }
      await new Promise((resolve) => setTimeout(resolve, AGAIN));
    }
  }

  /** @param {string} box */
  choose(box) {
    this.selected = box;
    const state = this.run?.graph && boxStates(this.run.graph, this.run.steps ?? []).get(box);
    if (state) this.open(/** @type {WorkflowStep} */ (state.steps.at(-1)).path);
    else this.detail = null;
  }

  /** Look at a step. @param {string} path */
  async open(path) {
    try {
      this.detail = await get(`${this.place}/steps/${path.split("/").map(encodeURIComponent).join("/")}`);
    } catch (error) {
      this.error = describe(error);
    }
  }

  /** The step that is looked at, as it is now. */
  refresh() {
    const now = this.run?.steps?.find(({ path }) => path === this.detail?.path);
    if (now && now.status !== this.detail?.status) this.open(now.path);
  }

  /** @param {() => Promise<unknown>} work */
  async change(work) {
    if (this.busy) return;
    this.busy = true;
    this.formError = null;
    try {
      await work();
    } catch (error) {
      this.formError = describe(error);
    } finally {
      this.busy = false;
    }
  }

  async cancel() {
    if (await confirm({ title: "End this run?", text: "What it has done stays. It can be taken up again.", action: "End it" })) {
      await this.change(() => post(`${this.place}/cancel`));
    }
  }

  async delete() {
    if (await confirm({ title: "Delete this run?", text: "It is gone for good, with all its steps. Runs of agents that it began stay.", action: "Delete" })) {
      await this.change(async () => {
        await remove(this.place);
        location.assign("/workflows");
      });
    }
  }

  async resume() {
    await this.change(async () => {
      await post(`${this.place}/resume`);
      this.leaving.abort();
      this.leaving = new AbortController();
      this.follow(this.leaving.signal);
    });
  }

  /** @param {SubmitEvent} event @param {WorkflowStep} step */
  answer(event, step) {
    event.preventDefault();
    const form = /** @type {HTMLFormElement} */ (event.target);
    const decision = /** @type {HTMLButtonElement | null} */ (event.submitter)?.value;
    this.change(async () => {
      /** @type {Record<string, unknown>} */
      const body = { step: step.path };
      if (step.ask?.decisions?.length) body.decision = decision;
      if (step.ask?.form) body.form = readSchemaForm(form, step.ask.form);
      const output = form.elements.namedItem("#output");
      if (output instanceof HTMLTextAreaElement && output.value.trim()) body.output = JSON.parse(output.value);
      await post(`${this.place}/answer`, body);
    });
  }

  render() {
    if (this.error && !this.run) return errorNote(this.error, () => this.follow(this.leaving.signal));
    if (!this.run) return html`<span class="skeleton block"></span>`;
    const { run } = this;
    const asked = (run.steps ?? []).filter(({ ask }) => ask);
    const parked = (run.steps ?? []).filter(({ status }) => status === "parked");
    return html`
      <header class="page-head">
        <div>
          <h1>${run.workflow} <span class="faint">version ${run.version}</span></h1>
          <p><a href="/workflows?workflow=${encodeURIComponent(run.workflow)}">The workflow</a> · begun ${when(run.created_at)}${run.wake_at && run.status === "waiting" ? ` · goes on ${when(run.wake_at)}` : ""}</p>
        </div>
        <span role="status" aria-label="State of the run">${statusBadge(run.status)}</span>
        ${ended(run) ? nothing : html`<button class="button" ?disabled=${this.busy} @click=${() => this.cancel()}>${icons.stop} Cancel</button>`}
        ${run.status === "failed" || run.status === "cancelled" ? html`<button class="button" ?disabled=${this.busy} @click=${() => this.resume()}>${icons.retry} Resume</button>` : nothing}
        ${ended(run) ? html`<button class="button" ?disabled=${this.busy} @click=${() => this.delete()}>${icons.trash} Delete</button>` : nothing}
      </header>
      ${this.error ? errorNote(this.error) : nothing}
      ${this.formError ? errorNote(this.formError) : nothing}
      ${run.status === "failed" ? errorNote({ message: run.error ?? "The run failed.", hint: run.cause }) : nothing}
      ${repeat(asked, ({ path }) => path, (step) => this.renderAsk(step))}
      ${repeat(parked, ({ path }) => path, ({ name, agent_run }) => html`<p class="note">${icons.info}<span>The agent of ${name} waits for a person: <a href="/agents/runs/${agent_run}">look at its run</a>.</span></p>`)}
      ${run.graph ? html`<div class="workflow-panes">
        <guru-workflow-graph .graph=${run.graph} .states=${boxStates(run.graph, run.steps ?? [])} .selected=${this.selected}
          @choose=${(/** @type {CustomEvent<string>} */ event) => this.choose(event.detail)}></guru-workflow-graph>
        <aside class="card step-detail" aria-label="Step">${this.renderDetail(run)}</aside>
      </div>` : nothing}
    `;
  }

  /** @param {WorkflowStep} step */
  renderAsk(step) {
    const ask = /** @type {NonNullable<WorkflowStep["ask"]>} */ (step.ask);
    return html`
      <form class="card ask" aria-label=${ask.title} @submit=${(/** @type {SubmitEvent} */ event) => this.answer(event, step)}>
        <h2>${ask.title}</h2>
        ${ask.text ? html`<p class="ask-text">${ask.text}</p>` : nothing}
        ${ask.form ? schemaFields(ask.form, `ask-${step.path}`) : nothing}
        ${ask.id.startsWith("unsure") ? html`<div><label class="label" for="output-${step.path}">What it gave, as JSON <span class="faint">(optional)</span></label><textarea class="field code" id="output-${step.path}" name="#output" rows="2"></textarea></div>` : nothing}
        <div class="row">
          ${ask.decisions?.length
            ? ask.decisions.map((decision, at) => html`<button class="button ${at ? "" : "primary"}" value=${decision} ?disabled=${this.busy}>${decision}</button>`)
            : html`<button class="button primary" ?disabled=${this.busy}>Send</button>`}
          <span class="faint small">${step.path}</span>
        </div>
      </form>
    `;
  }

  /** @param {WorkflowRun} run */
  renderDetail(run) {
    if (!this.selected) {
      return html`<h2>The run</h2>${contents("Input", run.input)}${ended(run) ? contents("Output", run.output) : nothing}
        <p class="faint small">Choose a step to see what went in and came out of it.</p>`;
    }
    const state = run.graph && boxStates(run.graph, run.steps ?? []).get(this.selected);
    const name = run.graph?.nodes.find(({ id }) => id === this.selected)?.name;
    if (!state) return html`<h2>${name}</h2><p class="faint">It has not been reached.</p>`;
    const { detail } = this;
    return html`
      <h2>${name}</h2>
      ${state.steps.length > 1 ? html`<label class="label" for="which">Which of ${state.steps.length}</label>
        <select class="select bordered" id="which" @change=${(/** @type {Event} */ event) => this.open(/** @type {HTMLSelectElement} */ (event.target).value)}>
          ${state.steps.map(({ path, status }) => html`<option value=${path} ?selected=${path === detail?.path}>${path} (${status})</option>`)}
        </select>` : nothing}
      ${detail ? this.renderStep(detail) : nothing}
    `;
  }

  /** @param {WorkflowStep} step */
  renderStep(step) {
    const seconds = step.finished_at ? (Date.parse(step.finished_at) - Date.parse(step.started_at)) / 1000 : null;
    return html`
      <p class="row">${statusBadge(step.status)} <span class="faint small number">${seconds === null ? `since ${when(step.started_at)}` : duration(seconds)}</span></p>
      ${step.agent_run ? html`<p><a href="/agents/runs/${step.agent_run}">The agent's run</a></p>` : nothing}
      ${step.error ? errorNote({ message: step.error, hint: step.cause }) : nothing}
      ${contents("Input", step.input)}
      ${step.status === "done" || step.status === "caught" ? contents("Output", step.output) : nothing}
      ${Object.keys(step.answers ?? {}).length ? contents("Answers", step.answers) : nothing}
      ${step.attempts.length ? html`<h3>Attempts</h3><ol class="attempts">${step.attempts.map(({ started_at, finished_at, error, cause }) => html`
        <li>${when(started_at)}${finished_at ? html` <span class="faint number">${duration((Date.parse(finished_at) - Date.parse(started_at)) / 1000)}</span>` : nothing}
        ${error ? html`<span class="badge danger">${error}</span> <span class="faint small">${cause}</span>` : nothing}</li>`)}</ol>` : nothing}
    `;
  }
}
customElements.define("guru-workflow-run", WorkflowRunElement);

/** Steps, with those that have changed in their places and new ones behind. @param {WorkflowStep[]} steps @param {WorkflowStep[]} changed */
function merged(steps, changed) {
  const found = new Map([...steps, ...changed].map((step) => [step.path, step]));
  return [...found.values()];
}

/** @param {WorkflowRun | null} run */
const ended = (run) => run !== null && ["done", "failed", "cancelled"].includes(run.status);

/** @param {string} title @param {unknown} value */
const contents = (title, value) => html`<h3>${title}</h3><pre class="contents" tabindex="0" role="region" aria-label=${title}>${JSON.stringify(value, null, 2) ?? "null"}</pre>`;
