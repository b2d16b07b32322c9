/** A target in milliseconds as a person types it: `12ms`, `0.5 s`, or as a share of what the network takes now: `60%`. */

export type LatencyTarget = { readonly milliseconds: number } | { readonly fraction: number };

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000 };

/** Undefined for what cannot be read so; a number needs its unit. */
export function parseLatencyTarget(text: string): LatencyTarget | undefined {
  const match = /^\s*(\d+(?:[.,]\d*)?|[.,]\d+)\s*(%|ms|s)\s*$/i.exec(text);
  if (!match) return undefined;
  const number = Number(match[1].replace(',', '.'));
  if (!(number > 0)) return undefined;
  const unit = match[2].toLowerCase();
  return unit === '%' ? { fraction: number / 100 } : { milliseconds: number * UNITS[unit] };
}
