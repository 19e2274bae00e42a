/** A page with a list that is searched, read a page at a time, and changed: what keys, teams and users share. */

import { ApiError, describe, get, patch, post } from "../api.js";
import { GuruElement } from "../element.js";
import { plural } from "../format.js";
import { plainLimits } from "../holders.js";
import { icons } from "../icons.js";
import { html, nothing } from "../vendor/lit/lit-element.js";
import { repeat } from "../vendor/lit/repeat.js";
import { emptyState, errorNote } from "./notes.js";

/** @import { ApiErrorBody, Holder } from "../types.js" */

const PAGE = 50;
const MOST = 1000;
const PAUSE = 200;

export class ListPage extends GuruElement {
  static properties = {
    items: { state: true }, total: { state: true }, next: { state: true }, search: { state: true }, form: { state: true },
    busy: { state: true }, error: { state: true }, formError: { state: true }, suggestions: { state: true },
  };
  /** Of the list: `teams`. */
  kind = "";
  heading = "";
  about = "";
  none = "";
  /** The heads of the table; the last column is of the actions. @type {string[]} */
  columns = [];

  constructor() {
    super();
    /** @type {Holder[] | null} */
    this.items = null;
    this.total = 0;
    /** @type {number | null} */
    this.next = null;
    this.search = "";
    /** The form that is open, for something new or for one that there is. @type {{item: Holder | null} | null} */
    this.form = null;
    this.busy = false;
    /** @type {ApiErrorBody | null} */
    this.error = null;
    /** @type {ApiErrorBody | null} */
    this.formError = null;
    /** @type {Record<string, string[]>} */
    this.suggestions = {};
    this.turn = 0;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.pause = undefined;
  }

  connectedCallback() {
    super.connectedCallback();
    this.load();
  }

  /** One of them, in words: `team`. */
  get one() {
    return this.kind.slice(0, -1);
  }

  /** By what the API finds it. @param {Holder} item @returns {string} */
  idOf(item) {
    return item.name;
  }

  /** @param {Holder} item */
  placeOf(item) {
    return `/${this.kind}/${encodeURIComponent(this.idOf(item))}`;
  }

  /** @param {number} limit @param {number} [offset] */
  async fetch(limit, offset = 0) {
    const query = new URLSearchParams({ limit: String(limit), offset: String(offset) });
    if (this.search) query.set("search", this.search);
    return get(`/${this.kind}?${query}`);
  }

  /** Read the list anew, as far as it was read. */
  async load() {
    const turn = ++this.turn; // an answer that comes late must not stand for what was asked after it
    try {
      const page = await this.fetch(Math.min(Math.max(PAGE, this.items?.length ?? 0), MOST));
      if (turn !== this.turn) return;
      this.error = null;
      this.items = page[this.kind];
      this.total = page.total;
      this.next = page.next;
    } catch (error) {
      if (turn === this.turn) this.error = describe(error);
    }
  }

  async more() {
    if (this.next === null) return;
    const turn = ++this.turn;
    try {
      const page = await this.fetch(PAGE, this.next);
      if (turn !== this.turn) return;
      const known = new Set(this.items?.map((item) => this.idOf(item))); // something made meanwhile moves the rest
      this.items = [...(this.items ?? []), ...page[this.kind].filter((/** @type {Holder} */ item) => !known.has(this.idOf(item)))];
      this.total = page.total;
      this.next = page.next;
    } catch (error) {
      if (turn === this.turn) this.error = describe(error);
    }
  }

  /** @param {Event} event */
  find(event) {
    this.search = /** @type {HTMLInputElement} */ (event.target).value.trim();
    clearTimeout(this.pause);
    this.pause = setTimeout(() => this.load(), PAUSE);
  }

  /** Do something once, and show what has become of the list. @param {() => Promise<unknown>} work @returns {Promise<boolean>} Whether it was done. */
  async change(work) {
    if (this.busy) return false;
    this.busy = true;
    this.error = null;
    try {
      await work();
      await this.load();
      return true;
    } catch (error) {
      this.error = describe(error);
      return false;
    } finally {
      this.busy = false;
    }
  }

  // ------------------------------------------------------------------ the form

  /** @param {Holder | null} item */
  open(item) {
    this.form = { item };
    this.formError = null;
    this.focusOn(item ? ".holder-form input:not([readonly]), .holder-form select" : "#field-name");
  }

  close() {
    this.form = null;
    this.formError = null;
    this.focusOn("#add");
  }

  /** What the form says. @param {FormData} form @param {Holder | null} item @returns {Record<string, unknown>} */
  read(form, item) {
    return { form, item };
  }

  /** The fields of the form. @param {Holder | null} item @returns {unknown} */
  renderFields(item) {
    return item;
  }

  /** Called with what was made. @param {any} made */
  onMade(made) {
    return made;
  }

  /** @param {SubmitEvent} event */
  async submit(event) {
    event.preventDefault();
    if (this.busy || !this.form) return;
    const { item } = this.form;
    const values = this.read(new FormData(/** @type {HTMLFormElement} */ (event.target)), item);
    this.busy = true;
    this.formError = null;
    try {
      if (item) await this.save(item, values);
      else this.onMade(await post(`/${this.kind}`, values));
      this.close();
      await this.load();
    } catch (error) {
      this.formError = describe(error);
    } finally {
      this.busy = false;
    }
  }

