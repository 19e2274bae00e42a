/** Small templates that many elements share: an error in its place, an empty state. */

import { icons } from "../icons.js";
import { html, nothing } from "../vendor/lit/lit-element.js";

/** @import { ApiErrorBody } from "../types.js" */

/**
 * What went wrong and what to do, where it happened. Where the session has ended, the way back leads through the login.
 * @param {ApiErrorBody} error @param {(() => void)} [retry]
 */
export function errorNote(error, retry) {
  const ended = error.status === 401 && location.pathname !== "/login";
  const again = retry && !ended && error.status !== 403; // what is not allowed now will not be allowed at once
  return html`
    <div class="note danger" role="alert">
      ${icons.warning}
      <div>
        ${ended ? html`<strong>You are not logged in any more.</strong>` : nothing}
        ${ended ? error.message : html`<strong>${error.message}</strong>`} ${ended ? nothing : error.hint}
        ${error.trace_id && error.status !== 401 && error.status !== 403 ? html`<a href="/traces/${error.trace_id}">See the trace</a>` : nothing}
      </div>
      ${ended ? html`<a class="button" href=${loginPlace()}>Log in again</a>` : nothing}
      ${again ? html`<button type="button" class="button" @click=${retry}>Try again</button>` : nothing}
    </div>
  `;
}

/** The login, which leads back here. */
const loginPlace = () => `/login?ended&next=${encodeURIComponent(location.pathname + location.search)}`;

/** @param {{icon: unknown, title: string, text: unknown, action?: unknown}} state */
export const emptyState = ({ icon, title, text, action = nothing }) => html`
  <div class="empty">${icon}<h2>${title}</h2><p>${text}</p>${action}</div>
`;
