/** The sidebar: conversations to search, open, rename and delete. */

import { describe, get, patch, remove } from "../api.js";
import { GuruElement } from "../element.js";
import { ago } from "../format.js";
import { icons } from "../icons.js";
import { html, nothing } from "../vendor/lit/lit-element.js";
import { repeat } from "../vendor/lit/repeat.js";
import { confirm } from "./confirm-dialog.js";
import { errorNote } from "./notes.js";

/** @import { ApiErrorBody, Conversation } from "../types.js" */

const PAGE = 50;

export class ConversationList extends GuruElement {
  static properties = {
    current: { type: String },
    conversations: { state: true },
    next: { state: true },
    error: { state: true },
    query: { state: true },
    renaming: { state: true },
  };

  constructor() {
    super();
    /** @type {Conversation[] | null} Null until they are known. */
    this.conversations = null;
    /** Where the older ones begin. @type {string | null} */
    this.next = null;
    /** @type {ApiErrorBody | null} */
    this.error = null;
    /** The conversation that is open. */
    this.current = "";
    this.query = "";
    this.renaming = "";
  }

  connectedCallback() {
    super.connectedCallback();
    this.load();
  }

  /** Load the newest ones, or those before `this.next`. */
  load({ older = false } = {}) {
    return this.attempt(async () => {
      const before = older ? `&before=${encodeURIComponent(this.next ?? "")}` : "";
      const { conversations, next } = await get(`/conversations?limit=${PAGE}${before}`);
      this.conversations = older ? [...(this.conversations ?? []), ...conversations] : conversations;
      this.next = next ?? null;
    });
  }

  /** @param {() => Promise<void>} action Its error is shown in the list. */
  async attempt(action) {
    this.error = null;
    try {
      await action();
    } catch (error) {
      this.error = describe(error);
    }
  }

  render() {
    const query = this.query.toLowerCase();
    const shown = (this.conversations ?? []).filter(({ title }) => (title ?? "").toLowerCase().includes(query));
    return html`
      <div class="sidebar-head">
        <a class="button new" href="/" @click=${this.onNew} title="New conversation (Alt N)">${icons.plus}New conversation</a>
        <button class="icon-button close-sidebar" aria-label="Close the list" @click=${() => this.emit("close-sidebar")}>${icons.close}</button>
      </div>
      <div class="with-icon">
        ${icons.search}
        <input class="field" type="search" aria-label="Search conversations" placeholder="Search"
          @input=${(/** @type {any} */ event) => (this.query = event.target.value)} />
      </div>
      <nav class="conversations" aria-label="Conversations">
        ${this.error ? errorNote(this.error, () => this.load()) : nothing}
        ${this.conversations || this.error ? nothing : html`<span class="skeleton"></span><span class="skeleton"></span><span class="skeleton"></span>`}
        <ul>${repeat(shown, ({ id }) => id, (conversation) => this.renderItem(conversation))}</ul>
        ${this.conversations && !shown.length
          ? html`<p class="faint small">${this.query ? "Nothing by that name." : "Your conversations will stand here."}</p>`
          : nothing}
        ${this.next ? html`<button class="button quiet" @click=${() => this.load({ older: true })}>Older ones</button>` : nothing}
      </nav>
    `;
  }

  /** @param {Conversation} conversation */
  renderItem(conversation) {
    const title = conversation.title || "Untitled";
    if (this.renaming === conversation.id) {
      return html`<li>
        <form @submit=${(/** @type {Event} */ event) => this.onRenamed(event, conversation)}>
          <input class="field" aria-label="New title" .value=${title} maxlength="120"
            @keydown=${(/** @type {KeyboardEvent} */ event) => event.key === "Escape" && this.leaveRename(event, conversation)}
            @blur=${(/** @type {Event} */ event) => this.onRenamed(event, conversation)} />
        </form>
      </li>`;
    }
    return html`<li class="conversation" data-id=${conversation.id}>
      <a href="/chat/${conversation.id}" aria-current=${conversation.id === this.current ? "page" : nothing} title=${title}
        @click=${(/** @type {MouseEvent} */ event) => this.onOpen(event, conversation.id)}>
        <span class="title">${title}</span>
        <span class="faint">${ago(conversation.updated_at)}</span>
      </a>
      <span class="actions">
        <button class="icon-button compact" aria-label="Rename ${title}" title="Rename" @click=${() => this.onRename(conversation)}>${icons.edit}</button>
        <button class="icon-button compact" aria-label="Delete ${title}" title="Delete" @click=${() => this.onDelete(conversation)}>${icons.trash}</button>
      </span>
    </li>`;
  }

  /** @param {MouseEvent} event */
  onNew(event) {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    this.emit("open-conversation", "");
  }

  /** @param {MouseEvent} event @param {string} id */
  onOpen(event, id) {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    this.emit("open-conversation", id);
  }

  /** @param {Conversation} conversation */
  async onRename(conversation) {
    this.renaming = conversation.id;
    await this.updateComplete;
    const input = /** @type {HTMLInputElement | null} */ (this.querySelector("li form input"));
    input?.select();
  }

  /** @param {Event} event @param {Conversation} conversation */
  leaveRename(event, conversation) {
    event.stopPropagation();
    this.renaming = "";
    this.focusOn(`[data-id="${conversation.id}"] .actions button`);
  }

  /** @param {Event} event @param {Conversation} conversation */
  onRenamed(event, conversation) {
    event.preventDefault();
    if (this.renaming !== conversation.id) return;
    const title = /** @type {HTMLInputElement | null} */ (this.querySelector("li form input"))?.value.trim();
    this.renaming = "";
    if (title && title !== conversation.title) this.rename(conversation.id, title);
    if (event.type === "submit") this.focusOn(`[data-id="${conversation.id}"] .actions button`);
  }

  /** @param {string} id @param {string} title */
  rename(id, title) {
    return this.attempt(async () => {
      await patch(`/conversations/${encodeURIComponent(id)}`, { title });
      await this.load();
    });
  }

  /** @param {Conversation} conversation */
  async onDelete(conversation) {
    const sure = await confirm({
      title: "Delete this conversation?",
      text: `“${conversation.title || "Untitled"}” and all its branches will be gone. The documents stay.`,
      action: "Delete",
    });
    if (!sure) return;
    await this.attempt(async () => {
      await remove(`/conversations/${encodeURIComponent(conversation.id)}`);
      if (conversation.id === this.current) this.emit("open-conversation", "");
      await this.load();
    });
  }
}
customElements.define("guru-conversations", ConversationList);
