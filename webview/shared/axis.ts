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

/** As `linearScale`, in powers of ten; both ends above 0. */
export function logScale(min: number, max: number, from: number, to: number): Scale {
  const inner = linearScale(Math.log10(min), Math.log10(max), from, to);
  return { min, max, at: (value) => inner.at(Math.log10(value)), invert: (pixel) => 10 ** inner.invert(pixel) };
}

/** A range for `logScale` that shows all values above 0 with a little room. */
export function logRange(values: Iterable<number>): readonly [min: number, max: number] {
  const positive = [...values].filter((value) => value > 0 && Number.isFinite(value));
  if (positive.length === 0) return [0.1, 1];
  // Not Math.min(...positive): a run has more points than a call takes arguments.
  const [low, high] = positive.reduce(([a, b], value) => [Math.min(a, value), Math.max(b, value)], [
    positive[0],
    positive[0],
  ] as const);
  const room = high > low ? (high / low) ** 0.05 : 2;
  return [low / room, high * room];
}

/** Powers of ten in a range; 2 and 5 times them too where there are few; round numbers where there is none. */
export function logTicks(min: number, max: number): number[] {
  const exponents = Array.from(
    { length: Math.floor(Math.log10(max)) - Math.floor(Math.log10(min)) + 1 },
    (_, i) => Math.floor(Math.log10(min)) + i,
  );
  const times = (factors: readonly number[]): number[] =>
    exponents
      .flatMap((exponent) => factors.map((factor) => Number((factor * 10 ** exponent).toPrecision(6))))
      .filter((value) => value >= min && value <= max);
  const decades = times([1]);
  if (decades.length >= 3) return decades.filter((_, i) => i % Math.ceil(decades.length / 6) === 0);
  const few = times([1, 2, 5]);
  return few.length >= 2 ? few : ticks(min, max, 4).filter((value) => value > 0);
}
