/** The steps of a run: put together from what comes, and reckoned up. */

/** @import { RunStep } from "./types.js" */

/** @param {RunStep} step */
export const keyOf = (step) => `${step.number}.${step.part}`;

/** The log with one step that is new or has changed, in order. @param {RunStep[]} log @param {RunStep} step */
export function withStep(log, step) {
  const others = log.filter((one) => keyOf(one) !== keyOf(step));
  return [...others, step].sort((a, b) => a.number - b.number || a.part - b.part);
}

/** What was done at the same time, together. @param {RunStep[]} log @returns {RunStep[][]} */
export function byNumber(log) {
  /** @type {Map<number, RunStep[]>} */
  const found = new Map();
  for (const step of log) found.set(step.number, [...(found.get(step.number) ?? []), step]);
  return [...found.values()];
}

/** What the models have used so far; `unpriced` calls have no known price. @param {RunStep[]} log */
export function usedBy(log) {
  const replies = log.filter(({ kind, result }) => kind === "model" && result).map(({ result }) => result ?? {});
  return {
    tokens: replies.reduce((sum, reply) => sum + (reply.prompt_tokens ?? 0) + (reply.completion_tokens ?? 0), 0),
    cost: replies.reduce((sum, reply) => sum + (reply.cost ?? 0), 0),
    unpriced: replies.filter(({ cost }) => cost === null).length,
  };
}

/** What a part of a step took, in seconds. @param {RunStep} step */
export const secondsOf = (step) => (step.ended_at ? Math.max(0, (Date.parse(step.ended_at) - Date.parse(step.begun_at)) / 1000) : null);

/** JSON text, to be read by people; what is none stays as it is. @param {unknown} text */
export function pretty(text) {
  try {
    return JSON.stringify(typeof text === "string" ? JSON.parse(text) : text, null, 2) ?? "";
  } catch {
    return String(text);
  }
}
