/** The base of every element: Lit in the light DOM, so that styles, labels and ids are the page's own. */

import { LitElement } from "./vendor/lit/lit-element.js";

export class GuruElement extends LitElement {
  /** Replaces the skeleton that the server sent. */
  createRenderRoot() {
    this.replaceChildren();
    return this;
  }

  /**
   * Tell the elements above that something happened.
   * @param {string} name @param {unknown} [detail]
   */
  emit(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail, bubbles: true, composed: true }));
  }

  /**
   * Focus something once the element has rendered.
   * @param {string} selector
   */
  async focusOn(selector) {
    await this.updateComplete;
    const target = this.querySelector(selector);
    if (target instanceof HTMLElement) target.focus();
  }
}
