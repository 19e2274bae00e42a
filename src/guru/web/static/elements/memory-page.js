/** What is remembered of the person who looks: found, corrected, forgotten. Nobody else sees it. */

import { describe, get, patch, post, remove } from "../api.js";
import { GuruElement } from "../element.js";
import { ago, count, plural, when } from "../format.js";
import { icons } from "../icons.js";
import { html, nothing } from "../vendor/lit/lit-element.js";
import { repeat } from "../vendor/lit/repeat.js";
import { emptyState, errorNote } from "./notes.js";
import { inTextField } from "./shortcuts-dialog.js";

/** @import { ApiErrorBody, Memory, MemoryKind } from "../types.js" */

const PAGE = 50;
const PAUSE = 250;
const UNDO = 8000;
const WORD = "forget";
/** @type {[MemoryKind | "", string][]} */
const KINDS = [["", "All kinds"], ["user", "About you"], ["fact", "Facts"], ["episode", "Past runs"], ["summary", "Conversations"]];
const NAMES = new Map(/** @type {[string, string][]} */ ([["user", "about you"], ["fact", "fact"], ["episode", "past run"], ["summary", "conversation so far"]]));

class MemoryPage extends GuruElement {
  static properties = {
    memories: { state: true }, list: { state: true }, search: { state: true }, kind: { state: true }, superseded: { state: true },
    editing: { state: true }, adding: { state: true }, busy: { state: true }, error: { state: true }, formError: { state: true },
    pending: { state: true }, versions: { state: true }, said: { state: true }, word: { state: true },
  };

  constructor() {
    super();
    /** @type {Memory[] | null} */
    this.memories = null;
    /** @type {{next: string | null, total: number, most: number, pruned: number, pruned_at: string | null, enabled: boolean}} */
    this.list = { next: null, total: 0, most: 0, pruned: 0, pruned_at: null, enabled: false };
    this.search = "";
    this.kind = "";
    this.superseded = false;
    this.editing = "";
    this.adding = false;
    this.busy = false;
    /** @type {ApiErrorBody | null} */
    this.error = null;
    /** @type {ApiErrorBody | null} */
    this.formError = null;
    /** What is forgotten as soon as there is no way back. @type {Memory | null} */
    this.pending = null;
    /** What memories have replaced, where it was asked for. @type {Record<string, Memory[]>} */
    this.versions = {};
    this.said = "";
    this.word = "";
    this.turn = 0;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.pause = undefined;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.undoing = undefined;
  }

  connectedCallback() {
    super.connectedCallback();
    this.load();
    window.addEventListener("pagehide", () => this.settle(true));
    document.addEventListener("keydown", (event) => {
      if (event.key === "/" && !inTextField(event) && !event.ctrlKey && !event.metaKey && !event.altKey) {
        event.preventDefault();
        this.focusOn("#memory-search");
      }
    });
  }

  // ------------------------------------------------------------------ what there is

  /** @param {string | null} [before] */
  async load(before = null) {
    const turn = ++this.turn; // an answer that comes late must not stand for what was asked after it
    const query = new URLSearchParams({ limit: String(PAGE) });
    if (this.kind) query.set("kind", this.kind);
    if (this.search) query.set("q", this.search);
    else if (this.superseded) query.set("superseded", "true");
    if (before !== null) query.set("before", before);
    try {
      const { memories, ...list } = await get(`/memories?${query}`);
      if (turn !== this.turn) return;
      this.error = null;
      this.list = list;
      this.memories = before === null ? memories : [...(this.memories ?? []), ...memories];
    } catch (error) {
      if (turn === this.turn) this.error = describe(error);
    }
  }

  /** @param {Event} event */
  find(event) {
    this.search = /** @type {HTMLInputElement} */ (event.target).value.trim();
    clearTimeout(this.pause);
    this.pause = setTimeout(() => this.load(), PAUSE);
  }

  /** @param {Memory} memory */
  async showVersions(memory) {
    if (this.versions[memory.id]) {
      const { [memory.id]: _, ...others } = this.versions;
      this.versions = others;
      return;
    }
    try {
      const { versions } = await get(`/memories/${encodeURIComponent(memory.id)}`);
      this.versions = { ...this.versions, [memory.id]: versions };
    } catch (error) {
      this.error = describe(error);
    }
  }

  // ------------------------------------------------------------------ changes

