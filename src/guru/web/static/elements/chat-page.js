/** The chat: conversations at the side, one conversation in the middle, an opened source beside it. */

import { get, isAbort } from "../api.js";
import { ChatSession } from "../chat-session.js";
import { newestLeaf, siblings } from "../chat-tree.js";
import { GuruElement } from "../element.js";
import { acceptFiles } from "../files.js";
import { icons } from "../icons.js";
import { html, nothing } from "../vendor/lit/lit-element.js";
import { repeat } from "../vendor/lit/repeat.js";
import "./chat-composer.js";
import "./chat-message.js";
import "./chat-welcome.js";
import "./conversation-list.js";
import { errorNote } from "./notes.js";
import { inTextField } from "./shortcuts-dialog.js";
import "./source-panel.js";
import "./upload-job.js";

/** @import { Collection, Message, Model } from "../types.js" */

const narrow = matchMedia("(max-width: 60rem)");

class ChatPage extends GuruElement {
  static properties = {
    conversationId: { attribute: "conversation-id" },
    collections: { state: true },
    models: { state: true },
    source: { state: true },
    sidebarOpen: { state: true },
    dragging: { state: true },
    uploading: { state: true },
  };

  constructor() {
    super();
    this.conversationId = "";
    /** @type {Collection[] | null} */
    this.collections = null;
    /** @type {Model[]} */
    this.models = [];
    /** @type {Promise<void> | null} */
    this.listing = null;
    /** @type {{message: Message, n: number, opener: HTMLElement} | null} */
    this.source = null;
    this.sidebarOpen = false;
    this.dragging = false;
    /** @type {{collection: string, files: import("../files.js").PathFile[]} | null} */
    this.uploading = null;
    this.session = new ChatSession(this);
    acceptFiles(this, { onDragging: (dragging) => (this.dragging = dragging), onFiles: (files) => this.addFiles(files) });
    this.onKey = this.onKey.bind(this);
    this.onPopState = this.onPopState.bind(this);
    this.onWidth = () => this.requestUpdate();
  }

  connectedCallback() {
    super.connectedCallback();
    document.addEventListener("keydown", this.onKey);
    window.addEventListener("popstate", this.onPopState);
    narrow.addEventListener("change", this.onWidth);
    this.loadLists();
    if (this.conversationId) this.session.open(this.conversationId);
    else this.focusComposer();
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    document.removeEventListener("keydown", this.onKey);
    window.removeEventListener("popstate", this.onPopState);
    narrow.removeEventListener("change", this.onWidth);
  }

  async loadLists() {
    this.listing = null;
    try {
      await this.listed();
    } catch (error) {
      if (!this.session.busy) this.session.fail(error); // a question that waits tells it in its answer
    }
  }

  /** Once it is known which collections and models there are; asked for again where that failed. */
  listed() {
    this.listing ??= this.list().catch((error) => {
      this.listing = null;
      throw error;
    });
    return this.listing;
  }

  async list() {
    const [{ collections }, { models }] = await Promise.all([get("/collections"), get("/models")]);
    this.collections = collections;
    this.models = models;
    this.session.chooseDefaults(collections, models);
  }

  conversationChanged() {
    /** @type {import("./conversation-list.js").ConversationList | null} */ (this.querySelector("guru-conversations"))?.load();
  }

  render() {
    const covered = narrow.matches;
    return html`
      <aside class="sidebar" data-open=${this.sidebarOpen} ?inert=${covered && !this.sidebarOpen} aria-label="Conversations">
        <guru-conversations .current=${this.conversationId} @close-sidebar=${() => this.closeSidebar()}
          @open-conversation=${(/** @type {CustomEvent<string>} */ event) => this.openConversation(event.detail)}></guru-conversations>
      </aside>
      <section class="thread" aria-label="Conversation" ?inert=${covered && (this.sidebarOpen || this.source != null)}
        @open-source=${(/** @type {CustomEvent} */ event) => this.openSource(event.detail)}
        @ask=${(/** @type {CustomEvent<string>} */ event) => this.session.ask(event.detail)}
        @edit=${(/** @type {CustomEvent} */ event) => this.session.edit(event.detail.message, event.detail.content)}
        @retry=${(/** @type {CustomEvent<Message>} */ event) => this.session.retry(event.detail)}
        @branch=${(/** @type {CustomEvent<string>} */ event) => this.onBranch(event.detail)}
        @stop=${() => this.session.stop()}
        @choose=${(/** @type {CustomEvent} */ event) => this.session.choose(event.detail)}
        @add-files=${(/** @type {CustomEvent} */ event) => this.addFiles(event.detail)}>
        <button class="button quiet open-sidebar" @click=${this.onOpenSidebar}>${icons.menu}Conversations</button>
        <div class="scroll" @scroll=${this.onScroll}>${this.renderThread()}</div>
        <div class="visually-hidden" role="status" aria-live="polite">${this.session.announcement}</div>
        <div class="foot">
          ${this.uploading
            ? html`<guru-upload .collection=${this.uploading.collection} .files=${this.uploading.files}
                @upload-finished=${this.onUploaded} @upload-dismissed=${() => (this.uploading = null)}></guru-upload>`
            : nothing}
          <guru-composer .collections=${this.collections ?? []} .models=${this.models} .collection=${this.session.collection}
            .model=${this.session.model} .memory=${this.session.memory} .busy=${this.session.busy}></guru-composer>
        </div>
        ${this.dragging ? html`<div class="drop-hint">${icons.upload}<p>Drop to add to <strong>${this.session.uploadTarget}</strong></p></div>` : nothing}
      </section>
      ${this.source
        ? html`<aside class="source" aria-label="Source">
            <guru-source .citations=${this.source.message.citations} .conflicts=${this.source.message.conflicts} .n=${this.source.n}
              @close-source=${() => this.closeSource()}
              @show-source=${(/** @type {CustomEvent<number>} */ event) => this.source && (this.source = { ...this.source, n: event.detail })}></guru-source>
          </aside>`
        : nothing}
    `;
  }

