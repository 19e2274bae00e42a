/**
 * Markdown from a model, as safe DOM: untrusted text is sanitised, images and styles are refused, and numbers of
 * citations and sentences without support become elements.
 */

import DOMPurify from "./vendor/dompurify/purify.js";
import { Marked } from "./vendor/marked/marked.js";

// Private-use characters that mark the ends of an unsupported sentence on its way through Markdown.
const OPEN = "\uE000";
const CLOSE = "\uE001";
const MARKS = /[\uE000\uE001]/g;
// What may stand at the start of a line before its text; a mark in front of it would break the Markdown.
const LINE_START = /^(?:\s|>|#{1,6}(?=\s)|[*+-](?=\s)|\d+[.)](?=\s))*/;

const escape = (/** @type {string} */ text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
// HTML in an answer is shown as the text that it is; an image is shown as its description.
const markdown = new Marked({
  gfm: true,
  renderer: {
    html: ({ text }) => escape(text),
    image: ({ text }) => escape(text),
  },
});
const ALLOWED = {
  ALLOWED_TAGS: (
    "a b blockquote br code del div em h1 h2 h3 h4 h5 h6 hr i input li ol p pre s span strong sub sup table tbody td th thead tr ul"
  ).split(" "),
  ALLOWED_ATTR: ["href", "title", "class", "start", "align", "type", "checked", "disabled"],
  ALLOWED_URI_REGEXP: /^(?:https?:|mailto:|#|\/(?!\/))/i,
  RETURN_DOM_FRAGMENT: true,
};

/**
 * @param {string} text
 * @param {{citations?: Set<number>, unsupported?: {start: number, end: number}[]}} marks Offsets in code points.
 * @returns {DocumentFragment}
 */
export function renderMarkdown(text, { citations = new Set(), unsupported = [] } = {}) {
  const source = insertMarks(text.replace(MARKS, " "), unsupported);
  const rendered = /** @type {string} */ (markdown.parse(source, { async: false }));
  const fragment = /** @type {DocumentFragment} */ (/** @type {unknown} */ (DOMPurify.sanitize(rendered, ALLOWED)));
  for (const input of fragment.querySelectorAll("input")) if (input.type !== "checkbox") input.remove();
  for (const link of fragment.querySelectorAll("a")) {
    link.target = "_blank";
    link.rel = "noopener noreferrer nofollow";
  }
  decorate(fragment, citations);
  return fragment;
}

/** @param {string} text @param {{start: number, end: number}[]} spans */
function insertMarks(text, spans) {
  const characters = [...text];
  let result = "";
  let at = 0;
  for (const { start, end } of [...spans].sort((a, b) => a.start - b.start)) {
    if (start < at || end <= start) continue;
    result += characters.slice(at, start).join("");
    const sentence = characters.slice(start, end).join("");
    const lead = /(^|\n)$/.test(result) ? (LINE_START.exec(sentence)?.[0] ?? "") : "";
    const body = sentence.slice(lead.length);
    const tail = /\s*$/.exec(body)?.[0] ?? "";
    result += lead + OPEN + body.slice(0, body.length - tail.length) + CLOSE + tail;
    at = end;
  }
  return result + characters.slice(at).join("");
}

/** Make buttons of `[n]` and mark what has no support, in text that is not code. @param {DocumentFragment} fragment @param {Set<number>} citations */
function decorate(fragment, citations) {
  const walker = document.createTreeWalker(fragment, NodeFilter.SHOW_TEXT);
  const nodes = [];
  while (walker.nextNode()) nodes.push(/** @type {Text} */ (walker.currentNode));
  let open = false;
  for (const node of nodes) {
    const code = node.parentElement?.closest("code") != null;
    const pieces = node.data.split(/([\uE000\uE001]|\[\d{1,3}\])/);
    if (pieces.length === 1 && !open) continue;
    const replacement = document.createDocumentFragment();
    for (const piece of pieces) {
      if (piece === OPEN || piece === CLOSE) open = piece === OPEN;
      else if (piece) replacement.append(asNode(piece, code, open, citations));
    }
    node.replaceWith(replacement);
  }
}

/** @param {string} piece @param {boolean} code @param {boolean} unsupported @param {Set<number>} citations @returns {Node} */
function asNode(piece, code, unsupported, citations) {
  const n = Number(/^\[(\d+)\]$/.exec(piece)?.[1]);
  if (n && !code && citations.has(n)) return citationButton(n);
  if (!unsupported || !piece.trim()) return document.createTextNode(piece);
  const span = document.createElement("span");
  span.className = "unsupported";
  span.title = "No passage in the documents supports this.";
  const spoken = document.createElement("span");
  spoken.className = "visually-hidden";
  spoken.textContent = " (not supported by the documents)";
  span.append(piece, spoken);
  return span;
}

/** @param {number} n */
function citationButton(n) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "cite";
  button.dataset.n = String(n);
  button.textContent = String(n);
  button.setAttribute("aria-label", `Source ${n}`);
  return button;
}
