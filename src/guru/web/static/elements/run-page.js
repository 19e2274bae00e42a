/** One run of an agent: each step as it comes, what waits for a person, and what a person can do about it. */

import { LIMITS, NUMBERS, numberOrText } from "../agent-settings.js";
import { describe, events, get, isAbort, post, remove } from "../api.js";
import { cost, count, duration, plural, when } from "../format.js";
import { textOf } from "../holders.js";
import { icons } from "../icons.js";
import { LiveElement } from "../live-element.js";
import { byNumber, keyOf, usedBy, withStep } from "../run-steps.js";
import { html, nothing } from "../vendor/lit/lit-element.js";
import { repeat } from "../vendor/lit/repeat.js";
import "./answer-body.js";
import { confirm } from "./confirm-dialog.js";
import { errorNote } from "./notes.js";
import "./run-step.js";
import { statusBadge } from "./status-badge.js";

/** @import { AgentRunDetail, ApiErrorBody, RunStep } from "../types.js" */

const WORKING = ["queued", "running", "pausing"];
/** Milliseconds until the server is asked again after a break, and whether somebody else has said something. */
const AGAIN = 1500;
const LOOK = 5000;

class RunPage extends LiveElement {
  static properties = {
    runId: { attribute: "run-id" }, run: { state: true }, words: { state: true }, form: { state: true }, busy: { state: true },
    error: { state: true }, actError: { state: true }, said: { state: true },
  };

  constructor() {
    super();
    this.runId = "";
    /** @type {AgentRunDetail | null} */
    this.run = null;
    /** What models are saying, by step. @type {Record<string, string>} */
    this.words = {};
    /** @type {{kind: "replay" | "resume", step: number} | null} */
    this.form = null;
    this.busy = false;
    /** @type {ApiErrorBody | null} */
    this.error = null;
    /** @type {ApiErrorBody | null} */
    this.actError = null;
    /** For those who hear the page. */
    this.said = "";
    this.watching = new AbortController();
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    this.watching.abort();
  }

  get place() {
    return `/runs/${encodeURIComponent(this.runId)}`;
  }

  get works() {
    return this.run !== null && WORKING.includes(this.run.status);
  }

  // ------------------------------------------------------------------ watching

  /** Read the run, and follow it while it goes on. */
  async load() {
    clearTimeout(this.timer);
    this.watching.abort();
    const watching = new AbortController();
    this.watching = watching;
    try {
      this.run = await get(this.place, watching.signal);
      this.words = {};
      this.error = null;
      if (this.works) await this.follow(watching.signal);
    } catch (error) {
      if (isAbort(error) || watching.signal.aborted) return;
      this.error = describe(error);
      if (this.error.status) return; // refused; what was not heard is asked again
    }
    if (watching.signal.aborted) return;
    const waits = this.run?.status === "waiting" || this.run?.status === "paused";
    const pause = this.works || this.error ? AGAIN : waits ? LOOK : 0;
    if (pause) this.loadAfter(pause);
  }

  /** @param {AbortSignal} signal */
  async follow(signal) {
    for await (const { event, data } of events(`${this.place}/events`, { signal })) {
      if (signal.aborted || !this.run) return;
      if (event === "step") this.onStep(data);
      else if (event === "delta") {
        const key = `${data.step}.${data.part}`;
        this.words = { ...this.words, [key]: (this.words[key] ?? "… ") + data.text }; // … for what was said before anybody looked
      } else if (event === "run") {
        this.run = { ...this.run, ...(await get(this.place, signal)) };
        this.said = this.run?.status === "waiting" ? "The agent waits for you." : `The run is ${this.run?.status}.`;
      }
    }
  }

  /** @param {RunStep} step */
  onStep(step) {
    if (!this.run) return;
    const had = this.run.log.find((one) => keyOf(one) === keyOf(step));
    this.run = { ...this.run, status: this.run.status === "queued" ? "running" : this.run.status, log: withStep(this.run.log, step) };
    if (!had) {
      this.said = `Step ${step.number}: ${step.name}.`;
      this.words = { ...this.words, [keyOf(step)]: "" };
    }
  }

  // ------------------------------------------------------------------ what a person does

  /** @param {() => Promise<unknown>} work */
  async act(work) {
    if (this.busy) return;
    this.busy = true;
    this.actError = null;
    try {
      await work();
      this.form = null;
      this.focusOn("#run-title");
    } catch (error) {
      this.actError = describe(error);
    } finally {
      this.busy = false;
    }
    if (!this.actError) this.load();
  }

  async cancel() {
    if (!(await confirm({ title: "Cancel the run?", text: "It stops at once. A call that is being made may or may not be done.", action: "Cancel the run" }))) return;
    await this.act(() => post(`${this.place}/cancel`));
  }

