/** One collection: add files, see its documents, try its search. */

import { describe, get, post, remove } from "../api.js";
import { GuruElement } from "../element.js";
import { acceptFiles, chosenFiles } from "../files.js";
import { bytes, count, plural } from "../format.js";
import { icons } from "../icons.js";
import { html, nothing } from "../vendor/lit/lit-element.js";
import { repeat } from "../vendor/lit/repeat.js";
import { confirm } from "./confirm-dialog.js";
import "./document-table.js";
import { errorNote } from "./notes.js";
import "./search-panel.js";
import "./summary-card.js";
import "./upload-job.js";

/** @import { ApiErrorBody, Collection, DocumentInfo, Job } from "../types.js" */
/** @import { PathFile } from "../files.js" */

const PAGE = 100;

class CollectionPage extends GuruElement {
  static properties = {
    name: {},
    collection: { state: true },
    documents: { state: true },
    next: { state: true },
    uploads: { state: true },
    dragging: { state: true },
    error: { state: true },
  };

  constructor() {
    super();
    this.name = "";
    /** @type {Collection | null} */
    this.collection = null;
    /** @type {DocumentInfo[] | null} */
    this.documents = null;
    /** @type {string | null} */
    this.next = null;
    /** @type {{key: string, files: PathFile[], job: Job | null}[]} */
    this.uploads = [];
    this.dragging = false;
    /** @type {ApiErrorBody | null} */
    this.error = null;
    acceptFiles(this, { onDragging: (dragging) => (this.dragging = dragging), onFiles: (files) => this.addFiles(files) });
  }

  get path() {
    return `/collections/${encodeURIComponent(this.name)}`;
  }

  connectedCallback() {
    super.connectedCallback();
    document.title = `${this.name} · Guru`;
    this.load();
    this.loadJobs();
  }

  async load() {
    this.error = null;
    try {
      const [collection, { documents, next }] = await Promise.all([get(this.path), get(`${this.path}/documents?limit=${PAGE}`)]);
      this.collection = collection;
      this.documents = documents;
      this.next = next;
    } catch (error) {
      this.error = describe(error);
    }
  }

  /** Jobs that were already running when the page was opened. */
  async loadJobs() {
    try {
      const { jobs } = await get(`/jobs?collection=${encodeURIComponent(this.name)}`);
      const running = jobs.filter((/** @type {Job} */ { status }) => status === "running" || status === "queued");
      this.uploads = [...this.uploads, ...running.map((/** @type {Job} */ job) => ({ key: job.id, files: [], job }))];
    } catch {
      // The page is complete without them; an error that matters shows with the documents.
    }
  }

  async loadMore() {
    const { documents, next } = await get(`${this.path}/documents?limit=${PAGE}&after=${encodeURIComponent(this.next ?? "")}`);
    this.documents = [...(this.documents ?? []), ...documents];
    this.next = next;
  }

  /** Embed the collection with the configured model, as a job that is shown like an upload. */
  async onReembed() {
    try {
      const { job } = await post(`${this.path}/reembed`, {});
      this.uploads = [...this.uploads, { key: job.id, files: [], job }];
    } catch (error) {
      this.error = describe(error);
    }
  }

  /**
   * @param {string} key
   * @param {Job} job as it ended
   */
  onFinished(key, job) {
    this.uploads = this.uploads.map((upload) => (upload.key === key ? { ...upload, job } : upload));
    this.load();
  }

  async onRollback() {
    try {
      await post(`${this.path}/rollback`, {});
      await this.load();
    } catch (error) {
      this.error = describe(error);
    }
  }

  /** @param {PathFile[]} files */
  addFiles(files) {
    if (files.length) this.uploads = [...this.uploads, { key: crypto.randomUUID(), files, job: null }];
  }

  async onDelete() {
    const sure = await confirm({
      title: `Delete ${this.name}?`,
      text: `Its ${plural(this.collection?.documents ?? 0, "document")} will be gone from Guru. The original files are not touched.`,
      action: "Delete the collection",
    });
    if (!sure) return;
    try {
      await remove(this.path);
      location.assign("/collections");
    } catch (error) {
      this.error = describe(error);
    }
  }

