/** The text of an answer: Markdown that grows while it streams, citations as buttons, code with a copy button. */

import { GuruElement } from "../element.js";
import { highlight } from "../highlight.js";
import { renderMarkdown } from "../markdown.js";

/** @import { Message } from "../types.js" */

class AnswerBody extends GuruElement {
  static properties = { message: { attribute: false }, active: { type: Number } };

  constructor() {
    super();
    /** @type {Message | null} */
    this.message = null;
    /** The number of the citation whose source is open. */
    this.active = 0;
    /** @type {string[]} */
    this.blocks = [];
    this.addEventListener("click", (event) => this.onClick(event));
  }

  // The DOM here is made by hand: only blocks that changed are replaced, so a selection survives the next token.
  updated() {
    const { content = "", citations = [], unsupported = [] } = this.message ?? {};
    const fragment = renderMarkdown(content, { citations: new Set(citations.map(({ n }) => n)), unsupported });
    const blocks = [...fragment.children];
    const sources = blocks.map((block) => block.outerHTML);
    const changed = sources.findIndex((source, index) => source !== this.blocks[index]);
    const from = changed < 0 ? sources.length : changed;
    while (this.children.length > from) this.lastElementChild?.remove();
    for (const block of blocks.slice(from)) this.append(block);
    this.blocks = sources;
    this.decorateCode(from);
    for (const button of this.querySelectorAll(".cite")) {
      button.setAttribute("aria-expanded", String(Number(/** @type {HTMLElement} */ (button).dataset.n) === this.active));
    }
  }

  /** @param {number} from The first block that is new. */
  decorateCode(from) {
    const streaming = this.message?.status === "streaming";
    for (const block of [...this.children].slice(from)) {
      for (const pre of block.matches("pre") ? [block] : block.querySelectorAll("pre")) {
        const code = pre.querySelector("code");
        if (!code || pre.parentElement?.matches(".code-block")) continue;
        const frame = document.createElement("div");
        frame.className = "code-block";
        const copy = document.createElement("button");
        copy.type = "button";
        copy.className = "copy-code";
        copy.textContent = "Copy";
        copy.setAttribute("aria-label", "Copy the code");
        pre.replaceWith(frame);
        pre.setAttribute("tabindex", "0");
        frame.append(pre, copy);
        if (!streaming || block !== this.lastElementChild) highlight(code);
      }
    }
    if (!streaming) for (const code of this.querySelectorAll("pre code:not(:has(span))")) highlight(/** @type {HTMLElement} */ (code));
  }

  /** @param {Event} event */
  onClick(event) {
    const target = /** @type {HTMLElement} */ (event.target);
    const cite = /** @type {HTMLElement | null} */ (target.closest(".cite"));
    if (cite) this.emit("open-source", { message: this.message, n: Number(cite.dataset.n), opener: cite });
    const copy = target.closest(".copy-code");
    if (copy) {
      navigator.clipboard.writeText(copy.parentElement?.querySelector("code")?.textContent ?? "");
      copy.textContent = "Copied";
      setTimeout(() => (copy.textContent = "Copy"), 1500);
    }
  }
}
customElements.define("guru-answer", AnswerBody);
