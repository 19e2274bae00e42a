/** What stands in an empty conversation: what can be asked, and what to do first. */

import { GuruElement } from "../element.js";
import { count, plural } from "../format.js";
import { icons } from "../icons.js";
import { html, nothing } from "../vendor/lit/lit-element.js";

/** @import { Collection } from "../types.js" */

class ChatWelcome extends GuruElement {
  static properties = { collections: { attribute: false }, collection: { type: String } };

  constructor() {
    super();
    /** @type {Collection[] | null} Null until they are known. */
    this.collections = null;
    this.collection = "";
  }

  render() {
    const chosen = this.collections?.find(({ name }) => name === this.collection);
    const questions = this.sampleQuestions();
    return html`
      <div class="welcome">
        <h1>${chosen ? "Ask your documents" : "Ask, or add documents first"}</h1>
        <p class="lead">${this.renderLead(chosen)}</p>
        ${questions.length
          ? html`<ul class="samples" aria-label="Questions to begin with">
              ${questions.map((question) => html`<li><button class="sample" @click=${() => this.emit("ask", question)}><span>${question}</span>${icons.right}</button></li>`)}
            </ul>`
          : nothing}
        <p class="drop-line faint small">${icons.upload}<span>Drop files or folders here to ask them: PDF, Word, PowerPoint, Excel, HTML, Markdown, text, e-mail, code.</span></p>
      </div>
    `;
  }

  /** @param {Collection | undefined} chosen */
  renderLead(chosen) {
    if (!this.collections) return html`<span class="skeleton line"></span>`;
    if (!chosen) return "Without a collection the model answers from what it has learned, and cites nothing.";
    return html`Answers come from <a href="/collections/${chosen.name}">${chosen.name}</a>, ${plural(chosen.documents, "document")} in ${count(chosen.chunks)} passages. Every number in an answer opens the passage behind it.`;
  }

  /** The questions that the server sent with the page, when their collection is chosen. @returns {string[]} */
  sampleQuestions() {
    const data = document.getElementById("sample-questions");
    if (!data || data.dataset.collection !== this.collection) return [];
    return [...data.querySelectorAll("li")].map((item) => item.textContent ?? "");
  }
}
customElements.define("guru-welcome", ChatWelcome);
