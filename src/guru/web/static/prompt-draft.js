/** A prompt while it is written: what the fields of the editor hold, and the definition that it makes. */

/** @import { DraftExample, DraftVariable, PromptDefinition, PromptDraft, PromptProblem, PromptVariable } from "./types.js" */

export const TYPES = /** @type {const} */ (["string", "number", "integer", "boolean", "list", "object"]);
export const ROLES = /** @type {const} */ (["system", "developer", "user", "assistant"]);
export const CHOICES = { all: "all", first: "the first", random: "random ones", similar: "the most similar" };
/** Of the sampling: what has a field of its own. */
export const NUMBERS = /** @type {const} */ ({ temperature: "Temperature", top_p: "Top p", max_tokens: "Longest answer, in tokens" });

let keys = 0;
/** Names a row for as long as the page is open. */
export const newKey = () => ++keys;

/** @param {string} role @param {string} [content] */
export const newMessage = (role, content = "") => ({ key: newKey(), role, content });

/** @param {string} [input] @param {string} [output] @returns {DraftExample} */
export const newExample = (input = "", output = "") => ({ key: newKey(), input, output, values: false });

/** @param {string} name @param {PromptVariable} [variable] @returns {DraftVariable} */
export const newVariable = (name, variable) => ({
  name,
  type: variable?.type ?? "string",
  description: variable?.description ?? "",
  required: variable?.required ?? true,
  value: variable && "default" in variable ? written(variable.default, variable.type) : "",
  choices: variable?.choices?.map((choice) => written(choice, variable.type)).join("\n") ?? "",
  kept: variable !== undefined,
});

/** @param {unknown} value @param {string | undefined} type */
const written = (value, type) => (type === undefined || type === "string" ? String(value) : JSON.stringify(value));

/** The fields of a definition; of none, those of a prompt that begins. @param {PromptDefinition} [from] @returns {PromptDraft} */
export function toDraft(from) {
  const { sampling = {}, examples } = from ?? {};
  return {
    messages: from?.messages.map(({ role, content }) => newMessage(role, content)) ?? [newMessage("system"), newMessage("user")],
    variables: Object.entries(from?.variables ?? {}).map(([name, variable]) => newVariable(name, variable)),
    examples: examples?.items.map(({ input, output }) => ({
      ...newExample(typeof input === "string" ? input : JSON.stringify(input, null, 2), output), values: typeof input !== "string",
    })) ?? [],
    choose: examples?.choose ?? "all",
    count: String(examples?.count ?? 3),
    schema: from?.output_schema ? JSON.stringify(from.output_schema, null, 2) : "",
    description: from?.description ?? "",
    role: from?.role ?? "",
    constraints: from?.constraints?.join("\n") ?? "",
    steps: Boolean(from?.chain_of_thought),
    samples: from?.self_consistency ? String(from.self_consistency.samples ?? 5) : "",
    model: from?.model ?? "",
    ...Object.fromEntries(Object.keys(NUMBERS).map((name) => [name, sampling[name] == null ? "" : String(sampling[name])])),
  };
}

/**
 * The definition that the fields make, on the ground of the one that they began with: what has no field stays.
 * What cannot be read is a problem at its place, and left out.
 * @param {PromptDraft} draft @param {PromptDefinition} [from] @returns {{definition: PromptDefinition, problems: PromptProblem[]}}
 */
export function toDefinition(draft, from) {
  /** @type {PromptProblem[]} */
  const problems = [];
  /** @param {string} param @param {string} text @param {string} what */
  const json = (param, text, what) => {
    try {
      return JSON.parse(text);
    } catch {
      problems.push({ param, message: `${what} is no JSON.`, hint: "" });
      return undefined;
    }
  };
  /** @param {DraftVariable} variable @param {string} text */
  const typed = ({ name, type }, text) => (type === "string" ? text : json(`variables.${name}`, text, `“${text}”`));
  const lines = (/** @type {string} */ text) => text.split("\n").map((line) => line.trim()).filter(Boolean);
  const number = (/** @type {string} */ text) => (Number.isFinite(Number(text)) ? Number(text) : text); // the server says what it is not

  /** @type {PromptDefinition} */
  const definition = { ...from, messages: draft.messages.map(({ role, content }) => ({ role, content })), variables: {} };
  for (const variable of draft.variables) {
    /** @type {PromptVariable} */
    const made = { ...from?.variables?.[variable.name], type: /** @type {any} */ (variable.type), required: variable.required, description: variable.description };
    const before = newVariable(variable.name, from?.variables?.[variable.name]);
    const same = before.type === variable.type;
    if (!same || before.value !== variable.value) set(made, "default", variable.value.trim() === "" ? undefined : typed(variable, variable.value));
    if (!same || before.choices !== variable.choices) set(made, "choices", variable.choices.trim() === "" ? undefined : lines(variable.choices).map((choice) => typed(variable, choice)));
    /** @type {Record<string, PromptVariable>} */ (definition.variables)[variable.name] = made;
  }
  const items = draft.examples.map(({ input, output, values }, place) => ({ input: values ? (json(`examples.items[${place}]`, input, "What goes in") ?? {}) : input, output }));
  set(definition, "examples", items.length ? { ...from?.examples, items, choose: draft.choose, count: number(draft.count) } : undefined);
  set(definition, "output_schema", draft.schema.trim() ? json("output_schema", draft.schema, "The output schema") : undefined);
  set(definition, "description", draft.description);
  set(definition, "role", draft.role);
  if (draft.constraints !== (from?.constraints?.join("\n") ?? "")) set(definition, "constraints", draft.constraints.trim() ? lines(draft.constraints) : undefined);
  set(definition, "chain_of_thought", draft.steps ? from?.chain_of_thought || true : undefined);
  set(definition, "self_consistency", draft.samples ? { ...from?.self_consistency, samples: number(draft.samples) } : undefined);
  set(definition, "model", draft.model.trim());
  const sampling = { ...from?.sampling };
  for (const name of Object.keys(NUMBERS)) set(sampling, name, draft[name].trim() ? number(draft[name]) : undefined);
  set(definition, "sampling", Object.keys(sampling).length ? sampling : undefined);
  return { definition, problems };
}

/** @param {Record<string, any>} target @param {string} name @param {unknown} value Undefined or an empty text: it is taken away. */
function set(target, name, value) {
  if (value === undefined || value === "") delete target[name];
  else target[name] = value;
}

/** The variables with those that the templates read now; those that nobody has touched go with their last place. @param {DraftVariable[]} variables @param {string[]} found @param {boolean} whole Whether every template could be read. */
export function withFound(variables, found, whole) {
  const stay = variables.filter(({ name, kept }) => kept || !whole || found.includes(name));
  return [...stay, ...found.filter((name) => !variables.some((known) => known.name === name)).map((name) => newVariable(name))];
}

/** The field at which a problem is shown, by the server's word for its place; "" where there is none. @param {string | null | undefined} param */
export function fieldOf(param) {
  const place = (param ?? "").replace(/^definition\./, "");
  const row = /^(messages\[\d+\]|variables\.[^.[]+|examples\.items\[\d+\])/.exec(place);
  if (row) return row[0];
  const name = place.split(/[.[]/)[0];
  if (name === "sampling") return place.split(".")[1] ?? "";
  return ["name", "notes", "label", "examples", "output_schema", "description", "role", "constraints", "chain_of_thought", "self_consistency", "model"].includes(name) ? name : "";
}
