/** What narrows a list: one of several names, or all of them. */

import { html } from "../vendor/lit/lit-element.js";

/** @param {{label: string, all: string, names: string[], chosen: string}} filter @param {(name: string) => void} choose */
export const filterSelect = ({ label, all, names, chosen }, choose) => html`
  <select class="select bordered" aria-label=${label} @change=${(/** @type {any} */ event) => choose(event.target.value)}>
    <option value="">${all}</option>${names.map((name) => html`<option value=${name} ?selected=${name === chosen}>${name}</option>`)}
  </select>
`;
