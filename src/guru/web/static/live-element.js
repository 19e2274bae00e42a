/** An element that reads what it shows anew by itself, as long as somebody looks at it. */

import { GuruElement } from "./element.js";

export class LiveElement extends GuruElement {
  constructor() {
    super();
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
    this.onVisible = () => document.hidden || this.load();
  }

  connectedCallback() {
    super.connectedCallback();
    document.addEventListener("visibilitychange", this.onVisible);
    this.load();
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    document.removeEventListener("visibilitychange", this.onVisible);
    clearTimeout(this.timer);
  }

  /** Read what is shown. Called at first, and whenever the page is looked at again. */
  async load() {}

  /** Read it again in so many milliseconds. Where nobody looks, nothing is asked. @param {number} pause */
  loadAfter(pause) {
    if (!document.hidden && this.isConnected) this.timer = setTimeout(() => this.load(), pause);
  }
}
