/** API keys: who may call, how much, and when they last did. */

import { describe, get, post, remove } from "../api.js";
import { GuruElement } from "../element.js";
import { ago, when } from "../format.js";
import { icons } from "../icons.js";
import { html, nothing } from "../vendor/lit/lit-element.js";
import { repeat } from "../vendor/lit/repeat.js";
import { confirm } from "./confirm-dialog.js";
import { emptyState, errorNote } from "./notes.js";

/** @import { ApiErrorBody, ApiKey, Team } from "../types.js" */

/** @type {Record<string, string>} */
const KIND = { active: "accent", expired: "warning", revoked: "danger" };

class KeysPage extends GuruElement {
  static properties = {
    keys: { state: true }, teams: { state: true }, made: { state: true }, adding: { state: true }, error: { state: true },
  };

  constructor() {
    super();
    /** @type {ApiKey[] | null} */
    this.keys = null;
    /** @type {Team[]} */
    this.teams = [];
    /** The key that was just made or rotated, with its secret. @type {ApiKey | null} */
    this.made = null;
    this.adding = false;
    /** @type {ApiErrorBody | null} */
    this.error = null;
  }

  connectedCallback() {
    super.connectedCallback();
    this.load();
  }

  async load() {
    this.error = null;
    try {
      const [{ keys }, { teams }] = await Promise.all([get("/keys"), get("/teams")]);
      this.keys = keys;
      this.teams = teams;
    } catch (error) {
      this.error = describe(error);
    }
  }

  /** Do something, and show what has become of the keys. @param {() => Promise<void>} work */
  async change(work) {
    try {
      await work();
      await this.load();
    } catch (error) {
      this.error = describe(error);
    }
  }

  /** @param {SubmitEvent} event */
  async create(event) {
    event.preventDefault();
    const form = new FormData(/** @type {HTMLFormElement} */ (event.target));
    const text = (/** @type {string} */ name) => String(form.get(name) ?? "").trim();
    const number = (/** @type {string} */ name) => (text(name) ? Number(text(name)) : undefined);
    const limits = { rpm: number("rpm"), tpm: number("tpm"), concurrency: number("concurrency") };
    const models = text("models").split(",").map((name) => name.trim()).filter(Boolean);
    await this.change(async () => {
      this.made = await post("/keys", {
        name: text("name"), role: text("role"), team: text("team") || null,
        models: models.length ? models : ["*"],
        limits: Object.values(limits).some((value) => value !== undefined) ? limits : null,
        budget: number("budget") === undefined ? null : { usd: number("budget"), per: text("per") },
        expires_in_days: number("days") ?? null,
      });
      this.adding = false;
    });
    if (this.made) this.focusOn("#made-key");
  }

  /** @param {ApiKey} key */
  async rotate(key) {
    const text = "A new key is made. The old one still opens for a day, so that you can replace it where it is used.";
    if (!(await confirm({ title: `Rotate ${key.name}?`, text, action: "Rotate" }))) return;
    await this.change(async () => {
      this.made = await post(`/keys/${encodeURIComponent(key.id)}/rotate`);
    });
    this.focusOn("#made-key");
  }

  /** @param {ApiKey} key */
  async revoke(key) {
    const text = "Whatever uses it is refused from now on. This cannot be undone.";
    if (!(await confirm({ title: `Revoke ${key.name}?`, text, action: "Revoke" }))) return;
    await this.change(() => remove(`/keys/${encodeURIComponent(key.id)}`));
  }

  async start() {
    this.adding = true;
    this.made = null;
    this.focusOn("#key-name");
  }

  render() {
    return html`
      <header class="page-head">
        <div>
          <h1>Keys</h1>
          <p>Who may call this server, how much they may use, and when they last did.</p>
        </div>
        <button class="button primary" ?disabled=${this.adding} @click=${this.start}>${icons.plus} New key</button>
      </header>
      ${this.error ? errorNote(this.error, () => this.load()) : nothing}
      ${this.made ? this.renderMade(this.made) : nothing}
      ${this.adding ? this.renderForm() : nothing}
      ${this.keys ? this.renderKeys(this.keys) : this.error ? nothing : html`<span class="skeleton block"></span>`}
    `;
  }

  /** @param {ApiKey} key */
  renderMade(key) {
    const copy = async (/** @type {Event} */ event) => {
      await navigator.clipboard.writeText(key.key ?? "");
      /** @type {HTMLElement} */ (event.currentTarget).textContent = "Copied";
    };
    return html`
      <div class="note made" role="status">
        ${icons.info}
        <div>
          <strong>${key.name}</strong>: copy this key now. It is shown this once; only its hash is kept.
          <div class="row made-row">
            <input class="field" id="made-key" aria-label="The new key" readonly .value=${key.key ?? ""}>
            <button class="button" @click=${copy}>${icons.copy} Copy</button>
            <button class="button quiet" @click=${() => { this.made = null; }}>Done</button>
          </div>
        </div>
      </div>
    `;
  }

