/** Which boxes of a workflow's drawing the steps of a run belong to, and how each box is. */

/** @import { WorkflowGraph, WorkflowStep } from "./types.js" */

/** Of the steps of one box, the state that the box shows: the first of these that one has. */
const ORDER = ["asked", "parked", "running", "answered", "retrying", "waiting", "failed", "cancelled", "again", "caught", "done"];

/** @typedef {{status: string, steps: WorkflowStep[]}} BoxState */

/**
 * The id of the box that a step belongs to: its path without the numbers of visits, attempts and items of maps.
 * @param {string} path @param {Map<string, string>} kinds The kind of every box.
 */
export function boxOf(path, kinds) {
  const parts = path.split("/");
  let id = "";
  for (let at = 0; at < parts.length; at += 1) {
    id += (id ? "/" : "") + parts[at].replace(/[#~][^/]*$/, "");
    const kind = kinds.get(id);
    if (kind === "map") at += 1;
    else if (kind === "parallel" && at + 1 < parts.length) id += `/${parts[(at += 1)]}`;
  }
  return id;
}

/**
 * How every box is, of those that have been reached.
 * @param {WorkflowGraph} graph @param {WorkflowStep[]} steps
 */
export function boxStates(graph, steps) {
  const kinds = new Map(graph.nodes.map(({ id, kind }) => [id, kind]));
  /** @type {Map<string, BoxState>} */
  const states = new Map();
  for (const step of steps) {
    const id = boxOf(step.path, kinds);
    const state = states.get(id) ?? { status: step.status, steps: [] };
    state.steps.push(step);
    if (ORDER.indexOf(step.status) < ORDER.indexOf(state.status)) state.status = step.status;
    states.set(id, state);
  }
  return states;
}
