// Numbers and names as text. Integers above 2^53 come as strings of digits, and infinities as strings.

/** Text with the numbers of characters that cannot be seen, or that turn the direction of writing. */
export function visible(text) {
  return String(text).replace(/[^\P{C}\n]/gu, (c) => `\\u{${c.codePointAt(0).toString(16)}}`);
}

export const isMissing = (x) => x === undefined || x === null || x === "";

/** An integer with commas. */
export function whole(x) {
  if (isMissing(x)) return "–";
  return String(x).replace(/\B(?=(\d{3})+$)/g, ",");
}

/** A number with at most so many significant digits. */
export function real(x, digits = 6) {
  if (isMissing(x)) return "–";
  const number = Number(x);
  if (!Number.isFinite(number)) return number > 0 ? "∞" : number < 0 ? "−∞" : "not a number";
  if (Number.isInteger(number) && Math.abs(number) < 1e15) return whole(number);
  return String(Number(number.toPrecision(digits)));
}

/** Any value of a document. */
export function value(x) {
  if (isMissing(x)) return "–";
  if (typeof x === "boolean") return x ? "yes" : "no";
  if (typeof x === "number") return real(x, 9);
  if (Array.isArray(x)) return x.map(value).join(", ");
  if (typeof x === "object") return Object.entries(x).map(([k, v]) => `${k} ${value(v)}`).join(", ");
  return /^-?\d+$/.test(x) ? whole(x) : x;
}

/** A value as it is copied: without commas, in full. */
export function plain(x) {
  return typeof x === "object" ? JSON.stringify(x) : String(x);
}

export const fixed = (x, digits) => (isMissing(x) ? "–" : Number.isFinite(Number(x)) ? Number(x).toFixed(digits) : real(x));
export const percent = (x, digits = 1) => (isMissing(x) ? "–" : `${(100 * x).toFixed(digits)} %`);
export const shape = (sizes) => (sizes.length ? sizes.join("×") : "scalar");

/** Bytes, in the largest unit that keeps three digits. */
export function bytes(x) {
  if (isMissing(x)) return "–";
  const units = ["bytes", "kB", "MB", "GB"];
  const power = Math.min(Math.floor(Math.log10(Math.max(x, 1)) / 3), 3);
  return power ? `${Number((x / 1000 ** power).toPrecision(3))} ${units[power]}` : `${x} bytes`;
}

export function seconds(x) {
  if (isMissing(x)) return "–";
  const [unit, factor] = x < 1e-6 ? ["ns", 1e9] : x < 1e-3 ? ["µs", 1e6] : x < 1 ? ["ms", 1e3] : ["s", 1];
  return `${Number((x * factor).toPrecision(3))} ${unit}`;
}

/** A large count in short, such as 300 M. */
export function count(x) {
  if (isMissing(x)) return "–";
  const units = ["", " k", " M", " G", " T"];
  const power = Math.min(Math.floor(Math.log10(Math.max(x, 1)) / 3), 4);
  return `${Number((x / 1000 ** power).toPrecision(3))}${units[power]}`;
}

/** "1 layer", "2 layers". */
export const plural = (n, word, many = `${word}s`) => `${whole(n)} ${n === 1 ? word : many}`;
