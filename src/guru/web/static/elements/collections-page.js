/** All collections, and a form that makes one. */

import { describe, get, post } from "../api.js";
import { GuruElement } from "../element.js";
import { ago, bytes, count, plural } from "../format.js";
import { icons } from "../icons.js";
import { html, nothing } from "../vendor/lit/lit-element.js";
import { emptyState, errorNote } from "./notes.js";

/** @import { ApiErrorBody, Collection } from "../types.js" */

class CollectionsPage extends GuruElement {
  static properties = { collections: { state: true }, error: { state: true }, createError: { state: true } };

  constructor() {
    super();
    /** @type {Collection[] | null} */
    this.collections = null;
    /** @type {ApiErrorBody | null} */
    this.error = null;
    /** @type {ApiErrorBody | null} */
    this.createError = null;
  }

  connectedCallback() {
    super.connectedCallback();
    this.load();
  }

  async load() {
    this.error = null;
    try {
      this.collections = (await get("/collections")).collections;
    } catch (error) {
      this.error = describe(error);
    }
  }

  /** @param {SubmitEvent} event */
  async onCreate(event) {
    event.preventDefault();
    const input = /** @type {HTMLInputElement} */ (this.querySelector("#new-collection"));
    const name = input.value.trim().toLowerCase().replaceAll(/\s+/g, "-");
    this.createError = null;
    try {
      await post("/collections", { name });
      location.assign(`/collections/${encodeURIComponent(name)}`);
    } catch (error) {
      this.createError = describe(error);
      input.focus();
    }
  }

  render() {
    return html`
      <header class="page-head">
        <div><h1>Collections</h1><p>Documents that are asked together.</p></div>
        <form class="row" @submit=${this.onCreate}>
          <label class="visually-hidden" for="new-collection">Name of the new collection</label>
          <input class="field new-name" id="new-collection" name="name" required maxlength="64" placeholder="new-collection"
            autocapitalize="none" autocomplete="off" spellcheck="false" pattern="[A-Za-z0-9][A-Za-z0-9._ \\-]*"
            title="Letters, digits, dots, dashes and underscores" />
          <button class="button primary">${icons.plus}Create</button>
        </form>
      </header>
      ${this.createError ? errorNote(this.createError) : nothing}
      ${this.renderList()}
    `;
  }

  renderList() {
    if (this.error) return errorNote(this.error, () => this.load());
    if (!this.collections) return html`<span class="skeleton block"></span>`;
    if (!this.collections.length) {
      return emptyState({
        icon: icons.folder,
        title: "No collections yet",
        text: "Create one with the form above, or drop files into a chat: they go into a collection of their own.",
      });
    }
    return html`<ul class="collection-grid">${this.collections.map((collection) => this.renderCard(collection))}</ul>`;
  }

  /** @param {Collection} collection */
  renderCard({ name, documents, chunks, bytes: size, updated_at }) {
    return html`<li class="card collection-card">
      <h2><a href="/collections/${encodeURIComponent(name)}">${name}</a></h2>
      <p class="number">${plural(documents, "document")}</p>
      <p class="faint small number">${count(chunks)} chunks · ${bytes(size)} · ${ago(updated_at)}</p>
    </li>`;
  }
}
customElements.define("guru-collections", CollectionsPage);
