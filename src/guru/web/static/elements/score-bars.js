/** The scores of the stages of a search, as bars. A bar is relative to the best of its stage among the results. */

import { html, svg } from "../vendor/lit/lit-element.js";

/** @import { Hit } from "../types.js" */

const SERIES = ["series-1", "series-2", "series-3", "series-4", "series-5", "series-6"];

/** @param {Hit} hit @returns {[string, number][]} The stages that gave a number. */
export const stagesOf = (hit) =>
  Object.entries(hit.stages ?? {}).filter(/** @returns {entry is [string, number]} */ (entry) => typeof entry[1] === "number");

/** The best score of every stage. @param {Hit[]} hits @returns {Record<string, number>} */
export function bestScores(hits) {
  /** @type {Record<string, number>} */
  const best = {};
  for (const hit of hits) for (const [stage, score] of stagesOf(hit)) best[stage] = Math.max(best[stage] ?? 0, score);
  return best;
}

/** @param {Hit} hit @param {Record<string, number>} best */
export function scoreBars(hit, best) {
  return html`<dl class="bars">
    ${stagesOf(hit).map(([stage, score], index) => html`<div>
      <dt>${stage.replaceAll("_", " ")}</dt>
      <dd>${bar(best[stage] > 0 ? Math.max(0, score) / best[stage] : 0, SERIES[index % SERIES.length])}<span class="number">${Number(score.toPrecision(3))}</span></dd>
    </div>`)}
  </dl>`;
}

/** @param {number} fraction @param {string} series */
const bar = (fraction, series) => html`<svg class="bar" aria-hidden="true" focusable="false">
  ${svg`<rect class="track" width="100%" height="100%" rx="2" /><rect class=${series} width=${`${Math.max(1, fraction * 100).toFixed(1)}%`} height="100%" rx="2" />`}
</svg>`;
