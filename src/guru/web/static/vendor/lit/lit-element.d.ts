/** The part of Lit that the pages use. */
export interface TemplateResult { readonly _$litType$: number; }
export declare function html(strings: TemplateStringsArray, ...values: unknown[]): TemplateResult;
export declare function svg(strings: TemplateStringsArray, ...values: unknown[]): TemplateResult;
export declare const nothing: unique symbol;
export declare class LitElement extends HTMLElement {
  static properties: Record<string, { attribute?: boolean | string; type?: unknown; state?: boolean }>;
  readonly updateComplete: Promise<boolean>;
  connectedCallback(): void;
  disconnectedCallback(): void;
  requestUpdate(): void;
  addController(controller: { hostConnected?(): void; hostDisconnected?(): void }): void;
  protected createRenderRoot(): HTMLElement | DocumentFragment;
  protected render(): unknown;
  protected willUpdate(changed: Map<string, unknown>): void;
  protected updated(changed: Map<string, unknown>): void;
}
