/** Telling a run what a person has decided about one of its steps. */

import { describe, post } from "./api.js";

/** @import { GuruElement } from "./element.js" */
/** @import { ApiErrorBody, Decision, RunStep } from "./types.js" */

/**
 * Send what `make` gives, and emit `decided`; what goes wrong, also in `make`, is the form's `error`.
 *
 * @param {GuruElement & { runId: string, busy: boolean, error: ApiErrorBody | null }} form @param {RunStep} step
 * @param {() => Decision} make
 */
export async function decide(form, step, make) {
  form.busy = true;
  form.error = null;
  try {
    const decisions = [{ step: step.number, part: step.part, ...make() }];
    await post(`/runs/${encodeURIComponent(form.runId)}/approve`, { decisions });
    form.emit("decided");
  } catch (error) {
    form.error = describe(error);
  } finally {
    form.busy = false;
  }
}
