/** Products of matrices. A matrix that lies transposed in memory is the transpose of one that does not, so only one factor ever moves. */
import type { Tensor2D, Tensor3D } from '@tensorflow/tfjs-core';
import { elementCount } from '../../graph/tensor.ts';
import { transposedOrder, withLast } from '../tensorflow/layout.ts';
import type { KernelContext, KernelRule, Laid } from './kernel-context.ts';
import { batchOfProducts } from './simd/batched.ts';
import { denseProduct, type Matrix } from './simd/dense.ts';
import { sumOfOuterProducts } from './simd/outer-products.ts';

const SWAP = [1, 0];
const isTransposed = (x: Laid): boolean => x.order[0] === 1;
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

/** a b of two matrices in any order: computed as it is or as (bᵀ aᵀ)ᵀ, whichever moves less. */
function product(context: KernelContext, a: Laid, b: Laid): Laid {
  const shape = [a.shape[0], b.shape[1]];
  const { simd } = context;
  // Xᵀ D of a linear layer's weight gradient, here as Dᵀ X: in the order in which the weights lie.
  if (simd && isTransposed(a) && !isTransposed(b) && a.shape[1] > 1)
    return context.laid(sumOfOuterProducts(context, simd, b.tensor as Tensor2D, a.tensor as Tensor2D), shape, SWAP);
  if (simd) return context.laid(denseProduct(context, simd, inMemoryOf(a), inMemoryOf(b)), shape);
  const moved = (x: Laid, wanted: boolean): number => (isTransposed(x) === wanted ? 0 : x.tensor.size);
  const direct = moved(a, false) + moved(b, false);
  const swapped = moved(a, true) + moved(b, true);
  if (direct <= swapped) return context.laid(context.product(matrixOf(context, a), matrixOf(context, b)), shape);
  const [left, right] = [transposed(b), transposed(a)].map((x) => matrixOf(context, x));
  return context.laid(context.product(left, right), shape, SWAP);
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

/** Multiplications in one product from which on XNNPACK is worth the copies around it. */
const WORTHWHILE = 50_000;

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

function matrixAt(context: KernelContext, x: Laid, index: number): Tensor2D {
  const [rows, columns] = x.shape.slice(-2);
  const size = rows * columns;
  return context.filled([rows, columns], [x.tensor], (target, source) => {
    target.set(source.subarray(index * size, (index + 1) * size));
  }) as Tensor2D;
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

function batchedProduct(context: KernelContext, a: Laid, b: Laid, shape: readonly number[]): Laid {
  const leading = shape.slice(0, -2);
  const [rows, columns] = shape.slice(-2);
  const inner = a.shape.at(-1) as number;
  const [fromA, fromB] = [a, b].map((x) => matrixIndices(x.shape.slice(0, -2), leading));
  if (rows * inner * columns < WORTHWHILE)
    return context.laid(context.tf.matMul(matricesAt(context, a, fromA), matricesAt(context, b, fromB)), shape);
  const size = rows * columns;
  const y = context.memory.allocate(shape);
  fromA.forEach((from, i) => {
    context.tf.tidy(() => {
      const piece = context.product(matrixAt(context, a, from), matrixAt(context, b, fromB[i]));
      context.memory.view(y).set(context.memory.view(piece), i * size);
    });
  });
  return context.laid(y, shape);
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
