/** A passage of the stored text, marked, with what stands before and after it. */

import { get, describe, isAbort } from "../api.js";
import { GuruElement } from "../element.js";
import { slice } from "../format.js";
import { html, nothing } from "../vendor/lit/lit-element.js";
import { errorNote } from "./notes.js";

const CONTEXT = 1200;

class TextPassage extends GuruElement {
  static properties = {
    documentId: { attribute: false },
    start: { type: Number },
    end: { type: Number },
    text: { state: true },
    error: { state: true },
  };

  constructor() {
    super();
    this.documentId = "";
    this.start = 0;
    this.end = 0;
    /** @type {{start: number, end: number, text: string} | null} */
    this.text = null;
    /** @type {import("../types.js").ApiErrorBody | null} */
    this.error = null;
    this.loading = new AbortController();
  }

  /** @param {Map<string, unknown>} changed */
  willUpdate(changed) {
    if (changed.has("documentId") || changed.has("start") || changed.has("end")) this.load();
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    this.loading.abort();
  }

  async load() {
    this.loading.abort();
    this.loading = new AbortController();
    this.text = null;
    this.error = null;
    const range = `start=${Math.max(0, this.start - CONTEXT)}&end=${this.end + CONTEXT}`;
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
    const after = slice(text, this.end - start);
    return html`<div class="passage" tabindex="0" role="group" aria-label="The passage in its text">${start > 0 ? "… " : nothing}${before}<mark id="passage-mark">${slice(text, this.start - start, this.end - start)}</mark>${after}</div>`;
  }

  /** @param {Map<string, unknown>} changed */
  updated(changed) {
    if (!changed.has("text") || !this.text) return;
    const mark = /** @type {HTMLElement | null} */ (this.querySelector("mark"));
    const frame = this.querySelector(".passage");
    if (mark && frame) frame.scrollTop = mark.offsetTop - frame.clientHeight / 3;
  }
}
customElements.define("guru-text-passage", TextPassage);