  async delete() {
    if (!(await confirm({ title: "Delete the run?", text: "It is gone for good, with all its steps. Its traces stay, and what is remembered of it.", action: "Delete" }))) return;
    try {
      await remove(this.place);
      location.assign("/agents");
    } catch (error) {
      this.actError = describe(error);
    }
  }

  decided() {
    this.focusOn("#run-title");
    this.load();
  }

  /** @param {"replay" | "resume"} kind @param {number} [step] */
  open(kind, step = 1) {
    this.form = { kind, step };
    this.actError = null;
    this.focusOn(kind === "replay" ? "#replay-step" : "#resume-max_steps");
  }

  /** @param {SubmitEvent} event */
  async submit(event) {
    event.preventDefault();
    const form = new FormData(/** @type {HTMLFormElement} */ (event.target));
    const { agent } = /** @type {AgentRunDetail} */ (this.run).definition;
    /** @type {Record<string, unknown>} */
    const changes = {};
    for (const name of this.form?.kind === "resume" ? LIMITS : ["model", "instructions"]) {
      const typed = name in NUMBERS ? textOf(form, name) : String(form.get(name) ?? "");
      if (typed !== String(agent[name] ?? "")) changes[name] = name in NUMBERS ? (typed ? numberOrText(typed) : null) : typed;
    }
    if (this.form?.kind === "resume") return this.act(() => post(`${this.place}/resume`, { changes }));
    const input = String(form.get("input"));
    return this.act(async () => {
      const made = await post(`${this.place}/replay`, { step: numberOrText(textOf(form, "step")), changes, input: input === this.run?.input ? null : input });
      location.assign(`/agents/runs/${encodeURIComponent(made.id)}`);
    });
  }

  // ------------------------------------------------------------------ what is shown

  render() {
    const { run } = this;
    if (!run) return this.error ? errorNote(this.error, () => this.load()) : html`<span class="skeleton block"></span>`;
    return html`
      <nav aria-label="Breadcrumb"><ol class="breadcrumb"><li><a href="/agents">Agents</a></li><li aria-current="page">${run.id}</li></ol></nav>
      <header class="page-head">
        <div><h1 id="run-title" tabindex="-1">Run of ${run.agent}</h1><p>${when(run.created_at)}${this.renderCause(run.cause)}</p></div>
        <div class="row run-actions">${statusBadge(run.status)}${this.renderActions(run)}</div>
      </header>
      <p class="visually-hidden" role="status" aria-live="polite">${this.said}</p>
      ${this.error ? errorNote(this.error, () => this.load()) : nothing}
      ${this.actError && !this.form ? errorNote(this.actError) : nothing}
      ${this.form ? this.renderForm(run, this.form) : nothing}
      ${this.renderFigures(run)}
      <h2>Request</h2>
      <pre class="said card request" tabindex="0">${run.input}</pre>
      <div class="section-head"><h2 id="steps-title">Steps</h2>${this.renderAll(run)}</div>
      ${run.log.length ? html`<ol class="steps" aria-labelledby="steps-title">${repeat(byNumber(run.log), ([{ number }]) => number, (parts) => this.renderStep(run, parts))}</ol>` : html`<p class="faint">${this.works ? "It is about to begin." : "It has done nothing."}</p>`}
      ${this.renderEnd(run)}
    `;
  }

  /** @param {string} cause */
  renderCause(cause) {
    if (cause === "person") return nothing;
    const workflow = /^workflow:(run_[^:]+)/.exec(cause)?.[1];
    if (workflow) return html`, begun by <a href="/workflows?run=${workflow}">a workflow</a>`;
    return html`, ${cause.startsWith("run_") ? html`again what <a href="/agents/runs/${cause}">another run</a> did` : html`begun by ${cause}`}`;
  }

  /** @param {AgentRunDetail} run */
  renderActions({ status }) {
    const button = (/** @type {string} */ label, /** @type {() => void} */ work) => html`<button class="button" ?disabled=${this.busy} @click=${work}>${label}</button>`;
    return html`
      ${status === "queued" || status === "running" ? button("Pause", () => this.act(() => post(`${this.place}/pause`))) : nothing}
      ${status === "paused" || status === "cancelled" ? button("Resume", () => this.act(() => post(`${this.place}/resume`))) : nothing}
      ${status === "failed" ? button("Resume", () => this.open("resume")) : nothing}
      ${["done", "failed", "cancelled"].includes(status) ? html`${button("Replay", () => this.open("replay"))}${button("Delete", () => this.delete())}` : button("Cancel", () => this.cancel())}
    `;
  }

