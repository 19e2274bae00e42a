/** Agents: defined, changed, begun; and what they have done. */

import { describe, get, post, remove } from "../api.js";
import { ago, cost, count, duration, when } from "../format.js";
import { icons } from "../icons.js";
import { LiveElement } from "../live-element.js";
import { reach, renewed } from "../paging.js";
import { html, nothing } from "../vendor/lit/lit-element.js";
import { repeat } from "../vendor/lit/repeat.js";
import "./agent-form.js";
import { confirm } from "./confirm-dialog.js";
import { filterSelect } from "./filter-select.js";
import { emptyState, errorNote } from "./notes.js";
import { statusBadge } from "./status-badge.js";

/** @import { AgentRun, ApiErrorBody, KnownAgent, Model, ToolInfo } from "../types.js" */

/** Milliseconds between two looks while something runs. */
const EVERY = 3000;
const STATES = ["running", "waiting", "paused", "done", "failed", "cancelled"];

class AgentsPage extends LiveElement {
  static properties = {
    agents: { state: true }, runs: { state: true }, open: { state: true }, busy: { state: true }, error: { state: true },
    askError: { state: true }, ofAgent: { state: true }, ofState: { state: true },
  };

  constructor() {
    super();
    /** @type {KnownAgent[] | null} */
    this.agents = null;
    /** @type {{items: AgentRun[], next: string | null}} */
    this.runs = { items: [], next: null };
    /** @type {ToolInfo[]} */
    this.tools = [];
    /** @type {Model[]} */
    this.models = [];
    /** The form that is open: of an agent (none: a new one), or what one is asked. @type {{form: "agent" | "ask", known: KnownAgent | null} | null} */
    this.open = null;
    this.busy = false;
    /** @type {ApiErrorBody | null} */
    this.error = null;
    /** @type {ApiErrorBody | null} */
    this.askError = null;
    this.ofAgent = "";
    this.ofState = "";
    this.turn = 0;
  }

  async load() {
    clearTimeout(this.timer);
    const turn = ++this.turn; // an answer that comes late must not stand for what was asked after it
    try {
      const [{ agents }, { runs, next }, { tools }, { models }] = await Promise.all([get("/agents"), get(this.query(reach(this.runs.items))), get("/tools"), get("/models")]);
      if (turn !== this.turn) return;
      this.error = null;
      this.tools = tools;
      this.models = models.filter((/** @type {Model} */ { kind }) => kind === "chat");
      this.agents = agents;
      this.runs = renewed(this.runs, { items: runs, next });
    } catch (error) {
      if (turn === this.turn) this.error = describe(error);
    }
    const works = this.runs.items.some(({ status }) => ["queued", "running", "pausing"].includes(status));
    if (turn === this.turn && works && !this.error) this.loadAfter(EVERY);
  }

  /** @param {number} limit @param {string | null} [before] */
  query(limit, before = null) {
    const query = new URLSearchParams({ limit: String(limit) });
    if (this.ofAgent) query.set("agent", this.ofAgent);
    if (this.ofState) query.set("status", this.ofState);
    if (before) query.set("before", before);
    return `/runs?${query}`;
  }

  /** What comes after the last run that is shown. */
  async older() {
    const turn = ++this.turn;
    try {
      const { runs, next } = await get(this.query(reach([]), this.runs.next));
      if (turn === this.turn) this.runs = { items: [...this.runs.items, ...runs], next };
    } catch (error) {
      if (turn === this.turn) this.error = describe(error);
    }
    if (turn === this.turn) this.load();
  }

  /** @param {{ofAgent?: string, ofState?: string}} chosen */
  filter(chosen) {
    Object.assign(this, chosen);
    this.runs = { items: [], next: null };
    this.load();
  }

  // ------------------------------------------------------------------ what a person does

  /** @param {"agent" | "ask"} form @param {KnownAgent | null} known */
  show(form, known) {
    this.open = { form, known };
    this.askError = null;
    if (form === "ask") this.focusOn("#agent-request");
  }

