/** Users: people to whom keys belong. */

import { patch, remove } from "../api.js";
import { allowed, field, limitFields, readLimits, roleField, textOf } from "../holders.js";
import { icons } from "../icons.js";
import { html, nothing } from "../vendor/lit/lit-element.js";
import { confirm } from "./confirm-dialog.js";
import { ListPage } from "./list-page.js";

/** @import { Holder } from "../types.js" */

class UsersPage extends ListPage {
  constructor() {
    super();
    this.kind = "users";
    this.heading = "Users";
    this.about = "People to whom keys belong. A key has at most the role of its user.";
    this.none = "Make one for every person, then give them keys: what they use is counted for them together.";
    this.columns = ["Name", "Status", "Role", "Team", "Limits"];
  }

  /** @param {FormData} form @param {Holder | null} item */
  read(form, item) {
    const values = { role: textOf(form, "role"), team: textOf(form, "team") || null, ...readLimits(form) };
    return item ? values : { ...values, name: textOf(form, "name") };
  }

  /** @param {Holder | null} item */
  renderFields(item) {
    return html`
      ${item ? nothing : field("Name", html`<input class="field" id="field-name" name="name" required maxlength="64" autocomplete="off">`, "field-name")}
      ${roleField(item?.role ?? "member")}
      ${this.nameField("teams", "Team", item?.team)}
      ${limitFields(item)}
    `;
  }

  /** @param {Holder} user */
  async toggle(user) {
    const disable = !user.disabled;
    const text = "No key of this user opens anything until the user is enabled again.";
    if (disable && !(await confirm({ title: `Disable ${user.name}?`, text, action: "Disable" }))) return;
    await this.change(() => patch(this.placeOf(user), { disabled: disable }));
  }

  /** @param {Holder} user */
  async drop(user) {
    const text = "Only a user without keys can be deleted. What they have used stays in the accounts.";
    if (!(await confirm({ title: `Delete ${user.name}?`, text, action: "Delete" }))) return;
    await this.change(() => remove(this.placeOf(user)));
  }

  /** @param {Holder} user */
  renderItem(user) {
    return html`
      <tr>
        <th scope="row" class="holder-name">${user.name}</th>
        <td><span class="badge ${user.disabled ? "danger" : "accent"}">${user.disabled ? "disabled" : "active"}</span></td>
        <td>${user.role}</td>
        <td>${user.team ?? nothing}</td>
        <td>${allowed(user)}</td>
        <td><div class="row-actions">
          <button class="button quiet compact" aria-label="${user.disabled ? "Enable" : "Disable"} ${user.name}" ?disabled=${this.busy} @click=${() => this.toggle(user)}>${user.disabled ? "Enable" : "Disable"}</button>
          ${this.action("Change", user, icons.edit, () => this.open(user))}
          ${this.action("Delete", user, icons.trash, () => this.drop(user))}
        </div></td>
      </tr>
    `;
  }
}
customElements.define("guru-users", UsersPage);
