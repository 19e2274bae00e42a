/** One conversation on the screen: its messages, the branch that is shown, the answer that streams. */

import { describe, events, get, isAbort, post } from "./api.js";
import { applyEvent } from "./chat-stream.js";
import { newestLeaf, pathTo } from "./chat-tree.js";
import { announce, blank, complete, isPending } from "./messages.js";

/** @import { ApiErrorBody, Collection, Message, Model } from "./types.js" */

const SAMPLES = "handbook";
const UPLOADS = "my-documents";
const REMEMBERED = "guru.collection";

export class ChatSession {
  /**
   * @param {import("./element.js").GuruElement & {conversationId: string, conversationChanged: () => void,
   *   listed: () => Promise<void>}} page
   */
  constructor(page) {
    this.page = page;
    this.collection = "";
    this.model = "default";
    /** Whether the conversation uses what is remembered of its owner; `default` is as the configuration says. */
    this.memory = "default";
    /** @type {Message[]} */
    this.messages = [];
    /** The last message of the path that is shown. @type {string | null} */
    this.leaf = null;
    /** @type {ApiErrorBody | null} */
    this.error = null;
    this.loading = false;
    /** What was asked while the conversation was still loading. @type {string | null} */
    this.unasked = null;
    /** Whether the end of the answer is kept in sight. */
    this.follow = true;
    /** What a screen reader is told. */
    this.announcement = "";
    this.title = "";
    /** @type {AbortController | null} Set while an answer streams. */
    this.aborter = null;
    this.poll = 0;
  }

  reset() {
    this.messages = [];
    this.leaf = null;
    this.error = null;
    this.loading = false;
    this.follow = true;
    this.announcement = "";
    this.title = "";
    this.memory = "default";
    this.aborter = null;
    clearTimeout(this.poll);
  }

  get path() {
    return pathTo(this.messages, this.leaf);
  }

  get busy() {
    return this.aborter !== null;
  }

  /** Where dropped files go: the chosen collection, but never among the samples. */
  get uploadTarget() {
    return this.collection && this.collection !== SAMPLES ? this.collection : UPLOADS;
  }

  /** @param {Collection[]} collections @param {Model[]} models */
  chooseDefaults(collections, models) {
    const chat = models.filter(({ kind, status }) => kind === "chat" && status !== "not installed");
    const model = chat.find(({ aliases }) => aliases?.includes("default")) ?? chat[0];
    if (this.model === "default" && model) this.model = model.name;
    if (!this.page.conversationId) {
      const names = collections.map(({ name }) => name);
      const last = new URLSearchParams(location.search).get("collection") ?? localStorage.getItem(REMEMBERED);
      this.collection = last !== null && (last === "" || names.includes(last)) ? last : names.includes(SAMPLES) ? SAMPLES : (names[0] ?? "");
    }
    this.page.requestUpdate();
  }

  /** @param {{collection?: string, model?: string, memory?: string}} choice */
  choose({ collection = this.collection, model = this.model, memory = this.memory }) {
    this.collection = collection;
    this.memory = memory;
    this.model = model;
    localStorage.setItem(REMEMBERED, collection);
    this.page.requestUpdate();
  }

  /** @param {unknown} error */
  fail(error) {
    this.error = describe(error);
    this.loading = false;
    this.page.requestUpdate();
  }

  /** Leave the conversation; an answer that streams goes no further. */
  leave() {
    this.aborter?.abort();
    this.unasked = null;
    this.reset();
    this.page.requestUpdate();
  }

  /** @param {string} id */
  async open(id) {
    this.reset();
    this.loading = true;
    this.page.requestUpdate();
    try {
      const conversation = await get(`/conversations/${encodeURIComponent(id)}`);
      if (this.page.conversationId !== id) return;
      this.show(conversation.messages);
      this.collection = conversation.collection ?? "";
      this.model = conversation.model ?? this.model;
      this.memory = conversation.memory === true ? "on" : conversation.memory === false ? "off" : "default";
      this.title = conversation.title ?? "";
      document.title = `${this.title || "Chat"} · Guru`;
      this.loading = false;
      if (this.unasked !== null) this.ask(this.unasked);
    } catch (error) {
      if (this.page.conversationId === id) this.fail(error);
    }
    this.page.requestUpdate();
  }

  /** @param {Message[]} messages */
  show(messages) {
    this.messages = messages.map(complete);
    this.leaf = newestLeaf(this.messages, null);
    // An answer that another tab streams, or that goes on after a reload: look again until it stands.
    if (messages.some(({ status }) => status === "streaming")) {
      const id = this.page.conversationId;
      this.poll = setTimeout(async () => {
        const { messages: fresh } = await get(`/conversations/${encodeURIComponent(id)}`);
        if (this.page.conversationId === id && !this.busy) this.show(fresh);
        this.page.requestUpdate();
      }, 1000);
    }
  }