  /** Send a form, and show what has become of the list. @param {SubmitEvent} event @param {(values: {text: string, kind: string, importance: number}) => Promise<string>} work */
  async submit(event, work) {
    event.preventDefault();
    if (this.busy) return;
    const form = new FormData(/** @type {HTMLFormElement} */ (event.target));
    const values = { text: String(form.get("text")).trim(), kind: String(form.get("kind") ?? "user"), importance: Number(form.get("importance")) / 100 };
    this.busy = true;
    this.formError = null;
    try {
      this.said = await work(values);
      await this.load();
    } catch (error) {
      this.formError = describe(error);
    } finally {
      this.busy = false;
    }
  }

  /** @param {SubmitEvent} event */
  add(event) {
    return this.submit(event, async (values) => {
      const kept = await post("/memories", values);
      this.adding = false;
      this.focusOn("#add");
      if (kept.outcome === "merged") return "That was known already.";
      const replaced = kept.replaced.map((/** @type {Memory} */ old) => `“${old.text}”`).join(", ");
      return kept.outcome === "replaced" ? `Remembered, in place of ${replaced}.` : "Remembered.";
    });
  }

  /** @param {SubmitEvent} event @param {Memory} memory */
  save(event, memory) {
    return this.submit(event, async ({ text, kind, importance }) => {
      await patch(`/memories/${encodeURIComponent(memory.id)}`, memory.kind === "summary" || memory.kind === "episode" ? { text, importance } : { text, kind, importance });
      this.leave(memory);
      return "Saved.";
    });
  }

  /** @param {Memory} memory */
  edit(memory) {
    this.editing = memory.id;
    this.adding = false;
    this.formError = null;
    this.focusOn(`[data-id="${memory.id}"] textarea`);
  }

  /** @param {Memory} memory */
  leave(memory) {
    this.editing = "";
    this.focusOn(`[data-id="${memory.id}"] .edit`);
  }

  // ------------------------------------------------------------------ forgetting

  /** Hide it now, and erase it when there is no way back any more. @param {Memory} memory */
  async forget(memory) {
    await this.settle();
    this.pending = memory;
    this.said = "";
    this.undoing = setTimeout(() => this.settle(), UNDO);
    this.focusOn("#undo");
  }

  undo() {
    const memory = this.pending;
    clearTimeout(this.undoing);
    this.pending = null;
    this.said = "It stays.";
    if (memory) this.focusOn(`[data-id="${memory.id}"] .forget`);
  }

  /** Erase what waits to be. @param {boolean} [leaving] Whether the page is being left: the request outlives it. */
  async settle(leaving = false) {
    const memory = this.pending;
    if (!memory) return;
    clearTimeout(this.undoing);
    const focused = this.querySelector("#undo") === document.activeElement;
    this.pending = null;
    this.memories = this.memories?.filter(({ id }) => id !== memory.id) ?? null;
    if (focused) this.focusOn("#memory-search");
    try {
      await remove(`/memories/${encodeURIComponent(memory.id)}`, leaving);
      if (!leaving) await this.load();
    } catch (error) {
      if (/** @type {{status?: number}} */ (error).status !== 404) this.error = describe(error);
    }
  }

  async askForAll() {
    this.word = "";
    await this.updateComplete;
    const dialog = /** @type {HTMLDialogElement} */ (this.querySelector("#forget-all"));
    dialog.returnValue = "";
    dialog.showModal();
  }

  /** @param {Event} event */
  async forgetAll(event) {
    const dialog = /** @type {HTMLDialogElement} */ (event.target);
    if (dialog.returnValue !== "yes" || this.word !== WORD) return;
    clearTimeout(this.undoing);
    this.pending = null;
    try {
      await remove("/memories");
      this.said = "All is forgotten.";
      this.versions = {};
      await this.load();
    } catch (error) {
      this.error = describe(error);
    }
  }

  // ------------------------------------------------------------------ what is shown

  render() {
    const refused = this.error?.status === 403 || this.error?.status === 401;
    return html`
      <header class="page-head">
        <div><h1>Memory</h1><p>What is remembered of you, from what you said yourself. Nobody else sees it. ${this.list.enabled ? "Conversations use it unless they are told not to." : "A conversation uses it when you ask for that."}</p></div>
        ${refused ? nothing : html`<div class="row">
          <a class="button" href="/api/v1/memories/export" download="memories.json">Export</a>
          <button class="button" ?disabled=${!this.memories?.length} @click=${this.askForAll}>Forget all</button>
          <button class="button primary" id="add" aria-expanded=${this.adding ? "true" : "false"} @click=${this.toggleAdd}>${icons.plus} Remember something</button>
        </div>`}
      </header>
      ${this.error ? errorNote(this.error, () => this.load()) : nothing}
      ${refused ? nothing : html`${this.adding ? this.renderForm(null) : nothing}${this.renderNotes()}${this.renderList()}${this.renderUndo()}${this.renderForgetAll()}`}
    `;
  }

