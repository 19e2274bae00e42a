/** Documents as dots on a plane, by topic. One stop of the Tab key: arrows go from dot to dot, Enter opens. */

import { GuruElement } from "../element.js";
import { html, nothing, svg } from "../vendor/lit/lit-element.js";
import { watchWidth } from "../width.js";

/** @import { CollectionMap, Dot } from "../types.js" */

const COLOURS = 12;
const MARGIN = 28;
/** Pixels around a dot in which the pointer means it. */
const REACH = 18;
/** About, of a letter of a label, in pixels. */
const LETTER = 6.6;
const LINE = 18;
/** Up to so many documents have their titles beside them. */
const TITLED = 40;
const LONGEST_TITLE = 28;
/** @type {Record<string, [number, number]>} */
const ARROWS = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/** The class of a topic's dots: after twelve colours they come again, as rings. @param {number} topic */
export const colour = (topic) => `topic-${topic % COLOURS}${topic >= COLOURS ? " topic-ring" : ""}`;

/** @param {string} title */
const shorten = (title) => (title.length > LONGEST_TITLE ? `${title.slice(0, LONGEST_TITLE - 1)}…` : title);

/** @typedef {{dot: Dot, x: number, y: number}} Placed */

class TopicMap extends GuruElement {
  static properties = {
    map: { attribute: false },
    hiddenTopics: { attribute: false },
    unusual: { type: Boolean },
    width: { state: true },
    current: { state: true },
  };

  constructor() {
    super();
    /** @type {CollectionMap | null} */
    this.map = null;
    /** @type {Set<number>} */
    this.hiddenTopics = new Set();
    this.unusual = false;
    this.width = 0;
    /** The dot that is pointed at. @type {Placed | null} */
    this.current = null;
    /** @type {Placed[]} */
    this.placed = [];
    this.height = 0;
    this.radius = 4;
    watchWidth(this, (width) => { this.width = width; });
  }

  /** @param {Map<string, unknown>} changed */
  willUpdate(changed) {
    if (changed.has("map") || changed.has("hiddenTopics") || changed.has("unusual") || changed.has("width")) {
      this.place();
      this.current = null;
    }
  }

  /** Where the dots stand, in pixels. */
  place() {
    const dots = this.map?.dots ?? [];
    const most = { x: Math.max(...dots.map(({ x }) => Math.abs(x)), 0.01), y: Math.max(...dots.map(({ y }) => Math.abs(y)), 0.01) };
    const wide = Math.max(this.width - 2 * MARGIN, 60);
    this.height = Math.round(Math.min(Math.max((wide * most.y) / most.x + 2 * MARGIN, 240), 600));
    const scale = Math.min(wide / 2 / most.x, (this.height - 2 * MARGIN) / 2 / most.y);
    this.radius = Math.min(Math.max(0.26 * Math.sqrt((wide * this.height) / Math.max(dots.length, 1)) * 0.6, 2.2), 8);
    this.placed = dots
      .filter((dot) => !this.hiddenTopics.has(dot.topic) && (!this.unusual || dot.anomaly))
      .map((dot) => ({ dot, x: this.width / 2 + dot.x * scale, y: this.height / 2 + dot.y * scale }));
  }

  /** @param {Dot} dot */
  label(dot) {
    return this.map?.topics.topics.find(({ number }) => number === dot.topic)?.label ?? "";
  }

  /** The dot nearest to a place, if it is near enough. @param {number} x @param {number} y @param {number} reach */
  nearest(x, y, reach = REACH) {
    let best = null;
    let least = reach;
    for (const placed of this.placed) {
      const distance = Math.hypot(placed.x - x, placed.y - y);
      if (distance < least) [best, least] = [placed, distance];
    }
    return best;
  }

  /** @param {PointerEvent} event */
  find(event) {
    const box = /** @type {Element} */ (event.currentTarget).getBoundingClientRect();
    return this.nearest(event.clientX - box.left, event.clientY - box.top);
  }

  /** A finger shows first what it is about and opens it the second time. @param {PointerEvent} event */
  onClick(event) {
    const found = this.find(event);
    if (found && (event.pointerType !== "touch" || found.dot.id === this.current?.dot.id)) this.open(found.dot);
    this.current = found;
  }

  /** @param {Dot} dot */
  open(dot) {
    location.assign(`/documents/${encodeURIComponent(dot.id)}`);
  }

  /** @param {KeyboardEvent} event */
  onKey(event) {
    if (event.key === "Escape") this.current = null;
    else if (event.key === "Enter" && this.current) this.open(this.current.dot);
    else if (event.key in ARROWS && !event.altKey && !event.ctrlKey && !event.metaKey) this.step(...ARROWS[event.key]);
    else return;
    event.preventDefault();
  }

  /** To the next dot in a direction. @param {number} dx @param {number} dy */
  step(dx, dy) {
    const from = this.current;
    if (!from) {
      this.current = this.nearest(this.width / 2, this.height / 2, Infinity);
      return;
    }
    let least = Infinity;
    for (const placed of this.placed) {
      const ahead = (placed.x - from.x) * dx + (placed.y - from.y) * dy;
      const aside = Math.abs((placed.x - from.x) * dy) + Math.abs((placed.y - from.y) * dx);
      const away = ahead + 2 * aside;
      if (ahead > 0.5 && away < least) [this.current, least] = [placed, away];
    }
  }

