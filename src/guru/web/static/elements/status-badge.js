/** How a request or a span ended, in a word and a colour. */

import { html } from "../vendor/lit/lit-element.js";

/** @type {Record<string, string>} */
const KIND = { ok: "accent", complete: "accent", done: "accent", running: "", cancelled: "warning", waiting: "warning", asked: "warning", parked: "warning", paused: "warning", pausing: "warning", error: "danger", failed: "danger" };

/** @param {string} status */
export const statusBadge = (status) => html`<span class="badge ${KIND[status] ?? ""}">${status}</span>`;
