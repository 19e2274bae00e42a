/** The page of the HTTP interface: reads openapi.json and shows every operation, with an example to copy. */

/** @typedef {Record<string, any>} Json */

const place = /** @type {HTMLElement} */ (document.getElementById("operations"));

/**
 * @param {string} tag
 * @param {Record<string, string>} [attributes]
 * @param {...(Node | string)} children
 */
function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/** @param {Json} schema @param {Json} schemas */
const resolve = (schema, schemas) => (schema.$ref ? schemas[schema.$ref.split("/").at(-1)] : schema);

/** A short name of a type. @param {Json} schema @returns {string} */
function typeName(schema) {
  if (schema.$ref) return schema.$ref.split("/").at(-1);
  if (schema.anyOf) return schema.anyOf.map(typeName).join(" or ");
  if (schema.enum) return schema.enum.map((/** @type {unknown} */ value) => JSON.stringify(value)).join(" or ");
  if (schema.type === "array") return `list of ${schema.items ? typeName(schema.items) : "anything"}`;
  return schema.format ?? schema.type ?? "anything";
}

/** The smallest body that a schema allows. @param {Json} schema @param {Json} schemas @param {number} depth @returns {unknown} */
function example(schema, schemas, depth = 0) {
  const found = resolve(schema, schemas);
  if ("default" in found) return found.default;
  if (found.anyOf) return example(found.anyOf[0], schemas, depth);
  if (found.enum) return found.enum[0];
  if (found.type === "object" && depth < 4) {
    const names = found.required ?? [];
    const entries = names.map((/** @type {string} */ name) => [name, example(found.properties[name], schemas, depth + 1)]);
    return Object.fromEntries(entries);
  }
  if (found.type === "array") return found.items ? [example(found.items, schemas, depth + 1)] : [];
  return { string: "...", integer: 1, number: 1.0, boolean: false }[/** @type {"string"} */ (found.type)] ?? null;
}

/** @param {Json} schema @param {Json} schemas */
function fields(schema, schemas) {
  const found = resolve(schema, schemas);
  const rows = Object.entries(found.properties ?? {}).map(([name, part]) =>
    element(
      "tr",
      {},
      element("td", {}, element("code", {}, name)),
      element("td", {}, typeName(part)),
      element("td", {}, (found.required ?? []).includes(name) ? "required" : ""),
    ),
  );
  return element("table", {}, element("tbody", {}, ...rows));
}

/** @param {string} path @param {string} method @param {Json} operation @param {Json} schemas */
function curl(path, method, operation, schemas) {
  const lines = [`curl ${method === "get" ? "" : `-X ${method.toUpperCase()} `}${location.origin}${path}`];
  const schema = operation.requestBody?.content["application/json"]?.schema;
  if (schema) {
    lines.push("-H 'content-type: application/json'");
    lines.push(`-d '${JSON.stringify(example(schema, schemas), null, 2).replaceAll("'", "'\\''")}'`);
  }
  return lines.join(" \\\n  ");
}

/** @param {string} path @param {string} method @param {Json} operation @param {Json} schemas */
function describe(path, method, operation, schemas) {
  const body = element("div", { class: "body" });
  if (operation.description) body.append(element("p", {}, operation.description));
  if (operation.parameters.length > 0) {
    const rows = operation.parameters.map((/** @type {Json} */ parameter) =>
      element(
        "tr",
        {},
        element("td", {}, element("code", {}, parameter.name)),
        element("td", {}, typeName(parameter.schema)),
        element("td", {}, parameter.required ? "required" : `in the ${parameter.in}`),
      ),
    );
    body.append(element("h3", {}, "Parameters"), element("table", {}, element("tbody", {}, ...rows)));
  }
  const asked = operation.requestBody?.content["application/json"]?.schema;
  if (asked) body.append(element("h3", {}, "Body"), fields(asked, schemas));
  const [status, answer] = Object.entries(/** @type {Json} */ (operation.responses))[0];
  const [mediaType, content] = Object.entries(/** @type {Json} */ (answer.content ?? {}))[0] ?? ["nothing", {}];
  body.append(element("h3", {}, `Answer: ${status}, ${mediaType}`));
  if (content.schema) body.append(fields(content.schema, schemas));
  body.append(element("h3", {}, "Try it"), element("pre", { tabindex: "0" }, curl(path, method, operation, schemas)));
  const head = element(
    "summary",
    {},
    element("span", { class: "method" }, method.toUpperCase()),
    element("span", { class: "path" }, path),
    element("span", { class: "says" }, operation.summary),
  );
  return element("details", { id: operation.operationId }, head, body);
}

async function show() {
  const document_ = await (await fetch("/openapi.json")).json();
  /** @type {Map<string, HTMLElement>} */
  const groups = new Map();
  for (const [path, methods] of Object.entries(/** @type {Json} */ (document_.paths))) {
    for (const [method, operation] of Object.entries(/** @type {Json} */ (methods))) {
      const tag = operation.tags[0];
      const group = groups.get(tag) ?? element("section", {}, element("h2", {}, tag));
      group.append(describe(path, method, operation, document_.components.schemas));
      groups.set(tag, group);
    }
  }
  place.replaceChildren(...groups.values());
  place.removeAttribute("aria-busy");
}

await show();
