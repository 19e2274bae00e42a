/** A version on trial: filled in with what is typed, and asked of a model. */

import { describe, events, get, isAbort, post } from "../api.js";
import { GuruElement } from "../element.js";
import { cost, duration } from "../format.js";
import { placeOf, valueOf } from "../prompts.js";
import { html, nothing } from "../vendor/lit/lit-element.js";
import { repeat } from "../vendor/lit/repeat.js";
import { errorNote } from "./notes.js";

/** @import { ApiErrorBody, Model, PromptVersion, PromptVariable } from "../types.js" */

class PromptTrial extends GuruElement {
  static properties = {
    version: { attribute: false }, models: { state: true }, filled: { state: true }, answer: { state: true },
    completed: { state: true }, running: { state: true }, error: { state: true },
  };

  constructor() {
    super();
    /** What is tried; of the version 0, a definition that is not kept. @type {Pick<PromptVersion, "name" | "version" | "definition">} */
    this.version = /** @type {any} */ (null);
    /** @type {string[]} */
    this.models = [];
    /** @type {{role: string, content: string}[] | null} */
    this.filled = null;
    /** @type {string | null} */
    this.answer = null;
    /** @type {any} */
    this.completed = null;
    /** @type {AbortController | null} */
    this.running = null;
    /** @type {ApiErrorBody | null} */
    this.error = null;
  }

  connectedCallback() {
    super.connectedCallback();
    this.loadModels();
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    this.running?.abort();
  }

  async loadModels() {
    try {
      const { models } = await get("/models");
      const usable = models.filter((/** @type {Model} */ { kind, status }) => kind === "chat" && status !== "not installed");
      this.models = usable.flatMap((/** @type {any} */ { name, aliases }) => [...(aliases ?? []), name]);
    } catch {
      // A help only: `default` can be asked all the same.
    }
  }

  get form() {
    return /** @type {HTMLFormElement} */ (this.querySelector("form"));
  }

  /** @returns {[string, PromptVariable][]} */
  get variables() {
    return Object.entries(this.version.definition.variables ?? {});
  }

  /** What is typed, by the names of the variables. Throws for what is no JSON where JSON is wanted. */
  read() {
    const form = new FormData(this.form);
    /** @type {Record<string, unknown>} */
    const values = {};
    for (const [name, variable] of this.variables) {
      try {
        const value = valueOf(variable, String(form.get(`var-${name}`) ?? ""));
        if (value !== undefined) values[name] = value;
      } catch {
        throw new Error(`${name} must be a ${variable.type}, written as JSON.`);
      }
    }
    return values;
  }

  async fill() {
    try {
      const { name, version, definition } = this.version;
      const variables = this.read();
      const { prompt } = await (version ? post(`${placeOf(name)}/render`, { version: String(version), variables }) : post("/prompt-drafts/render", { definition, variables }));
      this.filled = prompt.messages;
      this.error = null;
    } catch (error) {
      this.filled = null;
      this.error = describe(error);
    }
  }

  /** @param {SubmitEvent} event */
  async run(event) {
    event.preventDefault();
    if (this.running) return;
    const running = new AbortController();
    this.running = running;
    this.answer = "";
    this.completed = null;
    await this.fill();
    try {
      if (this.error) return;
      const form = new FormData(this.form);
      const { name, version, definition } = this.version;
      const asked = { variables: this.read(), model: form.get("model"), message: form.get("message"), stream: true };
      const [path, json] = version ? ["/chat", { prompt: `${name}@${version}`, ...asked }] : ["/prompt-drafts/chat", { definition, ...asked }];
      for await (const { event: kind, data } of events(path, { json, signal: running.signal })) {
        if (kind === "delta") this.answer += data.text ?? "";
        else if (kind === "completed") this.completed = data;
        else if (kind === "error") this.error = data.error;
      }
    } catch (error) {
      if (!isAbort(error)) this.error = describe(error);
    } finally {
      this.running = null;
    }
  }

  render() {
    const preferred = this.version.definition.model ?? "default";
    return html`
      <form class="prompt-trial" @submit=${this.run}>
        ${repeat(this.variables, ([name]) => name, ([name, variable]) => html`<div>
          <label class="label" for="var-${name}">${name}${variable.type && variable.type !== "string" ? html` <span class="faint">${variable.type}, as JSON</span>` : nothing}</label>
          <textarea class="field" rows="2" id="var-${name}" name="var-${name}" placeholder=${"default" in variable ? JSON.stringify(variable.default) : variable.required === false ? "optional" : ""}></textarea>
          ${variable.description ? html`<span class="faint small">${variable.description}</span>` : nothing}
        </div>`)}
        <div><label class="label" for="trial-message">A message behind it</label><textarea class="field" rows="2" id="trial-message" name="message" placeholder="optional"></textarea></div>
        <div class="row">
          <label for="trial-model">Model</label>
          <select class="select bordered" id="trial-model" name="model">${[...new Set([preferred, ...this.models])].map((name) => html`<option value=${name}>${name}</option>`)}</select>
          <button type="button" class="button" @click=${() => this.fill()}>Fill in</button>
          ${this.running ? html`<button type="button" class="button" @click=${() => this.running?.abort()}>Stop</button>` : html`<button class="button primary">Run</button>`}
        </div>
      </form>
      ${this.error ? errorNote(this.error) : nothing}
      ${this.filled ? html`<h2>Filled in</h2>${this.filled.map(({ role, content }) => html`<article class="card prompt-message" aria-label="Filled in: ${role}"><h3>${role}</h3><pre tabindex="0">${content}</pre></article>`)}` : nothing}
      ${this.answer === null ? nothing : html`<h2>Answer</h2><article class="card prompt-message" aria-label="Answer" aria-busy=${this.running !== null}><pre tabindex="0">${this.answer}</pre>${this.completed ? this.renderCompleted(this.completed) : nothing}</article>`}
    `;
  }

  /** @param {any} completed */
  renderCompleted({ model, usage, cost: dollars, timings, extra }) {
    const votes = extra?.guru?.prompt?.votes;
    return html`<p class="faint small" role="status">${model} · ${usage.prompt_tokens} + ${usage.completion_tokens} tokens · ${cost(dollars)} · ${duration(timings?.total)}${votes ? ` · ${votes} of ${extra.guru.prompt.samples} agree` : ""}</p>`;
  }
}
customElements.define("guru-prompt-trial", PromptTrial);
