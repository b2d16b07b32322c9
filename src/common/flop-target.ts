/** The FLOP target as a person types it, in the editor and on the command line alike: `4.2G`, `4200M`, `50%`, `-30%`, `-1G`, `2e7`. */
import { type CostUnit, fromUnit, inUnit } from './cost-unit.ts';

const UNITS: Readonly<Record<string, number>> = { '': 1, k: 1e3, m: 1e6, g: 1e9, t: 1e12 };

/** MACs by the paper's counter, how many of them go, or the share of the present ones that may stay. */
export type FlopTarget = { readonly macs: number } | { readonly less: number } | { readonly fraction: number };

/** `4.2G`, `4200M` are MACs, `-1G` what goes of them; `50%` is the share that stays, `-30%` the share that goes. Undefined for anything else. */
export function parseFlopTarget(text: string): FlopTarget | undefined {
  const match =
    /^\s*([-−]?)\s*((?:\d+(?:[.,]\d*)?|[.,]\d+)(?:e\+?\d{1,2})?)\s*(%|[kmgt]?)\s*(?:macs?|flops?)?\s*$/i.exec(text);
  if (!match) return undefined;
  const [, sign, digits, unit] = match;
  const number = Number(digits.replace(',', '.'));
  if (!(number > 0)) return undefined;
  const macs = number * (UNITS[unit.toLowerCase()] ?? 1);
  if (unit !== '%') return sign ? { less: macs } : { macs };
  const fraction = sign ? 1 - number / 100 : number / 100;
  return fraction > 0 ? { fraction } : undefined;
}

/**
 * The share that a bare number such as `50` was probably meant as, for no network has so few MACs: `50%`.
 * Undefined where the text says what it means.
 */
export function meantShare(text: string): string | undefined {
  const bare = /^\s*([-−]?\d{1,3}(?:[.,]\d+)?)\s*$/.exec(text)?.[1];
  return bare !== undefined && Math.abs(Number(bare.replace('−', '-').replace(',', '.'))) <= 100
    ? `${bare}%`
    : undefined;
}

/** MACs that a target asks for, given those of the dense model. */
export function targetMacs(target: FlopTarget, dense: number): number {
  if ('macs' in target) return target.macs;
  return 'less' in target ? dense - target.less : target.fraction * dense;
}

/**
 * Whole MACs that a text asks for, given those of the dense model; undefined when it says nothing that can be read so.
 * @param unit what figures other than shares are
 */
export function macsOfText(text: string, dense: number, unit: CostUnit = 'MACs'): number | undefined {
  const target = parseFlopTarget(text);
  // Figures are the dense model's in that unit.
  const macs = target && Math.round(fromUnit(targetMacs(target, inUnit(dense, unit)), unit));
  return macs && macs > 0 ? macs : undefined;
}