  render() {
    if (!this.map || !this.width) return nothing;
    const { topics } = this.map.topics;
    const name = `${this.map.dots.length} documents in ${topics.length} topics. Arrow keys go from document to document, Enter opens one.`;
    return html`
      <svg viewBox="0 0 ${this.width} ${this.height}" width=${this.width} height=${this.height} tabindex="0" role="application" aria-roledescription="map" aria-label=${name}
        @pointermove=${(/** @type {PointerEvent} */ event) => (this.current = this.find(event))}
        @pointerleave=${(/** @type {PointerEvent} */ event) => event.pointerType === "mouse" && (this.current = null)}
        @click=${this.onClick} @keydown=${this.onKey} data-over=${this.current !== null}>
        <g>${this.renderDiscs()}</g>
        <g>${this.placed.map(({ dot, x, y }) => svg`${dot.anomaly ? svg`<circle class="unusual-ring" cx=${x} cy=${y} r=${this.radius + 3}></circle>` : nothing}<circle class=${colour(dot.topic)} cx=${x} cy=${y} r=${this.radius}></circle>`)}</g>
        ${this.renderLabels()}
        ${this.current ? svg`<circle class="current" cx=${this.current.x} cy=${this.current.y} r=${this.radius + 3}></circle>` : nothing}
      </svg>
      <div class="map-tip" role="status" ?data-shown=${this.current !== null}>${this.current ? this.renderTip(this.current.dot) : nothing}</div>
    `;
  }

  /** The ground that a topic covers. */
  renderDiscs() {
    return (this.map?.topics.topics ?? []).map(({ number }) => {
      const mine = this.placed.filter(({ dot }) => dot.topic === number);
      if (!mine.length) return nothing;
      const x = mine.reduce((sum, placed) => sum + placed.x, 0) / mine.length;
      const y = mine.reduce((sum, placed) => sum + placed.y, 0) / mine.length;
      const reach = Math.max(...mine.map((placed) => Math.hypot(placed.x - x, placed.y - y)));
      return svg`<circle class="map-disc topic-${number % COLOURS}" cx=${x} cy=${y} r=${reach + this.radius + 6}></circle>`;
    });
  }

  /** Names of topics above their dots, the largest first, and of few documents below theirs; one that would cover
   * another is left to the legend and the table. */
  renderLabels() {
    /** @type {{left: number, right: number, y: number}[]} */
    const taken = [];
    /** @param {string} text @param {number} middle @param {number} y @param {string} kind */
    const write = (text, middle, y, kind) => {
      const half = (text.length * LETTER) / 2 + 4;
      const x = Math.min(Math.max(middle, half), Math.max(this.width - half, half));
      if (taken.some((other) => Math.abs(other.y - y) < LINE && x - half < other.right && x + half > other.left)) return nothing;
      taken.push({ left: x - half, right: x + half, y });
      return svg`<text class=${kind} x=${x} y=${y} text-anchor="middle" aria-hidden="true">${text}</text>`;
    };
    const narrow = this.width < 560;
    const topics = (this.map?.topics.topics ?? []).map(({ number, label }) => {
      const mine = this.placed.filter(({ dot }) => dot.topic === number);
      if (!mine.length) return nothing;
      const text = narrow ? label.split(", ")[0] : label.split(", ").slice(0, 2).join(", ");
      const middle = mine.reduce((sum, { x }) => sum + x, 0) / mine.length;
      const y = Math.max(Math.min(...mine.map((placed) => placed.y)) - this.radius - 6, 14);
      return write(text, middle, y, "map-label");
    });
    const few = !narrow && this.placed.length <= TITLED ? this.placed : [];
    return [...topics, ...few.map(({ dot, x, y }) => write(shorten(dot.title || dot.name), x, y + this.radius + 14, "map-title"))];
  }

  /** @param {Dot} dot */
  renderTip(dot) {
    return html`<strong>${dot.title || dot.name}</strong>
      ${dot.title && dot.title !== dot.name ? html`<span class="faint">${dot.name}</span>` : nothing}
      <span>${this.label(dot)}</span>
      ${(dot.anomaly ?? []).map(({ text }) => html`<span class="tip-unusual">Unusual: ${text}</span>`)}`;
  }

  /** The tip stands beside its dot, on the side where there is room. The policy of the page allows no `style` attribute. */
  updated() {
    const tip = this.querySelector(".map-tip");
    if (!(tip instanceof HTMLElement) || !this.current) return;
    const { x, y } = this.current;
    const right = x > this.width / 2;
    const below = y > this.height / 2;
    tip.style.left = right ? "auto" : `${Math.round(x + 14)}px`;
    tip.style.right = right ? `${Math.round(this.width - x + 14)}px` : "auto";
    tip.style.top = below ? "auto" : `${Math.round(y + 10)}px`;
    tip.style.bottom = below ? `${Math.round(this.height - y + 10)}px` : "auto";
  }
}
customElements.define("guru-topic-map", TopicMap);
