/** Icons, drawn on a 20 by 20 grid in the colour of the text. Decoration only: the control carries the name. */

import { html } from "./vendor/lit/lit-element.js";

/** @param {string} path */
const icon = (path) => html`<svg class="icon" viewBox="0 0 20 20" aria-hidden="true" focusable="false"><path d=${path} /></svg>`;

export const icons = {
  plus: icon("M10 4v12M4 10h12"),
  close: icon("M5 5l10 10M15 5L5 15"),
  menu: icon("M3 5.5h14M3 10h14M3 14.5h9"),
  send: icon("M10 16V4M5 9l5-5 5 5"),
  stop: icon("M6.5 6.5h7v7h-7z"),
  retry: icon("M16 10a6 6 0 1 1-1.8-4.3M16 3v3.5h-3.5"),
  edit: icon("M4 16l.8-3.4L13 4.4a1.6 1.6 0 0 1 2.3 0l.3.3a1.6 1.6 0 0 1 0 2.3L7.4 15.2zM11.5 6l2.5 2.5"),
  trash: icon("M4 6h12M8 6V4h4v2M6 6l.7 10h6.6L14 6M8.6 9v4.5M11.4 9v4.5"),
  copy: icon("M7 7h9v9H7zM13 7V4H4v9h3"),
  check: icon("M4.5 10.5l3.5 3.5 7.5-8"),
  left: icon("M12 5l-5 5 5 5"),
  right: icon("M8 5l5 5-5 5"),
  down: icon("M5 8l5 5 5-5"),
  search: icon("M9 14.5a5.5 5.5 0 1 1 0-11 5.5 5.5 0 0 1 0 11zM13 13l4 4"),
  upload: icon("M10 13V4M6 7.5L10 3.5l4 4M4 13v3h12v-3"),
  folder: icon("M3 6V4.5h5L9.5 6H17v10H3z"),
  file: icon("M5 3h6.5L15 6.5V17H5zM11.5 3v3.5H15"),
  trace: icon("M3 5h7M6 10h8M11 15h6"),
  quote: icon("M4 13.5V9.8C4 7.4 5.2 6 7.5 5.5M4 10h3.5v3.5H4zM11.5 13.5V9.8c0-2.4 1.2-3.8 3.5-4.3M11.5 10H15v3.5h-3.5z"),
  info: icon("M10 17a7 7 0 1 1 0-14 7 7 0 0 1 0 14zM10 9v4.5M10 6.5v.2"),
  warning: icon("M10 3.5l7 12.5H3zM10 8.5v3.5M10 13.8v.2"),
  zoomIn: icon("M9 14.5a5.5 5.5 0 1 1 0-11 5.5 5.5 0 0 1 0 11zM13 13l4 4M6.5 9h5M9 6.5v5"),
  zoomOut: icon("M9 14.5a5.5 5.5 0 1 1 0-11 5.5 5.5 0 0 1 0 11zM13 13l4 4M6.5 9h5"),
  external: icon("M11 4h5v5M16 4l-7 7M13 11v5H4V7h5"),
};
