/** What the pages of prompts share: addresses, templates with their variables seen, lines side by side. */

import { html } from "./vendor/lit/lit-element.js";

/** @import { PromptVariable } from "./types.js" */

/** @param {string} name */
export const placeOf = (name) => `/prompts/${encodeURIComponent(name)}`;

const TAGS = /(\{\{[\s\S]*?\}\}|\{%[\s\S]*?%\}|\{#[\s\S]*?#\})/;

/** A template, in which variables, sections and comments stand out. @param {string} text */
export const template = (text) => text.split(TAGS).map((part, place) => {
  if (place % 2 === 0) return part;
  const kind = part.startsWith("{{") ? "variable" : part.startsWith("{%") ? "section" : "comment";
  return html`<span class="template-${kind}">${part}</span>`;
});

/**
 * The lines of a unified diff in two columns: what went left, what came right.
 * @param {string} unified @returns {{left: string | null, right: string | null, kind: "same" | "changed" | "gap"}[]}
 */
export function sideBySide(unified) {
  /** @type {ReturnType<typeof sideBySide>} */
  const rows = [];
  /** @type {string[]} */
  let gone = [];
  /** @type {string[]} */
  let come = [];
  const flush = () => {
    for (let place = 0; place < Math.max(gone.length, come.length); place++) {
      rows.push({ left: gone[place] ?? null, right: come[place] ?? null, kind: "changed" });
    }
    gone = [];
    come = [];
  };
  for (const line of unified.split("\n")) {
    if (line.startsWith("-")) gone.push(line.slice(1));
    else if (line.startsWith("+")) come.push(line.slice(1));
    else {
      flush();
      const said = line.startsWith("@@") ? line : line.slice(1);
      rows.push({ left: said, right: said, kind: line.startsWith("@@") ? "gap" : "same" });
    }
  }
  flush();
  return rows;
}

/** What was typed, as the type of its variable; undefined where nothing was. @param {PromptVariable} variable @param {string} text */
export function valueOf(variable, text) {
  if (variable.type === undefined || variable.type === "string") return text === "" ? undefined : text;
  return text.trim() === "" ? undefined : JSON.parse(text);
}