  toggleAdd() {
    this.adding = !this.adding;
    this.editing = "";
    this.formError = null;
    if (this.adding) this.focusOn(".memory-form textarea");
  }

  renderNotes() {
    const { pruned, pruned_at, most } = this.list;
    return html`
      <p class="faint small" role="status">${this.said}</p>
      ${pruned ? html`<div class="note">${icons.info}<div>${plural(pruned, "memory", "memories")} had to go, the last ${ago(pruned_at ?? "")}: a person may have ${count(most)}. The least important and longest unused go first.</div></div>` : nothing}
    `;
  }

  renderList() {
    if (!this.memories) return this.error ? nothing : html`<span class="skeleton block"></span>`;
    const shown = this.memories.filter(({ id }) => id !== this.pending?.id);
    const filtered = this.search || this.kind || this.superseded;
    return html`
      <div class="row list-head memory-head">
        <div class="with-icon">${icons.search}<input class="field" id="memory-search" type="search" aria-label="Search what is remembered" placeholder="Search by meaning" .value=${this.search} @input=${this.find}></div>
        <select class="select" aria-label="Kind" @change=${this.chooseKind}>${KINDS.map(([kind, name]) => html`<option value=${kind} ?selected=${kind === this.kind}>${name}</option>`)}</select>
        <label class="row small"><input type="checkbox" .checked=${this.superseded} ?disabled=${this.search !== ""} @change=${this.chooseSuperseded}> Show what was replaced</label>
        <span class="faint small" role="status">${plural(this.list.total, "memory", "memories")}</span>
      </div>
      ${shown.length
        ? html`<ul class="memories">${repeat(shown, ({ id }) => id, (memory) => this.renderMemory(memory))}</ul>`
        : filtered || this.pending ? html`<p class="faint">Nothing ${this.search ? `is remembered that has to do with “${this.search}”` : "of this kind is remembered"}.</p>`
        : emptyState({ icon: icons.info, title: "Nothing is remembered yet", text: "Add something here, or ask a conversation to use memory and tell it." })}
      ${this.list.next === null || this.search ? nothing : html`<button class="button more" @click=${() => this.load(this.list.next)}>More</button>`}
    `;
  }

  /** @param {Event} event */
  chooseKind(event) {
    this.kind = /** @type {HTMLSelectElement} */ (event.target).value;
    this.load();
  }

  /** @param {Event} event */
  chooseSuperseded(event) {
    this.superseded = /** @type {HTMLInputElement} */ (event.target).checked;
    this.load();
  }

  /** @param {Memory} memory */
  renderMemory(memory) {
    if (this.editing === memory.id) return html`<li class="card memory" data-id=${memory.id}>${this.renderForm(memory)}</li>`;
    const versions = this.versions[memory.id];
    return html`
      <li class="card memory" data-id=${memory.id} data-superseded=${memory.superseded_at ? "true" : "false"}>
        <div class="memory-body">
          <p class="memory-text">${memory.text}</p>
          <p class="faint small">
            <span class="badge">${NAMES.get(memory.kind)}</span>
            ${memory.superseded_at ? html`<span class="badge warning">replaced ${ago(memory.superseded_at)}</span>` : nothing}
            <span title=${when(memory.created_at)}>${ago(memory.created_at)}</span> · importance ${Math.round(memory.importance * 100)} %${memory.repeats ? ` · said ${plural(memory.repeats + 1, "time")}` : ""}${memory.why ? ` · ${memory.why}` : ""}
          </p>
          ${this.renderSource(memory)}
          ${versions ? this.renderVersions(versions) : nothing}
        </div>
        <div class="row-actions">
          ${memory.kind === "summary" || memory.kind === "episode" ? nothing : html`<button class="button quiet compact" aria-expanded=${versions ? "true" : "false"} aria-label="What “${memory.text}” replaced" @click=${() => this.showVersions(memory)}>History</button>`}
          <button class="icon-button compact edit" aria-label="Edit “${memory.text}”" title="Edit" @click=${() => this.edit(memory)}>${icons.edit}</button>
          <button class="icon-button compact forget" aria-label="Forget “${memory.text}”" title="Forget" @click=${() => this.forget(memory)}>${icons.trash}</button>
        </div>
      </li>
    `;
  }

