/** What becomes of a call that waits, or the answer to a question of an agent. */

import { decide } from "../decide.js";
import { GuruElement } from "../element.js";
import { pretty } from "../run-steps.js";
import { html, nothing } from "../vendor/lit/lit-element.js";
import { errorNote } from "./notes.js";

/** @import { ApiErrorBody, Decision, RunStep } from "../types.js" */

class DecisionForm extends GuruElement {
  static properties = { runId: { attribute: false }, step: { attribute: false }, busy: { state: true }, error: { state: true }, wrong: { state: true } };

  constructor() {
    super();
    this.runId = "";
    /** @type {RunStep | null} */
    this.step = null;
    this.busy = false;
    /** @type {ApiErrorBody | null} */
    this.error = null;
    /** Why what is written is no set of arguments. */
    this.wrong = "";
  }

  /** @param {SubmitEvent} event @param {RunStep} step */
  async submit(event, step) {
    event.preventDefault();
    if (this.busy) return;
    const form = new FormData(/** @type {HTMLFormElement} */ (event.target));
    const chosen = /** @type {HTMLButtonElement | null} */ (event.submitter)?.value ?? "yes";
    /** @type {Decision} */
    const decision = { say: /** @type {Decision["say"]} */ (chosen), text: String(form.get("text") ?? "").trim() };
    const written = String(form.get("arguments") ?? "");
    this.wrong = "";
    if (chosen === "yes" && form.has("arguments") && written.trim() !== pretty(step.request.arguments).trim()) {
      const others = objectOf(written);
      if (!others) {
        this.wrong = "This is not a JSON object.";
        this.focusOn("textarea[name=arguments]");
        return;
      }
      decision.arguments = others;
    }
    await decide(this, step, () => decision);
  }

  render() {
    const { step } = this;
    if (!step) return nothing;
    return html`
      <form class="decision" aria-label="${step.kind === "person" ? "Answer the agent" : `Decide about ${step.name}`}, ${step.number}.${step.part + 1}" novalidate @submit=${(/** @type {SubmitEvent} */ event) => this.submit(event, step)}>
        ${step.kind === "person" ? this.renderAnswer(step) : this.renderCall(step)}
        ${this.error ? errorNote(this.error) : nothing}
      </form>
    `;
  }

  /** @param {RunStep} step */
  renderAnswer(step) {
    const id = `answer-${step.number}-${step.part}`;
    return html`
      <label class="label" for=${id}>Your answer</label>
      <textarea class="field" id=${id} name="text" rows="3"></textarea>
      <div class="actions row"><button class="button primary" value="yes" ?disabled=${this.busy}>Answer</button></div>
    `;
  }

  /** @param {RunStep} step */
  renderCall(step) {
    const id = `${step.number}-${step.part}`;
    return html`
      <p class="small">${step.reason}</p>
      <label class="label" for="arguments-${id}">Arguments</label>
      <textarea class="field code" id="arguments-${id}" name="arguments" rows="5" spellcheck="false" aria-invalid=${this.wrong ? "true" : nothing} aria-describedby=${this.wrong ? `arguments-${id}-error` : nothing}
        .value=${pretty(step.request.arguments)}></textarea>
      ${this.wrong ? html`<p class="field-error small" id="arguments-${id}-error" role="alert">${this.wrong}</p>` : nothing}
      <label class="label" for="words-${id}">Why not, or what came of it if it is done already</label>
      <input class="field" id="words-${id}" name="text" autocomplete="off">
      <div class="actions row">
        <button class="button quiet" value="done" ?disabled=${this.busy}>Done already</button>
        <button class="button danger" value="no" ?disabled=${this.busy}>Refuse</button>
        <button class="button primary" value="yes" ?disabled=${this.busy}>Approve</button>
      </div>
    `;
  }
}
customElements.define("guru-decision", DecisionForm);

/** @param {string} written @returns {Record<string, unknown> | null} */
function objectOf(written) {
  try {
    const value = JSON.parse(written);
    return value && typeof value === "object" && !Array.isArray(value) ? value : null;
  } catch {
    return null;
  }
}
