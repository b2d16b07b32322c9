/**
 * Orders of dimensions. A value has logical dimensions (PyTorch's: N, C, H, W) that lie in memory in some order; a transpose only changes
 * the order, and nothing moves until a kernel needs another one.
 */
import type { Shape } from '../../graph/operations.ts';

/** Memory dimension i is logical dimension order[i]. */
export type Order = readonly number[];

export const NHWC: Order = [0, 2, 3, 1];
/** Convolution weights O, I, kh, kw as TensorFlow's kh, kw, I, O. */
export const HWIO: Order = [2, 3, 1, 0];
/** Depthwise weights C·M, 1, kh, kw as kh, kw, C·M, 1. */
export const HWOI: Order = [2, 3, 0, 1];

export const plainOrder = (rank: number): Order => Array.from({ length: rank }, (_, i) => i);
export const sameOrder = (a: Order, b: Order): boolean => a.length === b.length && a.every((d, i) => d === b[i]);
export const isPlain = (order: Order): boolean => order.every((d, i) => d === i);
export const inMemory = (shape: Shape, order: Order): Shape => order.map((d) => shape[d]);

/** The order with one dimension moved to the end, the others as they were. */
export const withLast = (order: Order, dimension: number): Order => [
  ...order.filter((d) => d !== dimension),
  dimension,
];

/** Order of a value whose logical dimension i was `permutation[i]`. */
export const transposedOrder = (order: Order, permutation: readonly number[]): Order =>
  order.map((d) => permutation.indexOf(d));

/** Order after `count` dimensions of size 1 are put before the others. */
export const promotedOrder = (order: Order, count: number): Order => [
  ...plainOrder(count),
  ...order.map((d) => d + count),
];

/** Where each memory dimension of the order `to` lies in the order `from`: the permutation that TensorFlow's Transpose takes. */
export const permutationBetween = (from: Order, to: Order): readonly number[] => to.map((d) => from.indexOf(d));

/** Whether bytes move when the dimensions are rearranged: only sizes other than 1 count. */
export function movesData(shape: Shape, from: Order, to: Order): boolean {
  const large = (order: Order): Order => order.filter((d) => shape[d] !== 1);
  return !sameOrder(large(from), large(to));
}

interface Group {
  readonly from: number[];
  readonly to: number[];
}

/** Splits two shapes of the same elements into the shortest runs of dimensions whose products agree; sizes of 1 are in none. */
function commonGroups(from: Shape, to: Shape): readonly Group[] {
  const groups: Group[] = [];
  const large = (shape: Shape): number[] => plainOrder(shape.length).filter((d) => shape[d] !== 1);
  const [a, b] = [large(from), large(to)];
  let [i, j] = [0, 0];
  while (i < a.length || j < b.length) {
    const group: Group = { from: [], to: [] };
    // −k counts as k and one batch: a product of numbers and a count of batches.
    let [left, right] = [1, 1];
    do {
      const behind =
        Math.abs(left) < Math.abs(right) || (Math.abs(left) === Math.abs(right) && !(left < 0 && right > 0));
      const takeLeft = j === b.length || (i < a.length && behind);
      if (takeLeft) left *= from[group.from[group.from.push(a[i++]) - 1]];
      else right *= to[group.to[group.to.push(b[j++]) - 1]];
    } while (left !== right && (i < a.length || j < b.length));
    groups.push(group);
  }
  return groups;
}

/**
 * Order of the result where a reshape of a value in `order` moves nothing: every run of dimensions that is split or merged must lie
 * together. Undefined where the value has to be put in plain order first.
 */
export function reshapedOrder(from: Shape, order: Order, to: Shape): Order | undefined {
  const position = order.filter((d) => from[d] !== 1);
  const groups = commonGroups(from, to).map(({ from: members, to: results }) => {
    const start = position.indexOf(members[0]);
    const together = members.every((d, i) => position[start + i] === d);
    return together ? { start, results } : undefined;
  });
  if (groups.some((group) => !group)) return undefined;
  const result = groups
    .map((group) => group as { start: number; results: number[] })
    .toSorted((a, b) => a.start - b.start)
    .flatMap(({ results }) => results);
  // Dimensions of size 1 go behind their logical neighbour.
  for (const d of plainOrder(to.length)) if (to[d] === 1) result.splice(result.indexOf(d - 1) + 1, 0, d);
  return result;
}
