/** Batches of matrix products, each where its factors lie: nothing is copied out first. */
import type { Tensor } from '@tensorflow/tfjs-core';
import { elementCount } from '../../../graph/tensor.ts';
import { inMemory, withLast } from '../../tensorflow/layout.ts';
import { copyBlocks, steps } from '../copying.ts';
import type { KernelContext, Laid } from '../kernel-context.ts';
import { BYTES } from './loops.ts';
import { TILE_COLUMNS, TILE_ROWS } from './matrix.ts';
import type { SimdKernels } from './module.ts';

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
  const [aRow, aStep] = stepsA.slice(-2).map((step) => step * BYTES);
  const bStep = stepsB[leading.length] * BYTES;
  const inner = a.shape.at(-1) as number;
  const vectors = Math.ceil(columns / 4);
  const row = vectors * 4;

  const y = context.memory.allocate([...leading, rows, row]);
  context.memory.view(y).fill(0);
  const [startA, startB, startY] = [a.tensor, b.tensor, y].map((tensor) => simd.address(tensor));
  const wholeRows = rows - (rows % TILE_ROWS);
  fromA.forEach((from, i) => {
    const [atA, atB, atY] = [startA + from * BYTES, startB + fromB[i] * BYTES, startY + i * rows * row * BYTES];
    const call = (kernel: 'products' | 'rowProducts', firstRow: number, tiles: number): void => {
      if (tiles === 0) return;
      simd[kernel](
        ...[atA + firstRow * aRow, aRow, aStep, 0, atB, bStep, 0, atY + firstRow * row * BYTES, row * BYTES],
        ...[tiles, Math.floor(row / TILE_COLUMNS), vectors % 2, inner, 1],
      );
    };
    call('products', 0, wholeRows / TILE_ROWS);
    call('rowProducts', wholeRows, rows - wholeRows);
  });
  if (row === columns) return y;
  const lines = elementCount(leading) * rows;
  return context.filled(shape, [y], (target, source) => {
    copyBlocks(source, 0, target, 0, [{ count: lines, from: row, to: columns }], columns);
  });
}
