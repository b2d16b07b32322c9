/** Batches of matrix products, each where its factors lie: nothing is copied out first. */
import type { Tensor } from '@tensorflow/tfjs-core';
import { elementCount } from '../../../graph/tensor.ts';
import { inMemory, withLast } from '../../tensorflow/data-layout.ts';
import { steps } from '../copying.ts';
import type { KernelContext, Laid } from '../kernel-context.ts';
import { BYTES } from './loops.ts';
import { TILE_COLUMNS } from './matrix.ts';
import type { SimdKernels } from './module.ts';
import { initialRow, multiply } from './multiply.ts';

/** Elements from one position of each logical dimension to the next; 0 where `leading` positions share one. */
function strides(x: Laid, leading: number): number[] {
  const memory = steps(inMemory(x.shape, x.order));
  const own = x.shape.map((size, d) => (size === 1 && d < x.shape.length - 2 ? 0 : memory[x.order.indexOf(d)]));
  return [...Array.from({ length: leading + 2 - own.length }, () => 0), ...own];
}

/** Offsets of the matrices of all leading positions. */
function matrixOffsets(sizes: readonly number[], step: readonly number[]): number[] {
  return sizes.reduce(
    (offsets, size, d) => offsets.flatMap((at) => Array.from({ length: size }, (_, i) => at + i * step[d])),
    [0],
  );
}

/** a b over leading dimensions that broadcast; a and b in any order. The result is in plain order. */
export function batchOfProducts(
  context: KernelContext,
  simd: SimdKernels,
  a: Laid,
  right: Laid,
  shape: readonly number[],
): Tensor {
  const rank = right.shape.length;
  const b = right.order.at(-1) === rank - 1 ? right : context.inOrder(right, withLast(right.order, rank - 1));
  const leading = shape.slice(0, -2);
  const [rows, columns] = shape.slice(-2);
  const [stepsA, stepsB] = [strides(a, leading.length), strides(b, leading.length)];
  const [fromA, fromB] = [matrixOffsets(leading, stepsA), matrixOffsets(leading, stepsB)];
  const [row, step] = stepsA.slice(-2).map((elements) => elements * BYTES);
  const bStep = stepsB[leading.length] * BYTES;
  const inner = a.shape.at(-1) as number;
  const y = context.memory.allocate(shape);
  const zeros = initialRow(context, columns);
  const [startA, startB, startY, initial] = [a.tensor, b.tensor, y, zeros].map((tensor) => simd.address(tensor));
  const extent = { bands: 1, rows, columns, planes: 1, blocks: 1, steps: inner };
  simd.share(elementCount(leading), elementCount(shape) * inner, (call, first, last) => {
    for (let i = first; i < last; i++)
      multiply(
        call,
        { address: startA + fromA[i] * BYTES, band: 0, row, plane: 0, block: 0, step },
        { address: startB + fromB[i] * BYTES, tile: TILE_COLUMNS * BYTES, step: bStep },
        { address: startY + i * rows * columns * BYTES, band: 0, row: columns * BYTES, initial },
        extent,
      );
  });
  return y;
}
