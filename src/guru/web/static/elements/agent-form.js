/** Define an agent, or look at one and change it. What the server refuses is said at its field. */

import { ASK_PERSON, LIMITS, NUMBERS, STRATEGIES, TOOL_CALLS, UNTRUSTED, listOf, numberOrText } from "../agent-settings.js";
import { describe, post, put } from "../api.js";
import { GuruElement } from "../element.js";
import { textOf } from "../holders.js";
import { html, nothing } from "../vendor/lit/lit-element.js";
import { errorNote } from "./notes.js";

/** @import { Agent, ApiErrorBody, KnownAgent, Model, ToolInfo } from "../types.js" */

const LONG = ["model", "description", "instructions", "input", "schedule", "timezone", "on_document", "webhook_key"];
const NULLABLE = ["schedule", "on_document", "webhook_key", "max_usd", "temperature", "max_tokens"];
const MORE = ["temperature", "max_tokens", "retries"];

class AgentForm extends GuruElement {
  static properties = {
    known: { attribute: false }, tools: { attribute: false }, models: { attribute: false },
    strategy: { state: true }, chosen: { state: true }, asking: { state: true }, busy: { state: true }, error: { state: true },
  };

  constructor() {
    super();
    /** None: a new one. @type {KnownAgent | null} */
    this.known = null;
    /** @type {ToolInfo[]} */
    this.tools = [];
    /** @type {Model[]} */
    this.models = [];
    this.strategy = "direct";
    /** @type {Set<string>} */
    this.chosen = new Set();
    /** Tools whose every call waits. @type {Set<string>} */
    this.asking = new Set();
    this.busy = false;
    /** @type {ApiErrorBody | null} */
    this.error = null;
  }

  connectedCallback() {
    super.connectedCallback();
    const agent = this.agent;
    this.strategy = agent.strategy ?? "direct";
    this.chosen = new Set(agent.tools);
    this.asking = new Set(agent.approve);
    this.focusOn(this.known ? (this.known.configured ? "h2" : "#agent-description") : "#agent-name");
  }

  get agent() {
    return this.known?.agent ?? /** @type {Partial<Agent>} */ ({});
  }

  get listed() {
    return [...this.tools, ASK_PERSON];
  }

  /** Of the agent's tools, patterns and those that are not here now. @param {string[] | undefined} names */
  unlisted(names) {
    return (names ?? []).filter((name) => !this.listed.some((tool) => tool.name === name));
  }

  /** What the form says; the rest stays as it was. @param {FormData} form */
  read(form) {
    /** @type {Record<string, any>} */
    const agent = { ...this.agent, name: textOf(form, "name"), strategy: this.strategy, untrusted: textOf(form, "untrusted"), tool_calls: textOf(form, "tool_calls") };
    const here = this.listed.map(({ name }) => name);
    const patterns = listOf(textOf(form, "patterns"));
    agent.tools = [...here.filter((name) => this.chosen.has(name)), ...patterns];
    agent.approve = [...here.filter((name) => this.chosen.has(name) && this.asking.has(name)), ...listOf(textOf(form, "approve"))];
    agent.agents = form.has("agents") ? listOf(textOf(form, "agents")) : (agent.agents ?? []);
    agent.memory = form.has("memory");
    for (const name of [...LONG, ...Object.keys(NUMBERS)]) {
      if (!form.has(name)) continue; // not shown: it stays
      const typed = textOf(form, name);
      if (typed) agent[name] = name in NUMBERS ? numberOrText(typed) : typed;
      else if (NULLABLE.includes(name)) agent[name] = null;
      else delete agent[name]; // as it is by itself
    }
    return agent;
  }

  /** @param {SubmitEvent} event */
  async submit(event) {
    event.preventDefault();
    if (this.busy) return;
    const agent = this.read(new FormData(/** @type {HTMLFormElement} */ (event.target)));
    this.busy = true;
    this.error = null;
    try {
      if (this.known) await put(`/agents/${encodeURIComponent(this.known.agent.name)}`, agent);
      else await post("/agents", agent);
      this.emit("saved", agent.name);
    } catch (error) {
      this.error = describe(error);
      await this.updateComplete;
      const field = /** @type {HTMLElement | null} */ (this.querySelector('[aria-invalid="true"]'));
      const more = field?.closest("details");
      if (more) more.open = true;
      field?.focus();
    } finally {
      this.busy = false;
    }
  }