  /** @param {CustomEvent<DocumentInfo>} event */
  async onDeleteDocument({ detail: { id, name } }) {
    if (!(await confirm({ title: "Remove this document?", text: `${name} will no longer be found or cited.`, action: "Remove" }))) return;
    try {
      await remove(`/documents/${encodeURIComponent(id)}`);
      await this.load();
    } catch (error) {
      this.error = describe(error);
    }
  }

  render() {
    const { collection } = this;
    return html`
      <nav aria-label="Breadcrumb"><ol class="breadcrumb"><li><a href="/collections">Collections</a></li><li aria-current="page">${this.name}</li></ol></nav>
      <header class="page-head">
        <div>
          <h1>${this.name}</h1>
          <p class="number">${collection
            ? `${plural(collection.documents, "document")} · ${count(collection.chunks)} chunks · ${bytes(collection.bytes)}${collection.embedding_model ? ` · ${collection.embedding_model}` : ""} · cut: ${collection.settings.chunking}`
            : "\u00a0"}</p>
        </div>
        <div class="row">
          <a class="button primary" href="/?collection=${encodeURIComponent(this.name)}">Ask it</a>
          <a class="button" href="/map?collection=${encodeURIComponent(this.name)}">Map</a>
          <button class="button" @click=${this.onDelete}>${icons.trash}Delete</button>
        </div>
      </header>
      ${this.error ? errorNote(this.error, () => this.load()) : nothing}
      ${this.renderModel()}
      ${this.renderDrop()}
      ${repeat(this.uploads, ({ key }) => key, ({ key, files, job }) => html`<guru-upload .collection=${this.name} .files=${files} .job=${job}
        @upload-finished=${(/** @type {CustomEvent<Job>} */ { detail }) => this.onFinished(key, detail)}
        @upload-dismissed=${() => (this.uploads = this.uploads.filter((upload) => upload.key !== key))}></guru-upload>`)}
      ${collection?.chunks ? html`<guru-search .collection=${this.name} .documents=${this.documents ?? []}></guru-search>` : nothing}
      ${collection?.chunks ? html`<guru-summary class="card" path="${this.path}/summary"></guru-summary>` : nothing}
      <guru-documents .documents=${this.documents} .more=${this.next != null}
        @delete-document=${this.onDeleteDocument} @more-documents=${() => this.loadMore()}></guru-documents>
    `;
  }

  /** What is to be said of the embedding model, where it is not simply the configured one. */
  renderModel() {
    if (!this.collection) return nothing;
    const { available, outdated, embedding_model: model, previous_model: previous } = this.collection;
    if (this.uploads.some(({ job }) => job?.kind === "reembed" && (job.status === "queued" || job.status === "running"))) return nothing;
    const text = !available
      ? `Its embedding model ${model} is not available any more, so it cannot be searched.`
      : outdated
        ? `It is embedded with ${model}; new collections get another model.`
        : previous
          ? `It is embedded with ${model}; the vectors of ${previous} are kept.`
          : "";
    if (!text) return nothing;
    return html`
      <section class="note ${available ? "" : "danger"}" aria-label="Embedding model">
        ${available ? icons.info : icons.warning}
        <div>${text}</div>
        ${outdated || !available ? html`<button class="button compact" @click=${this.onReembed}>Embed anew</button>` : nothing}
        ${previous ? html`<button class="button compact" @click=${this.onRollback}>Go back to ${previous}</button>` : nothing}
      </section>
    `;
  }

  renderDrop() {
    return html`
      <section class="drop" data-dragging=${this.dragging} aria-label="Add documents">
        ${icons.upload}
        <p><strong>Drop files or folders here.</strong> <span class="faint">PDF, Word, PowerPoint, Excel, HTML, Markdown, text, CSV, JSON, e-mail, code.</span></p>
        <label class="button file-button">Choose files<input class="visually-hidden" type="file" multiple @change=${(/** @type {Event} */ event) => this.addFiles(chosenFiles(event))} /></label>
        <label class="button file-button">Choose a folder<input class="visually-hidden" type="file" webkitdirectory @change=${(/** @type {Event} */ event) => this.addFiles(chosenFiles(event))} /></label>
      </section>
    `;
  }
}
customElements.define("guru-collection", CollectionPage);