  renderForm() {
    return html`
      <form class="card key-form" @submit=${this.create}>
        <div class="key-fields">
          ${field("Name", html`<input class="field" id="key-name" name="name" required maxlength="64" autocomplete="off">`, "key-name")}
          ${field("Role", html`<select class="select bordered" id="key-role" name="role">
            <option value="member">member: uses models</option>
            <option value="viewer">viewer: only looks</option>
            <option value="admin">admin: manages too</option>
          </select>`, "key-role")}
          ${field("Team", html`<select class="select bordered" id="key-team" name="team">
            <option value="">none</option>
            ${this.teams.map((team) => html`<option>${team.name}</option>`)}
          </select>`, "key-team")}
          ${field("Models", html`<input class="field" id="key-models" name="models" placeholder="all, or openai/*, smart">`, "key-models")}
          ${numberField("rpm", "Requests a minute", 1)}
          ${numberField("tpm", "Tokens a minute", 1)}
          ${numberField("concurrency", "At once", 1)}
          ${numberField("budget", "Budget, US dollars", 0, "any")}
          ${field("Budget for", html`<select class="select bordered" id="key-per" name="per">
            <option value="month">a month</option><option value="day">a day</option>
          </select>`, "key-per")}
          ${numberField("days", "Expires in days", 1)}
        </div>
        <div class="actions row">
          <button type="button" class="button quiet" @click=${() => { this.adding = false; }}>Cancel</button>
          <button class="button primary">Make the key</button>
        </div>
      </form>
    `;
  }

  /** @param {ApiKey[]} keys */
  renderKeys(keys) {
    if (!keys.length) {
      return this.adding ? nothing : emptyState({
        icon: icons.info, title: "There are no keys yet",
        text: "On this machine requests need none. Make one for every program or person that calls from elsewhere.",
      });
    }
    return html`
      <div class="table-wrap" tabindex="0" role="region" aria-label="Keys">
        <table class="table keys-table">
          <thead><tr><th>Name</th><th>Status</th><th>Role</th><th>Team</th><th>Models</th><th>Limits</th><th>Last used</th><th><span class="visually-hidden">Actions</span></th></tr></thead>
          <tbody>${repeat(keys, (key) => key.id, (key) => this.renderKey(key))}</tbody>
        </table>
      </div>
    `;
  }

  /** @param {ApiKey} key */
  renderKey(key) {
    const fixed = key.configured || key.status === "revoked";
    return html`
      <tr>
        <td class="key-name"><strong>${key.name}</strong><code class="faint">${key.prefix}</code></td>
        <td>
          <span class="badge ${KIND[key.status] ?? ""}">${key.status}</span>
          ${key.expires_at && key.status === "active" ? html`<div class="faint" title=${when(key.expires_at)}>until ${when(key.expires_at)}</div>` : nothing}
        </td>
        <td>${key.role}</td>
        <td>${key.team ?? ""}</td>
        <td>${key.models.join(", ")}</td>
        <td>${allowed(key).map((line) => html`<div class="nowrap">${line}</div>`)}</td>
        <td class="nowrap"><span title=${when(key.last_used_at)}>${ago(key.last_used_at) || "never"}</span></td>
        <td class="end nowrap">
          ${key.configured ? html`<span class="faint">in guru.toml</span>` : nothing}
          ${fixed ? nothing : html`
            <button class="icon-button compact" aria-label="Rotate ${key.name}" title="Rotate" @click=${() => this.rotate(key)}>${icons.retry}</button>
            <button class="icon-button compact" aria-label="Revoke ${key.name}" title="Revoke" @click=${() => this.revoke(key)}>${icons.trash}</button>
          `}
        </td>
      </tr>
    `;
  }
}
customElements.define("guru-keys", KeysPage);

/** @param {string} label @param {unknown} control @param {string} id */
const field = (label, control, id) => html`<div><label class="label" for=${id}>${label}</label>${control}</div>`;

/** @param {string} name @param {string} label @param {number} min @param {string} [step] */
const numberField = (name, label, min, step = "1") =>
  field(label, html`<input class="field" id="key-${name}" name=${name} type="number" min=${min} step=${step} placeholder="no limit">`, `key-${name}`);

/** What a key may use, a line each. @param {ApiKey} key */
function allowed(key) {
  const { rpm, tpm, concurrency } = key.limits ?? {};
  const lines = [];
  if (rpm != null) lines.push(`${rpm.toLocaleString()} requests/min`);
  if (tpm != null) lines.push(`${tpm.toLocaleString()} tokens/min`);
  if (concurrency != null) lines.push(`${concurrency} at once`);
  if (key.budget) lines.push(`$${key.budget.usd} a ${key.budget.per}`);
  return lines;
}
