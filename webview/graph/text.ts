/**
 * The words of the editor. `t` takes its translation from the bundle that the host puts on the page, where there is one.
 */

const bundle: Readonly<Record<string, string>> = readBundle();

function readBundle(): Record<string, string> {
  const text = globalThis.document?.getElementById('l10n')?.textContent;
  if (!text) return {};
  try {
    return JSON.parse(text) as Record<string, string>;
  } catch {
    return {};
  }
}

/** `t('{0} of {1} channels', 12, 64)`. */
export function t(message: string, ...values: readonly (string | number)[]): string {
  return (bundle[message] ?? message).replace(/\{(\d+)\}/g, (whole, place) => String(values[Number(place)] ?? whole));
}

/** 12,345 in the person's own way of writing. */
export function integer(value: number): string {
  return Math.round(value).toLocaleString();
}

/** `50 %`, `3.2 %`. */
export function percent(share: number): string {
  const value = share * 100;
  if (value > 0 && value < 0.05) return '<0.1 %';
  return `${value.toFixed(value >= 10 || value === 0 ? 0 : 1)} %`;
}

/** A score or a weight in four significant digits. */
export function figure(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-3 || size >= 1e5)) return value.toExponential(2);
  return String(Number(value.toPrecision(4)));
}

/** A path that fits into so many letters: its end, which tells layers apart, whole parts where possible. */
export function pathTail(path: string, letters: number): string {
  if (path.length <= letters) return path;
  const from = path.length - (letters - 1);
  // The dot before the first whole part that fits.
  const dot = path.indexOf('.', from - 1);
  return `…${path.slice(dot >= 0 && dot - from < letters / 2 ? dot + 1 : from)}`;
}
