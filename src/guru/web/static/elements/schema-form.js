/** A form made from a JSON Schema: a field for every property, or one for JSON where the schema says no more. */

import { ApiError } from "../api.js";
import { html, nothing } from "../vendor/lit/lit-element.js";

/** @typedef {Record<string, any>} Schema */

/** Whether a schema has fields of its own. @param {Schema | null | undefined} schema */
const hasFields = (schema) => Boolean(schema?.properties && Object.keys(schema.properties).length);

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
  const label = html`<label class="label" for=${id}>${property.title ?? name}${required ? "" : html` <span class="faint">(optional)</span>`}</label>`;
  const help = property.description ? html`<p class="faint small">${property.description}</p>` : nothing;
  return html`<div>${property.type === "boolean" ? nothing : label}${control(name, property, required, id)}${help}</div>`;
}

/** @param {string} name @param {Schema} property @param {boolean} required @param {string} id */
function control(name, property, required, id) {
  const given = property.default;
  if (Array.isArray(property.enum)) {
    return html`<select class="select bordered" id=${id} name=${name}>
      ${required ? nothing : html`<option value=""></option>`}
      ${property.enum.map((value) => html`<option value=${JSON.stringify(value)} ?selected=${value === given}>${String(value)}</option>`)}
    </select>`;
  }
  if (property.type === "boolean") {
    return html`<label class="row"><input type="checkbox" id=${id} name=${name} ?checked=${given === true}> ${property.title ?? name}</label>`;
  }
  if (property.type === "integer" || property.type === "number") {
    return html`<input class="field" type="number" id=${id} name=${name} step=${property.type === "integer" ? "1" : "any"} ?required=${required}
      min=${property.minimum ?? nothing} max=${property.maximum ?? nothing} value=${given ?? ""}>`;
  }
  if (property.type === "string") {
    return (property.maxLength ?? 0) > 200 || property.format === "multiline"
      ? html`<textarea class="field" id=${id} name=${name} rows="4" ?required=${required}>${given ?? ""}</textarea>`
      : html`<input class="field" id=${id} name=${name} ?required=${required} value=${given ?? ""}>`;
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
    if (property.type === "boolean" && !property.enum) found[name] = values.has(name);
    else if (text === "" && !(property.type === "string" && schema.required?.includes(name))) continue;
    else if (property.enum) found[name] = JSON.parse(text);
    else if (property.type === "integer" || property.type === "number") found[name] = Number(text);
    else found[name] = property.type === "string" ? text : parse(text, `“${property.title ?? name}”`);
  }
  return found;
}

/** @param {string} text @param {string} what */
function parse(text, what) {
  try {
    return JSON.parse(text);
  } catch {
    throw new ApiError({ message: `${what} is no JSON.`, hint: "Write it as {\"name\": \"value\"}." }, 400);
  }
}
