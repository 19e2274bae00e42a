/** The fields of the editor of prompts: messages, variables, examples, and all else. */

import { icons } from "../icons.js";
import { CHOICES, NUMBERS, ROLES, TYPES, newExample } from "../prompt-draft.js";
import { html, nothing } from "../vendor/lit/lit-element.js";
import { repeat } from "../vendor/lit/repeat.js";

/** @import { DraftExample, DraftVariable, PromptDraft } from "../types.js" */
/** @import { PromptEditor } from "./prompt-editor.js" */

/** @param {PromptEditor} editor */
export function messagesFields(editor) {
  const { messages } = editor.draft;
  /** @param {number} place @param {Partial<PromptDraft["messages"][number]>} change */
  const set = (place, change) => editor.change({ messages: messages.map((one, at) => (at === place ? { ...one, ...change } : one)) });
  /** @param {number} place @param {number} by @param {string} button */
  const move = (place, by, button) => {
    const moved = messages.toSpliced(place, 1).toSpliced(place + by, 0, messages[place]);
    editor.change({ messages: moved });
    editor.focusOn(`[data-message="${messages[place].key}"] .${button}:enabled, [data-message="${messages[place].key}"] textarea`);
  };
  const remove = (/** @type {number} */ place) => {
    editor.change({ messages: messages.toSpliced(place, 1) });
    editor.focusOn("#edit-add-message");
  };
  return html`
    <h3>Messages</h3>
    <p class="faint small">Write <code>{{ question }}</code> where a value goes.</p>
    ${repeat(messages, ({ key }) => key, ({ key, role, content }, place) => html`
      <div class="prompt-row" role="group" aria-label="Message ${place + 1}" data-message=${key}>
        <div class="row">
          <select class="select bordered" aria-label="Role of message ${place + 1}" @change=${(/** @type {any} */ event) => set(place, { role: event.target.value })}>
            ${ROLES.map((one) => html`<option value=${one} ?selected=${one === role}>${one}</option>`)}</select>
          <span class="prompt-row-actions">
            <button type="button" class="icon-button compact up" aria-label="Move message ${place + 1} up" title="Up" ?disabled=${place === 0} @click=${() => move(place, -1, "up")}>${icons.down}</button>
            <button type="button" class="icon-button compact down" aria-label="Move message ${place + 1} down" title="Down" ?disabled=${place === messages.length - 1} @click=${() => move(place, 1, "down")}>${icons.down}</button>
            <button type="button" class="icon-button compact" aria-label="Remove message ${place + 1}" title="Remove" ?disabled=${messages.length === 1} @click=${() => remove(place)}>${icons.trash}</button>
          </span>
        </div>
        ${editor.area(`messages[${place}]`, `Text of message ${place + 1}`, content, (text) => set(place, { content: text }), { rows: 4, id: `edit-message-${place}`, hidden: true, code: true })}
      </div>`)}
  `;
}

/** @param {PromptEditor} editor */
export function variablesFields(editor) {
  const { variables } = editor.draft;
  /** @param {string} name @param {Partial<DraftVariable>} change */
  const set = (name, change) => editor.change({ variables: variables.map((one) => (one.name === name ? { ...one, ...change, kept: true } : one)) });
  const remove = (/** @type {string} */ name) => editor.change({ variables: variables.filter((one) => one.name !== name) });
  return html`
    <h3 id="edit-variables">Variables</h3>
    ${variables.length ? nothing : html`<p class="faint small">They stand here as soon as the messages name them.</p>`}
    ${repeat(variables, ({ name }) => name, (variable) => html`
      <div class="prompt-row" role="group" aria-label="Variable ${variable.name}">
        <div class="row"><code>${variable.name}</code>
          ${editor.found.includes(variable.name) ? nothing : html`<span class="badge warning">not used</span>
            <button type="button" class="icon-button compact" aria-label="Remove ${variable.name}" title="Remove" @click=${() => remove(variable.name)}>${icons.trash}</button>`}
          <label class="small"><input type="checkbox" .checked=${variable.required} @change=${(/** @type {any} */ event) => set(variable.name, { required: event.target.checked })}> must be given</label>
        </div>
        <div class="prompt-variable">
          <div><label class="label" for="edit-type-${variable.name}">Type</label>
            <select class="select bordered" id="edit-type-${variable.name}" @change=${(/** @type {any} */ event) => set(variable.name, { type: event.target.value })}>
              ${TYPES.map((one) => html`<option value=${one} ?selected=${one === variable.type}>${one}</option>`)}</select></div>
          ${valueField(editor, variable, (text) => set(variable.name, { value: text }))}
          <div><label class="label" for="edit-about-${variable.name}">What it is</label>
            <input class="field" id="edit-about-${variable.name}" autocomplete="off" .value=${variable.description} @input=${(/** @type {any} */ event) => set(variable.name, { description: event.target.value })}></div>
          <div><label class="label" for="edit-choices-${variable.name}">Choices, one a line</label>
            <textarea class="field growing" rows="1" id="edit-choices-${variable.name}" placeholder="any" .value=${variable.choices} @input=${(/** @type {any} */ event) => set(variable.name, { choices: event.target.value })}></textarea></div>
        </div>
        ${editor.problem(`variables.${variable.name}`, `edit-value-${variable.name}`)}
      </div>`)}
  `;
}