  // ------------------------------------------------------------------ fields

  /** Whether the server's error is about this setting. @param {string} name */
  wrong(name) {
    const param = this.error?.param ?? "";
    return param === name || param.startsWith(`${name}.`) || param.startsWith(`${name}[`);
  }

  /** @param {string} name */
  problem(name) {
    if (!this.wrong(name)) return nothing;
    return html`<p class="field-error small" id="agent-${name}-error" role="alert">${this.error?.message} ${this.error?.hint}</p>`;
  }

  /** @param {string} name @param {string} label @param {{value?: unknown, placeholder?: string, list?: string, number?: boolean, fixed?: boolean}} [more] */
  field(name, label, { value = this.agent[name], placeholder = "", list, number = false, fixed = false } = {}) {
    const wrong = this.wrong(name);
    return html`<div>
      <label class="label" for="agent-${name}">${label}</label>
      <input class="field" id="agent-${name}" name=${name} autocomplete="off" inputmode=${number ? "decimal" : "text"} placeholder=${placeholder} list=${list ?? nothing}
        ?readonly=${fixed} aria-invalid=${wrong ? "true" : nothing} aria-describedby=${wrong ? `agent-${name}-error` : nothing} .value=${String(value ?? "")}>
      ${this.problem(name)}
    </div>`;
  }

  /** @param {string} name */
  number(name) {
    const [label, placeholder] = NUMBERS[name];
    return this.field(name, label, { placeholder, number: true });
  }

  /** @param {string} name @param {string} label @param {Record<string, string>} options @param {string} chosen @param {(value: string) => void} [changed] */
  select(name, label, options, chosen, changed) {
    return html`<div>
      <label class="label" for="agent-${name}">${label}</label>
      <select class="select bordered" id="agent-${name}" name=${name} aria-invalid=${this.wrong(name) ? "true" : nothing}
        @change=${(/** @type {any} */ event) => changed?.(event.target.value)}>${Object.entries(options).map(([value, text]) => html`<option value=${value} ?selected=${value === chosen}>${text}</option>`)}</select>
      ${this.problem(name)}
    </div>`;
  }

  /** @param {string} name @param {string} label @param {string} placeholder */
  area(name, label, placeholder) {
    const wrong = this.wrong(name);
    return html`<div class="whole">
      <label class="label" for="agent-${name}">${label}</label>
      <textarea class="field" id="agent-${name}" name=${name} rows="4" placeholder=${placeholder} aria-invalid=${wrong ? "true" : nothing} aria-describedby=${wrong ? `agent-${name}-error` : nothing}
        .value=${this.agent[name] ?? ""}></textarea>
      ${this.problem(name)}
    </div>`;
  }

  /** @param {"chosen" | "asking"} which @param {string} name */
  toggle(which, name) {
    const names = new Set(this[which]);
    if (!names.delete(name)) names.add(name);
    this[which] = names;
  }

  // ------------------------------------------------------------------ what is shown

