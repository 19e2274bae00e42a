/** Numbers, dates and text for people. */

const relative = new Intl.RelativeTimeFormat(undefined, { numeric: "auto" });
const dateTime = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const dateOnly = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });
const integer = new Intl.NumberFormat();

/** @param {number | null | undefined} value */
export const count = (value) => (value == null ? "–" : integer.format(value));

/** @param {number} value @param {string} noun @param {string} [many] */
export const plural = (value, noun, many = `${noun}s`) => `${integer.format(value)} ${value === 1 ? noun : many}`;

/** @param {number | null | undefined} value bytes */
export function bytes(value) {
  if (value == null) return "–";
  const units = ["B", "kB", "MB", "GB"];
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${value.toFixed(value < 10 && unit ? 1 : 0)} ${units[unit]}`;
}

/** @param {number | null | undefined} seconds */
export function duration(seconds) {
  if (seconds == null) return "–";
  if (seconds < 0.0995) return `${(seconds * 1000).toFixed(1)} ms`;
  if (seconds < 0.9995) return `${(seconds * 1000).toFixed(0)} ms`;
  if (seconds < 60) return `${seconds.toFixed(seconds < 10 ? 2 : 1)} s`;
  return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
}

/** What is not known is not free. @param {number | null | undefined} dollars @param {number} [unpriced] calls without a known price */
export function cost(dollars, unpriced = 0) {
  if (dollars == null) return "unknown";
  if (!dollars) return unpriced ? "unknown" : "free";
  const text = dollars < 0.01 ? `$${dollars.toPrecision(2)}` : `$${dollars.toFixed(2)}`;
  return unpriced ? `${text} + unknown` : text;
}

/** @param {string | null | undefined} iso */
export function ago(iso) {
  if (!iso) return "";
  const seconds = (new Date(iso).getTime() - Date.now()) / 1000;
  /** @type {[Intl.RelativeTimeFormatUnit, number][]} */
  const steps = [["day", 86400], ["hour", 3600], ["minute", 60]];
  for (const [unit, size] of steps) {
    if (Math.abs(seconds) >= size) {
      return unit === "day" && seconds < -6 * size ? date(iso) : relative.format(Math.round(seconds / size), unit);
    }
  }
  return "just now";
}

/** @param {string | null | undefined} iso */
export const date = (iso) => (iso && !Number.isNaN(Date.parse(iso)) ? dateOnly.format(new Date(iso)) : (iso ?? ""));

/** @param {string | null | undefined} iso */
export const when = (iso) => (iso ? dateTime.format(new Date(iso)) : "");

/** @param {string} mediaType @param {string} name */
export function fileType(mediaType, name) {
  const extension = /\.([a-z0-9]{1,8})$/i.exec(name)?.[1];
  return (extension ?? mediaType.split("/").pop() ?? "file").toUpperCase();
}

const ASTRAL = /[\u{10000}-\u{10FFFF}]/u;

/**
 * The part of `text` between two offsets in code points, which is how Guru counts. JavaScript counts UTF-16 units.
 * @param {string} text @param {number} start @param {number} [end]
 */
export function slice(text, start, end) {
  return ASTRAL.test(text) ? [...text].slice(start, end).join("") : text.slice(start, end);
}
