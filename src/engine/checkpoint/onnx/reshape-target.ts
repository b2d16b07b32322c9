/** The shape that a Reshape of an ONNX file means, with the batch found in it. */
import type { Dimension, Shape } from '../../graph/operations.ts';
import { sizePerImage } from '../../graph/shapes.ts';
import { dimensionOf, type Size } from './constants.ts';

const product = (sizes: readonly number[]): number => sizes.reduce((a, b) => a * b, 1);
const divisor = (a: number, b: number): number => (b ? divisor(b, a % b) : a);
const multiple = (a: number, b: number): number => (a / divisor(a, b)) * b;

/**
 * Sizes that were written down for a fixed number of images, with the batch in each dimension that can hold it. Elements
 * keep their order, so it has to lie where it lay in `from`; for one image several places look the same. The likeliest
 * comes first: one that begins where the batch did; features, the last dimension, at the end. A dimension of the batch's own
 * leaves nothing open.
 */
function withBatchPlaced(from: Shape, sizes: readonly number[], batch: number): readonly Shape[] {
  const at = from.findIndex((d) => d < 0);
  const before = sizePerImage(from.slice(0, at));
  if (product(sizes) !== sizePerImage(from) * batch) return [];
  const places = sizes.flatMap((size, i) => {
    const start = product(sizes.slice(0, i));
    // Where in a merged dimension the batch lies is open too: the first place that both dimensions have.
    const place = multiple(start, before);
    if ((before * -from[at]) % place !== 0 || (start * size) % (place * batch) !== 0) return [];
    const rank = size === batch ? 0 : i === sizes.length - 1 ? 3 : start === before ? 1 : 2;
    return [{ i, rank }];
  });
  const own = places.filter(({ rank }) => rank === 0);
  return (own.length ? own : places)
    .sort((a, b) => a.rank - b.rank)
    .map(({ i }) => sizes.map((size, k) => (k === i ? -(size / batch) : size)));
}

/**
 * The target shapes that a value of shape `from` may take, the likeliest first; none where the sizes do not fit. `target`
 * may hold 0 (that dimension of `from`) and one −1 (what is left).
 *
 * @param fixedBatch the number of images for which the file was made, if its sizes are written down for it
 */
export function reshapeTargets(
  from: Shape,
  target: readonly Size[],
  { keepZeros, fixedBatch }: { readonly keepZeros: boolean; readonly fixedBatch?: number },
): readonly Shape[] {
  const copied = target.map((size, i): Dimension | undefined => {
    if (size.fixed === 0 && !keepZeros) return from[i];
    return size.fixed === -1 ? undefined : dimensionOf(size);
  });
  const open = copied.indexOf(undefined);
  const known = copied.map((d) => d ?? 1);
  const hasBatch = from.some((d) => d < 0);
  const total = sizePerImage(from);
  if (!hasBatch || known.some((d) => d < 0)) {
    if (open < 0) return [known];
    return [known.map((d, i) => (i === open ? total / sizePerImage(known) : d))];
  }
  // The first dimension takes what is left: it is the one that grows with the batch.
  if (open >= 0 && (open === 0 || fixedBatch === undefined))
    return [known.map((d, i) => (i === open ? -(total / product(known)) : d))];
  const batch = fixedBatch ?? 1;
  const left = (total * batch) / product(known);
  return withBatchPlaced(
    from,
    known.map((d, i) => (i === open ? left : d)),
    batch,
  );
}
