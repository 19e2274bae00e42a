/** A conversation is a tree: an edit or a retry is a new child of the same parent. Shown is one path through it. */

/** @import { Message } from "./types.js" */

/** @param {Message[]} messages @param {string | null} parent */
export const children = (messages, parent) => messages.filter((message) => (message.parent_id ?? null) === parent);

/** The message and its alternatives, oldest first. @param {Message[]} messages @param {Message} message */
export const siblings = (messages, message) => children(messages, message.parent_id ?? null);

/**
 * The newest message under `id`, or `id` itself when nothing follows it.
 * @param {Message[]} messages @param {string | null} id @returns {string | null}
 */
export function newestLeaf(messages, id) {
  const last = children(messages, id).at(-1);
  return last ? newestLeaf(messages, last.id) : id;
}

/** The messages from the root to `leaf`. @param {Message[]} messages @param {string | null} leaf */
export function pathTo(messages, leaf) {
  const byId = new Map(messages.map((message) => [message.id, message]));
  const path = [];
  for (let at = leaf === null ? undefined : byId.get(leaf); at; at = at.parent_id ? byId.get(at.parent_id) : undefined) {
    path.unshift(at);
  }
  return path;
}