  close() {
    const { form, known } = this.open ?? {};
    this.open = null;
    this.focusOn(known ? `[data-agent="${CSS.escape(known.agent.name)}"] .${form === "ask" ? "ask" : "look"}` : "#add");
  }

  async saved() {
    await this.load();
    this.close();
  }

  /** @param {KnownAgent} known */
  async delete({ agent }) {
    if (!(await confirm({ title: `Delete ${agent.name}?`, text: "It runs no more. What it has done stays.", action: "Delete" }))) return;
    try {
      await remove(`/agents/${encodeURIComponent(agent.name)}`);
      if (this.open?.known?.agent.name === agent.name) this.open = null;
      await this.load();
      this.focusOn("#add");
    } catch (error) {
      this.error = describe(error);
    }
  }

  /** @param {SubmitEvent} event @param {KnownAgent} known */
  async begin(event, { agent }) {
    event.preventDefault();
    if (this.busy) return;
    const input = String(new FormData(/** @type {HTMLFormElement} */ (event.target)).get("input"));
    this.busy = true;
    this.askError = null;
    try {
      const run = await post(`/agents/${encodeURIComponent(agent.name)}/runs`, { input, background: true });
      location.assign(`/agents/runs/${encodeURIComponent(run.id)}`);
    } catch (error) {
      this.askError = describe(error);
    } finally {
      this.busy = false;
    }
  }

  // ------------------------------------------------------------------ what is shown

  render() {
    const { open } = this;
    return html`
      <header class="page-head">
        <div><h1>Agents</h1><p>A model with instructions, tools, and a way to go about a task.</p></div>
        <button class="button primary" id="add" ?disabled=${!this.agents} @click=${() => this.show("agent", null)}>${icons.plus} New agent</button>
      </header>
      ${this.error ? errorNote(this.error, () => this.load()) : nothing}
      ${open ? repeat([open], (one) => one, () => (open.form === "agent" ? html`<guru-agent-form .known=${open.known} .tools=${this.tools} .models=${this.models} @saved=${() => this.saved()} @closed=${() => this.close()}></guru-agent-form>` : this.renderAsk(/** @type {KnownAgent} */ (open.known)))) : nothing}
      ${this.agents ? html`${this.renderAgents(this.agents)}${this.renderRuns()}` : this.error ? nothing : html`<span class="skeleton block"></span>`}
    `;
  }

  /** @param {KnownAgent} known */
  renderAsk(known) {
    return html`
      <form class="card holder-form" aria-label="Ask ${known.agent.name}" @submit=${(/** @type {SubmitEvent} */ event) => this.begin(event, known)} @keydown=${(/** @type {KeyboardEvent} */ event) => event.key === "Escape" && this.close()}>
        <h2>Ask ${known.agent.name}</h2>
        <label class="label" for="agent-request">What it is to do</label>
        <textarea class="field" id="agent-request" name="input" rows="3" required
          @keydown=${(/** @type {KeyboardEvent} */ event) => event.key === "Enter" && (event.ctrlKey || event.metaKey) && /** @type {HTMLTextAreaElement} */ (event.target).form?.requestSubmit()}></textarea>
        ${this.askError ? errorNote(this.askError) : nothing}
        <div class="actions row">
          <button type="button" class="button quiet" @click=${() => this.close()}>Cancel</button>
          <button class="button primary" ?disabled=${this.busy}>Run</button>
        </div>
      </form>
    `;
  }

  /** @param {KnownAgent[]} agents */
  renderAgents(agents) {
    if (!agents.length) {
      return this.open ? nothing : emptyState({ icon: icons.info, title: "There are no agents yet", text: html`Define one here, or in guru.toml under <code>[agents.NAME]</code>.` });
    }
    return html`
      <div class="table-wrap" tabindex="0" role="region" aria-label="Agents">
        <table class="table holders-table">
          <thead><tr><th scope="col">Agent</th><th scope="col">Strategy</th><th scope="col">Model</th><th scope="col">Tools</th><th scope="col"><span class="visually-hidden">Actions</span></th></tr></thead>
          <tbody>${repeat(agents, ({ agent }) => agent.name, (known) => this.renderAgent(known))}</tbody>
        </table>
      </div>
    `;
  }

