/** Messages of a conversation: made whole, told apart, said aloud. */

/** @import { Message } from "./types.js" */

/** @param {Partial<Message>} message @returns {Message} */
export const blank = (message) => complete(/** @type {Message} */ ({ created_at: new Date().toISOString(), ...message }));

/** Whether a message is only on the screen so far. @param {Message} message */
export const isPending = ({ id }) => id.startsWith("local-");

/** A stored message, with everything that the elements count on. @param {any} message @returns {Message} */
export const complete = (message) => ({
  ...message,
  parent_id: message.parent_id ?? null,
  content: textOf(message.content),
  citations: message.citations ?? [],
  unsupported: message.unsupported ?? [],
  conflicts: message.conflicts ?? [],
  error: typeof message.error === "string" ? { message: message.error } : message.error,
});

/** @param {string | {type: string, text?: string}[] | null | undefined} content Text, or parts of which some are text. */
const textOf = (content) => (Array.isArray(content) ? content.map(({ text }) => text ?? "").join("") : (content ?? ""));

/** What a screen reader hears when the answer stands. @param {Message} answer */
export function announce(answer) {
  if (answer.status === "failed") return `The answer failed. ${answer.error?.message ?? ""}`;
  if (answer.status === "interrupted") return "The answer was stopped.";
  const sources = new Set(answer.citations.map(({ n }) => n)).size;
  const outcome = answer.outcome === "declined" ? "Not in the documents. " : answer.outcome === "quoted" ? "Quoted from the documents. " : "";
  return `${outcome}${answer.content}${sources ? ` ${sources} ${sources === 1 ? "source" : "sources"}.` : ""}`;
}
