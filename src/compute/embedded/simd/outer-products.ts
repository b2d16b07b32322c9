/** Weight gradients as sums of outer products, taken panel by panel so that what is read again stays in the cache. */
import type { Tensor, Tensor2D, Tensor4D } from '@tensorflow/tfjs-core';
import { copyBlocks } from '../copying.ts';
import type { Conv } from '../images.ts';
import type { KernelContext } from '../kernel-context.ts';
import { seenByTap } from '../taps.ts';
import { BYTES, roundUp } from './loops.ts';
import { TILE_COLUMNS, TILE_ROWS } from './matrix.ts';
import type { SimdKernels } from './module.ts';

/** Vectors in memory: `step` bytes from one to the next, `block` from one block of them to the next. */
interface Vectors {
  readonly address: number;
  readonly step: number;
  readonly block: number;
}

interface Sum {
  readonly a: Vectors;
  readonly b: Vectors;
  /** Vectors in a block, and blocks. */
  readonly steps: number;
  readonly blocks: number;
}

/** A matrix to which products are added: padded to whole vectors of 4 both ways. */
interface Target {
  readonly address: number;
  readonly rows: number;
  readonly columns: number;
}

const PANEL_ROWS = 64;
const PANEL_COLUMNS = 256;
/** Vectors of both factors that are taken together. */
const PANEL_STEPS = 128;

/** target[i, j] += Σ a[s][i] · b[s][j]. Reads up to 12 bytes behind the factors, which the allocator's own end of memory covers. */
function addOuterProducts(kernels: SimdKernels, target: Target, { a, b, steps, blocks }: Sum): void {
  const row = roundUp(target.columns, 4) * BYTES;
  // Few long blocks are taken piece by piece, many short ones together.
  const piece = Math.min(steps, PANEL_STEPS);
  const together = Math.max(1, Math.floor(PANEL_STEPS / piece));
  for (let i = 0; i < target.rows; i += PANEL_ROWS) {
    const rowTiles = Math.ceil(Math.min(PANEL_ROWS, target.rows - i) / TILE_ROWS);
    for (let j = 0; j < target.columns; j += PANEL_COLUMNS) {
      const vectors = Math.ceil(Math.min(PANEL_COLUMNS, target.columns - j) / 4);
      const columnTiles = Math.floor((4 * vectors) / TILE_COLUMNS);
      const at = target.address + i * row + j * BYTES;
      for (let block = 0; block < blocks; block += together) {
        const count = Math.min(together, blocks - block);
        for (let step = 0; step < steps; step += piece) {
          const first = a.address + i * BYTES + block * a.block + step * a.step;
          const second = b.address + j * BYTES + block * b.block + step * b.step;
          const length = Math.min(piece, steps - step);
          kernels.call(
            'outerProducts',
            ...[first, a.step, a.block, second, b.step, b.block, at, row],
            ...[rowTiles, columnTiles, vectors % 2, length, count],
          );
        }
      }
    }
  }
}

/** `count` matrices of zeros, given to `add` one after the other, then without their padding. */
function accumulated(
  context: KernelContext,
  count: number,
  rows: number,
  columns: number,
  add: (index: number, target: Target) => void,
): Tensor {
  const [paddedRows, paddedColumns] = [roundUp(rows, 4), roundUp(columns, 4)];
  const { memory, simd } = context;
  const padded = memory.allocate([count, paddedRows, paddedColumns]);
  memory.view(padded).fill(0);
  const address = (simd as SimdKernels).address(padded);
  for (let i = 0; i < count; i++) add(i, { address: address + i * paddedRows * paddedColumns * BYTES, rows, columns });
  if (paddedRows === rows && paddedColumns === columns) return padded;
  return context.filled([count, rows, columns], [padded], (target, source) => {
    const matrices = { count, from: paddedRows * paddedColumns, to: rows * columns };
    copyBlocks(source, 0, target, 0, [matrices, { count: rows, from: paddedColumns, to: columns }], columns);
  });
}

/** aᵀ b of [rows, I] and [rows, O]. */
export function sumOfOuterProducts(context: KernelContext, simd: SimdKernels, a: Tensor2D, b: Tensor2D): Tensor2D {
  const [rows, i] = a.shape;
  const o = b.shape[1];
  const dw = accumulated(context, 1, i, o, (_, target) => {
    const vectors = (tensor: Tensor2D): Vectors => ({
      address: simd.address(tensor),
      step: tensor.shape[1] * BYTES,
      block: 0,
    });
    addOuterProducts(simd, target, { a: vectors(a), b: vectors(b), steps: rows, blocks: 1 });
  });
  return context.matrix(dw, i, o);
}

/** Gradient of the weights [kh, kw, I, O] of one group's `into` inputs and `out` outputs, which begin at `firstInput` and `firstOutput`. */
export function convolutionWeightGradient(
  context: KernelContext,
  simd: SimdKernels,
  a: Conv,
  x: Tensor4D,
  d: Tensor4D,
  { into, out, firstInput, firstOutput }: { into: number; out: number; firstInput: number; firstOutput: number },
): Tensor4D {
  const [n, h, w, channels] = x.shape;
  const [, oh, ow, outputs] = d.shape;
  const [kh, kw] = a.kernel;
  const dw = accumulated(context, kh * kw, into, out, (entry, target) => {
    const { rows, columns } = seenByTap(a, x, [oh, ow], [Math.floor(entry / kw), entry % kw]);
    if (rows.count === 0 || columns.count === 0) return;
    for (let sample = 0; sample < n; sample++) {
      const pixel = (sample * h + rows.from) * w + columns.from;
      const output = (sample * oh + rows.first) * ow + columns.first;
      addOuterProducts(simd, target, {
        a: {
          address: simd.address(x) + (pixel * channels + firstInput) * BYTES,
          step: a.stride[1] * channels * BYTES,
          block: a.stride[0] * w * channels * BYTES,
        },
        b: {
          address: simd.address(d) + (output * outputs + firstOutput) * BYTES,
          step: outputs * BYTES,
          block: ow * outputs * BYTES,
        },
        steps: columns.count,
        blocks: rows.count,
      });
    }
  });
  return context.images(dw, kh, kw, into, out);
}