  /** @param {Memory} memory */
  renderSource({ source, by, text }) {
    const who = by === "person" ? "Written by you" : by === "tool" ? "Kept by an agent" : by === "rules" ? "Found by rules" : `Found by ${by}`;
    const place = source.conversation
      ? html`in <a href="/chat/${source.conversation}">this conversation</a>`
      : source.message || source.quote ? "in a conversation" : source.run ? html`in run <code>${source.run}</code>` : nothing;
    return html`<p class="faint small memory-source">${who}${place === nothing ? nothing : html` ${place}`}${source.quote && source.quote !== text ? html`: <q>${source.quote}</q>` : nothing}</p>`;
  }

  /** @param {Memory[]} versions */
  renderVersions(versions) {
    if (!versions.length) return html`<p class="faint small">It replaced nothing.</p>`;
    return html`<ol class="memory-versions small" aria-label="What it replaced">${versions.map((old) => html`<li><del>${old.text}</del> <span class="faint">from ${when(old.created_at)}, replaced ${when(old.superseded_at ?? "")}</span></li>`)}</ol>`;
  }

  /** @param {Memory | null} memory */
  renderForm(memory) {
    const fixed = memory?.kind === "summary" || memory?.kind === "episode";
    const name = memory?.id ?? "new";
    return html`
      <form class="memory-form ${memory ? "" : "card"}" aria-label=${memory ? "Edit what is remembered" : "Remember something"}
        @submit=${(/** @type {SubmitEvent} */ event) => (memory ? this.save(event, memory) : this.add(event))}
        @keydown=${(/** @type {KeyboardEvent} */ event) => event.key === "Escape" && (memory ? this.leave(memory) : this.toggleAdd())}>
        <label class="label" for="text-${name}">What</label>
        <textarea class="field" id="text-${name}" name="text" rows="3" required .value=${memory?.text ?? ""} placeholder="I prefer short answers."></textarea>
        <div class="row">
          ${fixed ? nothing : html`<label class="small">Kind <select class="select" name="kind">
            <option value="user" ?selected=${memory?.kind !== "fact"}>About you</option><option value="fact" ?selected=${memory?.kind === "fact"}>Fact</option>
          </select></label>`}
          <label class="small row">Importance <input type="range" name="importance" min="0" max="100" step="5" .value=${String(Math.round((memory?.importance ?? 0.7) * 100))}></label>
        </div>
        ${this.formError ? errorNote(this.formError) : nothing}
        <div class="actions row">
          <button type="button" class="button quiet" @click=${() => (memory ? this.leave(memory) : this.toggleAdd())}>Cancel</button>
          <button class="button primary" ?disabled=${this.busy}>${memory ? "Save" : "Remember"}</button>
        </div>
      </form>
    `;
  }

  renderUndo() {
    if (!this.pending) return nothing;
    return html`<div class="undo" role="status"><span>Forgotten: ${this.pending.text}</span><button class="button compact" id="undo" @click=${() => this.undo()}>Undo</button></div>`;
  }

  renderForgetAll() {
    return html`
      <dialog class="dialog" id="forget-all" aria-labelledby="forget-all-title" aria-describedby="forget-all-text" @close=${this.forgetAll}>
        <h2 id="forget-all-title">Forget everything about you?</h2>
        <p id="forget-all-text">All memories are erased, with what they replaced and the summaries of your conversations. This cannot be undone.</p>
        <form method="dialog">
          <label class="label" for="forget-word">Type <strong>${WORD}</strong> to go on</label>
          <input class="field" id="forget-word" autocomplete="off" .value=${this.word} @input=${(/** @type {Event} */ event) => (this.word = /** @type {HTMLInputElement} */ (event.target).value.trim())}>
          <div class="actions">
            <button class="button" type="submit" value="no" formnovalidate>Cancel</button>
            <button class="button danger" value="yes" ?disabled=${this.word !== WORD}>Forget everything</button>
          </div>
        </form>
      </dialog>
    `;
  }
}
customElements.define("guru-memory", MemoryPage);
