/** Weight gradients as sums of outer products, taken panel by panel so that what is read again stays in the cache. */
import type { Tensor, Tensor2D, Tensor4D } from '@tensorflow/tfjs-core';
import { copyBlocks } from '../copying.ts';
import type { Conv } from '../images.ts';
import type { KernelContext } from '../kernel-context.ts';
import { seenByTap } from '../taps.ts';
import { BYTES, roundUp } from './loops.ts';
import { TILE_COLUMNS, TILE_ROWS } from './matrix.ts';
import type { Call, SimdKernels } from './module.ts';

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

/** Rows of a matrix to which products are added: padded to whole vectors of 4 both ways. */
interface Target {
  readonly address: number;
  readonly firstRow: number;
  readonly rows: number;
  readonly columns: number;
}

const PANEL_COLUMNS = 256;
/** Vectors of both factors that are taken together. */
const PANEL_STEPS = 128;

/** target[i, j] += Σ a[s][i] · b[s][j]. Reads up to 12 bytes behind the factors, which the allocator's own end of memory covers. */
function addOuterProducts(call: Call, target: Target, { a, b, steps, blocks }: Sum): void {
  const row = roundUp(target.columns, 4) * BYTES;
  const rowTiles = Math.ceil(target.rows / TILE_ROWS);
  // Few long blocks are taken piece by piece, many short ones together.
  const piece = Math.min(steps, PANEL_STEPS);
  const together = Math.max(1, Math.floor(PANEL_STEPS / piece));
  for (let j = 0; j < target.columns; j += PANEL_COLUMNS) {
    const vectors = Math.ceil(Math.min(PANEL_COLUMNS, target.columns - j) / 4);
    const columnTiles = Math.floor((4 * vectors) / TILE_COLUMNS);
    const at = target.address + target.firstRow * row + j * BYTES;
    for (let block = 0; block < blocks; block += together) {
      const count = Math.min(together, blocks - block);
      for (let step = 0; step < steps; step += piece) {
        const first = a.address + target.firstRow * BYTES + block * a.block + step * a.step;
        const second = b.address + j * BYTES + block * b.block + step * b.step;
        const length = Math.min(piece, steps - step);
        call(
          'outerProducts',
          ...[first, a.step, a.block, second, b.step, b.block, at, row],
          ...[rowTiles, columnTiles, vectors % 2, length, count],
        );
      }
    }
  }
}

/** Rows of a panel: what is added up stays in the cache. Smaller where there would be too few for the threads. */
const PANELS = { rows: 64, fewest: 32, smallRows: 16 };

/** `count` matrices of zeros, given to `add` panel by panel, in any order, then without their padding. */
function accumulated(
  context: KernelContext,
  simd: SimdKernels,
  count: number,
  [rows, columns]: readonly [number, number],
  work: number,
  add: (call: Call, index: number, target: Target) => void,
): Tensor {
  const [paddedRows, paddedColumns] = [roundUp(rows, 4), roundUp(columns, 4)];
  const padded = context.filled([count, paddedRows, paddedColumns], [], (target) => target.fill(0));
  const matrix = paddedRows * paddedColumns * BYTES;
  const height = (count * rows) / PANELS.rows < PANELS.fewest ? PANELS.smallRows : PANELS.rows;
  const perMatrix = Math.ceil(rows / height);
  simd.share(count * perMatrix, work, (call, first, last) => {
    for (let panel = first; panel < last; panel++) {
      const [index, firstRow] = [Math.floor(panel / perMatrix), (panel % perMatrix) * height];
      const address = simd.address(padded) + index * matrix;
      add(call, index, { address, firstRow, rows: Math.min(height, rows - firstRow), columns });
    }
  });
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
  const dw = accumulated(context, simd, 1, [i, o], rows * i * o, (call, _, target) => {
    const vectors = (tensor: Tensor2D): Vectors => ({
      address: simd.address(tensor),
      step: tensor.shape[1] * BYTES,
      block: 0,
    });
    addOuterProducts(call, target, { a: vectors(a), b: vectors(b), steps: rows, blocks: 1 });
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
  const work = n * oh * ow * kh * kw * into * out;
  const dw = accumulated(context, simd, kh * kw, [into, out], work, (call, entry, target) => {
    const { rows, columns } = seenByTap(a, x, [oh, ow], [Math.floor(entry / kw), entry % kw]);
    if (rows.count === 0 || columns.count === 0) return;
    for (let sample = 0; sample < n; sample++) {
      const pixel = (sample * h + rows.from) * w + columns.from;
      const output = (sample * oh + rows.first) * ow + columns.first;
      addOuterProducts(call, target, {
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
