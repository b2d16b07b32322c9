/** The shape that a Reshape of an ONNX file means, with the batch found in it. */
import type { Dimension, Shape } from '../../graph/operations.ts';
import { sizePerImage } from '../../graph/shapes.ts';
import { dimensionOf, type Size } from './constants.ts';

const product = (sizes: readonly number[]): number => sizes.reduce((a, b) => a * b, 1);

/** Sizes that were written down for a fixed number of images: the batch is where as many elements come before it as in `from`. */
function withBatchPlaced(from: Shape, sizes: readonly number[], batch: number): Shape | undefined {
  const at = from.findIndex((d) => d < 0);
  const before = sizePerImage(from.slice(0, at));
  for (let i = 0, seen = 1; i < sizes.length; seen *= sizes[i++])
    if (seen === before && sizes[i] % batch === 0) return sizes.map((size, k) => (k === i ? -(size / batch) : size));
  return undefined;
}

/**
 * The target shape of a value of shape `from`. `target` may hold 0 (that dimension of `from`) and one −1 (what is left).
 *
 * @param fixedBatch the number of images for which the file was made, if its sizes are written down for it
 * @returns undefined where the sizes do not fit
 */
export function reshapeTarget(
  from: Shape,
  target: readonly Size[],
  { keepZeros, fixedBatch }: { readonly keepZeros: boolean; readonly fixedBatch?: number },
): Shape | undefined {
  const copied = target.map((size, i): Dimension | undefined => {
    if (size.fixed === 0 && !keepZeros) return from[i];
    return size.fixed === -1 ? undefined : dimensionOf(size);
  });
  const open = copied.indexOf(undefined);
  const known = copied.map((d) => d ?? 1);
  const hasBatch = from.some((d) => d < 0);
  const total = sizePerImage(from);
  if (!hasBatch || known.some((d) => d < 0)) {
    if (open < 0) return known;
    return known.map((d, i) => (i === open ? total / sizePerImage(known) : d));
  }
  // The first dimension takes what is left: it is the one that grows with the batch.
  if (open >= 0 && (open === 0 || fixedBatch === undefined))
    return known.map((d, i) => (i === open ? -(total / product(known)) : d));
  const batch = fixedBatch ?? 1;
  const left = (total * batch) / product(known);
  return withBatchPlaced(
    from,
    known.map((d, i) => (i === open ? left : d)),
    batch,
  );
}
