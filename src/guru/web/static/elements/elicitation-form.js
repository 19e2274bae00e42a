/** What the MCP server of a tool asks during a call: a form of its own making, or an address to open. */

import { decide } from "../decide.js";
import { GuruElement } from "../element.js";
import { icons } from "../icons.js";
import { html, nothing } from "../vendor/lit/lit-element.js";
import { errorNote } from "./notes.js";
import { hasFields, readSchemaForm, schemaFields } from "./schema-form.js";

/** @import { ApiErrorBody, Decision, RunAsked, RunStep } from "../types.js" */

class ElicitationForm extends GuruElement {
  static properties = { runId: { attribute: false }, step: { attribute: false }, opened: { state: true }, busy: { state: true }, error: { state: true } };

  constructor() {
    super();
    this.runId = "";
    /** @type {RunStep | null} */
    this.step = null;
    /** Whether the person has opened the address. */
    this.opened = false;
    this.busy = false;
    /** @type {ApiErrorBody | null} */
    this.error = null;
  }

  /** @param {SubmitEvent} event @param {RunStep} step @param {RunAsked} asked */
  async submit(event, step, asked) {
    event.preventDefault();
    if (this.busy) return;
    const say = /** @type {Decision["say"]} */ (/** @type {HTMLButtonElement | null} */ (event.submitter)?.value ?? "yes");
    const form = /** @type {HTMLFormElement} */ (event.target);
    await decide(this, step, () => (say === "yes" && hasFields(asked.schema) ? { say, content: readSchemaForm(form, asked.schema) } : { say }));
  }

  render() {
    const { step } = this;
    if (!step?.asked) return nothing;
    const { asked } = step;
    const id = `${step.number}-${step.part}`;
    return html`
      <form class="decision elicitation" aria-label="Answer ${asked.server}, ${step.number}.${step.part + 1}" @submit=${(/** @type {SubmitEvent} */ event) => this.submit(event, step, asked)}>
        <p class="small">The MCP server <strong>${asked.server}</strong> asks you:</p>
        <blockquote class="part-text asked">${asked.message}</blockquote>
        <p class="faint small">These are its own words. What you answer goes to ${asked.server}${asked.until ? html`, which waits until ${clock(asked.until)}` : nothing}.</p>
        ${asked.warnings.length ? html`<div class="note warning">${icons.warning}<div><strong>Look twice:</strong> ${asked.warnings.join("; ")}.</div></div>` : nothing}
        ${asked.url ? html`<p class="small asked-address">${address(asked.url)}</p>` : hasFields(asked.schema) ? html`<div class="asked-fields">${schemaFields(asked.schema, `asked-${id}`)}</div>` : nothing}
        ${this.error ? errorNote(this.error) : nothing}
        <div class="actions row">
          <button class="button quiet" value="cancel" formnovalidate ?disabled=${this.busy}>Not now</button>
          <button class="button danger" value="no" formnovalidate ?disabled=${this.busy}>Decline</button>
          ${asked.url ? this.renderVisit(asked.url) : html`<button class="button primary" value="yes" ?disabled=${this.busy}>Send to ${asked.server}</button>`}
        </div>
      </form>
    `;
  }

  /** @param {string} url */
  renderVisit(url) {
    return html`
      <a class="button ${this.opened ? "" : "primary"}" href=${url} target="_blank" rel="noopener noreferrer" @click=${() => { this.opened = true; }}>Open ${new URL(url).host} ${icons.external}</a>
      <button class="button ${this.opened ? "primary" : ""}" value="yes" ?disabled=${this.busy || !this.opened}>I am done there</button>
    `;
  }
}
customElements.define("guru-elicitation", ElicitationForm);

/** The whole address, with the part that says whose it is. @param {string} url */
function address(url) {
  const { host } = new URL(url);
  const start = url.indexOf(host);
  return start < 0 ? html`<code>${url}</code>` : html`<code>${url.slice(0, start)}<strong>${host}</strong>${url.slice(start + host.length)}</code>`;
}

/** @param {string} moment */
const clock = (moment) => new Date(moment).toLocaleTimeString(undefined, { hour: "2-digit", minute: "2-digit" });
