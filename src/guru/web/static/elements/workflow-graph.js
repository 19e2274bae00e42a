/** A workflow as a drawing: boxes and ways from the server's layout, lit by the states of a run. */

import { GuruElement } from "../element.js";
import { icons } from "../icons.js";
import { html, nothing, svg } from "../vendor/lit/lit-element.js";
import { repeat } from "../vendor/lit/repeat.js";

/** @import { WorkflowGraph, WorkflowNode } from "../types.js" */
/** @import { BoxState } from "../workflow-state.js" */

const MARGIN = 12;
const LETTER = 7.2;
const SCALES = [0.5, 0.7, 0.85, 1, 1.25, 1.6];
/** The size of letters as elsewhere, and the smallest at which a drawing begins. */
const NATURAL = 3;
const SMALLEST = 1;
/** Around the drawing; a label may reach beyond its line. */
const ROOM = 2 * MARGIN + 60;
const LONGEST_LABEL = 26;
/** @type {Record<string, string>} */
const SIGNS = { task: "▸", human: "☺", map: "⁂", parallel: "∥", choice: "◆", wait: "◷", pass: "=", succeed: "✓", fail: "✕" };

class WorkflowGraphElement extends GuruElement {
  static properties = { graph: { attribute: false }, states: { attribute: false }, selected: { type: String }, scale: { state: true } };

  constructor() {
    super();
    /** @type {WorkflowGraph | null} */
    this.graph = null;
    /** @type {Map<string, BoxState>} */
    this.states = new Map();
    this.selected = "";
    this.scale = NATURAL;
    this.placed = false;
  }

  /** Begin where the workflow begins, as large as fits. @param {Map<string, unknown>} changed */
  updated(changed) {
    const pane = this.querySelector(".graph-window");
    if (!pane || !this.graph || this.placed || !changed.has("graph") || !pane.clientWidth) return;
    this.placed = true;
    const wide = this.graph.width + ROOM;
    this.scale = Math.max(SCALES.findLastIndex((scale, at) => at <= NATURAL && wide * scale <= pane.clientWidth), SMALLEST);
    const start = this.graph.nodes.find(({ kind }) => kind === "start");
    if (start) this.updateComplete.then(() => { pane.scrollLeft = (start.x + MARGIN) * SCALES[this.scale] - pane.clientWidth / 2; });
  }

  render() {
    if (!this.graph) return nothing;
    const { nodes, edges } = this.graph;
    const width = this.graph.width + ROOM;
    const height = this.graph.height + 2 * MARGIN;
    const size = SCALES[this.scale];
    return html`
      <div class="graph-tools">
        <button class="icon-button" aria-label="Smaller" ?disabled=${this.scale === 0} @click=${() => { this.scale -= 1; }}>${icons.zoomOut}</button>
        <button class="icon-button" aria-label="Larger" ?disabled=${this.scale === SCALES.length - 1} @click=${() => { this.scale += 1; }}>${icons.zoomIn}</button>
      </div>
      <div class="graph-window" tabindex="0" role="region" aria-label="Drawing of the workflow">
        <svg class="graph" width=${width * size} height=${height * size} viewBox="${-MARGIN} ${-MARGIN} ${width} ${height}" role="group" aria-label="Steps">
          <defs><marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerUnits="userSpaceOnUse" markerWidth="9" markerHeight="9" orient="auto"><path d="M0 0L8 4L0 8z"></path></marker></defs>
          ${repeat(nodes, ({ id }) => id, (node) => this.renderNode(node))}
          ${edges.map((edge) => this.renderEdge(edge))}
        </svg>
      </div>
    `;
  }

  /** @param {WorkflowNode} node */
  renderNode(node) {
    const { x, y, width, height } = node;
    if (node.kind === "start" || node.kind === "end") {
      return svg`<circle class="dot ${node.kind}" cx=${x + width / 2} cy=${y + height / 2} r=${width / 2}></circle>`;
    }
    const state = this.states.get(node.id);
    const status = state?.status ?? "";
    const times = state && state.steps.length > 1 ? ` (${state.steps.filter((step) => step.status === "done").length}/${state.steps.length})` : "";
    const within = node.kind === "map" || node.kind === "parallel";
    const room = Math.floor((width - 40) / LETTER);
    const choose = () => this.emit("choose", node.id);
    return svg`
      <g class="box ${node.kind} ${status} ${within ? "outer" : ""} ${this.selected === node.id ? "selected" : ""}" role="button" tabindex="0"
        aria-label="${node.name}, ${node.kind}${status ? `, ${status}` : ""}" aria-pressed=${this.selected === node.id ? "true" : "false"}
        @click=${choose} @keydown=${(/** @type {KeyboardEvent} */ event) => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); choose(); } }}>
        <title>${node.name}: ${node.about}${status ? ` (${status})` : ""}</title>
        <rect x=${x} y=${y} width=${width} height=${height} rx="9"></rect>
        <text class="sign" x=${x + 12} y=${y + 20} aria-hidden="true">${SIGNS[node.kind] ?? ""}</text>
        <text class="name" x=${x + 30} y=${y + 20}>${shorten(node.name + times, room)}</text>
        <text class="about" x=${x + 30} y=${y + 36}>${shorten(node.about, Math.floor(room * 1.3))}</text>
      </g>`;
  }

  /** @param {WorkflowGraph["edges"][number]} edge */
  renderEdge({ source, target, kind, label, points }) {
    const from = this.states.get(source);
    const taken = from?.steps.some((step) => (step.status === "done" || step.status === "caught") && (step.next ?? "#end") === target.split("/").pop());
    const place = labelPlace(points);
    return svg`
      <g class="way ${kind} ${taken ? "taken" : ""}" aria-hidden="true">
        <path d=${curve(points)} marker-end="url(#arrow)"></path>
        ${label ? svg`<text x=${place[0] + 6} y=${place[1]}><title>${label}</title>${shorten(label, LONGEST_LABEL)}</text>` : nothing}
      </g>`;
  }
}
customElements.define("guru-workflow-graph", WorkflowGraphElement);

/** @param {string} text @param {number} most */
const shorten = (text, most) => (text.length > most ? `${text.slice(0, Math.max(most - 1, 1))}…` : text);

/** A line that bends softly from point to point. @param {[number, number][]} points */
function curve(points) {
  let path = `M${points[0][0]} ${points[0][1]}`;
  for (let at = 1; at < points.length; at += 1) {
    const [x0, y0] = points[at - 1];
    const [x1, y1] = points[at];
    const bend = (y1 - y0) / 2;
    path += `C${x0} ${y0 + bend} ${x1} ${y1 - bend} ${x1} ${y1}`;
  }
  return path;
}

/** Beside the first part of the line, near its source. @param {[number, number][]} points @returns {[number, number]} */
function labelPlace(points) {
  const [x0, y0] = points[0];
  const [x1, y1] = points[1];
  return [x0 + (x1 - x0) * 0.62, y0 + (y1 - y0) * 0.62];
}
