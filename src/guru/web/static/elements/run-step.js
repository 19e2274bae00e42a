/** A part of a step of a run: what was asked for, what came of it, and what can be done about it. */

import { describe, patch } from "../api.js";
import { GuruElement } from "../element.js";
import { cost, count, duration } from "../format.js";
import { icons } from "../icons.js";
import { pretty, secondsOf } from "../run-steps.js";
import { html, nothing } from "../vendor/lit/lit-element.js";
import "./decision-form.js";
import "./elicitation-form.js";
import { errorNote } from "./notes.js";

/** @import { ApiErrorBody, RunAsked, RunStep } from "../types.js" */

/** @type {Record<string, string>} */
const KINDS = { model: "model", tool: "tool", choice: "choice", person: "question" };
/** @type {Record<string, string>} */
const SAID = { yes: "approved", no: "refused", done: "done already" };
/** To the server of a tool. @type {Record<string, string>} */
const ANSWERED = { yes: "answered", no: "declined", cancel: "not answered" };

class RunStepCard extends GuruElement {
  static properties = {
    runId: { attribute: false }, step: { attribute: false }, words: { attribute: false }, live: { attribute: false }, still: { attribute: false },
    editing: { state: true }, busy: { state: true }, error: { state: true },
  };

  constructor() {
    super();
    this.runId = "";
    /** @type {RunStep | null} */
    this.step = null;
    /** What the model has said so far. */
    this.words = "";
    /** Whether somebody works on the run. */
    this.live = false;
    /** Whether its result can be put right: nobody works on the run. */
    this.still = false;
    this.editing = false;
    this.busy = false;
    /** @type {ApiErrorBody | null} */
    this.error = null;
  }

  /** @param {SubmitEvent} event @param {RunStep} step */
  async save(event, step) {
    event.preventDefault();
    if (this.busy) return;
    const written = String(new FormData(/** @type {HTMLFormElement} */ (event.target)).get("result"));
    const result = step.kind === "choice" ? { option: written.trim() } : { text: written };
    this.busy = true;
    this.error = null;
    try {
      await patch(`/runs/${encodeURIComponent(this.runId)}/steps/${step.number}/${step.part}`, { result });
      this.editing = false;
      this.emit("edited", step);
    } catch (error) {
      this.error = describe(error);
    } finally {
      this.busy = false;
    }
  }

  /** @param {boolean} open */
  edit(open) {
    this.editing = open;
    this.error = null;
    this.focusOn(open ? "textarea[name=result]" : ".change");
  }

  // ------------------------------------------------------------------ what is shown

  render() {
    const { step } = this;
    if (!step) return nothing;
    const waits = (step.status === "waiting" || step.status === "asking") && !step.decision;
    const failed = step.result?.failed && step.decision?.say !== "no";
    return html`
      <div class="part ${waits ? "waits" : ""}">
        <div class="part-head">
          <span class="badge">${KINDS[step.kind]}</span>
          ${step.kind === "person" ? nothing : html`<strong>${step.name}</strong>`}
          ${step.request.agent ? html`<span class="faint small">${step.request.agent}</span>` : nothing}
          ${waits ? html`<span class="badge warning">waits for you</span>` : step.decision ? html`<span class="badge">${step.kind === "person" ? "answered" : (step.asked ? ANSWERED : SAID)[step.decision.say]}</span>` : nothing}
          ${failed ? html`<span class="badge danger">failed</span>` : nothing}
          <span class="part-end"><span class="faint small number">${step.ended_at ? duration(secondsOf(step)) : this.live && step.status === "begun" ? "…" : ""}</span>
            ${this.still && step.status === "done" && !this.editing ? html`<button class="icon-button compact change" aria-label="Change the result of step ${step.number}: ${step.name}" title="Change the result" @click=${() => this.edit(true)}>${icons.edit}</button>` : nothing}</span>
        </div>
        ${this.renderBody(step, waits)}
        ${this.editing ? this.renderEdit(step) : nothing}
      </div>
    `;
  }