/** @param {PromptEditor} editor @param {DraftVariable} variable @param {(text: string) => void} typed */
function valueField(editor, { name, type, value }, typed) {
  const wrong = editor.wrong(`variables.${name}`);
  return html`<div><label class="label" for="edit-value-${name}">Default${type === "string" ? "" : ", as JSON"}</label>
    <textarea class="field growing" rows="1" id="edit-value-${name}" data-place="variables.${name}" placeholder="none" .value=${value}
      aria-invalid=${wrong ? "true" : nothing} aria-describedby=${wrong ? `edit-value-${name}-error` : nothing} @input=${(/** @type {any} */ event) => typed(event.target.value)}></textarea></div>`;
}

/** @param {PromptEditor} editor */
export function examplesFields(editor) {
  const { examples, choose, count } = editor.draft;
  /** @param {number} place @param {Partial<DraftExample>} change */
  const set = (place, change) => editor.change({ examples: examples.map((one, at) => (at === place ? { ...one, ...change } : one)) });
  const add = () => {
    editor.change({ examples: [...examples, newExample()] });
    editor.focusOn(`#edit-input-${examples.length}`);
  };
  const remove = (/** @type {number} */ place) => {
    editor.change({ examples: examples.toSpliced(place, 1) });
    editor.focusOn("#edit-add-example");
  };
  return html`
    <h3>Examples</h3>
    <p class="faint small">Shown to the model as turns before the last message of the user.</p>
    ${repeat(examples, ({ key }) => key, ({ input, output, values }, place) => html`
      <div class="prompt-row" role="group" aria-label="Example ${place + 1}">
        <div class="row"><strong class="small">Example ${place + 1}</strong>
          <label class="small"><input type="checkbox" .checked=${values} @change=${(/** @type {any} */ event) => set(place, { values: event.target.checked })}> values of variables, as JSON</label>
          <span class="prompt-row-actions"><button type="button" class="icon-button compact" aria-label="Remove example ${place + 1}" title="Remove" @click=${() => remove(place)}>${icons.trash}</button></span></div>
        <div class="prompt-example">
          ${editor.area(`examples.items[${place}]`, "What goes in", input, (text) => set(place, { input: text }), { id: `edit-input-${place}`, code: values })}
          <div><label class="label" for="edit-output-${place}">What comes out</label>
            <textarea class="field growing" rows="2" id="edit-output-${place}" .value=${output} @input=${(/** @type {any} */ event) => set(place, { output: event.target.value })}></textarea></div>
        </div>
      </div>`)}
    <div class="row">
      <button type="button" class="button" id="edit-add-example" @click=${add}>${icons.plus} Example</button>
      ${examples.length ? html`
        <label for="edit-choose">Shown are</label>
        <select class="select bordered" id="edit-choose" @change=${(/** @type {any} */ event) => editor.change({ choose: event.target.value })}>
          ${Object.entries(CHOICES).map(([name, words]) => html`<option value=${name} ?selected=${name === choose}>${words}</option>`)}</select>
        ${choose === "all" ? nothing : html`<label for="edit-count">how many</label>
          <input class="field prompt-count" id="edit-count" inputmode="numeric" autocomplete="off" .value=${count} @input=${(/** @type {any} */ event) => editor.change({ count: event.target.value })}>`}` : nothing}
    </div>
    ${editor.problem("examples", "edit-examples")}
  `;
}

/** @param {PromptEditor} editor */
export function settingsFields(editor) {
  const { draft } = editor;
  const numbers = /** @type {[keyof typeof NUMBERS, string][]} */ (Object.entries(NUMBERS));
  return html`
    <details class="more-settings" ?open=${editor.more}>
      <summary>Output schema, model and techniques</summary>
      <div class="prompt-settings">
        ${editor.area("output_schema", "Output schema, as JSON", draft.schema, (schema) => editor.change({ schema }), { rows: 3, code: true, placeholder: '{"type": "object", "properties": {}}' })}
        <div class="holder-fields">
          ${editor.field("model", "Model", draft.model, (model) => editor.change({ model }), { placeholder: "whichever is asked" })}
          ${numbers.map(([name, label]) => editor.field(name, label, draft[name], (value) => editor.change({ [name]: value }), { placeholder: "left open" }))}
          ${editor.field("self_consistency", "Answers that vote", draft.samples, (samples) => editor.change({ samples }), { placeholder: "one" })}
        </div>
        ${editor.field("description", "What it is for", draft.description, (description) => editor.change({ description }))}
        ${editor.field("role", "Who the model is", draft.role, (role) => editor.change({ role }), { placeholder: "a patient tutor" })}
        ${editor.area("constraints", "Rules for the answer, one a line", draft.constraints, (constraints) => editor.change({ constraints }))}
        <label class="small"><input type="checkbox" .checked=${draft.steps} @change=${(/** @type {any} */ event) => editor.change({ steps: event.target.checked })}> It thinks step by step before it answers</label>
        ${editor.problem("chain_of_thought", "edit-chain")}
      </div>
    </details>
  `;
}
