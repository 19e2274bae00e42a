/** A form made from a JSON Schema: a field for every property, or one for JSON where the schema says no more. */

import { ApiError } from "../api.js";
import { html, nothing } from "../vendor/lit/lit-element.js";

/** @typedef {Record<string, any>} Schema */

/** What a browser has an input for. @type {Record<string, string>} */
const INPUTS = { email: "email", uri: "url", date: "date", "date-time": "datetime-local" };

/** Whether a schema has fields of its own. @param {Schema | null | undefined} schema */
export const hasFields = (schema) => Boolean(schema?.properties && Object.keys(schema.properties).length);

/** The fields of a form. @param {Schema | null | undefined} schema @param {string} id For the ids of the fields. */
export function schemaFields(schema, id) {
  if (!schema || !hasFields(schema)) {
    return html`<div><label class="label" for="${id}-json">Input, as JSON</label>
      <textarea class="field code" id="${id}-json" name="#json" rows="4" spellcheck="false">{}</textarea></div>`;
  }
  return Object.entries(schema.properties).map(([name, property]) => field(name, property, schema.required?.includes(name) ?? false, `${id}-${name}`));
}

/** @param {string} name @param {Schema} property @param {boolean} required @param {string} id */
function field(name, property, required, id) {
  const title = html`${property.title ?? name}${required ? "" : html` <span class="faint">(optional)</span>`}`;
  const help = property.description ? html`<p class="faint small" id="${id}-help">${property.description}</p>` : nothing;
  const several = property.type === "array" ? choicesOf(property.items) : null;
  if (several) return html`<fieldset class="choices"><legend class="label">${title}</legend>${help}${several.map((choice, index) => oneOfSeveral(name, property, choice, `${id}-${index}`))}</fieldset>`;
  const label = html`<label class="label" for=${id}>${title}</label>`;
  return html`<div>${property.type === "boolean" ? nothing : label}${control(name, property, required, id)}${help}</div>`;
}

/**
 * The values that a property may have, with what each is called; null where it may have any.
 * @param {Schema | null | undefined} property @returns {{value: unknown, title: string}[] | null}
 */
function choicesOf(property) {
  const titled = property?.oneOf ?? property?.anyOf;
  if (Array.isArray(property?.enum)) return property.enum.map((/** @type {unknown} */ value) => ({ value, title: String(value) }));
  if (Array.isArray(titled) && titled.every((item) => "const" in item)) return titled.map((item) => ({ value: item.const, title: String(item.title ?? item.const) }));
  return null;
}

/** @param {string} name @param {Schema} property @param {{value: unknown, title: string}} choice @param {string} id */
const oneOfSeveral = (name, property, { value, title }, id) => html`
  <label class="row small"><input type="checkbox" id=${id} name=${name} value=${JSON.stringify(value)} ?checked=${property.default?.includes?.(value)}> ${title}</label>
`;

/** @param {string} name @param {Schema} property @param {boolean} required @param {string} id */
function control(name, property, required, id) {
  const given = property.default;
  const described = property.description ? `${id}-help` : nothing;
  const choices = choicesOf(property);
  if (choices) {
    return html`<select class="select bordered" id=${id} name=${name} aria-describedby=${described}>
      ${required ? nothing : html`<option value="">–</option>`}
      ${choices.map(({ value, title }) => html`<option value=${JSON.stringify(value)} ?selected=${value === given}>${title}</option>`)}
    </select>`;
  }
  if (property.type === "boolean") {
    return html`<label class="row"><input type="checkbox" id=${id} name=${name} aria-describedby=${described} ?checked=${given === true}> ${property.title ?? name}</label>`;
  }
  if (property.type === "integer" || property.type === "number") {
    return html`<input class="field" type="number" id=${id} name=${name} step=${property.type === "integer" ? "1" : "any"} ?required=${required} aria-describedby=${described}
      min=${property.minimum ?? nothing} max=${property.maximum ?? nothing} value=${given ?? ""}>`;
  }
  if (property.type === "string") {
    return (property.maxLength ?? 0) > 200 || property.format === "multiline"
      ? html`<textarea class="field" id=${id} name=${name} rows="4" ?required=${required} aria-describedby=${described}
          minlength=${property.minLength ?? nothing} maxlength=${property.maxLength ?? nothing}>${given ?? ""}</textarea>`
      : html`<input class="field" type=${INPUTS[property.format] ?? "text"} id=${id} name=${name} ?required=${required} aria-describedby=${described} autocomplete="off"
          minlength=${property.minLength ?? nothing} maxlength=${property.maxLength ?? nothing} value=${property.format === "date-time" ? localMoment(given) : (given ?? "")}>`;
  }
  return html`<textarea class="field code" id=${id} name=${name} rows="3" spellcheck="false" placeholder="JSON">${given === undefined ? "" : JSON.stringify(given, null, 2)}</textarea>`;
}

/** What the form says. Throws `ApiError` where a field is no JSON. @param {HTMLFormElement} form @param {Schema | null | undefined} schema @returns {any} */
export function readSchemaForm(form, schema) {
  const values = new FormData(form);
  if (!schema || !hasFields(schema)) return parse(String(values.get("#json") ?? "{}") || "{}", "The input");
  /** @type {Record<string, unknown>} */
  const found = {};
  for (const [name, property] of Object.entries(/** @type {Schema} */ (schema.properties))) {
    const text = String(values.get(name) ?? "");
    const choices = choicesOf(property);
    if (property.type === "array" && choicesOf(property.items)) {
      if (values.has(name) || schema.required?.includes(name)) found[name] = values.getAll(name).map((value) => JSON.parse(String(value)));
    }
    else if (property.type === "boolean" && !choices) found[name] = values.has(name);
    else if (text === "" && !(property.type === "string" && !choices && schema.required?.includes(name))) continue;
    else if (choices) found[name] = JSON.parse(text);
    else if (property.type === "integer" || property.type === "number") found[name] = Number(text);
    else if (property.type === "string") found[name] = property.format === "date-time" ? new Date(text).toISOString() : text;
    else found[name] = parse(text, `“${property.title ?? name}”`);
  }
  return found;
}

/** A moment as an input of the browser has it: without a zone, which is the person's own. @param {unknown} given */
function localMoment(given) {
  const moment = new Date(String(given));
  if (given === undefined || Number.isNaN(moment.getTime())) return "";
  return new Date(moment.getTime() - moment.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

/** @param {string} text @param {string} what */
function parse(text, what) {
  try {
    return JSON.parse(text);
  } catch {
    throw new ApiError({ message: `${what} is no JSON.`, hint: "Write it as {\"name\": \"value\"}." }, 400);
  }
}
