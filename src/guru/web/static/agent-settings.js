/** What can be set of an agent on its page, in words. */

/** @import { ToolInfo } from "./types.js" */

/** Each with what it does, and the settings that only it has. @type {Record<string, {does: string, settings: string[]}>} */
export const STRATEGIES = {
  direct: { does: "Asks the model, calls the tools that it wants, until it answers.", settings: [] },
  react: { does: "The same, with reasons before each call and conclusions after it.", settings: [] },
  "plan-and-execute": { does: "Makes a plan, does its steps one by one, and sums up.", settings: ["rounds"] },
  reflection: { does: "Answers, criticises its answer, and writes it anew.", settings: ["rounds"] },
  "tree-of-thoughts": { does: "Rates several next thoughts at each depth, and follows the best.", settings: ["breadth", "beam", "depth", "prune"] },
  "self-consistency": { does: "Several answers at the same time, which vote.", settings: ["samples"] },
  router: { does: "Chooses one of other agents by their descriptions, and that one does the task.", settings: ["agents"] },
  "hand-off": { does: "Answers, or hands the conversation over to one of other agents.", settings: ["agents"] },
};

/** Labels of numbers, and what holds where nothing is written. @type {Record<string, [string, string]>} */
export const NUMBERS = {
  max_steps: ["Most steps", "30"],
  max_seconds: ["Most seconds of work", "600"],
  max_usd: ["Most US dollars", "no limit"],
  max_repeats: ["Most equal calls", "3"],
  temperature: ["Temperature", "the model's"],
  max_tokens: ["Most tokens of an answer", "the model's"],
  retries: ["Retries of a tool", "1"],
  rounds: ["Rounds", "2"],
  breadth: ["Thoughts of each", "3"],
  beam: ["Thoughts that are kept", "2"],
  depth: ["Depth", "3"],
  prune: ["Least rating, of 10", "3"],
  samples: ["Answers that vote", "5"],
};
export const LIMITS = ["max_steps", "max_seconds", "max_usd", "max_repeats"];

/** @type {Record<string, string>} */
export const UNTRUSTED = {
  ask: "Changes wait for you",
  strict: "So do tools not used before",
  allow: "Nothing waits",
};
/** @type {Record<string, string>} */
export const TOOL_CALLS = { auto: "As the model can", native: "By the model itself", text: "By writing Action:", guided: "Led by examples and a schema" };

/** Not a tool that can be called by hand. @type {ToolInfo} */
export const ASK_PERSON = { name: "ask_person", description: "Ask you a question, and wait for the answer.", effect: "none", approval: false };

/** A number as it was typed; what is none goes to the server as it is, which says what is wrong with it. @param {string} typed */
export const numberOrText = (typed) => (Number.isNaN(Number(typed)) ? typed : Number(typed));

/** @param {string} typed */
export const listOf = (typed) => typed.split(/[,\n]/).map((item) => item.trim()).filter(Boolean);