  /** @param {string} content */
  ask(content) {
    this.unasked = this.loading ? content : null;
    if (this.loading) return;
    this.forgetPending();
    this.send({ content, parent_id: this.leaf });
  }

  /** A new question beside an old one. @param {Message} message @param {string} content */
  edit(message, content) {
    return this.send({ content, parent_id: message.parent_id });
  }

  /** Another answer to the same question. @param {Message} message */
  retry(message) {
    const question = this.messages.find(({ id }) => id === message.parent_id);
    this.forgetPending();
    if (!question || isPending(question)) return this.send({ content: question?.content ?? "", parent_id: question?.parent_id ?? null });
    return this.send({ regenerate: question.id, parent_id: question.id });
  }

  /** Drop what never reached the server: it cannot be answered or followed. */
  forgetPending() {
    this.leaf = this.path.findLast((message) => !isPending(message))?.id ?? null;
    this.messages = this.messages.filter((message) => !isPending(message));
  }

  async stop() {
    const streaming = this.messages.find(({ status, role }) => role === "assistant" && status === "streaming");
    const { aborter } = this;
    if (!aborter) return;
    try {
      if (streaming && !isPending(streaming)) {
        await post(`/conversations/${this.page.conversationId}/messages/${streaming.id}/stop`);
      }
    } finally {
      // The server ends the stream when it has stopped; one that does not is left.
      setTimeout(() => aborter.abort(), 2000);
    }
  }

  /** @param {{content?: string, regenerate?: string, parent_id: string | null}} body A question, or an answer to replace. */
  async send(body) {
    if (this.busy) return;
    const aborter = new AbortController();
    this.aborter = aborter;
    this.error = null;
    this.follow = true;
    this.announcement = "";
    const asked = this.addPending(body);
    this.page.requestUpdate();
    let answer = asked.answer;
    try {
      await this.page.listed(); // the collection and the model are chosen from the lists
      if (!this.page.conversationId) await this.create();
      const path = `/conversations/${encodeURIComponent(this.page.conversationId)}/messages`;
      const what = body.regenerate ? { regenerate: body.regenerate } : body;
      const memory = this.memory === "default" || this.collection ? {} : { memory: this.memory === "on" };
      const json = { ...what, ...memory, model: this.model, collection: this.collection || null };
      for await (const { event, data } of events(path, { json, signal: aborter.signal })) {
        if (this.aborter !== aborter) return;
        if (event === "done") break;
        if (event === "message") answer = this.adopt(asked, data);
        else answer = this.replace(answer.id, applyEvent(answer, event, data));
        this.page.requestUpdate();
      }
      if (answer.status === "streaming") answer = this.replace(answer.id, { ...answer, status: "interrupted" });
    } catch (error) {
      if (this.aborter !== aborter) return;
      /** @type {Partial<Message>} */
      const end = isAbort(error) ? { status: "interrupted" } : { status: "failed", error: describe(error) };
      answer = this.replace(answer.id, { ...answer, ...end });
    }
    this.aborter = null;
    this.announcement = announce(answer);
    this.page.requestUpdate();
    this.page.conversationChanged();
  }

  async create() {
    const conversation = await post("/conversations", { collection: this.collection || null, model: this.model });
    this.page.conversationId = conversation.id;
    history.replaceState(null, "", `/chat/${conversation.id}`);
  }

  /** Show the question at once, and an empty answer. @param {{content?: string, regenerate?: string, parent_id: string | null}} body */
  addPending({ content = "", parent_id, regenerate }) {
    const stamp = Date.now().toString(36);
    const question = regenerate ? null : blank({ id: `local-q-${stamp}`, role: "user", content, parent_id, status: "complete" });
    const answer = blank({ id: `local-a-${stamp}`, role: "assistant", content: "", parent_id: question?.id ?? parent_id, status: "streaming" });
    this.messages = [...this.messages, ...(question ? [question] : []), answer];
    this.leaf = answer.id;
    return { question, answer };
  }

  /**
   * Give the pending messages the names that the server gave them.
   * @param {{question: Message | null, answer: Message}} asked @param {{user: Message | null, assistant: Message}} named
   */
  adopt({ question, answer }, { user, assistant }) {
    const old = new Set([question?.id, answer.id]);
    const fresh = complete({ ...answer, ...assistant, status: "streaming" });
    this.messages = [...this.messages.filter(({ id }) => !old.has(id)), ...(user ? [complete(user)] : []), fresh];
    this.leaf = fresh.id;
    return fresh;
  }

  /** @param {string} id @param {Message} message */
  replace(id, message) {
    this.messages = this.messages.map((old) => (old.id === id ? message : old));
    return message;
  }
}
