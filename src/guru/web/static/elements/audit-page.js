/** The audit log: who changed what, and whether the log is as it was written. */

import { describe, get, post } from "../api.js";
import { GuruElement } from "../element.js";
import { plural, when } from "../format.js";
import { field, textOf } from "../holders.js";
import { icons } from "../icons.js";
import { html, nothing } from "../vendor/lit/lit-element.js";
import { repeat } from "../vendor/lit/repeat.js";
import { confirm } from "./confirm-dialog.js";
import { emptyState, errorNote } from "./notes.js";

/** @import { ApiErrorBody, AuditEntry, Release, Verified } from "../types.js" */

const PAGE = 50;
const ACTIONS = [
  "keys", "keys.create", "keys.change", "keys.rotate", "keys.revoke", "teams", "teams.create", "teams.change", "teams.delete",
  "users", "users.create", "users.change", "users.delete", "releases", "releases.start", "releases.share", "releases.flag",
  "releases.promote", "releases.rollback", "releases.stop",
];

class AuditPage extends GuruElement {
  static properties = {
    entries: { state: true }, next: { state: true }, verified: { state: true }, releases: { state: true }, busy: { state: true }, error: { state: true },
  };

  constructor() {
    super();
    /** @type {AuditEntry[] | null} */
    this.entries = null;
    /** @type {number | null} */
    this.next = null;
    /** @type {Verified | null} */
    this.verified = null;
    /** The newest release of every alias: only its last change can be undone. @type {Release[]} */
    this.releases = [];
    this.busy = false;
    /** @type {ApiErrorBody | null} */
    this.error = null;
    this.turn = 0;
    const asked = new URLSearchParams(location.search);
    this.filter = { actor: asked.get("actor") ?? "", action: asked.get("action") ?? "", from: "", to: "" };
  }

  connectedCallback() {
    super.connectedCallback();
    this.load();
    this.verify();
  }

  /** @param {number | null} [before] */
  async load(before = null) {
    const turn = ++this.turn; // an answer that comes late must not stand for what was asked after it
    const query = new URLSearchParams({ limit: String(PAGE) });
    if (before !== null) query.set("before", String(before));
    for (const [name, value] of Object.entries(this.filter)) if (value) query.set(name, value);
    try {
      const [page, { releases }] = await Promise.all([get(`/audit?${query}`), get("/releases").catch(() => ({ releases: [] }))]);
      if (turn !== this.turn) return;
      this.error = null;
      this.entries = before === null ? page.entries : [...(this.entries ?? []), ...page.entries];
      this.next = page.next;
      this.releases = releases;
    } catch (error) {
      if (turn === this.turn) this.error = describe(error);
    }
  }

  async verify() {
    this.verified = null;
    try {
      this.verified = await get("/audit/verify");
    } catch (error) {
      this.error ??= describe(error);
    }
  }

  /** @param {SubmitEvent} event */
  choose(event) {
    event.preventDefault();
    const form = new FormData(/** @type {HTMLFormElement} */ (event.target));
    const time = (/** @type {string} */ name) => (textOf(form, name) ? new Date(textOf(form, name)).toISOString() : "");
    this.filter = { actor: textOf(form, "actor"), action: textOf(form, "action"), from: time("from"), to: time("to") };
    this.load();
  }

  /** @param {AuditEntry} entry */
  async undo(entry) {
    const way = wayBack(entry, this.releases);
    if (this.busy || !way) return;
    if (!(await confirm({ title: `Undo change ${entry.number}?`, text: way.text, action: "Undo" }))) return;
    this.busy = true;
    try {
      await way.work();
      await this.load();
      await this.verify();
    } catch (error) {
      this.error = describe(error);
    } finally {
      this.busy = false;
    }
  }

  render() {
    const refused = this.error?.status === 403 || this.error?.status === 401;
    return html`
      <header class="page-head">
        <div><h1>Audit log</h1><p>Who changed keys, teams, users and releases. Every entry's hash covers the one before it.</p></div>
        ${refused ? nothing : this.renderVerified()}
      </header>
      ${this.error ? errorNote(this.error, () => this.load()) : nothing}
      ${refused ? nothing : html`${this.renderFilter()}${this.renderEntries()}`}
    `;
  }

  renderVerified() {
    const { verified } = this;
    if (!verified) return html`<span class="badge" role="status">checking the chain …</span>`;
    return html`<div class="row chain" role="status">
      ${verified.ok
        ? html`<span class="badge accent">${icons.check} chain verified</span><span class="faint small">${plural(verified.entries, "entry", "entries")}${verified.entries ? html`, ends in <code title=${verified.head}>${verified.head.slice(0, 12)}</code>` : nothing}</span>`
        : html`<span class="badge danger">${icons.warning} not as it was written</span><strong class="small">${verified.problem}</strong>`}
      <button class="button quiet" @click=${() => this.verify()}>Check again</button>
    </div>`;
  }

  renderFilter() {
    return html`
      <form class="row audit-filter" aria-label="Narrow the log" @submit=${this.choose}>
        ${field("Who", html`<input class="field" id="audit-actor" name="actor" placeholder="anybody" autocomplete="off" value=${this.filter.actor}>`, "audit-actor")}
        ${field("What", html`<input class="field" id="audit-action" name="action" list="known-actions" placeholder="anything" autocomplete="off" value=${this.filter.action}>
          <datalist id="known-actions">${ACTIONS.map((action) => html`<option value=${action}></option>`)}</datalist>`, "audit-action")}
        ${field("From", html`<input class="field" id="audit-from" name="from" type="datetime-local">`, "audit-from")}
        ${field("To", html`<input class="field" id="audit-to" name="to" type="datetime-local">`, "audit-to")}
        <button class="button">Show</button>
      </form>
    `;
  }

