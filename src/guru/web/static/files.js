/** Files from a drop, with the folders in it opened. */

/** @typedef {{path: string, file: File}} PathFile */

const HIDDEN = /(^|\/)(\.|Thumbs\.db$|desktop\.ini$)/;

/** @param {DataTransfer} transfer @returns {Promise<PathFile[]>} */
export async function droppedFiles(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter((entry) => entry != null);
  if (!entries.length) return [...transfer.files].map((file) => ({ path: file.name, file }));
  const found = await Promise.all(entries.map((entry) => walk(entry)));
  return found.flat().filter(({ path }) => !HIDDEN.test(path));
}

/** @param {FileSystemEntry} entry @returns {Promise<PathFile[]>} */
async function walk(entry) {
  const path = entry.fullPath.replace(/^\//, "");
  if (entry.isFile) {
    const file = await new Promise((resolve, reject) => /** @type {FileSystemFileEntry} */ (entry).file(resolve, reject));
    return [{ path, file }];
  }
  const reader = /** @type {FileSystemDirectoryEntry} */ (entry).createReader();
  const found = [];
  // A directory is read in portions, until an empty one.
  for (;;) {
    /** @type {FileSystemEntry[]} */
    const portion = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!portion.length) return found;
    for (const child of portion) found.push(...(await walk(child)));
  }
}

/** Whether a drag carries files. @param {DragEvent} event */
export const carriesFiles = (event) => event.dataTransfer?.types.includes("Files") ?? false;
