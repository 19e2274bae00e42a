/** An upload and the job that reads the files: sending, then reading, then what came of it. Or a job alone. */

import { describe, events, get, isAbort, post, upload } from "../api.js";
import { GuruElement } from "../element.js";
import { duration, plural } from "../format.js";
import { icons } from "../icons.js";
import { html, nothing } from "../vendor/lit/lit-element.js";
import { errorNote } from "./notes.js";

/** @import { ApiErrorBody, Job } from "../types.js" */
/** @import { PathFile } from "../files.js" */

const FINISHED = new Set(["done", "failed", "cancelled"]);

class UploadJob extends GuruElement {
  static properties = {
    collection: { type: String },
    files: { attribute: false },
    job: { attribute: false },
    sent: { state: true },
    error: { state: true },
  };

  constructor() {
    super();
    this.collection = "";
    /** Files to send; or none, when `job` is already running. @type {PathFile[]} */
    this.files = [];
    /** @type {Job | null} */
    this.job = null;
    this.sent = 0;
    /** @type {ApiErrorBody | null} */
    this.error = null;
    this.aborter = new AbortController();
  }

  connectedCallback() {
    super.connectedCallback();
    this.run();
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    if (this.job) this.aborter.abort();
  }

  async run() {
    this.aborter = new AbortController();
    const { signal } = this.aborter;
    this.error = null;
    try {
      await this.updateComplete;
      this.job ??= await upload(this.collection, this.files, { onProgress: (fraction) => (this.sent = fraction), signal });
      this.emit("upload-started", this.job);
      while (this.job && !FINISHED.has(this.job.status)) await this.follow(signal);
      this.emit("upload-finished", this.job);
    } catch (error) {
      if (isAbort(error)) return;
      this.error = describe(error);
    }
  }

  /** @param {AbortSignal} signal */
  async follow(signal) {
    const id = /** @type {Job} */ (this.job).id;
    for await (const { event, data } of events(`/jobs/${id}/events`, { signal })) {
      if (data?.status) this.job = data;
      if (event === "done") break;
    }
    // A stream that broke off before the end: ask, then listen again.
    this.job = await get(`/jobs/${id}`, signal);
    if (this.job && !FINISHED.has(this.job.status)) await new Promise((resolve) => setTimeout(resolve, 500));
  }

  async cancel() {
    if (this.job) this.job = await post(`/jobs/${this.job.id}/cancel`);
    else {
      this.aborter.abort();
      this.emit("upload-dismissed");
    }
  }

  render() {
    const finished = this.job && FINISHED.has(this.job.status);
    return html`
      <section class="upload card" aria-label="${this.embeds ? "Embedding" : "Adding files to"} ${this.collection}">
        ${this.error ? errorNote(this.error, () => this.run()) : finished ? this.renderResult() : this.renderProgress()}
      </section>
    `;
  }

  /** Whether the job is about vectors, not about files. */
  get embeds() {
    return this.job?.kind === "reembed" || this.job?.kind === "forget-vectors";
  }

  renderProgress() {
    const progress = this.job?.progress ?? {};
    const total = progress.total ?? 0;
    const done = (progress.done ?? 0) + (progress.skipped ?? 0) + (progress.failed ?? 0);
    const value = this.job ? (total ? done / total : 0) : this.sent;
    const text = this.job
      ? this.job.status === "queued" ? "Waiting for its turn" : this.embeds ? `Embedding ${done} of ${plural(total, "chunk")}` : `Reading ${done} of ${plural(total, "file")}`
      : `Sending ${plural(this.files.length, "file")}`;
    return html`
      <div class="upload-row">
        <div class="upload-text"><strong>${text}</strong> <span class="faint">${this.embeds ? "" : "into "}${this.collection}</span></div>
        <button class="button quiet" @click=${this.cancel}>Cancel</button>
      </div>
      <progress class="progress" max="1" .value=${value} aria-label=${text}></progress>
      <p class="current faint small">${progress.current ?? "\u00a0"}</p>
    `;
  }

  renderResult() {
    const job = /** @type {Job} */ (this.job);
    const { result } = job;
    const failures = result?.failed ?? [];
    const ignored = result?.ignored ?? [];
    const title = job.status === "cancelled" ? "Cancelled" : job.status === "failed" ? "The job failed" : "Done";
    const jobError = typeof job.error === "string" ? job.error : job.error?.message;
    return html`
      <div class="upload-row" role="status">
        <div class="upload-text">
          <strong>${title}</strong>
          ${result && this.embeds
            ? html`<span class="faint">${plural(result.chunks, "chunk")} in ${duration(result.seconds)}</span>`
            : result
            ? html`<span class="faint">${plural(result.documents, "document")}, ${plural(result.chunks, "chunk")}${result.skipped ? `, ${result.skipped} unchanged` : ""} in ${duration(result.seconds)}</span>`
            : nothing}
        </div>
        <button class="icon-button compact" aria-label="Dismiss" @click=${() => this.emit("upload-dismissed")}>${icons.close}</button>
      </div>
      ${jobError ? html`<p class="note danger">${icons.warning}<span>${jobError}</span></p>` : nothing}
      ${ignored.length
        ? html`<details class="failures"><summary class="faint">${plural(ignored.length, "file")} left out</summary>
            <ul>${ignored.map(({ path, reason }) => html`<li><strong>${path}</strong><span>${reason}</span></li>`)}</ul>
          </details>`
        : nothing}
      ${failures.length
        ? html`<details class="failures" open>
            <summary>${plural(failures.length, "file")} could not be read</summary>
            <ul>${failures.map(({ path, error }) => html`<li><strong>${path}</strong><span>${error}</span></li>`)}</ul>
          </details>`
        : nothing}
    `;
  }
}
customElements.define("guru-upload", UploadJob);
