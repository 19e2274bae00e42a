/** Small templates that many elements share: an error in its place, an empty state. */

import { icons } from "../icons.js";
import { html, nothing } from "../vendor/lit/lit-element.js";

/** @import { ApiErrorBody } from "../types.js" */

/**
 * What went wrong and what to do, where it happened.
 * @param {ApiErrorBody} error @param {(() => void)} [retry]
 */
export const errorNote = (error, retry) => html`
  <div class="note danger" role="alert">
    ${icons.warning}
    <div>
      <strong>${error.message}</strong> ${error.hint ?? ""}
      ${error.trace_id ? html`<a href="/traces/${error.trace_id}">See the trace</a>` : nothing}
    </div>
    ${retry ? html`<button class="button" @click=${retry}>Try again</button>` : nothing}
  </div>
`;

/** @param {{icon: unknown, title: string, text: unknown, action?: unknown}} state */
export const emptyState = ({ icon, title, text, action = nothing }) => html`
  <div class="empty">${icon}<h2>${title}</h2><p>${text}</p>${action}</div>
`;