  render() {
    const { known, agent } = this;
    const fixed = known?.configured ?? false;
    const title = known ? (fixed ? agent.name : `Change ${agent.name}`) : "New agent";
    const shown = ["name", "strategy", "tools", "approve", "agents", "untrusted", "tool_calls", ...LONG, ...Object.keys(NUMBERS)];
    const elsewhere = this.error && !shown.some((name) => this.wrong(name) && this.querySelector(`#agent-${name}`));
    return html`
      <form class="card holder-form" aria-label=${title} novalidate @submit=${this.submit} @keydown=${(/** @type {KeyboardEvent} */ event) => event.key === "Escape" && this.emit("closed")}>
        <h2 tabindex="-1">${title}</h2>
        ${fixed ? html`<p class="faint small">It is defined in guru.toml, and changed there.</p>` : nothing}
        <fieldset class="plain" ?disabled=${fixed}>
          <div class="holder-fields">
            ${this.field("name", "Name", { fixed: known !== null })}
            ${this.field("model", "Model", { placeholder: "default", list: "agent-models" })}
            <datalist id="agent-models">${this.models.map(({ name }) => html`<option value=${name}></option>`)}</datalist>
            ${this.select("strategy", "Strategy", Object.fromEntries(Object.keys(STRATEGIES).map((name) => [name, name])), this.strategy, (value) => (this.strategy = value))}
            <p class="whole faint small">${STRATEGIES[this.strategy]?.does}</p>
            ${STRATEGIES[this.strategy]?.settings.map((name) => (name === "agents" ? this.field("agents", "Other agents", { value: agent.agents?.join(", "), placeholder: "names" }) : this.number(name)))}
            <div class="whole">${this.field("description", "What it is good for", { placeholder: "Others choose it by this." })}</div>
            ${this.area("instructions", "Instructions", "You help the people of the office. Be brief.")}
            <label class="whole small"><input type="checkbox" name="memory" .checked=${agent.memory ?? false}> It is told what is remembered of the person who asks it, and may remember more</label>
          </div>
          ${this.renderTools()}
          <h3>Limits</h3>
          <div class="holder-fields">${LIMITS.map((name) => this.number(name))}
            ${this.select("untrusted", "After untrusted content", UNTRUSTED, agent.untrusted ?? "ask")}
          </div>
          <details class="more-settings">
            <summary>More settings</summary>
            <div class="holder-fields">
              ${MORE.map((name) => this.number(name))}
              ${this.select("tool_calls", "How tools are called", TOOL_CALLS, agent.tool_calls ?? "auto")}
              ${this.field("schedule", "Schedule, as cron has it", { placeholder: "0 7 * * 1-5" })}
              ${this.field("timezone", "Time zone of the schedule", { placeholder: "UTC" })}
              ${this.field("on_document", "For documents of", { placeholder: "none" })}
              ${this.field("webhook_key", "Key of its webhook", { placeholder: "none" })}
              ${this.area("input", "What it is asked when it runs by itself", "Write the morning report.")}
            </div>
          </details>
        </fieldset>
        ${elsewhere && this.error ? errorNote(this.error) : nothing}
        <div class="actions row">
          <button type="button" class="button quiet" @click=${() => this.emit("closed")}>${fixed ? "Close" : "Cancel"}</button>
          ${fixed ? nothing : html`<button class="button primary" ?disabled=${this.busy}>${known ? "Save" : "Define the agent"}</button>`}
        </div>
      </form>
    `;
  }

  renderTools() {
    const wrong = this.wrong("tools") || this.wrong("approve");
    return html`
      <h3 id="agent-tools-title">Tools</h3>
      <div class="tool-choices" id="agent-tools" role="group" aria-labelledby="agent-tools-title" tabindex=${wrong ? "-1" : nothing} aria-describedby=${this.wrong("tools") ? "agent-tools-error" : nothing}>
        ${this.listed.map((tool) => html`<div class="tool-choice">
          <div><label><input type="checkbox" aria-describedby="about-${tool.name}" .checked=${this.chosen.has(tool.name)} @change=${() => this.toggle("chosen", tool.name)}> <strong>${tool.name}</strong></label>
            <span class="faint small" id="about-${tool.name}">${tool.description.split("\n")[0]}</span></div>
          ${tool.name === ASK_PERSON.name ? nothing : tool.approval ? html`<span class="faint small">always asks</span>` : html`<label class="small ask-first"><input type="checkbox" aria-label="${tool.name} asks first" ?disabled=${!this.chosen.has(tool.name)} .checked=${this.chosen.has(tool.name) && this.asking.has(tool.name)} @change=${() => this.toggle("asking", tool.name)}> ask first</label>`}
        </div>`)}
      </div>
      ${this.problem("tools")}
      <div class="holder-fields">
        ${this.field("patterns", "Further tools, by pattern", { value: this.unlisted(this.agent.tools).join(", "), placeholder: "search_*" })}
        ${this.field("approve", "Further ones that ask first", { value: this.unlisted(this.agent.approve).join(", "), placeholder: "send_*" })}
      </div>
    `;
  }
}
customElements.define("guru-agent-form", AgentForm);