  /** Send what was changed, and only that, unless somebody else has changed it since it was shown. @param {Holder} item @param {Record<string, unknown>} values */
  async save(item, values) {
    const names = Object.keys(values).filter((name) => differs(name, item[name], values[name]));
    if (!names.length) return;
    const now = await get(this.placeOf(item));
    if (names.some((name) => differs(name, item[name], now[name]))) {
      this.form = { item: now };
      throw new ApiError({ message: `${item.name} was changed by somebody else meanwhile.`, hint: "The form shows the new values. Change them again where you must." }, 409);
    }
    await patch(this.placeOf(item), Object.fromEntries(names.map((name) => [name, values[name]])));
  }

  /** Names that begin like what is typed. @param {"teams" | "users"} kind @param {Event} event */
  async suggest(kind, event) {
    const typed = /** @type {HTMLInputElement} */ (event.target).value.trim();
    try {
      const found = await get(`/${kind}?${new URLSearchParams({ search: typed, limit: "20" })}`);
      this.suggestions = { ...this.suggestions, [kind]: found[kind].map((/** @type {Holder} */ one) => one.name) };
    } catch {
      // A help only: what is typed is checked when it is sent.
    }
  }

  /** A field for the name of a team or a user. @param {"teams" | "users"} kind @param {string} label @param {string | null | undefined} value @param {string} [placeholder] */
  nameField(kind, label, value, placeholder = "none") {
    const name = kind.slice(0, -1);
    return html`<div><label class="label" for="field-${name}">${label}</label>
      <input class="field" id="field-${name}" name=${name} list="known-${kind}" placeholder=${placeholder} autocomplete="off" value=${value ?? ""}
        @focus=${(/** @type {Event} */ event) => this.suggest(kind, event)} @input=${(/** @type {Event} */ event) => this.suggest(kind, event)}>
      <datalist id="known-${kind}">${(this.suggestions[kind] ?? []).map((known) => html`<option value=${known}></option>`)}</datalist></div>`;
  }

  // ------------------------------------------------------------------ what is shown

  render() {
    const refused = this.error?.status === 403 || this.error?.status === 401;
    return html`
      <header class="page-head">
        <div><h1>${this.heading}</h1><p>${this.about}</p></div>
        ${refused ? nothing : html`<button class="button primary" id="add" ?disabled=${this.form !== null} @click=${() => this.open(null)}>${icons.plus} New ${this.one}</button>`}
      </header>
      ${this.error ? errorNote(this.error, () => this.load()) : nothing}
      ${refused ? nothing : html`${this.renderNotice()}${this.form ? this.renderForm(this.form) : nothing}${this.renderList()}`}
    `;
  }

  renderNotice() {
    return /** @type {unknown} */ (nothing);
  }

  /** @param {{item: Holder | null}} form Another one has fields of its own: what was typed into this one is gone with it. */
  renderForm(form) {
    const { item } = form;
    const title = item ? `Change ${item.name}` : `New ${this.one}`;
    return repeat([form], (one) => one, () => html`
      <form class="card holder-form" aria-label=${title} @submit=${this.submit} @keydown=${(/** @type {KeyboardEvent} */ event) => event.key === "Escape" && this.close()}>
        <h2>${title}</h2>
        <div class="holder-fields">${this.renderFields(item)}</div>
        ${this.formError ? errorNote(this.formError) : nothing}
        <div class="actions row">
          <button type="button" class="button quiet" @click=${() => this.close()}>Cancel</button>
          <button class="button primary" ?disabled=${this.busy}>${item ? "Save" : `Make the ${this.one}`}</button>
        </div>
      </form>
    `);
  }

  renderList() {
    if (!this.items) return this.error ? nothing : html`<span class="skeleton block"></span>`;
    if (!this.items.length && !this.search) return this.form ? nothing : emptyState({ icon: icons.info, title: `There are no ${this.kind} yet`, text: this.none });
    return html`
      <div class="row list-head">
        <div class="with-icon">${icons.search}<input class="field" type="search" aria-label="Find ${this.kind} by name" placeholder="Find by name" .value=${this.search} @input=${this.find}></div>
        <span class="faint small" role="status">${plural(this.total, this.one)}${this.items.length < this.total ? `, ${this.items.length} shown` : ""}</span>
      </div>
      <div class="table-wrap" tabindex="0" role="region" aria-label=${this.heading}>
        <table class="table holders-table">
          <thead><tr>${this.columns.map((name) => html`<th scope="col">${name}</th>`)}<th scope="col"><span class="visually-hidden">Actions</span></th></tr></thead>
          <tbody>${this.items.length ? repeat(this.items, (item) => this.idOf(item), (item) => this.renderItem(item)) : html`<tr><td colspan=${this.columns.length + 1} class="faint">No ${this.one} has “${this.search}” in its name.</td></tr>`}</tbody>
        </table>
      </div>
      ${this.next === null ? nothing : html`<button class="button more" @click=${() => this.more()}>More</button>`}
    `;
  }

  /** @param {Holder} item @returns {unknown} */
  renderItem(item) {
    return html`<tr><td>${item.name}</td></tr>`;
  }

  /** @param {string} what @param {Holder} item @param {unknown} icon @param {() => void} work */
  action(what, item, icon, work) {
    return html`<button class="icon-button compact" aria-label="${what} ${item.name}" title=${what} ?disabled=${this.busy} @click=${work}>${icon}</button>`;
  }
}

/** @param {string} name @param {unknown} one @param {unknown} other */
function differs(name, one, other) {
  const plain = (/** @type {any} */ value) => JSON.stringify(name === "limits" ? plainLimits(value) : name === "budget" && value ? [value.usd, value.per] : (value ?? null));
  return plain(one) !== plain(other);
}
