/** A FLOP target as a person types it. */

const UNITS: Readonly<Record<string, number>> = { '': 1, k: 1e3, m: 1e6, g: 1e9, t: 1e12 };

export type TargetText = { readonly macs: number } | { readonly less: number } | { readonly fraction: number };

/** `4.2G`, `4200M` are MACs, `-1G` what goes of them; `50%` is the share that stays, `-30%` the share that goes. Undefined for anything else. */
export function parseTargetText(text: string): TargetText | undefined {
  const match = /^\s*([-−]?)\s*(\d+(?:[.,]\d*)?|[.,]\d+)\s*(%|[kmgt]?)\s*(?:macs?|flops?)?\s*$/i.exec(text);
  if (!match) return undefined;
  const [, sign, digits, unit] = match;
  const number = Number(digits.replace(',', '.'));
  if (!(number > 0)) return undefined;
  const macs = number * (UNITS[unit.toLowerCase()] ?? 1);
  if (unit !== '%') return sign ? { less: macs } : { macs };
  const fraction = sign ? 1 - number / 100 : number / 100;
  return fraction > 0 ? { fraction } : undefined;
}
