/** Products of matrices, in whatever order they lie. */
import type { Tensor2D, Tensor3D } from '@tensorflow/tfjs-core';
import { elementCount } from '../../graph/tensor.ts';
import { transposedOrder, withLast } from '../tensorflow/data-layout.ts';
import type { KernelContext, KernelRule, Laid } from './kernel-context.ts';
import { batchOfProducts } from './simd/batched.ts';
import { denseProduct, type Matrix } from './simd/dense.ts';
import { sumOfOuterProducts } from './simd/outer-products.ts';

const SWAP = [1, 0];
const isTransposed = (x: Laid): boolean => x.order[0] === 1;
/** The transpose, over the same numbers. */
const transposed = (x: Laid): Laid => ({
  ...x,
  shape: [x.shape[1], x.shape[0]],
  order: transposedOrder(x.order, SWAP),
});
const inMemoryOf = (x: Laid): Matrix => ({
  tensor: x.tensor,
  rows: x.shape[0],
  columns: x.shape[1],
  transposed: isTransposed(x),
});
const matrixOf = (context: KernelContext, x: Laid): Tensor2D => context.plain(x).tensor as Tensor2D;

/** a b of two matrices in any order. */
function product(context: KernelContext, a: Laid, b: Laid): Laid {
  const shape = [a.shape[0], b.shape[1]];
  const { simd } = context;
  if (!simd) return context.laid(context.product(matrixOf(context, a), matrixOf(context, b)), shape);
  // A linear layer's weight gradient Dᵀ X is computed as Xᵀ D: in the order in which the weights lie.
  if (isTransposed(a) && !isTransposed(b) && a.shape[1] > 1)
    return context.laid(sumOfOuterProducts(context, simd, b.tensor as Tensor2D, a.tensor as Tensor2D), shape, SWAP);
  return context.laid(denseProduct(context, simd, inMemoryOf(a), inMemoryOf(b)), shape);
}

/** Order of the weights of a linear layer: as the right factor of x wᵀ. */
export const LINEAR_WEIGHT = SWAP;

export const linear: KernelRule<'linear'> = (context, { shapes: [shape] }, [input, weight, bias]) => {
  const last = input.shape.length - 1;
  const x = input.order.at(-1) === last ? input : context.inOrder(input, withLast(input.order, last));
  const [out, into] = weight.shape;
  const rows = context.matrix(x.tensor, x.tensor.size / into, into);
  const factor = context.matrix(context.inOrder(weight, LINEAR_WEIGHT).tensor, into, out);
  return [context.laid(context.product(rows, factor, bias?.tensor), shape, x.order)];
};

// ---- batches of products

/** With the last two dimensions exchanged where said. */
function exchanged(x: Laid, transpose: boolean): Laid {
  const rank = x.shape.length;
  const permutation = x.shape.map((_, i) => i);
  if (transpose) [permutation[rank - 2], permutation[rank - 1]] = [rank - 1, rank - 2];
  const shape = permutation.map((d) => x.shape[d]);
  return { ...x, shape, order: transposedOrder(x.order, permutation) };
}

/** Matrix of each of the `leading` positions in a value whose own leading dimensions broadcast. */
function matrixIndices(own: readonly number[], leading: readonly number[]): number[] {
  const shift = leading.length - own.length;
  const indices = [0];
  return leading.reduce((list, size, i) => {
    const ownSize = i < shift ? 1 : own[i - shift];
    return list.flatMap((index) => Array.from({ length: size }, (_, j) => index * ownSize + (ownSize === 1 ? 0 : j)));
  }, indices);
}

/** The matrices of x that `indices` name, one after the other. */
function matricesAt(context: KernelContext, x: Laid, indices: readonly number[]): Tensor3D {
  const [rows, columns] = x.shape.slice(-2);
  const size = rows * columns;
  const whole = indices.length * size === x.tensor.size;
  if (whole) return context.asShape<Tensor3D>(x.tensor, [indices.length, rows, columns]);
  return context.filled([indices.length, rows, columns], [x.tensor], (target, source) => {
    indices.forEach((from, to) => {
      target.set(source.subarray(from * size, (from + 1) * size), to * size);
    });
  }) as Tensor3D;
}

/** Products over leading dimensions, both factors in plain order. */
function batchedProduct(context: KernelContext, a: Laid, b: Laid, shape: readonly number[]): Laid {
  const leading = shape.slice(0, -2);
  const [left, right] = [a, b].map((x) => matricesAt(context, x, matrixIndices(x.shape.slice(0, -2), leading)));
  return context.laid(context.tf.matMul(left, right), shape);
}

export const matmul: KernelRule<'matmul'> = (context, { attributes, shapes: [shape] }, [first, second]) => {
  const { transposeA, transposeB } = attributes;
  if (first.shape.length === 2 && second.shape.length === 2)
    return [product(context, transposeA ? transposed(first) : first, transposeB ? transposed(second) : second)];
  const [a, b] = [exchanged(first, transposeA), exchanged(second, transposeB)];
  const [rows, columns] = b.shape.slice(-2);
  const isMatrix = elementCount(b.shape) === rows * columns;
  if (!isMatrix && context.simd) return [context.laid(batchOfProducts(context, context.simd, a, b, shape), shape)];
  const [left, right] = [context.plain(a), context.plain(b)];
  if (!isMatrix) return [batchedProduct(context, left, right, shape)];
  const all = context.matrix(left.tensor, left.tensor.size / rows, rows);
  return [context.laid(context.product(all, context.matrix(right.tensor, rows, columns)), shape)];
};
