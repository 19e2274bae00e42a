/** The sidebar: conversations to search, open, rename and delete. */

import { GuruElement } from "../element.js";
import { ago } from "../format.js";
import { icons } from "../icons.js";
import { html, nothing } from "../vendor/lit/lit-element.js";
import { repeat } from "../vendor/lit/repeat.js";
import { confirm } from "./confirm-dialog.js";

/** @import { Conversation } from "../types.js" */

class ConversationList extends GuruElement {
  static properties = {
    conversations: { attribute: false },
    current: { type: String },
    more: { type: Boolean },
    query: { state: true },
    renaming: { state: true },
  };

  constructor() {
    super();
    /** @type {Conversation[] | null} Null until they are known. */
    this.conversations = null;
    this.current = "";
    this.more = false;
    this.query = "";
    this.renaming = "";
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
        ${this.conversations ? nothing : html`<span class="skeleton"></span><span class="skeleton"></span><span class="skeleton"></span>`}
        <ul>${repeat(shown, ({ id }) => id, (conversation) => this.renderItem(conversation))}</ul>
        ${this.conversations && !shown.length
          ? html`<p class="faint small">${this.query ? "Nothing by that name." : "Your conversations will stand here."}</p>`
          : nothing}
        ${this.more ? html`<button class="button quiet" @click=${() => this.emit("more-conversations")}>Older ones</button>` : nothing}
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
    if (title && title !== conversation.title) this.emit("rename-conversation", { id: conversation.id, title });
    if (event.type === "submit") this.focusOn(`[data-id="${conversation.id}"] .actions button`);
  }

  /** @param {Conversation} conversation */
  async onDelete(conversation) {
    const sure = await confirm({
      title: "Delete this conversation?",
      text: `“${conversation.title || "Untitled"}” and all its branches will be gone. The documents stay.`,
      action: "Delete",
    });
    if (sure) this.emit("delete-conversation", conversation.id);
  }
}
customElements.define("guru-conversations", ConversationList);
