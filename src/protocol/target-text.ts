/** The FLOP target as a person types it: `4.2G`, `4200M`, `50%`, `-30%`. */

const UNITS: Readonly<Record<string, number>> = { '': 1, k: 1e3, m: 1e6, g: 1e9, t: 1e12 };

/**
 * MACs that a text asks for, given those of the dense model; with `%` it is a share, with a minus what is taken away.
 * Undefined when the text says nothing that can be read so.
 */
export function parseTarget(text: string, dense: number): number | undefined {
  const match = /^\s*([+\-−]?)\s*(\d+(?:[.,]\d*)?|[.,]\d+)\s*(%|[kmgt]?)\s*(?:macs?|flops?)?\s*$/i.exec(text);
  if (!match) return undefined;
  const [, sign, digits, unit] = match;
  const value = Number(digits.replace(',', '.'));
  if (!Number.isFinite(value)) return undefined;
  const asked = unit === '%' ? (dense * value) / 100 : value * UNITS[unit.toLowerCase()];
  const macs = sign === '-' || sign === '−' ? dense - asked : asked;
  return macs > 0 ? Math.round(macs) : undefined;
}

/** `2.05 G`, `231.2 M`: three significant digits or one decimal, as figures in the paper. */
export function formatCount(count: number): string {
  const size = Math.abs(count);
  for (const [limit, unit] of [
    [1e12, 'T'],
    [1e9, 'G'],
    [1e6, 'M'],
    [1e3, 'k'],
  ] as const)
    if (size >= limit) {
      const value = count / limit;
      return `${value.toFixed(Math.abs(value) >= 10 ? 1 : 2)} ${unit}`;
    }
  return String(Math.round(count));
}
