/** One page of a PDF as an image, with rectangles over the passage. The rectangles are in fractions of the page. */

import { GuruElement } from "../element.js";
import { html, nothing, svg } from "../vendor/lit/lit-element.js";

/** @import { Highlight } from "../types.js" */

class PageImage extends GuruElement {
  static properties = {
    documentId: { attribute: false },
    page: { type: Number },
    highlight: { attribute: false },
    zoom: { type: Number },
    state: { state: true },
  };

  constructor() {
    super();
    this.documentId = "";
    this.page = 1;
    /** @type {Highlight | null} */
    this.highlight = null;
    this.zoom = 1;
    /** @type {"loading" | "ready" | "failed"} */
    this.state = "loading";
  }

  /** @param {Map<string, unknown>} changed */
  willUpdate(changed) {
    if (changed.has("page") || changed.has("documentId")) this.state = "loading";
  }

  render() {
    const { width = 612, height = 792, rects = [] } = this.highlight ?? {};
    const scale = this.zoom > 1.5 ? 3 : 2;
    return html`
      <div class="page-image" data-zoom=${this.zoom} data-state=${this.state} tabindex="0" role="group" aria-label="Page ${this.page}">
        <div class="sheet">
          <img width=${Math.round(width)} height=${Math.round(height)} alt="Page ${this.page} of the document"
            src="/api/v1/documents/${encodeURIComponent(this.documentId)}/pages/${this.page}.png?scale=${scale}"
            @load=${this.onLoad} @error=${() => (this.state = "failed")} />
          ${rects.length
            ? html`<svg class="rects" viewBox="0 0 1 1" preserveAspectRatio="none" role="img" aria-label="The cited passage">
                ${rects.map((r) => svg`<rect class="rect" x=${r.x} y=${r.y} width=${r.width} height=${r.height} />`)}
              </svg>`
            : nothing}
        </div>
        ${this.state === "failed" ? html`<p class="note danger">This page could not be drawn.</p>` : nothing}
      </div>
    `;
  }

  onLoad() {
    this.state = "ready";
    this.scrollToPassage();
  }

  /** @param {Map<string, unknown>} changed */
  updated(changed) {
    if (changed.has("highlight") && this.state === "ready") this.scrollToPassage();
  }

  scrollToPassage() {
    const frame = this.querySelector(".page-image");
    const rect = this.highlight?.rects[0];
    if (!frame || !rect) return;
    const sheet = /** @type {HTMLElement} */ (this.querySelector(".sheet"));
    const top = rect.y * sheet.offsetHeight - frame.clientHeight / 3;
    const left = (rect.x + rect.width / 2) * sheet.offsetWidth - frame.clientWidth / 2;
    frame.scrollTo({ top, left, behavior: "instant" });
  }
}
customElements.define("guru-page-image", PageImage);
