/** What the documents of a collection are about: a map by topic, a legend that filters it, and the same as a table. */

import { describe, get } from "../api.js";
import { GuruElement } from "../element.js";
import { plural } from "../format.js";
import { icons } from "../icons.js";
import { html, nothing } from "../vendor/lit/lit-element.js";
import { emptyState, errorNote } from "./notes.js";
import "./topic-map.js";
import { colour } from "./topic-map.js";

/** @import { ApiErrorBody, Collection, CollectionMap, Dot, Topic } from "../types.js" */

const COUNTS = [2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24];
/** Rows of the table that are shown without asking. */
const ROWS = 200;

class MapPage extends GuruElement {
  static properties = {
    collections: { state: true },
    collection: { state: true },
    count: { state: true },
    map: { state: true },
    off: { state: true },
    unusual: { state: true },
    rows: { state: true },
    error: { state: true },
  };

  constructor() {
    super();
    /** @type {Collection[] | null} */
    this.collections = null;
    this.collection = new URLSearchParams(location.search).get("collection") ?? "";
    /** How many topics; 0: as many as the data has. */
    this.count = 0;
    /** @type {CollectionMap | null} */
    this.map = null;
    /** Topics that are not shown. @type {Set<number>} */
    this.off = new Set();
    /** Whether only unusual documents are shown. */
    this.unusual = false;
    this.rows = ROWS;
    /** @type {ApiErrorBody | null} */
    this.error = null;
    /** @type {AbortController | null} */
    this.asking = null;
  }

  connectedCallback() {
    super.connectedCallback();
    this.load();
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    this.asking?.abort();
  }

  async load() {
    this.error = null;
    try {
      const { collections } = await get("/collections");
      this.collections = collections.filter((/** @type {Collection} */ { documents }) => documents);
      this.collection ||= this.collections?.[0]?.name ?? "";
      if (this.collection) await this.draw();
    } catch (error) {
      this.error = describe(error);
    }
  }

  async draw() {
    this.asking?.abort();
    const asking = new AbortController();
    this.asking = asking;
    this.error = null;
    this.map = null;
    this.off = new Set();
    this.unusual = false;
    this.rows = ROWS;
    try {
      const map = await get(`/collections/${encodeURIComponent(this.collection)}/map${this.count ? `?count=${this.count}` : ""}`, asking.signal);
      if (this.asking === asking) this.map = map;
    } catch (error) {
      if (this.asking === asking && !asking.signal.aborted) this.error = describe(error);
    }
  }

  /** @param {string} name */
  choose(name) {
    this.collection = name;
    history.replaceState(null, "", `/map?collection=${encodeURIComponent(name)}`);
    this.draw();
  }

  /** Show or hide a topic; from all shown, the first one chosen stays alone. @param {number} number */
  toggle(number) {
    const numbers = this.map?.topics.topics.map((topic) => topic.number) ?? [];
    let hidden = new Set(this.off);
    if (!hidden.size) hidden = new Set(numbers.filter((other) => other !== number));
    else if (!hidden.delete(number)) hidden.add(number);
    this.off = hidden.size === numbers.length ? new Set() : hidden;
  }

  /** @returns {Dot[]} */
  get shown() {
    return (this.map?.dots ?? []).filter((dot) => !this.off.has(dot.topic) && (!this.unusual || dot.anomaly));
  }

  render() {
    return html`
      <header class="page-head">
        <div><h1>Map</h1><p>What the documents are about. Each dot is one; those that are about the same lie together.</p></div>
        ${this.renderChoice()}
      </header>
      ${this.error ? errorNote(this.error, () => this.load()) : this.renderMap()}
    `;
  }

  renderChoice() {
    if (!this.collections?.length) return nothing;
    return html`<div class="row">
      <select class="select bordered" aria-label="Collection" @change=${(/** @type {any} */ event) => this.choose(event.target.value)}>
        ${this.collections.map(({ name }) => html`<option value=${name} ?selected=${name === this.collection}>${name}</option>`)}
      </select>
      <select class="select bordered" aria-label="Number of topics" @change=${(/** @type {any} */ event) => {
        this.count = Number(event.target.value);
        this.draw();
      }}>
        <option value="0">Topics: automatic</option>
        ${COUNTS.map((count) => html`<option value=${count} ?selected=${count === this.count}>${count} topics</option>`)}
      </select>
    </div>`;
  }

