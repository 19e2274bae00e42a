/** Files from a drop, with the folders in it opened. */

/** @typedef {{path: string, file: File}} PathFile */

const HIDDEN = /(^|\/)(\.|Thumbs\.db$|desktop\.ini$)/;

/** @param {DataTransfer} transfer @returns {Promise<PathFile[]>} */
async function droppedFiles(transfer) {
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

/**
 * Let files be dropped on an element.
 * @param {HTMLElement} element
 * @param {{onDragging: (dragging: boolean) => void, onFiles: (files: PathFile[]) => void}} listeners
 */
export function acceptFiles(element, { onDragging, onFiles }) {
  const carriesFiles = (/** @type {DragEvent} */ event) => event.dataTransfer?.types.includes("Files") ?? false;
  element.addEventListener("dragover", (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    onDragging(true);
  });
  element.addEventListener("dragleave", (event) => {
    // Going from one part of the element to another is not leaving it.
    if (!element.contains(/** @type {Node | null} */ (event.relatedTarget))) onDragging(false);
  });
  element.addEventListener("drop", async (event) => {
    if (!carriesFiles(event) || !event.dataTransfer) return;
    event.preventDefault();
    onDragging(false);
    onFiles(await droppedFiles(event.dataTransfer));
  });
}

/** The files of a file chooser, with their paths when a folder was chosen; the chooser is emptied. @param {Event} event @returns {PathFile[]} */
export function chosenFiles(event) {
  const input = /** @type {HTMLInputElement} */ (event.target);
  const files = [...(input.files ?? [])].map((file) => ({ path: file.webkitRelativePath || file.name, file }));
  input.value = "";
  return files;
}
