/** One prompt: a version, beside another one, on trial; its labels and how they moved. */

import { describe, get, post } from "../api.js";
import { GuruElement } from "../element.js";
import { when } from "../format.js";
import { icons } from "../icons.js";
import { placeOf, template } from "../prompts.js";
import { html, nothing } from "../vendor/lit/lit-element.js";
import { confirm } from "./confirm-dialog.js";
import { errorNote } from "./notes.js";
import "./prompt-diff.js";
import "./prompt-editor.js";
import "./prompt-trial.js";
import "./release-card.js";

/** @import { ApiErrorBody, PromptDetail, PromptVersion, Release } from "../types.js" */

const VIEWS = /** @type {const} */ ([["messages", "Messages"], ["diff", "Compare"], ["trial", "Try it"], ["labels", "Labels"]]);

class PromptPage extends GuruElement {
  static properties = {
    prompt: { state: true }, version: { state: true }, releases: { state: true }, view: { state: true }, writing: { state: true }, said: { state: true }, busy: { state: true }, error: { state: true },
  };

  constructor() {
    super();
    this.name = decodeURIComponent(location.pathname.split("/")[2] ?? "");
    /** @type {PromptDetail | null} */
    this.prompt = null;
    /** The one that is shown. @type {PromptVersion | null} */
    this.version = null;
    /** @type {typeof VIEWS[number][0]} */
    this.view = "messages";
    /** Of its labels, for administrators of the server. @type {Release[]} */
    this.releases = [];
    /** Whether a new version is written, or a new prompt that begins with this one. @type {"" | "version" | "copy"} */
    this.writing = "";
    /** What came of saving. */
    this.said = "";
    this.busy = false;
    /** @type {ApiErrorBody | null} */
    this.error = null;
    this.turn = 0;
  }

  connectedCallback() {
    super.connectedCallback();
    this.load();
  }

  async load() {
    try {
      const prompt = /** @type {PromptDetail} */ (await get(placeOf(this.name)));
      this.prompt = prompt;
      this.releases = manages() ? await this.tried() : [];
      await this.choose(String(this.version?.version ?? prompt.labels.prod ?? prompt.latest));
      this.error = null;
    } catch (error) {
      this.error = describe(error);
    }
  }

  /** The releases of its labels that are not over. @returns {Promise<Release[]>} */
  async tried() {
    const { releases } = await get("/releases");
    return releases.filter((/** @type {Release} */ { alias, status }) => alias.startsWith(`${this.name}@`) && status !== "stopped");
  }

  /** @param {string} version */
  async choose(version) {
    const turn = ++this.turn;
    try {
      const found = await get(`${placeOf(this.name)}/versions/${version}`);
      if (turn !== this.turn) return;
      this.version = found;
      this.error = null;
    } catch (error) {
      if (turn === this.turn) this.error = describe(error);
    }
  }

  close() {
    this.writing = "";
    this.focusOn("#write");
  }

  /** @param {{name: string, version: number, created: boolean}} saved */
  async saved({ name, version, created }) {
    if (name !== this.name) {
      location.assign(placeOf(name));
      return;
    }
    this.close();
    this.said = created ? `Version ${version} is saved.` : `Nothing is new: version ${version} says the same already.`;
    await this.load();
    await this.choose(String(version));
  }

  /** Change something once, and show what has become of it. @param {() => Promise<unknown>} work */
  async change(work) {
    if (this.busy) return;
    this.busy = true;
    try {
      await work();
      await this.load();
    } catch (error) {
      this.error = describe(error);
    } finally {
      this.busy = false;
    }
  }

  /** @param {SubmitEvent} event */
  async move(event) {
    event.preventDefault();
    const form = /** @type {HTMLFormElement} */ (event.target);
    const label = String(new FormData(form).get("label")).trim();
    const { version } = /** @type {PromptVersion} */ (this.version);
    const before = this.prompt?.labels[label];
    const text = before ? `It stands for version ${before} now. Whoever asks for ${this.name}@${label} gets version ${version} at once.` : `Whoever asks for ${this.name}@${label} gets version ${version}.`;
    if (!label || !(await confirm({ title: `Move ${label} to version ${version}?`, text, action: "Move" }))) return;
    await this.change(() => post(`${placeOf(this.name)}/labels/${encodeURIComponent(label)}`, { version }));
  }

