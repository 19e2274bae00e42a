export declare const marked: { parse(source: string, options?: { gfm?: boolean; breaks?: boolean; async?: boolean }): string | Promise<string> };
