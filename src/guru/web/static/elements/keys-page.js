/** API keys: who may call, how much, and when they last did. */

import { post, remove } from "../api.js";
import { ago, when } from "../format.js";
import { allowed, field, limitFields, modelsField, numberField, numberOf, readLimits, readModels, roleField, textOf } from "../holders.js";
import { icons } from "../icons.js";
import { html, nothing } from "../vendor/lit/lit-element.js";
import { confirm } from "./confirm-dialog.js";
import { ListPage } from "./list-page.js";

/** @import { ApiKey, Holder } from "../types.js" */

/** @type {Record<string, string>} */
const KIND = { active: "accent", expired: "warning", revoked: "danger" };

class KeysPage extends ListPage {
  static properties = { ...ListPage.properties, made: { state: true }, copied: { state: true } };

  constructor() {
    super();
    this.kind = "keys";
    this.heading = "Keys";
    this.about = "Who may call this server, how much they may use, and when they last did.";
    this.none = "On this machine requests need none. Make one for every program or person that calls from elsewhere.";
    this.columns = ["Name", "Status", "Role", "Belongs to", "Models", "Limits", "Last used"];
    /** The key that was just made or rotated, with its secret. @type {ApiKey | null} */
    this.made = null;
    this.copied = false;
    /** A page that is left is kept for the way back: not with a secret in it. */
    this.forget = () => { this.made = null; };
  }

  connectedCallback() {
    super.connectedCallback();
    addEventListener("pagehide", this.forget);
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    removeEventListener("pagehide", this.forget);
  }

  /** @param {Holder} item */
  idOf(item) {
    return item.id;
  }

  /** @param {Holder | null} item */
  open(item) {
    this.made = null;
    super.open(item);
  }

  /** @param {FormData} form @param {Holder | null} item */
  read(form, item) {
    const values = { role: textOf(form, "role"), team: textOf(form, "team") || null, user: textOf(form, "user") || null, models: readModels(form), ...readLimits(form) };
    return item ? values : { ...values, name: textOf(form, "name"), expires_in_days: numberOf(form, "days") };
  }

  /** @param {ApiKey} key */
  onMade(key) {
    this.made = key;
    this.copied = false;
  }

  close() {
    super.close();
    if (this.made) this.focusOn("#made-key");
  }

  /** @param {Holder} key */
  async rotate(key) {
    const text = "A new key is made. The old one still opens for a day, so that you can replace it where it is used.";
    if (!(await confirm({ title: `Rotate ${key.name}?`, text, action: "Rotate" }))) return;
    const done = await this.change(async () => this.onMade(await post(`${this.placeOf(key)}/rotate`)));
    if (done) this.focusOn("#made-key");
  }

  /** @param {Holder} key */
  async revoke(key) {
    const text = "Whatever uses it is refused from now on. This cannot be undone.";
    if (!(await confirm({ title: `Revoke ${key.name}?`, text, action: "Revoke" }))) return;
    await this.change(() => remove(this.placeOf(key)));
  }

  /** @param {Holder | null} item */
  renderFields(item) {
    return html`
      ${item ? nothing : field("Name", html`<input class="field" id="field-name" name="name" required maxlength="64" autocomplete="off">`, "field-name")}
      ${roleField(item?.role ?? "member")}
      ${this.nameField("teams", "Team", item?.team)}
      ${this.nameField("users", "User", item?.user)}
      ${modelsField(item?.models)}
      ${limitFields(item)}
      ${item ? nothing : numberField("days", "Expires in days", 1, { placeholder: "never" })}
    `;
  }

  renderNotice() {
    const key = this.made;
    if (!key) return nothing;
    const copy = async () => {
      const shown = /** @type {HTMLInputElement} */ (this.querySelector("#made-key"));
      try {
        await navigator.clipboard.writeText(key.key ?? "");
        this.copied = true;
      } catch {
        shown.select(); // a page that is not served over HTTPS has no clipboard
      }
    };
    return html`
      <div class="note made" role="status">
        ${icons.info}
        <div>
          <strong>${key.name}</strong>: copy this key now. It is shown this once; only its hash is kept.
          <div class="row made-row">
            <input class="field" id="made-key" aria-label="The new key" readonly autocomplete="off" .value=${key.key ?? ""}>
            <button class="button" @click=${copy}>${icons.copy} ${this.copied ? "Copied" : "Copy"}</button>
            <button class="button quiet" @click=${() => { this.made = null; this.focusOn("#add"); }}>Done</button>
          </div>
        </div>
      </div>
    `;
  }

  /** @param {Holder} key */
  renderItem(key) {
    const fixed = key.configured || key.status === "revoked";
    return html`
      <tr>
        <th scope="row" class="holder-name">${key.name}${key.prefix.length > 1 ? html`<code class="faint">${key.prefix}</code>` : nothing}</th>
        <td>
          <span class="badge ${KIND[key.status] ?? ""}">${key.status}</span>
          ${key.expires_at && key.status === "active" ? html`<div class="faint">until ${when(key.expires_at)}</div>` : nothing}
        </td>
        <td>${key.role}</td>
        <td>${key.user ? html`<div>${key.user}</div>` : nothing}${key.team ? html`<div class="faint">team ${key.team}</div>` : nothing}</td>
        <td>${key.models?.join(", ")}</td>
        <td>${allowed(key)}</td>
        <td class="nowrap"><span title=${when(key.last_used_at)}>${ago(key.last_used_at) || "never"}</span></td>
        <td><div class="row-actions">
          ${key.configured ? html`<span class="faint">in guru.toml</span>` : nothing}
          ${fixed ? nothing : html`
            ${this.action("Change", key, icons.edit, () => this.open(key))}
            ${this.action("Rotate", key, icons.retry, () => this.rotate(key))}
            ${this.action("Revoke", key, icons.trash, () => this.revoke(key))}
          `}
        </div></td>
      </tr>
    `;
  }
}
customElements.define("guru-keys", KeysPage);
