/** A new prompt, or a new version of one: written, looked at while it is, tried, saved. */

import { describe, get, post } from "../api.js";
import { GuruElement } from "../element.js";
import { icons } from "../icons.js";
import { fieldOf, newMessage, toDefinition, toDraft, withFound } from "../prompt-draft.js";
import { placeOf } from "../prompts.js";
import { html, nothing } from "../vendor/lit/lit-element.js";
import { confirm } from "./confirm-dialog.js";
import { errorNote } from "./notes.js";
import { examplesFields, messagesFields, settingsFields, variablesFields } from "./prompt-fields.js";
import "./prompt-trial.js";

/** @import { ApiErrorBody, PromptDraft, PromptProblem, PromptVersion } from "../types.js" */

/** Milliseconds without a key before what was typed is looked at. */
const PAUSE = 250;

export class PromptEditor extends GuruElement {
  static properties = {
    base: { attribute: false }, latest: { attribute: false }, draft: { state: true }, name: { state: true }, notes: { state: true }, label: { state: true },
    problems: { state: true }, found: { state: true }, focused: { state: true }, conflict: { state: true }, busy: { state: true }, error: { state: true },
  };

  constructor() {
    super();
    /** What it begins with; null: nothing. @type {PromptVersion | null} */
    this.base = null;
    /** The newest version, which the new one follows; 0: it makes a prompt. */
    this.latest = 0;
    this.name = "";
    this.notes = "";
    this.label = "";
    this.draft = toDraft();
    /** @type {PromptProblem[]} */
    this.problems = [];
    /** The variables that the templates read. @type {string[]} */
    this.found = [];
    /** The field that is typed in: nobody is told what is wrong with half a word. */
    this.focused = "";
    /** The version that somebody else has saved meanwhile. */
    this.conflict = 0;
    this.busy = false;
    /** @type {ApiErrorBody | null} */
    this.error = null;
    this.begun = "";
    /** Whether the settings that few need are open from the beginning. */
    this.more = false;
    this.turn = 0;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
    // What appears while a button is pressed would move it from under the pointer: it waits for the release.
    this.pressed = false;
    this.next = "";
    this.onRelease = () => {
      this.pressed = false;
      setTimeout(() => { this.focused = this.next; });
    };
    this.onLeave = (/** @type {BeforeUnloadEvent} */ event) => {
      if (this.dirty) event.preventDefault();
    };
  }

  connectedCallback() {
    super.connectedCallback();
    if (this.latest) this.name = this.base?.name ?? "";
    this.draft = toDraft(this.base?.definition);
    this.begun = this.written;
    const { schema, role, constraints, model } = this.draft;
    this.more = Boolean(schema || role || constraints || model);
    addEventListener("beforeunload", this.onLeave);
    addEventListener("pointerup", this.onRelease);
    addEventListener("pointercancel", this.onRelease);
    this.look();
    this.focusOn(this.latest ? "#edit-message-0" : "#edit-name");
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    removeEventListener("beforeunload", this.onLeave);
    removeEventListener("pointerup", this.onRelease);
    removeEventListener("pointercancel", this.onRelease);
    clearTimeout(this.timer);
  }

  get definition() {
    return toDefinition(this.draft, this.base?.definition);
  }

  /** Everything that would be lost. */
  get written() {
    return JSON.stringify([this.definition.definition, this.latest ? "" : this.name, this.notes, this.label]);
  }

  get dirty() {
    return this.written !== this.begun;
  }

  // ------------------------------------------------------------------ what a person does