  renderThread() {
    const { session } = this;
    const { path } = session;
    if (session.error) return html`<div class="messages">${errorNote(session.error, () => this.onReload())}</div>`;
    if (session.loading) return html`<div class="messages"><span class="skeleton question"></span><span class="skeleton"></span><span class="skeleton"></span></div>`;
    if (!path.length) return html`<guru-welcome .collections=${this.collections} .collection=${session.collection}></guru-welcome>`;
    return html`<div class="messages">
      <h1 class="visually-hidden">${session.title || path[0].content}</h1>
      ${repeat(path, ({ id }) => id, (message) => html`<guru-message .message=${message} .busy=${session.busy}
        .alternatives=${siblings(session.messages, message)}
        .active=${this.source?.message.id === message.id ? this.source.n : 0}></guru-message>`)}
    </div>`;
  }

  updated() {
    // Follow the answer while the reader is at its end; leave them alone when they have scrolled up.
    const scroll = this.querySelector(".scroll");
    if (scroll && this.session.follow && this.session.path.length) scroll.scrollTop = scroll.scrollHeight;
  }

  onScroll() {
    const scroll = /** @type {HTMLElement} */ (this.querySelector(".scroll"));
    this.session.follow = scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < 48;
  }

  /** @param {string} id */
  openConversation(id, { push = true } = {}) {
    this.session.leave();
    this.source = null;
    this.conversationId = id;
    if (push) history.pushState(null, "", id ? `/chat/${id}` : "/");
    if (id) this.session.open(id);
    this.closeSidebar();
    this.focusComposer();
  }

  onPopState() {
    this.openConversation(/^\/chat\/([^/]+)/.exec(location.pathname)?.[1] ?? "", { push: false });
  }

  onReload() {
    this.loadLists();
    if (this.conversationId) this.session.open(this.conversationId);
    else this.session.leave();
  }

  /** @param {string} id A version of a message; shown with the newest that follows it. */
  onBranch(id) {
    this.session.leaf = newestLeaf(this.session.messages, id);
    this.session.follow = false;
    this.requestUpdate();
  }

  /** @param {{message: Message, n: number, opener: HTMLElement}} source */
  async openSource(source) {
    const same = this.source?.message.id === source.message.id && this.source.n === source.n;
    if (same) return this.closeSource();
    this.session.follow = false;
    this.source = source;
    await this.updateComplete;
    /** @type {GuruElement | null} */ (this.querySelector("guru-source"))?.focusOn(".source-head h2");
  }

  async closeSource() {
    const opener = this.source?.opener;
    this.source = null;
    await this.updateComplete;
    opener?.focus();
  }

  async onOpenSidebar() {
    this.sidebarOpen = true;
    await this.updateComplete;
    /** @type {GuruElement | null} */ (this.querySelector("guru-conversations"))?.focusOn(".new");
  }

  closeSidebar() {
    if (!this.sidebarOpen) return;
    this.sidebarOpen = false;
    this.focusOn(".open-sidebar");
  }

  focusComposer() {
    if (!narrow.matches) this.updateComplete.then(() => this.focusOn("#question"));
  }

  /** @param {KeyboardEvent} event */
  onKey(event) {
    if (document.querySelector("dialog[open]")) return;
    if (event.key === "Escape") {
      if (this.sidebarOpen) this.closeSidebar();
      else if (this.source) this.closeSource();
      else if (this.session.busy) this.session.stop();
    } else if (event.key === "/" && !inTextField(event)) {
      event.preventDefault();
      this.focusOn("#question");
    } else if (event.altKey && event.code === "KeyN") {
      event.preventDefault();
      this.openConversation("");
    }
  }

  /** @param {import("../files.js").PathFile[]} files */
  async addFiles(files) {
    if (!files.length) return;
    this.uploading = null;
    await this.updateComplete;
    this.uploading = { collection: this.session.uploadTarget, files };
  }

  async onUploaded() {
    try {
      this.collections = (await get("/collections")).collections;
      if (this.uploading) this.session.choose({ collection: this.uploading.collection });
      this.focusComposer();
    } catch (error) {
      if (!isAbort(error)) this.session.fail(error);
    }
  }
}
customElements.define("guru-chat", ChatPage);
