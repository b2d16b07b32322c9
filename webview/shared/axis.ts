/** Scales and round ticks of charts. */

export interface Scale {
  readonly min: number;
  readonly max: number;
  /** Value → pixel. */
  at(value: number): number;
  /** Pixel → value. */
  invert(pixel: number): number;
}

export function linearScale(min: number, max: number, from: number, to: number): Scale {
  const span = max > min ? max - min : 1;
  return {
    min,
    max,
    at: (value) => from + ((value - min) / span) * (to - from),
    invert: (pixel) => min + ((pixel - from) / (to - from)) * span,
  };
}

/** Round numbers from min to max, about `count` of them: multiples of 1, 2, 2.5 or 5 times a power of ten. */
export function ticks(min: number, max: number, count: number): number[] {
  if (!(max > min)) return [min];
  const rough = (max - min) / Math.max(1, count);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= rough) ?? 10 * power;
  const first = Math.ceil(min / step - 1e-9);
  const last = Math.floor(max / step + 1e-9);
  return Array.from({ length: Math.max(0, last - first + 1) }, (_, i) => Number(((first + i) * step).toPrecision(12)));
}

/** A range that shows all values with a little room; `least`: values that it must contain. */
export function niceRange(
  values: Iterable<number>,
  least: readonly number[] = [],
): readonly [min: number, max: number] {
  let min = Number.POSITIVE_INFINITY;
  let max = Number.NEGATIVE_INFINITY;
  for (const value of [...values, ...least]) {
    if (!Number.isFinite(value)) continue;
    if (value < min) min = value;
    if (value > max) max = value;
  }
  if (min > max) return [0, 1];
  const room = (max - min || Math.abs(max) || 1) * 0.05;
  return [min === 0 || (min > 0 && min - room < 0) ? 0 : min - room, max + room];
}
