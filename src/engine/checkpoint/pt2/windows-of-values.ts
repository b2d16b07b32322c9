/** Parts of a value that slices cut out, one after another. */
import type { Tensor } from '../../graph/tensor.ts';

/** Entries of one dimension that a part has: start, start + step, … below end. */
export interface Window {
  readonly axis: number;
  readonly start: number;
  readonly end: number;
  readonly step: number;
}

/** Where a value lies in another that it was cut out of. */
export interface Part {
  readonly root: string;
  /** In the dimensions of the root, each of what the one before left. */
  readonly windows: readonly Window[];
  /** Dimensions of the root that the part lacks: it has one entry of them. */
  readonly dropped: readonly number[];
}

/** The dimension of the root that a dimension of the part is. */
export function rootAxis({ dropped }: Part, axis: number): number {
  let at = axis;
  for (const each of dropped.toSorted((a, b) => a - b)) if (each <= at) at += 1;
  return at;
}

/** True for the elements of a value of these sizes that lie in all windows, each of what the one before left. */
export function maskOf(sizes: readonly number[], windows: readonly Window[]): Tensor<'bool'> {
  const chosen = sizes.map((size) => Array.from({ length: size }, (_, i) => i));
  for (const { axis, start, end, step } of windows)
    chosen[axis] = chosen[axis].filter((_, i) => i >= start && i < end && (i - start) % step === 0);
  const sets = chosen.map((indices) => new Set(indices));
  const total = sizes.reduce((a, b) => a * b, 1);
  const data = Uint8Array.from({ length: total }, (_, flat) => {
    let rest = flat;
    for (let axis = sizes.length - 1; axis >= 0; axis--) {
      if (!sets[axis].has(rest % sizes[axis])) return 0;
      rest = Math.floor(rest / sizes[axis]);
    }
    return 1;
  });
  return { dtype: 'bool', shape: sizes, data };
}
