/** Turn the events of an answer into the message that they describe. */

/** @import { Message } from "./types.js" */

/**
 * The message after one event. The old object is left as it was.
 * @param {Message} message @param {string} event @param {any} data @returns {Message}
 */
export function applyEvent(message, event, data) {
  switch (event) {
    case "started":
      return { ...message, model: data.model ?? message.model, trace_id: data.trace_id || message.trace_id };
    case "retrieved":
      return { ...message, hits: data.hits };
    case "delta":
      return data.text && !data.index ? { ...message, content: message.content + data.text } : message;
    case "cited":
      return { ...message, citations: mergeCitations(message.citations, data.citations) };
    case "unsupported":
      return { ...message, unsupported: [...message.unsupported, { start: data.start, end: data.end }] };
    case "disputed":
      return { ...message, conflicts: [...message.conflicts, ...data.conflicts] };
    case "progress":
      return { ...message, progress: data };
    case "completed":
      return {
        ...message,
        status: "complete",
        model: data.model ?? message.model,
        usage: data.usage,
        cost: data.cost,
        timings: data.timings,
        outcome: data.outcome ?? null,
        confidence: data.confidence ?? null,
      };
    case "error":
      return { ...message, status: "failed", error: data.error ?? data };
    default:
      return message;
  }
}

/** @param {Message["citations"]} old @param {Message["citations"]} added */
function mergeCitations(old, added) {
  const key = (/** @type {Message["citations"][number]} */ citation) => `${citation.n} ${citation.document_id} ${citation.start}`;
  const known = new Set(old.map(key));
  return [...old, ...added.filter((citation) => !known.has(key(citation)))];
}
