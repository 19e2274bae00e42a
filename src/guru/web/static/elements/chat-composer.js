/** The box where a question is written, with the model and the collection that will answer it. */

import { GuruElement } from "../element.js";
import { chosenFiles } from "../files.js";
import { icons } from "../icons.js";
import { html, nothing } from "../vendor/lit/lit-element.js";
import { live } from "../vendor/lit/live.js";

/** @import { Collection, Model } from "../types.js" */

class ChatComposer extends GuruElement {
  static properties = {
    collections: { attribute: false },
    models: { attribute: false },
    collection: { type: String },
    model: { type: String },
    memory: { type: String },
    busy: { type: Boolean },
    empty: { state: true },
  };

  constructor() {
    super();
    /** @type {Collection[]} */
    this.collections = [];
    /** @type {Model[]} */
    this.models = [];
    this.collection = "";
    this.model = "";
    /** Whether the conversation uses what is remembered: `default` is as the configuration says. */
    this.memory = "default";
    this.busy = false;
    this.empty = true;
  }

  get textarea() {
    return /** @type {HTMLTextAreaElement} */ (this.querySelector("textarea"));
  }

  render() {
    const chatModels = this.models.filter(({ kind, status }) => (kind === "chat" || kind === "agent") && status !== "not installed");
    return html`
      <form class="composer" @submit=${this.onSubmit}>
        <label class="visually-hidden" for="question">Your question</label>
        <textarea id="question" rows="1" placeholder=${this.collection ? `Ask ${this.collection}` : "Ask anything"}
          aria-describedby="composer-help" @input=${this.onInput} @keydown=${this.onKey}></textarea>
        <div class="composer-bar">
          <label class="icon-button compact attach" title="Add files">
            ${icons.plus}<span class="visually-hidden">Add files to the collection</span>
            <input class="visually-hidden" type="file" multiple @change=${this.onFiles} />
          </label>
          ${this.renderSelect("Collection", this.collection, [["", "No documents"], ...this.collections.map(({ name }) => /** @type {[string, string]} */ ([name, name]))])}
          ${this.renderSelect("Model", this.model, chatModels.map(({ name }) => [name, name]))}
          ${this.collection ? nothing : this.renderSelect("Memory", this.memory, [["default", "Memory: default"], ["on", "Memory: on"], ["off", "Memory: off"]])}
          <span class="spring"></span>
          <span class="visually-hidden" id="composer-help">Enter sends, Shift and Enter start a new line.</span>
          ${this.busy
            ? html`<button class="icon-button send" type="button" aria-label="Stop the answer" title="Stop (Esc)" @click=${() => this.emit("stop")}>${icons.stop}</button>`
            : html`<button class="icon-button send" aria-label="Send" title="Send (Enter)" ?disabled=${this.empty}>${icons.send}</button>`}
        </div>
      </form>
    `;
  }

  /** @param {string} label @param {string} value @param {[string, string][]} options */
  renderSelect(label, value, options) {
    if (!options.length) return nothing;
    const known = options.some(([option]) => option === value) ? options : [...options, /** @type {[string, string]} */ ([value, value])];
    return html`
      <select class="select" aria-label=${label} title=${label} .value=${live(value)}
        @change=${(/** @type {any} */ event) => this.emit("choose", { [label.toLowerCase()]: event.target.value })}>
        ${known.map(([option, text]) => html`<option value=${option} ?selected=${option === value}>${text}</option>`)}
      </select>
    `;
  }

  /** @param {KeyboardEvent} event */
  onKey(event) {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) this.onSubmit(event);
  }

  /** @param {Event} event */
  onSubmit(event) {
    event.preventDefault();
    const text = this.textarea.value.trim();
    if (!text || this.busy) return;
    this.textarea.value = "";
    this.onInput();
    this.emit("ask", text);
  }

  onInput() {
    this.empty = !this.textarea.value.trim();
    // Browsers without `field-sizing` get the height by hand.
    if (!CSS.supports("field-sizing", "content")) {
      this.textarea.style.height = "auto";
      this.textarea.style.height = `${Math.min(this.textarea.scrollHeight, 240)}px`;
    }
  }

  /** @param {Event} event */
  onFiles(event) {
    const files = chosenFiles(event);
    if (files.length) this.emit("add-files", files);
  }

  focusInput() {
    this.textarea?.focus();
  }
}
customElements.define("guru-composer", ChatComposer);