  /** @param {RunStep} step @param {boolean} waits */
  renderBody(step, waits) {
    if (step.kind === "model") return this.renderModel(step);
    if (step.kind === "tool") {
      return html`
        ${waits && !step.asked ? html`<guru-decision .runId=${this.runId} .step=${step}></guru-decision>` : html`<pre class="code" tabindex="0" aria-label="Arguments of ${step.name}">${pretty(step.request.arguments)}</pre>`}
        ${step.asked ? this.renderAsked(step, step.asked, waits) : nothing}
        ${this.renderResult(step)}
      `;
    }
    if (step.kind === "choice") {
      return html`<p class="part-text">${step.request.text}</p>${step.result ? html`<p class="small"><strong>${step.result.option || "none"}</strong> <span class="faint">of ${(step.request.options ?? []).join(", ")}</span></p>` : nothing}`;
    }
    return html`<p class="part-text">${step.request.text}</p>${waits ? html`<guru-decision .runId=${this.runId} .step=${step}></guru-decision>` : html`<p class="part-text"><strong>${step.result?.text ?? step.decision?.text ?? ""}</strong></p>`}`;
  }

  /** @param {RunStep} step @param {RunAsked} asked @param {boolean} waits */
  renderAsked(step, asked, waits) {
    if (waits) return html`<guru-elicitation .runId=${this.runId} .step=${step}></guru-elicitation>`;
    return html`<p class="faint small">${asked.server} asked:</p><blockquote class="part-text asked small">${asked.message}</blockquote>`;
  }

  /** @param {RunStep} step */
  renderModel({ result, request }) {
    const text = result ? result.text : this.words;
    return html`
      ${result?.reasoning ? html`<details class="small"><summary>Reasoning</summary><pre class="said" tabindex="0">${result.reasoning}</pre></details>` : nothing}
      ${text ? html`<pre class="said" tabindex="0" aria-label="What the model said">${text}</pre>` : nothing}
      ${result?.calls?.length ? html`<p class="small">wants ${result.calls.map((/** @type {{name: string}} */ { name }) => name).join(", ")}</p>` : nothing}
      <p class="faint small number">${result?.model || request.model}${result ? html` · ${count(result.prompt_tokens)} + ${count(result.completion_tokens)} tokens · ${cost(result.cost)}` : nothing}${result?.trace_id ? html` · <a href="/traces/${result.trace_id}">trace</a>` : nothing}</p>
    `;
  }

  /** @param {RunStep} step */
  renderResult({ name, result }) {
    if (!result) return nothing;
    const images = (result.images ?? []).map((/** @type {any} */ image) => image.image_url?.url ?? "").filter((/** @type {string} */ url) => url.startsWith("data:image/"));
    return html`
      ${result.tool && result.tool !== name ? html`<p class="faint small">${result.tool} was called in its place.</p>` : nothing}
      <pre class="said" tabindex="0" aria-label="Result of ${name}">${result.text}</pre>
      ${images.map((/** @type {string} */ url) => html`<img class="part-image" src=${url} alt="Result of ${name}">`)}
    `;
  }

  /** @param {RunStep} step */
  renderEdit(step) {
    const id = `result-${step.number}-${step.part}`;
    return html`
      <form class="decision" aria-label="Another result" @submit=${(/** @type {SubmitEvent} */ event) => this.save(event, step)} @keydown=${(/** @type {KeyboardEvent} */ event) => event.key === "Escape" && this.edit(false)}>
        <label class="label" for=${id}>${step.kind === "choice" ? "Another option" : "Another result"}</label>
        <textarea class="field" id=${id} name="result" rows="4" .value=${step.kind === "choice" ? (step.result?.option ?? "") : (step.result?.text ?? "")}></textarea>
        <p class="faint small">What came after it is forgotten, and the run is paused.</p>
        ${this.error ? errorNote(this.error) : nothing}
        <div class="actions row"><button type="button" class="button quiet" @click=${() => this.edit(false)}>Cancel</button><button class="button primary" ?disabled=${this.busy}>Put in its place</button></div>
      </form>
    `;
  }
}
customElements.define("guru-run-step", RunStepCard);
