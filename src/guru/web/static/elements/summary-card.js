/** What a collection says in short: made when it is asked for, as a job, each sentence with its sources. */

import { describe, events, get, isAbort, post } from "../api.js";
import { GuruElement } from "../element.js";
import { plural } from "../format.js";
import { html, nothing } from "../vendor/lit/lit-element.js";
import { errorNote } from "./notes.js";

/** @import { ApiErrorBody, Summary } from "../types.js" */

class SummaryCard extends GuruElement {
  static properties = {
    path: {},
    job: { state: true },
    summary: { state: true },
    error: { state: true },
  };

  constructor() {
    super();
    this.path = "";
    /** @type {any} */
    this.job = null;
    /** @type {Summary | null} */
    this.summary = null;
    /** @type {ApiErrorBody | null} */
    this.error = null;
    this.watching = new AbortController();
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    this.watching.abort(); // the job goes on
  }

  get running() {
    return this.job?.status === "queued" || this.job?.status === "running";
  }

  async begin() {
    this.error = null;
    try {
      const { job } = await post(this.path);
      this.job = job;
      for await (const { data } of events(`/jobs/${job.id}/events`, { signal: this.watching.signal })) if (data?.status) this.job = data;
      const ended = await get(`/jobs/${job.id}`);
      this.job = ended;
      if (ended.status === "done") this.summary = ended.result.summary;
      else if (ended.status === "failed") this.error = { message: ended.error ?? "The summary failed." };
    } catch (error) {
      if (!isAbort(error)) this.error = describe(error);
    }
  }

  async cancel() {
    try {
      await post(`/jobs/${this.job.id}/cancel`);
    } catch {
      // It has just ended, and is shown.
    }
  }

  render() {
    const { running, summary } = this;
    const { done = 0, total = 0 } = this.job?.progress ?? {};
    return html`
      <div class="summary-head">
        <h2>Summary</h2>
        ${running
          ? html`<button type="button" class="button compact" @click=${this.cancel}>Cancel</button>`
          : html`<button type="button" class="button compact" @click=${this.begin}>${summary ? "Summarise again" : "Summarise"}</button>`}
      </div>
      <div role="status">
        ${running ? html`<p class="faint number">${total ? `Read ${done} of ${plural(total, "document")}.` : "Reading."}</p><progress class="progress" max=${total || 1} value=${done} aria-label="Summarising"></progress>` : nothing}
        ${!running && summary ? this.renderSummary(summary) : nothing}
        ${!running && !summary && this.job?.status === "cancelled" ? html`<p class="faint">Cancelled.</p>` : nothing}
      </div>
      ${this.error ? errorNote(this.error, () => this.begin()) : nothing}
      ${running || summary || this.error ? nothing : html`<p class="faint">What these documents say, in a few sentences with their sources.</p>`}
    `;
  }

  /** @param {Summary} summary */
  renderSummary(summary) {
    const how = summary.method === "model" ? `Written by ${summary.model}; every sentence was checked against the documents.` : "The documents' own most central sentences.";
    return html`
      ${summary.sentences.length ? html`<ul class="summary-sentences">${summary.sentences.map(({ text, sources }) => html`<li>${text}
        ${sources.map((source) => html`<a class="badge" href="/documents/${encodeURIComponent(source.document_id)}?start=${source.start}&end=${source.end}">${source.document}${source.page == null ? nothing : `, page ${source.page}`}</a> `)}</li>`)}</ul>` : nothing}
      <p class="faint">${how} ${plural(summary.documents, "document")} read${summary.documents < summary.of ? ` of ${summary.of}` : ""}.
        ${summary.dropped.length ? `${plural(summary.dropped.length, "sentence")} without support left out.` : nothing} ${summary.note ?? nothing}</p>
    `;
  }
}
customElements.define("guru-summary", SummaryCard);
