/** One message of a conversation: a question, or an answer with what is known about it and what can be done with it. */

import { GuruElement } from "../element.js";
import { cost, duration } from "../format.js";
import { icons } from "../icons.js";
import { html, nothing } from "../vendor/lit/lit-element.js";
import "./answer-body.js";
import { errorNote } from "./notes.js";

/** @import { Message, Progress } from "../types.js" */

/** @param {Progress} progress */
const progressLine = ({ stage, done, total }) => (stage === "map" ? `Reading documents: ${done} of ${total}` : "Putting together what the documents say");

class ChatMessage extends GuruElement {
  static properties = {
    message: { attribute: false },
    alternatives: { attribute: false },
    active: { type: Number },
    busy: { type: Boolean },
    editing: { state: true },
    copied: { state: true },
  };

  constructor() {
    super();
    /** @type {Message} */
    this.message = /** @type {any} */ (null);
    /** @type {Message[]} */
    this.alternatives = [];
    this.active = 0;
    this.busy = false;
    this.editing = false;
    this.copied = false;
  }

  render() {
    const { role } = this.message;
    return html`
      <article class="message ${role}" aria-label=${role === "user" ? "Your question" : "Answer"}>
        ${role === "user" ? this.renderQuestion() : this.renderAnswer()}
      </article>
    `;
  }

  renderQuestion() {
    if (this.editing) return this.renderEditor();
    return html`
      <div class="bubble">${this.message.content}</div>
      <div class="tools">
        ${this.renderAlternatives()}
        ${this.tool("edit", "Edit the question", () => this.edit())}
        ${this.tool(this.copied ? "check" : "copy", this.copied ? "Copied" : "Copy the question", () => this.copy())}
      </div>
    `;
  }

  renderEditor() {
    return html`
      <form class="editor" @submit=${this.onEdited} @keydown=${this.onEditorKey}>
        <label class="visually-hidden" for="edit-${this.message.id}">Edit the question</label>
        <textarea class="field" id="edit-${this.message.id}" rows="3" .value=${this.message.content}></textarea>
        <div class="row">
          <button class="button primary">Ask again</button>
          <button class="button quiet" type="button" @click=${this.leaveEditor}>Cancel</button>
          <span class="faint small">The first version stays, as a branch.</span>
        </div>
      </form>
    `;
  }

  renderAnswer() {
    const { message } = this;
    const waiting = message.status === "streaming" && !message.content;
    return html`
      ${this.renderOutcome()}
      ${waiting ? this.renderWaiting() : html`<guru-answer class="prose" .message=${message} .active=${this.active}></guru-answer>`}
      ${message.status === "streaming" && !waiting ? html`<span class="caret" aria-hidden="true"></span>` : nothing}
      ${message.citations.length ? this.renderSources() : nothing}
      ${message.conflicts.length ? html`<p class="note">${icons.info}<span><strong>The sources disagree.</strong> Open one to see what each says.</span></p>` : nothing}
      ${message.progress?.unread.length ? this.renderUnread(message.progress) : nothing}
      ${message.status === "interrupted"
        ? html`<p class="note">${icons.info}<span>Stopped before the end.</span></p>`
        : nothing}
      ${message.status === "failed"
        ? errorNote(message.error ?? { message: "The answer failed." }, this.busy ? undefined : () => this.emit("retry", message))
        : nothing}
      ${message.status === "streaming" ? nothing : this.renderTools()}
    `;
  }

  renderWaiting() {
    const { hits, progress } = this.message;
    const text = progress ? progressLine(progress) : hits ? `Reading ${hits.length} ${hits.length === 1 ? "passage" : "passages"}` : "Thinking";
    return html`<p class="waiting"><span class="dots" aria-hidden="true"><i></i><i></i><i></i></span>${text}</p>`;
  }

  renderOutcome() {
    if (this.message.outcome === "declined") {
      return html`<p class="outcome declined">${icons.info}<span><strong>Not in the documents.</strong> No passage answers this well enough.</span></p>`;
    }
    if (this.message.outcome === "quoted") {
      return html`<p class="outcome quoted">${icons.quote}<span><strong>Quoted from the documents,</strong> word for word.</span></p>`;
    }
    return nothing;
  }