  renderMap() {
    const { map } = this;
    if (this.collections && !this.collection) {
      return emptyState({ icon: icons.folder, title: "No documents yet", text: "A map needs documents.", action: html`<a class="button primary" href="/collections">Add some</a>` });
    }
    if (!map) return html`<p class="visually-hidden" role="status">Drawing the map.</p><span class="skeleton block map-skeleton"></span>`;
    if (!map.dots.length) return emptyState({ icon: icons.file, title: "Nothing to draw", text: `${this.collection} has no documents with text.` });
    const { topics, count, empty } = map.topics;
    const facts = [plural(count, "document"), plural(topics.length, "topic"), `${map.anomalies} unusual`];
    if (map.dots.length < count) facts.push(`${plural(map.dots.length, "document")} drawn`);
    if (empty) facts.push(`${empty} without text`);
    return html`
      <p class="map-facts number" role="status">${facts.join(" · ")}</p>
      <div class="map-layout">
        <guru-topic-map class="card" .map=${map} .hiddenTopics=${this.off} .unusual=${this.unusual}></guru-topic-map>
        ${this.renderLegend(topics, map)}
      </div>
      ${this.renderTable(topics)}
    `;
  }

  /** @param {Topic[]} topics @param {CollectionMap} map */
  renderLegend(topics, map) {
    return html`<section class="map-legend" aria-label="Topics">
      <h2>Topics</h2>
      <ul>
        ${topics.map((topic) => html`<li><button type="button" class="topic-key" aria-pressed=${!this.off.has(topic.number)} title=${topic.words.join(", ")} @click=${() => this.toggle(topic.number)}>
          <svg viewBox="0 0 12 12" width="12" height="12" aria-hidden="true"><circle class=${colour(topic.number)} cx="6" cy="6" r="4.5"></circle></svg>
          <span class="topic-label">${topic.label}</span><span class="faint number">${topic.size}</span>
        </button></li>`)}
      </ul>
      ${map.anomalies ? html`<button type="button" class="topic-key unusual-key" aria-pressed=${this.unusual} @click=${() => (this.unusual = !this.unusual)}>
        <svg viewBox="0 0 12 12" width="12" height="12" aria-hidden="true"><circle class="unusual-ring" cx="6" cy="6" r="4.5"></circle></svg>
        <span class="topic-label">Unusual only</span><span class="faint number">${map.anomalies}</span>
      </button>` : nothing}
      ${this.off.size || this.unusual ? html`<button type="button" class="button compact" @click=${() => {
        this.off = new Set();
        this.unusual = false;
      }}>Show all</button>` : nothing}
    </section>`;
  }

  /** @param {Topic[]} topics */
  renderTable(topics) {
    const labels = new Map(topics.map(({ number, label }) => [number, label]));
    const rows = [...this.shown].sort((a, b) => a.topic - b.topic || b.similarity - a.similarity);
    return html`<details class="map-table"><summary>Show as a table</summary>
      <div class="table-wrap" tabindex="0" role="region" aria-label="The map as a table">
        <table class="table">
          <thead><tr><th scope="col">Document</th><th scope="col">Topic</th><th scope="col" class="end">Typical of it</th><th scope="col">Unusual</th></tr></thead>
          <tbody>${rows.slice(0, this.rows).map((dot) => html`<tr>
            <th scope="row"><a class="plain" href="/documents/${encodeURIComponent(dot.id)}">${dot.title || dot.name}</a></th>
            <td>${labels.get(dot.topic)}</td><td class="end number">${dot.similarity.toFixed(2)}</td>
            <td>${(dot.anomaly ?? []).map(({ text }) => html`<p>${text}</p>`)}</td>
          </tr>`)}</tbody>
        </table>
      </div>
      ${rows.length > this.rows ? html`<button type="button" class="button" @click=${() => (this.rows += ROWS)}>Show ${Math.min(ROWS, rows.length - this.rows)} more</button>` : nothing}
    </details>`;
  }
}
customElements.define("guru-map", MapPage);