  /** @param {KnownAgent} known */
  renderAgent(known) {
    const { agent, configured } = known;
    const by = [agent.schedule && `at ${agent.schedule}`, agent.on_document && `for documents of ${agent.on_document}`, agent.webhook_key && "by webhook"].filter(Boolean);
    return html`
      <tr data-agent=${agent.name}>
        <th scope="row" class="holder-name">${agent.name}${agent.description ? html`<div class="faint small about">${agent.description}</div>` : nothing}</th>
        <td>${agent.strategy}${by.length ? html`<div class="faint">${by.join(", ")}</div>` : nothing}</td>
        <td>${agent.model}</td>
        <td class="agent-tools">${agent.tools.length ? agent.tools.join(", ") : html`<span class="faint">none</span>`}</td>
        <td><div class="row-actions">
          ${configured ? html`<span class="faint">in guru.toml</span>` : nothing}
          <button class="icon-button compact look" aria-label="${configured ? "Look at" : "Change"} ${agent.name}" title=${configured ? "Look at it" : "Change"} @click=${() => this.show("agent", known)}>${configured ? icons.search : icons.edit}</button>
          ${configured ? nothing : html`<button class="icon-button compact" aria-label="Delete ${agent.name}" title="Delete" @click=${() => this.delete(known)}>${icons.trash}</button>`}
          <button class="button compact ask" aria-label="Ask ${agent.name}" @click=${() => this.show("ask", known)}>Ask</button>
        </div></td>
      </tr>
    `;
  }

  renderRuns() {
    const filtered = this.ofAgent || this.ofState;
    const runs = this.runs.items;
    if (!runs.length && !filtered) return nothing;
    const names = [...new Set([...(this.agents ?? []).map(({ agent }) => agent.name), ...runs.map(({ agent }) => agent), ...(this.ofAgent ? [this.ofAgent] : [])])].sort();
    return html`
      <section aria-labelledby="runs-title">
        <div class="section-head row list-head">
          <h2 id="runs-title">Runs</h2>
          <div class="row">
            ${filterSelect({ label: "Runs of", all: "All agents", names, chosen: this.ofAgent }, (ofAgent) => this.filter({ ofAgent }))}
            ${filterSelect({ label: "State", all: "All states", names: STATES, chosen: this.ofState }, (ofState) => this.filter({ ofState }))}
            <button class="button" @click=${() => this.load()}>${icons.retry}Refresh</button>
          </div>
        </div>
        ${runs.length ? this.renderTable(runs) : html`<p class="faint">There are none like this.</p>`}
        ${this.runs.next ? html`<button class="button more" @click=${() => this.older()}>Older ones</button>` : nothing}
      </section>
    `;
  }

  /** @param {AgentRun[]} runs */
  renderTable(runs) {
    return html`
      <div class="table-wrap" tabindex="0" role="region" aria-label="Runs of agents">
        <table class="table runs">
          <thead><tr><th scope="col">Request</th><th scope="col">Agent</th><th scope="col">State</th><th scope="col" class="end">Steps</th><th scope="col" class="end">Tokens</th><th scope="col" class="end">Cost</th><th scope="col" class="end">Work</th></tr></thead>
          <tbody>${repeat(runs, ({ id }) => id, (run) => html`<tr>
            <td class="preview"><a class="plain" href="/agents/runs/${run.id}">${run.input.slice(0, 300) || run.id}</a><time class="faint" datetime=${run.created_at} title=${when(run.created_at)}>${ago(run.created_at)}</time></td>
            <td>${run.agent}</td>
            <td>${statusBadge(run.status)}</td>
            <td class="end number">${count(run.steps)}</td>
            <td class="end number">${count(run.tokens)}</td>
            <td class="end number nowrap">${run.cost ? cost(run.cost) : "–"}</td>
            <td class="end number nowrap">${duration(run.seconds)}</td>
          </tr>`)}</tbody>
        </table>
      </div>
    `;
  }
}
customElements.define("guru-agents", AgentsPage);
