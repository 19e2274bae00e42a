type Render = (token: { text: string }) => string;
export declare class Marked {
  constructor(options: { gfm?: boolean; renderer?: { html?: Render; image?: Render } });
  parse(source: string, options?: { async?: boolean }): string | Promise<string>;
}
