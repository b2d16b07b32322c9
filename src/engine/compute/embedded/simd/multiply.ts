/** Products of a matrix where it lies by one that is packed in columns of eight. */
import type { Tensor } from '@tensorflow/tfjs-core';
import type { KernelContext } from '../kernel-context.ts';
import { BYTES, roundUp } from './loops.ts';
import { TILE_COLUMNS, TILE_ROWS } from './matrix.ts';
import type { Call } from './module.ts';

/**
 * The left factor, in bytes: a(band, row, plane, block, step) lies at address + band · … + row · … and so on. A product adds up over
 * planes, blocks and steps.
 */
export interface LeftFactor {
  readonly address: number;
  readonly band: number;
  readonly row: number;
  readonly plane: number;
  readonly block: number;
  readonly step: number;
}

/** The right factor: columns of eight, each [planes, blocks, steps, 8]; bytes from one eight columns, and one step, to the next. */
export interface RightFactor {
  readonly address: number;
  readonly tile: number;
  readonly step: number;
}

/** Where the result goes, in bytes, and the row that each of its rows starts from (the bias). */
export interface Result {
  readonly address: number;
  readonly band: number;
  readonly row: number;
  readonly initial: number;
}

export interface Extent {
  readonly bands: number;
  readonly rows: number;
  readonly columns: number;
  readonly planes: number;
  readonly blocks: number;
  readonly steps: number;
}

/** Bytes of the right factor that are used again and again before the next ones: half of a usual second-level cache. */
const PANEL_BYTES = 2 ** 18;

/** Columns that are taken together. */
export const columnsTogether = ({ steps, blocks, planes }: Extent): number =>
  Math.max(TILE_COLUMNS, Math.floor(PANEL_BYTES / (steps * blocks * planes * BYTES * TILE_COLUMNS)) * TILE_COLUMNS);

/** Kernels by the number of rows of their tiles. */
const KERNELS = ['products1', 'products2', 'products3', 'products4'] as const;

/** result = initial + a b, for the columns from `first` to `last`. */
export function multiply(
  call: Call,
  a: LeftFactor,
  b: RightFactor,
  result: Result,
  { bands, rows, columns, planes, blocks, steps }: Extent,
  first = 0,
  last = columns,
): void {
  const width = last - first;
  const counts = [Math.floor(width / TILE_COLUMNS), width % TILE_COLUMNS, steps, blocks, planes, bands];
  const column = first * BYTES;
  const at = b.address + (first / TILE_COLUMNS) * b.tile;
  const run = (firstRow: number, height: number, tiles: number): void => {
    if (tiles === 0 || height === 0) return;
    call(
      KERNELS[height - 1],
      ...[a.address + firstRow * a.row, a.row, a.step, a.block, a.plane, a.band],
      ...[at, b.tile, b.step],
      ...[result.address + firstRow * result.row + column, result.row, result.band, result.initial + column],
      ...[tiles, ...counts],
    );
  };
  const tiles = Math.floor(rows / TILE_ROWS);
  run(0, TILE_ROWS, tiles);
  run(tiles * TILE_ROWS, rows % TILE_ROWS, 1);
}

/** A matrix of weights in memory, in elements: (tap, k, column) at start + tap · … + k · … + column · … */
export interface WeightLayout {
  readonly taps: readonly number[];
  readonly k: number;
  readonly kStep: number;
  readonly columns: number;
  readonly columnStep: number;
}

/** The weights as a right factor: [columns / 8, taps, k, 8], zeros behind the last column. `taps` are their first elements. */
export function packed(context: KernelContext, weight: Tensor, layout: WeightLayout): Tensor {
  const { taps, k, kStep, columns, columnStep } = layout;
  const tiles = Math.ceil(columns / TILE_COLUMNS);
  return context.filled([tiles, taps.length, k, TILE_COLUMNS], [weight], (target, source) => {
    if (columns % TILE_COLUMNS) target.fill(0);
    for (let tile = 0; tile < tiles; tile++) {
      const first = tile * TILE_COLUMNS;
      const width = Math.min(TILE_COLUMNS, columns - first);
      let to = tile * taps.length * k * TILE_COLUMNS;
      for (const tap of taps)
        for (let i = 0; i < k; i++) {
          const from = tap + i * kStep + first * columnStep;
          for (let j = 0; j < width; j++) target[to + j] = source[from + j * columnStep];
          to += TILE_COLUMNS;
        }
    }
  });
}

/** A bias as a row that the kernels may read beyond its end; zeros where there is none. */
export const initialRow = (context: KernelContext, columns: number, bias?: Tensor): Tensor =>
  context.filled([roundUp(columns, TILE_COLUMNS) + TILE_COLUMNS], bias ? [bias] : [], (target, source) => {
    target.fill(0);
    if (source) target.set(source);
  });