  /** @param {Partial<PromptDraft>} change */
  change(change) {
    this.draft = /** @type {PromptDraft} */ ({ ...this.draft, ...change });
    this.problems = this.problems.filter(({ param }) => fieldOf(param) !== this.focused);
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.look(), PAUSE);
  }

  /** Which variables there are now, and what is wrong. */
  async look() {
    clearTimeout(this.timer);
    const turn = ++this.turn;
    const { definition, problems } = this.definition;
    try {
      const { variables, problems: more } = await post("/prompt-drafts/check", { definition });
      if (turn !== this.turn) return;
      const fresh = variables.some((/** @type {string} */ name) => !this.draft.variables.some((known) => known.name === name));
      const whole = !fresh && !more.some((/** @type {PromptProblem} */ { param }) => !fieldOf(param).startsWith("variables."));
      const known = withFound(this.draft.variables, variables, whole);
      this.found = whole ? variables : [...new Set([...this.found, ...variables])]; // of what cannot be read, what was known
      if (known.map(({ name }) => name).join() !== this.draft.variables.map(({ name }) => name).join()) {
        this.draft = { ...this.draft, variables: known };
        await this.look();
        return;
      }
      this.problems = [...problems, ...more];
    } catch (error) {
      if (turn === this.turn) this.problems = [...problems, problemOf(describe(error))];
    }
  }

  async close() {
    const leave = !this.dirty || (await confirm({ title: "Leave without saving?", text: "What you have written here is lost.", action: "Leave" }));
    if (leave) this.emit("closed");
  }

  /** @param {number} [expect] The version that the new one follows. */
  async save(expect = this.latest) {
    if (this.busy) return;
    this.busy = true;
    this.error = null;
    this.conflict = 0;
    this.focused = "";
    const name = this.name.trim();
    try {
      await this.look(); // what was typed last may have brought a variable
      const wrong = [...(name ? [] : [{ param: "name", message: "It needs a name.", hint: "Such as support." }]), ...this.problems];
      if (wrong.length) return await this.refuse(wrong);
      const { definition } = this.definition;
      const saved = await post(`${placeOf(name)}/versions`, { definition, notes: this.notes, expect });
      this.latest = saved.version;
      this.begun = this.written;
      await this.move(name, saved.version);
      if (!this.error) this.emit("saved", { name, version: saved.version, created: saved.created });
    } catch (error) {
      await this.say(describe(error));
    } finally {
      this.busy = false;
    }
  }

  /** Let the label stand for what was saved. @param {string} name @param {number} version */
  async move(name, version) {
    const label = this.label.trim();
    if (!label) return;
    try {
      await post(`${placeOf(name)}/labels/${encodeURIComponent(label)}`, { version });
    } catch (error) {
      const said = describe(error);
      this.error = { ...said, message: `Version ${version} is saved, but ${label} was not moved: ${said.message}` };
    }
  }

  /** What the server refuses, at its field. @param {ApiErrorBody} error */
  async say(error) {
    if (error.status === 409 && error.param === "expect") {
      if (!this.latest) return this.refuse([{ param: "name", message: `There is a prompt ${this.name} already.`, hint: "Open it, and write a new version." }]);
      this.conflict = (await get(placeOf(this.name)).catch(() => null))?.latest ?? 0;
    }
    if (!fieldOf(error.param)) this.error = error;
    else await this.refuse([problemOf(error)]);
  }

  /** @param {PromptProblem[]} problems */
  async refuse(problems) {
    this.problems = problems;
    this.busy = false;
    await this.updateComplete;
    const field = /** @type {HTMLElement | null} */ (this.querySelector('[aria-invalid="true"]'));
    const more = field?.closest("details");
    if (more) more.open = true;
    field?.focus();
    this.focused = this.next = "";
  }

  /** @param {KeyboardEvent} event */
  onKey(event) {
    if (!(event.ctrlKey || event.metaKey) || event.altKey) return;
    if (event.key === "s") this.save();
    else if (event.key === "Enter") /** @type {HTMLFormElement | null} */ (this.querySelector("form.prompt-trial"))?.requestSubmit();
    else return;
    event.preventDefault();
  }

  /** @param {FocusEvent} event */
  onFocus({ target }) {
    this.next = target instanceof HTMLElement ? (target.dataset.place ?? "") : "";
    if (!this.pressed) this.focused = this.next;
  }

  // ------------------------------------------------------------------ what is shown

  /** What is wrong at a field, unless it is being typed. @param {string} place */
  wrong(place) {
    return place === this.focused ? undefined : this.problems.find(({ param }) => fieldOf(param) === place);
  }

  /** @param {string} place @param {string} id */
  problem(place, id) {
    const wrong = this.wrong(place);
    return wrong ? html`<p class="field-error small" id="${id}-error">${wrong.message.replace(/^`[^`]+`: /, "").replace(/[^.]$/, "$&.")} ${wrong.hint}</p>` : nothing;
  }

  /** A field of one line. @param {string} place @param {string} label @param {string} value @param {(value: string) => void} typed @param {{placeholder?: string, fixed?: boolean, list?: string}} [more] */
  field(place, label, value, typed, { placeholder = "", fixed = false, list } = {}) {
    const wrong = this.wrong(place);
    return html`<div><label class="label" for="edit-${place}">${label}</label>
      <input class="field" id="edit-${place}" data-place=${place} autocomplete="off" placeholder=${placeholder} ?readonly=${fixed} list=${list ?? nothing} .value=${value}
        aria-invalid=${wrong ? "true" : nothing} aria-describedby=${wrong ? `edit-${place}-error` : nothing} @input=${(/** @type {any} */ event) => typed(event.target.value)}>
      ${this.problem(place, `edit-${place}`)}</div>`;
  }

  /** A field of several lines. @param {string} place @param {string} label @param {string} value @param {(value: string) => void} typed @param {{placeholder?: string, rows?: number, id?: string, hidden?: boolean, code?: boolean}} [more] */
  area(place, label, value, typed, { placeholder = "", rows = 2, id = `edit-${place}`, hidden = false, code = false } = {}) {
    const wrong = this.wrong(place);
    return html`<div><label class=${hidden ? "visually-hidden" : "label"} for=${id}>${label}</label>
      <textarea class="field growing ${code ? "code" : ""}" id=${id} data-place=${place} rows=${rows} spellcheck=${code ? "false" : nothing} placeholder=${placeholder} .value=${value}
        aria-invalid=${wrong ? "true" : nothing} aria-describedby=${wrong ? `${id}-error` : nothing} @input=${(/** @type {any} */ event) => typed(event.target.value)}></textarea>
      ${this.problem(place, id)}</div>`;
  }

  render() {
    const { latest, base } = this;
    const title = latest ? `New version of ${this.name}` : "New prompt";
    const elsewhere = this.problems.filter(({ param }) => !fieldOf(param));
    const { definition } = this.definition;
    return html`
      <div class="prompt-editor" @keydown=${this.onKey} @focusin=${this.onFocus} @pointerdown=${() => { this.pressed = true; }}>
        <form class="card holder-form" aria-label=${title} novalidate @submit=${(/** @type {SubmitEvent} */ event) => { event.preventDefault(); this.save(); }}>
          <h2>${title}${base ? html` <span class="faint small">from version ${base.version}${latest ? "" : ` of ${base.name}`}</span>` : nothing}</h2>
          ${latest ? nothing : this.field("name", "Name", this.name, (name) => { this.name = name; }, { placeholder: "support" })}
          ${messagesFields(this)}
          <button type="button" class="button" id="edit-add-message" @click=${() => this.addMessage()}>${icons.plus} Message</button>
          ${variablesFields(this)}
          ${examplesFields(this)}
          ${settingsFields(this)}
          <div class="holder-fields prompt-saving">
            ${this.field("notes", "What is new", this.notes, (notes) => { this.notes = notes; }, { placeholder: "shorter answers" })}
            ${this.field("label", "Move a label to it", this.label, (label) => { this.label = label; }, { placeholder: "none" })}
          </div>
          ${elsewhere.map((one) => errorNote(one))}
          ${this.error ? errorNote(this.error) : nothing}
          ${this.conflict ? html`<p class="row"><a href=${placeOf(this.name)} target="_blank">Look at version ${this.conflict}</a>
            <button type="button" class="button" @click=${() => this.save(this.conflict)}>Save mine behind it</button></p>` : nothing}
          <div class="actions row">
            <span class="faint small prompt-keys"><kbd>Ctrl</kbd> <kbd>S</kbd> saves, <kbd>Ctrl</kbd> <kbd>Enter</kbd> runs</span>
            <button type="button" class="button quiet" @click=${() => this.close()}>Cancel</button>
            <button class="button primary" ?disabled=${this.busy}>${latest ? `Save version ${latest + 1}` : "Save the prompt"}</button>
          </div>
        </form>
        <section class="card prompt-draft" aria-labelledby="draft-title"><h2 id="draft-title">Try it as it is now</h2>
          <guru-prompt-trial .version=${{ name: base?.name ?? "draft", version: 0, definition }}></guru-prompt-trial></section>
      </div>
    `;
  }

  addMessage() {
    const { messages } = this.draft;
    this.change({ messages: [...messages, newMessage(messages.at(-1)?.role === "user" ? "assistant" : "user")] });
    this.focusOn(`#edit-message-${messages.length}`);
  }
}
customElements.define("guru-prompt-editor", PromptEditor);

/** @param {ApiErrorBody} error @returns {PromptProblem} */
const problemOf = ({ message, hint, param }) => ({ message, hint: hint ?? "", param: param ?? null });