  /** @param {AgentRunDetail} run */
  renderFigures(run) {
    const used = usedBy(run.log);
    /** @type {[string, unknown][]} */
    const figures = [
      ["Steps", `${count(Math.max(0, ...run.log.map(({ number }) => number)))} of ${count(run.definition.agent.max_steps)}`],
      ["Tokens", count(used.tokens)],
      ["Cost", used.tokens ? cost(used.cost, used.unpriced) : "–"],
      ["Work", this.works ? "…" : duration(run.seconds)],
      ["Model", run.definition.agent.model],
      ["Strategy", run.definition.agent.strategy],
      ["Traces", run.traces.length ? run.traces.map((id, index) => html`${index ? ", " : nothing}<a href="/traces/${id}" aria-label="Trace ${index + 1}">${index + 1}</a>`) : "–"],
    ];
    return html`<dl class="card figures run-figures">${figures.map(([label, value]) => html`<div><dt>${label}</dt><dd class="number">${value}</dd></div>`)}</dl>`;
  }

  /** To all that waits at once. @param {AgentRunDetail} run */
  renderAll(run) {
    const waiting = run.log.filter(({ kind, status, decision, asked }) => kind === "tool" && status === "waiting" && !decision && !asked);
    const questions = run.log.some(({ kind, status, decision }) => kind === "person" && status === "waiting" && !decision);
    if (waiting.length < 2 || questions) return nothing;
    const all = (/** @type {"yes" | "no"} */ say) => this.act(() => post(`${this.place}/approve`, { all: say }));
    return html`<div class="row"><span class="small faint">${plural(waiting.length, "call")} wait</span><button class="button danger" @click=${() => all("no")}>Refuse all</button><button class="button" @click=${() => all("yes")}>Approve all</button></div>`;
  }

  /** @param {AgentRunDetail} run @param {RunStep[]} parts */
  renderStep(run, parts) {
    const { number } = parts[0];
    const still = !this.works;
    return html`
      <li class="step" aria-label="Step ${number}">
        <div class="step-head"><span class="faint small number">Step ${number}${parts.length > 1 ? `, ${parts.length} at the same time` : ""}</span>
          ${still && number > 1 ? html`<button class="button quiet compact" aria-label="Replay from step ${number}" @click=${() => this.open("replay", number)}>${icons.retry} from here</button>` : nothing}
        </div>
        <div class="parts">${repeat(parts, keyOf, (step) => html`<guru-run-step .runId=${run.id} .step=${step} .words=${this.words[keyOf(step)] ?? ""} .live=${this.works} .still=${still}
          @decided=${() => this.decided()} @edited=${() => this.decided()}></guru-run-step>`)}</div>
      </li>
    `;
  }

  /** @param {AgentRunDetail} run */
  renderEnd(run) {
    if (run.error) return html`<div class="note danger">${icons.warning}<div><strong>${run.error}</strong> ${run.hint}</div></div>`;
    if (run.answer === null) return nothing;
    return html`<section aria-labelledby="answer-title"><h2 id="answer-title">Answer</h2>
      <guru-answer class="card prose run-answer" .message=${{ content: run.answer, citations: [], unsupported: [], status: "complete" }}></guru-answer></section>`;
  }

  /** @param {AgentRunDetail} run @param {{kind: "replay" | "resume", step: number}} form */
  renderForm(run, form) {
    const { agent } = run.definition;
    const title = form.kind === "replay" ? "Do it again" : "Go on";
    const text = form.kind === "replay" ? "A new run. What was done before the step is taken from this one, and not done again." : "It goes on where it stopped, with other limits if you like.";
    return repeat([form], (one) => one, () => html`
      <form class="card run-form" aria-label=${title} novalidate @submit=${this.submit} @keydown=${(/** @type {KeyboardEvent} */ event) => { if (event.key === "Escape") this.form = null; }}>
        <h2>${title}</h2><p class="faint small">${text}</p>
        <div class="run-fields">
          ${form.kind === "resume" ? LIMITS.map((name) => html`<div><label class="label" for="resume-${name}">${NUMBERS[name][0]}</label><input class="field" id="resume-${name}" name=${name} inputmode="decimal" autocomplete="off" placeholder=${NUMBERS[name][1]} .value=${String(agent[name] ?? "")}></div>`) : html`
            <div><label class="label" for="replay-step">From step</label><input class="field" id="replay-step" name="step" inputmode="numeric" autocomplete="off" .value=${String(form.step)}></div>
            <div><label class="label" for="replay-model">Model</label><input class="field" id="replay-model" name="model" autocomplete="off" .value=${agent.model}></div>
            <div class="whole"><label class="label" for="replay-instructions">Instructions</label><textarea class="field" id="replay-instructions" name="instructions" rows="3" .value=${agent.instructions}></textarea></div>
            <div class="whole"><label class="label" for="replay-input">Request</label><textarea class="field" id="replay-input" name="input" rows="3" .value=${run.input}></textarea></div>`}
        </div>
        ${this.actError ? errorNote(this.actError) : nothing}
        <div class="actions row"><button type="button" class="button quiet" @click=${() => { this.form = null; }}>Cancel</button><button class="button primary" ?disabled=${this.busy}>${form.kind === "replay" ? "Replay" : "Resume"}</button></div>
      </form>
    `);
  }
}
customElements.define("guru-run", RunPage);