  /** Try the version that is shown on some who ask for a label. @param {SubmitEvent} event */
  async begin(event) {
    event.preventDefault();
    const form = new FormData(/** @type {HTMLFormElement} */ (event.target));
    const body = { alias: `${this.name}@${form.get("label")}`, candidate: String(this.version?.version), kind: "ab", share: Number(form.get("share")) / 100 };
    await this.change(() => post("/releases", body));
  }

  /** @param {string} label */
  async rollBack(label) {
    const before = this.prompt?.moves.find((move) => move.label === label)?.before;
    const text = `Whoever asks for ${this.name}@${label} gets version ${before} again, at once. Once more undoes that.`;
    if (!(await confirm({ title: `Roll ${label} back?`, text, action: "Roll back" }))) return;
    await this.change(() => post(`${placeOf(this.name)}/labels/${encodeURIComponent(label)}/rollback`));
  }

  render() {
    return html`
      <header class="page-head">
        <div><h1>${this.name}</h1><p><a href="/prompts">All prompts</a>${this.prompt?.file ? html` · read from ${this.prompt.file}` : nothing}</p></div>
        ${this.prompt && this.version && !this.writing ? this.renderChoice(this.prompt) : nothing}
      </header>
      ${this.error ? errorNote(this.error, () => this.load()) : nothing}
      ${this.said && !this.writing ? html`<p class="prompt-said" role="status">${this.said}</p>` : nothing}
      ${this.prompt && this.version ? this.writing ? this.renderEditor(this.prompt, this.version) : this.renderBody(this.prompt, this.version) : this.error ? nothing : html`<span class="skeleton block"></span>`}
    `;
  }

  /** @param {PromptDetail} prompt */
  renderChoice(prompt) {
    return html`<div class="row prompt-choice"><label for="version">Version</label>
      <select class="select bordered" id="version" .value=${String(this.version?.version ?? "")} @change=${(/** @type {any} */ event) => this.choose(event.target.value)}>
        ${prompt.versions.map(({ version }) => html`<option value=${version} ?selected=${version === this.version?.version}>${version}${labelsOf(prompt, version)}</option>`)}
      </select>
      <button class="button" id="copy" @click=${() => this.write("copy")}>Copy</button>
      ${prompt.file ? nothing : html`<button class="button primary" id="write" @click=${() => this.write("version")}>${icons.plus} New version</button>`}</div>`;
  }

  /** @param {"version" | "copy"} what */
  write(what) {
    this.writing = what;
    this.said = "";
  }

  /** @param {PromptDetail} prompt @param {PromptVersion} version */
  renderEditor(prompt, version) {
    return html`<guru-prompt-editor .base=${version} .latest=${this.writing === "version" ? prompt.latest : 0}
      @saved=${(/** @type {CustomEvent} */ { detail }) => this.saved(detail)} @closed=${() => this.close()}></guru-prompt-editor>`;
  }

  /** @param {PromptDetail} prompt @param {PromptVersion} version */
  renderBody(prompt, version) {
    return html`
      <p class="faint small prompt-origin">Version ${version.version} by ${version.author}, ${when(version.created_at)}. ${version.notes}</p>
      <span class="segmented prompt-views" role="group" aria-label="What to see">
        ${VIEWS.map(([view, label]) => html`<button type="button" aria-pressed=${view === this.view} @click=${() => { this.view = view; }}>${label}</button>`)}
      </span>
      ${this.view === "messages" ? this.renderMessages(version) : nothing}
      ${this.view === "diff" ? html`<guru-prompt-diff .prompt=${prompt} .version=${version.version}></guru-prompt-diff>` : nothing}
      ${this.view === "trial" ? html`<guru-prompt-trial .version=${version}></guru-prompt-trial>` : nothing}
      ${this.view === "labels" ? this.renderLabels(prompt, version) : nothing}
    `;
  }

