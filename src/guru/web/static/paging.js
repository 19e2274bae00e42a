/** Lists that are read a page at a time, the newest first: read anew from the top, and further at the end. */

export const PAGE = 50;
/** How many the API gives at once. */
const MOST = 500;

/** How many to read, to read a list anew as far as it was read. @param {unknown[]} known */
export const reach = (known) => Math.min(Math.max(PAGE, known.length), MOST);

/**
 * A list that was read anew from the top, with what was read below that before, unless something between is missing.
 * @template {{id: string}} T
 * @param {{items: T[], next: string | null}} known @param {{items: T[], next: string | null}} read
 * @returns {{items: T[], next: string | null}}
 */
export function renewed(known, read) {
  const last = read.items.at(-1);
  if (!read.next || !last || !known.items.length || known.items[0].id < last.id) return read;
  const rest = known.items.filter(({ id }) => id < last.id);
  return rest.length ? { items: [...read.items, ...rest], next: known.next } : read;
}
