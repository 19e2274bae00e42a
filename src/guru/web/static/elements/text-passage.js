/** A passage of the stored text, marked, with what stands before and after it. */

import { get, describe, isAbort } from "../api.js";
import { GuruElement } from "../element.js";
import { slice } from "../format.js";
import { html, nothing } from "../vendor/lit/lit-element.js";
import { errorNote } from "./notes.js";

const MORE = 20_000;

class TextPassage extends GuruElement {
  static properties = {
    documentId: { attribute: false },
    start: { type: Number },
    end: { type: Number },
    context: { type: Number },
    text: { state: true },
    error: { state: true },
  };

  constructor() {
    super();
    this.documentId = "";
    this.start = 0;
    this.end = 0;
    /** How many characters to show before and after. */
    this.context = 1200;
    /** How many of the characters after it have been asked for. */
    this.shown = 0;
    /** @type {{start: number, end: number, text: string} | null} */
    this.text = null;
    /** @type {import("../types.js").ApiErrorBody | null} */
    this.error = null;
    this.loading = new AbortController();
  }

  /** @param {Map<string, unknown>} changed */
  willUpdate(changed) {
    if (changed.has("documentId") || changed.has("start") || changed.has("end")) {
      this.text = null;
      this.load();
    }
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    this.loading.abort();
  }

  async load(after = this.context) {
    this.loading.abort();
    this.loading = new AbortController();
    this.error = null;
    this.shown = after;
    const range = `start=${Math.max(0, this.start - this.context)}&end=${this.end + after}`;
    try {
      this.text = await get(`/documents/${encodeURIComponent(this.documentId)}/text?${range}`, this.loading.signal);
    } catch (error) {
      if (!isAbort(error)) this.error = describe(error);
    }
  }

  render() {
    if (this.error) return errorNote(this.error, () => this.load());
    if (!this.text) return html`<div class="passage"><span class="skeleton"></span><span class="skeleton"></span><span class="skeleton"></span></div>`;
    const { start, text } = this.text;
    const before = slice(text, 0, this.start - start);
    const passage = slice(text, this.start - start, this.end - start);
    const more = this.text.end >= this.end + this.shown;
    return html`<div class="passage" tabindex="0" role="group" aria-label="The passage in its text">${start > 0 ? "… " : nothing}${before}${passage ? html`<mark>${passage}</mark>` : nothing}${slice(text, this.end - start)}${more
      ? html`<button class="button quiet" @click=${() => this.load(this.shown + MORE)}>Show more</button>`
      : nothing}</div>`;
  }

  /** @param {Map<string, unknown>} changed */
  updated(changed) {
    if (!changed.has("text") || !this.text || changed.get("text")) return;
    const mark = /** @type {HTMLElement | null} */ (this.querySelector("mark"));
    const frame = this.querySelector(".passage");
    if (!mark || !frame) return;
    if (frame.scrollHeight > frame.clientHeight) frame.scrollTop = mark.offsetTop - frame.clientHeight / 3;
    else mark.scrollIntoView({ block: "center" });
  }
}
customElements.define("guru-text-passage", TextPassage);