  renderSources() {
    const seen = new Set();
    const sources = this.message.citations.filter(({ n }) => !seen.has(n) && seen.add(n)).sort((a, b) => a.n - b.n);
    return html`
      <ul class="sources" aria-label="Sources">
        ${sources.map(
          (citation) => html`<li>
            <button class="source-chip" aria-expanded=${this.active === citation.n} data-n=${citation.n}
              @click=${(/** @type {Event} */ event) => this.emit("open-source", { message: this.message, n: citation.n, opener: event.currentTarget })}>
              <span class="cite-number" aria-hidden="true">${citation.n}</span>
              <span class="visually-hidden">Source ${citation.n}: </span>
              <span class="name">${citation.document}</span>${citation.page ? html`<span class="page-number">p. ${citation.page}</span>` : nothing}
            </button>
          </li>`,
        )}
      </ul>
    `;
  }

  /** @param {Progress} progress */
  renderUnread({ unread }) {
    return html`
      <details class="note">
        <summary>${unread.length} ${unread.length === 1 ? "document was" : "documents were"} not read</summary>
        <ul>${unread.map(({ document, reason }) => html`<li>${document}: ${reason}</li>`)}</ul>
      </details>
    `;
  }

  renderTools() {
    const { message } = this;
    const facts = [
      message.confidence == null || message.outcome === "declined" ? "" : `${Math.round(message.confidence * 100)}% sure`,
      message.model ?? "",
      message.timings?.total == null ? "" : duration(message.timings.total),
      message.usage?.completion_tokens ? `${message.usage.prompt_tokens + message.usage.completion_tokens} tokens` : "",
      message.cost ? cost(message.cost) : "",
    ].filter(Boolean);
    return html`
      <div class="tools">
        ${this.renderAlternatives()}
        ${this.tool("retry", "Answer again", () => this.emit("retry", message), this.busy)}
        ${this.tool(this.copied ? "check" : "copy", this.copied ? "Copied" : "Copy the answer", () => this.copy())}
        ${message.trace_id ? html`<a class="icon-button compact" href="/traces/${message.trace_id}" aria-label="Trace of this answer" title="Trace of this answer">${icons.trace}</a>` : nothing}
        <span class="facts faint">${facts.join(" · ")}</span>
      </div>
    `;
  }

  renderAlternatives() {
    if (this.alternatives.length < 2) return nothing;
    const at = this.alternatives.findIndex(({ id }) => id === this.message.id);
    const go = (/** @type {number} */ to) => this.emit("branch", this.alternatives[to].id);
    const what = this.message.role === "user" ? "question" : "answer";
    return html`
      <span class="branches" role="group" aria-label="Versions of this ${what}">
        ${this.tool("left", `Previous ${what}`, () => go(at - 1), at === 0)}
        <span class="number">${at + 1}/${this.alternatives.length}</span>
        ${this.tool("right", `Next ${what}`, () => go(at + 1), at === this.alternatives.length - 1)}
      </span>
    `;
  }

  /** @param {keyof typeof icons} icon @param {string} label @param {() => void} action @param {boolean} [disabled] */
  tool(icon, label, action, disabled = false) {
    return html`<button class="icon-button compact" aria-label=${label} title=${label} ?disabled=${disabled} @click=${action}>${icons[icon]}</button>`;
  }

  edit() {
    this.editing = true;
    this.focusOn("textarea");
  }

  leaveEditor() {
    this.editing = false;
    this.focusOn('[aria-label="Edit the question"]');
  }

  /** @param {Event} event */
  onEdited(event) {
    event.preventDefault();
    const text = this.querySelector("textarea")?.value.trim();
    if (!text) return;
    this.editing = false;
    this.emit("edit", { message: this.message, content: text });
  }

  /** @param {KeyboardEvent} event */
  onEditorKey(event) {
    if (event.key === "Escape") {
      event.stopPropagation();
      this.leaveEditor();
    } else if (event.key === "Enter" && !event.shiftKey && !event.isComposing && event.target instanceof HTMLTextAreaElement) {
      this.onEdited(event);
    }
  }

  async copy() {
    await navigator.clipboard.writeText(this.message.content);
    this.copied = true;
    setTimeout(() => (this.copied = false), 1500);
  }
}
customElements.define("guru-message", ChatMessage);
