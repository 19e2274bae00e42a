/** Teams: whose keys share limits, a budget and models. */

import { describe, get, patch, remove } from "../api.js";
import { allowed, field, limitFields, modelsField, readLimits, readModels, textOf } from "../holders.js";
import { icons } from "../icons.js";
import { html, nothing } from "../vendor/lit/lit-element.js";
import { confirm } from "./confirm-dialog.js";
import { ListPage } from "./list-page.js";
import { errorNote } from "./notes.js";

/** @import { ApiErrorBody, ApiKey, Holder, User } from "../types.js" */

const SHOWN = 100;

class TeamsPage extends ListPage {
  static properties = { ...ListPage.properties, opened: { state: true }, members: { state: true } };

  constructor() {
    super();
    this.kind = "teams";
    this.heading = "Teams";
    this.about = "Their keys and users share limits, a budget and models.";
    this.none = "A team holds keys and users together: what they use counts for all of them.";
    this.columns = ["Name", "Models", "Limits"];
    /** The team whose members are shown. */
    this.opened = "";
    /** @type {{users: User[], keys: ApiKey[], more: boolean, error: ApiErrorBody | null} | null} */
    this.members = null;
  }

  /** @param {FormData} form @param {Holder | null} item */
  read(form, item) {
    const values = { models: readModels(form), ...readLimits(form) };
    return item ? values : { ...values, name: textOf(form, "name") };
  }

  /** @param {Holder | null} item */
  renderFields(item) {
    return html`
      ${item ? nothing : field("Name", html`<input class="field" id="field-name" name="name" required maxlength="64" autocomplete="off">`, "field-name")}
      ${modelsField(item?.models)}
      ${limitFields(item)}
    `;
  }

  /** @param {Holder} team */
  async drop(team) {
    const text = "Only a team to which nobody belongs can be deleted. What it has used stays in the accounts.";
    if (!(await confirm({ title: `Delete ${team.name}?`, text, action: "Delete" }))) return;
    await this.change(() => remove(this.placeOf(team)));
  }

  /** @param {string} name */
  async toggle(name) {
    this.opened = this.opened === name ? "" : name;
    this.members = null;
    if (this.opened) await this.loadMembers(name);
  }

  /** @param {string} name */
  async loadMembers(name) {
    const query = new URLSearchParams({ team: name, limit: String(SHOWN) });
    try {
      const [users, keys] = await Promise.all([get(`/users?${query}`), get(`/keys?${query}`)]);
      if (this.opened !== name) return;
      this.members = { users: users.users, keys: keys.keys, more: users.next !== null || keys.next !== null, error: null };
    } catch (error) {
      if (this.opened === name) this.members = { users: [], keys: [], more: false, error: describe(error) };
    }
  }

  /** @param {string} user @param {string | null} team */
  async move(user, team) {
    const name = this.opened;
    if (await this.change(() => patch(`/users/${encodeURIComponent(user)}`, { team }))) await this.loadMembers(name);
  }

  /** @param {SubmitEvent} event @param {string} team */
  async add(event, team) {
    event.preventDefault();
    const form = /** @type {HTMLFormElement} */ (event.target);
    await this.move(textOf(new FormData(form), "user"), team);
    if (!this.error) form.reset();
  }

  /** @param {Holder} team */
  renderItem(team) {
    const open = this.opened === team.name;
    return html`
      <tr>
        <th scope="row" class="holder-name">${team.name}</th>
        <td>${team.models?.join(", ")}</td>
        <td>${allowed(team)}</td>
        <td><div class="row-actions">
          <button class="button quiet compact" aria-label="Members of ${team.name}" aria-expanded=${String(open)} @click=${() => this.toggle(team.name)}>Members</button>
          ${team.configured ? html`<span class="faint">in guru.toml</span>` : html`
            ${this.action("Change", team, icons.edit, () => this.open(team))}
            ${this.action("Delete", team, icons.trash, () => this.drop(team))}
          `}
        </div></td>
      </tr>
      ${open ? html`<tr class="members-row"><td colspan="4">${this.renderMembers(team)}</td></tr>` : nothing}
    `;
  }

  /** @param {Holder} team */
  renderMembers(team) {
    const { members } = this;
    if (!members) return html`<span class="skeleton"></span>`;
    if (members.error) return errorNote(members.error, () => this.loadMembers(team.name));
    return html`
      <section class="members" aria-label="Members of ${team.name}">
        <div>
          <h3>Users</h3>
          <ul>${members.users.map((user) => html`<li>${user.name} <span class="badge">${user.role}</span>${this.action("Remove", user, icons.close, () => this.move(user.name, null))}</li>`)}</ul>
          ${members.users.length ? nothing : html`<p class="faint">None.</p>`}
          <form class="row" @submit=${(/** @type {SubmitEvent} */ event) => this.add(event, team.name)}>
            ${this.nameField("users", "Add a user", "", "name of a user")}
            <button class="button" ?disabled=${this.busy}>Add</button>
          </form>
        </div>
        <div>
          <h3>Keys</h3>
          <ul>${members.keys.map((key) => html`<li>${key.name} <code class="faint">${key.prefix}</code>${key.status === "active" ? nothing : html` <span class="badge danger">${key.status}</span>`}</li>`)}</ul>
          ${members.keys.length ? nothing : html`<p class="faint">None. <a href="/keys">Make one</a> and give it this team.</p>`}
        </div>
        ${members.more ? html`<p class="faint">The first ${SHOWN} are shown.</p>` : nothing}
      </section>
    `;
  }
}
customElements.define("guru-teams", TeamsPage);
