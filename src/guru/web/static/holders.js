/** What keys, teams and users have in common: limits and a budget, in a form and in words. */

import { html } from "./vendor/lit/lit-element.js";

/** @import { Budget, Holder, Limits } from "./types.js" */

/** @param {string} label @param {unknown} control @param {string} id */
export const field = (label, control, id) => html`<div><label class="label" for=${id}>${label}</label>${control}</div>`;

/** @param {string} name @param {string} label @param {number} min @param {{step?: string, value?: number | null, placeholder?: string}} [more] */
export const numberField = (name, label, min, { step = "1", value, placeholder = "no limit" } = {}) =>
  field(label, html`<input class="field" id="field-${name}" name=${name} type="number" min=${min} step=${step} placeholder=${placeholder} value=${value ?? ""}>`, `field-${name}`);

/** The fields of the limits and the budget. @param {Partial<Holder> | null} item */
export const limitFields = (item) => html`
  ${numberField("rpm", "Requests a minute", 1, { value: item?.limits?.rpm })}
  ${numberField("tpm", "Tokens a minute", 1, { value: item?.limits?.tpm })}
  ${numberField("concurrency", "At once", 1, { value: item?.limits?.concurrency })}
  ${numberField("budget", "Budget, US dollars", 0, { step: "any", value: item?.budget?.usd })}
  ${field("Budget for", html`<select class="select bordered" id="field-per" name="per">
    <option value="month" ?selected=${item?.budget?.per !== "day"}>a month</option><option value="day" ?selected=${item?.budget?.per === "day"}>a day</option>
  </select>`, "field-per")}
`;

/** @param {string} role */
export const roleField = (role) => field("Role", html`<select class="select bordered" id="field-role" name="role">
  <option value="member" ?selected=${role === "member"}>member: uses models</option>
  <option value="viewer" ?selected=${role === "viewer"}>viewer: only looks</option>
  <option value="admin" ?selected=${role === "admin"}>admin: manages too</option>
</select>`, "field-role");

/** @param {string[] | undefined} models */
export const modelsField = (models) =>
  field("Models", html`<input class="field" id="field-models" name="models" placeholder="all, or openai/*, smart" value=${!models || String(models) === "*" ? "" : models.join(", ")}>`, "field-models");

/** @param {FormData} form @param {string} name */
export const textOf = (form, name) => String(form.get(name) ?? "").trim();

/** @param {FormData} form @param {string} name @returns {number | null} */
export const numberOf = (form, name) => (textOf(form, name) ? Number(textOf(form, name)) : null);

/** What a form says of models, limits and budget. @param {FormData} form */
export function readLimits(form) {
  const budget = numberOf(form, "budget");
  return {
    limits: plainLimits({ rpm: numberOf(form, "rpm"), tpm: numberOf(form, "tpm"), concurrency: numberOf(form, "concurrency") }),
    budget: budget === null ? null : { usd: budget, per: textOf(form, "per") },
  };
}

/** @param {FormData} form @returns {string[]} */
export function readModels(form) {
  const models = textOf(form, "models").split(",").map((name) => name.trim()).filter(Boolean);
  return models.length ? models : ["*"];
}

/** Limits with what is set, in one order; null where nothing is. @param {Limits | null | undefined} limits */
export function plainLimits(limits) {
  const { rpm, tpm, concurrency } = limits ?? {};
  const set = Object.entries({ rpm, tpm, concurrency }).filter(([, value]) => value != null);
  return set.length ? Object.fromEntries(set) : null;
}

/** What one may use, a line each. @param {{limits: Limits | null, budget: Budget | null}} item */
export function allowed({ limits, budget }) {
  const { rpm, tpm, concurrency } = limits ?? {};
  const lines = [];
  if (rpm != null) lines.push(`${rpm.toLocaleString()} requests/min`);
  if (tpm != null) lines.push(`${tpm.toLocaleString()} tokens/min`);
  if (concurrency != null) lines.push(`${concurrency} at once`);
  if (budget) lines.push(`$${budget.usd} a ${budget.per}`);
  return lines.map((line) => html`<div class="nowrap">${line}</div>`);
}
