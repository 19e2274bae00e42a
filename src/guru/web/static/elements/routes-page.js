/** Routes: every alias with its deployments and how they are, and the releases that run. It reads itself anew. */

import { describe, get } from "../api.js";
import { count, duration } from "../format.js";
import { icons } from "../icons.js";
import { LiveElement } from "../live-element.js";
import { html, nothing } from "../vendor/lit/lit-element.js";
import { repeat } from "../vendor/lit/repeat.js";
import { emptyState, errorNote } from "./notes.js";
import "./release-card.js";

/** @import { ApiErrorBody, Deployment, Release, Route } from "../types.js" */

/** Milliseconds between two looks, and that one may take. */
const EVERY = 2000;
const PATIENCE = 15_000;

class RoutesPage extends LiveElement {
  static properties = { routes: { state: true }, releases: { state: true }, at: { state: true }, error: { state: true } };

  constructor() {
    super();
    /** @type {Route[] | null} */
    this.routes = null;
    /** @type {Release[]} */
    this.releases = [];
    /** When what is shown was read. @type {Date | null} */
    this.at = null;
    /** @type {ApiErrorBody | null} */
    this.error = null;
    this.turn = 0;
  }

  async load() {
    clearTimeout(this.timer);
    const turn = ++this.turn;
    const signal = AbortSignal.timeout(PATIENCE);
    try {
      const [{ routes }, { releases }] = await Promise.all([get("/routes", signal), get("/releases", signal)]);
      if (turn !== this.turn) return;
      this.routes = routes;
      this.releases = releases;
      this.at = new Date();
      this.error = null;
    } catch (error) {
      if (turn === this.turn) this.error = describe(error);
    }
    const over = this.error?.status === 401 || this.error?.status === 403;
    if (turn === this.turn && !over) this.loadAfter(EVERY);
  }

  render() {
    return html`
      <header class="page-head">
        <div><h1>Routes</h1><p>Every alias with its deployments, and the releases that run.</p></div>
        ${this.at ? html`<span class="faint small number">as of ${this.at.toLocaleTimeString()}</span>` : nothing}
      </header>
      ${this.error ? errorNote(this.error, () => this.load()) : nothing}
      ${this.renderBody()}
    `;
  }

  renderBody() {
    if (!this.routes) return this.error ? nothing : html`<span class="skeleton block"></span>`;
    const shown = this.releases.filter(({ status }) => status !== "stopped");
    return html`
      ${shown.length ? html`<section aria-labelledby="releases-title">
        <h2 id="releases-title">Releases</h2>
        ${repeat(shown, ({ alias }) => alias, (release) => html`<guru-release .release=${release} @changed=${() => this.load()}></guru-release>`)}
      </section>` : nothing}
      <section aria-labelledby="routes-title">
        <h2 id="routes-title">Deployments</h2>
        ${this.routes.length ? this.renderRoutes(this.routes) : emptyState({ icon: icons.trace, title: "No routes yet", text: "Aliases of the configuration stand here, and every model that was called by its own name." })}
      </section>
    `;
  }

  /** @param {Route[]} routes */
  renderRoutes(routes) {
    return html`
      <div class="table-wrap" tabindex="0" role="region" aria-label="Deployments of all routes">
        <table class="table routes">
          <thead><tr>
            <th scope="col">Deployment</th><th scope="col">State</th><th scope="col">Breaker</th><th scope="col">Check</th><th scope="col" class="end">In flight</th><th scope="col" class="end">Requests</th>
            <th scope="col" class="end">Errors</th><th scope="col" class="end">First token</th><th scope="col" class="end">$ per million tokens</th>
          </tr></thead>
          ${repeat(routes, ({ name }) => name, (route) => this.renderRoute(route))}
        </table>
      </div>
    `;
  }

  /** @param {Route} route */
  renderRoute(route) {
    const fallbacks = route.fallbacks.length ? `, then ${route.fallbacks.join(", ")}` : "";
    return html`<tbody>
      <tr class="route-head"><th scope="rowgroup" colspan="9">${route.name} <span class="faint">${route.strategy}${fallbacks}</span></th></tr>
      ${repeat(route.deployments, ({ model, label }) => `${label} ${model}`, (deployment) => this.renderDeployment(deployment))}
    </tbody>`;
  }

  /** @param {Deployment} one */
  renderDeployment(one) {
    const [state, kind, why] = stateOf(one);
    const [breaker, colour] = breakerOf(one);
    return html`<tr>
      <th scope="row" class="deployment">${one.model}${one.label ? html` <span class="badge">${one.label}</span>` : nothing}<div class="faint small">weight ${one.weight}</div></th>
      <td><span class="badge ${kind}">${state}</span>${why ? html`<div class="faint why">${why}</div>` : nothing}</td>
      <td><span class="badge ${colour} number">${breaker}</span>${one.opened ? html`<div class="faint small">opened ${count(one.opened)} ×</div>` : nothing}</td>
      <td>${one.alive === null ? html`<span class="faint">none</span>` : one.alive ? "passed" : html`<span class="badge danger">failed</span>`}</td>
      <td class="end number">${count(one.in_flight)}${one.concurrency == null ? nothing : html`<span class="faint"> of ${count(one.concurrency)}</span>`}</td>
      <td class="end number">${count(one.requests)}</td>
      <td class="end number nowrap" title=${kindsOf(one)}>${one.requests ? percent(one.failures / one.requests) : "–"}<div class="faint small">${one.failures ? count(one.failures) : nothing}</div></td>
      <td class="end number nowrap">${duration(one.first_token)}</td>
      <td class="end number nowrap">${priceOf(one.price)}</td>
    </tr>`;
  }
}
customElements.define("guru-routes", RoutesPage);

/** In a word, its colour, and why. @param {Deployment} one @returns {[string, string, string]} */
function stateOf(one) {
  const why = one.why_not || one.last_error || "";
  if (one.rests_for > 0) return [`rests ${Math.ceil(one.rests_for)} s`, "warning", why];
  if (one.breaker === "open") return ["left alone", "danger", why];
  if (one.breaker === "half-open") return ["on trial", "warning", why];
  if (one.alive === false) return ["check failed", "danger", why];
  if (!one.available) return ["busy", "warning", why];
  return ["ready", "accent", one.last_error ? `last error: ${one.last_error}` : ""];
}

/** @param {Deployment} one @returns {[string, string]} */
function breakerOf(one) {
  if (one.breaker === "open") return [one.opens_in > 0 ? `open, ${Math.ceil(one.opens_in)} s left` : "open, trial next", "danger"];
  return one.breaker === "half-open" ? ["half-open", "warning"] : ["closed", ""];
}

/** @param {Deployment} one */
const kindsOf = ({ errors }) => Object.entries(errors).map(([kind, times]) => `${kind}: ${times}`).join(", ");

/** @param {number} share */
const percent = (share) => `${(share * 100).toFixed(share > 0 && share < 0.1 ? 1 : 0)} %`;

/** US dollars for a million tokens of prompt and of answer. @param {Deployment["price"]} price */
function priceOf(price) {
  if (!price) return "unknown";
  if (!price.input && !price.output) return "free";
  const dollars = (/** @type {number} */ value) => `$${value.toLocaleString(undefined, { maximumFractionDigits: 3 })}`;
  return `${dollars(price.input)} / ${dollars(price.output)}`;
}
