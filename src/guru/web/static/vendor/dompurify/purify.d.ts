declare const DOMPurify: { sanitize(source: string, options: Record<string, unknown>): unknown };
export default DOMPurify;