  /** @param {PromptVersion} version */
  renderMessages({ definition }) {
    const { messages, variables = {}, ...rest } = definition;
    const names = Object.entries(variables);
    return html`
      ${messages.map(({ role, content }) => html`<article class="card prompt-message" aria-label="Message of the ${role}"><h2>${role}</h2><pre tabindex="0">${template(content)}</pre></article>`)}
      ${names.length ? html`<h2>Variables</h2><dl class="prompt-variables">${names.map(([name, variable]) => html`
        <dt><code>${name}</code> <span class="badge">${variable.type ?? "string"}</span></dt>
        <dd>${variable.description}${"default" in variable ? html` <span class="faint">Default: ${JSON.stringify(variable.default)}</span>` : variable.required === false ? html` <span class="faint">optional</span>` : nothing}</dd>`)}</dl>` : nothing}
      ${Object.keys(rest).length ? html`<h2>Settings</h2><article class="card prompt-message" aria-label="Settings"><pre tabindex="0">${JSON.stringify(rest, null, 2)}</pre></article>` : nothing}
    `;
  }

  /** @param {PromptDetail} prompt @param {PromptVersion} version */
  renderLabels(prompt, version) {
    const labels = Object.entries(prompt.labels);
    return html`
      <div class="prompt-labels">
        ${labels.map(([label, at]) => html`<div class="row"><span class="badge accent">${label}</span> version ${at}
          ${prompt.moves.find((move) => move.label === label)?.before ? html`<button class="button compact" ?disabled=${this.busy} aria-label="Roll ${label} back" @click=${() => this.rollBack(label)}>Roll back</button>` : nothing}
        </div>`)}
        <form class="row" @submit=${this.move}>
          <label for="label">Label</label>
          <input class="field label-field" id="label" name="label" list="known-labels" required maxlength="32" autocomplete="off" placeholder="staging">
          <datalist id="known-labels">${[...new Set([...labels.map(([label]) => label), ...prompt.protected])].map((label) => html`<option value=${label}></option>`)}</datalist>
          <button class="button primary" ?disabled=${this.busy}>Move to version ${version.version}</button>
        </form>
      </div>
      ${manages() ? this.renderTrials(prompt, version) : nothing}
      ${prompt.moves.length ? html`<h2>How labels moved</h2><ol class="prompt-moves" reversed>${prompt.moves.map((move) => html`<li>
        <strong>${move.label}</strong> ${move.before ?? "–"} → ${move.after ?? "–"} <span class="faint small">by ${move.author}, ${when(move.at)}</span></li>`)}</ol>` : nothing}
    `;
  }

  /** What runs of it, and a version to try. @param {PromptDetail} prompt @param {PromptVersion} version */
  renderTrials(prompt, { version }) {
    const others = Object.keys(prompt.labels).filter((label) => prompt.labels[label] !== version);
    return html`
      ${this.releases.length ? html`<h2>On trial</h2>` : nothing}
      ${this.releases.map((release) => html`<guru-release .release=${release} @changed=${() => this.load()}></guru-release>`)}
      ${others.length ? html`<h2>Try version ${version} on some</h2>
        <form class="row" @submit=${this.begin}>
          <label for="trial-label">who ask for</label>
          <select class="select bordered" id="trial-label" name="label">${others.map((label) => html`<option value=${label}>${this.name}@${label}</option>`)}</select>
          <label for="trial-share">percent of them</label>
          <input class="field prompt-count" id="trial-share" name="share" type="number" min="0" max="100" step="any" required value="50">
          <button class="button" ?disabled=${this.busy}>Begin</button>
        </form>` : nothing}
    `;
  }
}
customElements.define("guru-prompt", PromptPage);

/** Whether the reader may manage this server: the page has the way there then. */
const manages = () => document.querySelector('.site-nav [href="/routes"]') !== null;

/** @param {PromptDetail} prompt @param {number} version */
function labelsOf({ labels }, version) {
  const names = Object.keys(labels).filter((label) => labels[label] === version);
  return names.length ? ` (${names.join(", ")})` : "";
}