  renderEntries() {
    if (!this.entries) return this.error ? nothing : html`<span class="skeleton block"></span>`;
    if (!this.entries.length) {
      const narrowed = Object.values(this.filter).some(Boolean);
      return emptyState({ icon: icons.trace, title: narrowed ? "Nothing like that was changed" : "Nothing was changed yet", text: "Every change of a key, a team, a user or a release stands here." });
    }
    return html`
      <div class="table-wrap" tabindex="0" role="region" aria-label="Audit log">
        <table class="table audit">
          <thead><tr><th scope="col" class="end">No.</th><th scope="col">When</th><th scope="col">Who</th><th scope="col">What</th><th scope="col">Change</th><th scope="col"><span class="visually-hidden">Actions</span></th></tr></thead>
          <tbody>${repeat(this.entries, ({ number }) => number, (entry) => this.renderEntry(entry))}</tbody>
        </table>
      </div>
      ${this.next === null ? nothing : html`<button class="button more" @click=${() => this.load(this.next)}>Older ones</button>`}
    `;
  }

  /** @param {AuditEntry} entry */
  renderEntry(entry) {
    const way = wayBack(entry, this.releases);
    return html`<tr>
      <td class="end number"><span title="Hash ${entry.hash}">${entry.number}</span></td>
      <td><time datetime=${entry.at}>${when(entry.at)}</time></td>
      <td title=${entry.actor}>${entry.actor_name}</td>
      <td><span class="badge">${entry.action}</span><div class="subject" title=${entry.subject}>${entry.subject_name}</div></td>
      <td class="changes">${changes(entry).map(([name, from, to]) => html`<div><span class="faint">${name}</span> ${from === undefined ? nothing : html`<del>${from}</del> `}${to === undefined ? nothing : html`<ins>${to}</ins>`}</div>`)}</td>
      <td><div class="row-actions">${way ? html`<button class="button quiet compact" aria-label="Undo change ${entry.number}" ?disabled=${this.busy} @click=${() => this.undo(entry)}>Undo</button>` : nothing}</div></td>
    </tr>`;
  }
}
customElements.define("guru-audit", AuditPage);

/** What an entry shows besides: ids and times say nothing to people. */
const HIDDEN = new Set(["id", "tenant", "name", "alias", "prefix", "created_at", "changed_at", "started_at", "hash", "epoch"]);
/** What goes without saying of something that was made or deleted. */
const PLAIN = new Set(["models: *", "routes: *", "disabled: false"]);

/** Name, before, after. @param {AuditEntry} entry @returns {[string, string | undefined, string | undefined][]} */
function changes({ before, after }) {
  const names = [...new Set([...Object.keys(before ?? {}), ...Object.keys(after ?? {})])].filter((name) => !HIDDEN.has(name));
  return names.flatMap((name) => {
    const [from, to] = [said(before?.[name], name), said(after?.[name], name)];
    const usual = before && after ? false : PLAIN.has(`${name}: ${from ?? to}`);
    return from === to || usual ? [] : [/** @type {[string, string | undefined, string | undefined]} */ ([name.replaceAll("_", " "), from, to])];
  });
}

/** A value in short. @param {any} value @param {string} [name] @returns {string | undefined} */
function said(value, name = "") {
  if (typeof value === "number" && name.endsWith("_at")) return when(new Date(value * 1000).toISOString());
  if (value == null || value === "" || (Array.isArray(value) && !value.length)) return undefined;
  if (Array.isArray(value)) return value.map((inner) => said(inner)).join(", ");
  if (typeof value !== "object") return String(value);
  return Object.entries(value).filter(([, inner]) => said(inner) !== undefined).map(([name, inner]) => `${name.replaceAll("_", " ")} ${said(inner)}`).join(", ");
}

/**
 * How the last change of a route is undone; null for what stands no more, and for what cannot be undone.
 * @param {AuditEntry} entry @param {Release[]} releases @returns {{text: string, work: () => Promise<unknown>} | null}
 */
function wayBack({ action, before, after, subject }, releases) {
  const release = releases.find(({ alias }) => alias === subject);
  if (!action.startsWith("releases.") || !release || release.id !== after?.id) return null;
  if (release.status !== after.status || release.share !== after.share || Date.parse(release.changed_at) !== Math.floor(after.changed_at * 1000)) return null;
  const place = `/releases/${encodeURIComponent(subject)}`;
  if (action === "releases.start") return { text: `The release of ${subject} ends undecided: the weights of the configuration hold again.`, work: () => post(`${place}/stop`) };
  if (!before) return null;
  if (action === "releases.flag") return { text: `The flags of ${subject} become what they were before.`, work: () => post(`${place}/flags`, { flags: before.flags ?? [] }) };
  const share = Math.round(before.share * 1000) / 10;
  if (after.status === "running") return { text: `The candidate of ${subject} gets ${share} % again.`, work: () => post(`${place}/share`, { share: before.share }) };
  if (before.status !== "running") return null;
  return {
    text: `A release of ${subject} with the same rules begins, with ${share} % for the candidate. It counts anew.`,
    work: async () => {
      await post("/releases", { ...before.settings, alias: subject });
      await post(`${place}/share`, { share: before.share });
    },
  };
}
