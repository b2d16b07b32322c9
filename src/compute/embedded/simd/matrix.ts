/** Sums of products of matrices in WebAssembly SIMD: what weight gradients and batches of small products are made of. */
import { type Code, f32x4, FunctionBuilder, i32, type Local, v128 } from '../../../support/assembler.ts';
import { advance, BYTES, countDown } from './loops.ts';

/** Rows and columns of the part of the result that is kept in registers. */
export const TILE_ROWS = 4;
export const TILE_COLUMNS = 8;

type Rows = 1 | typeof TILE_ROWS;

/** Some rows of the result times 4 or 8 columns: adds a(row, step) · b(step, column) over all steps of all blocks. */
class Tile {
  private readonly sums: Local[][];
  private readonly factors: Local[];
  private readonly factor: Local;

  constructor(
    f: FunctionBuilder,
    rows: Rows,
    readonly columns: 4 | 8,
  ) {
    const vectors = columns / 4;
    this.sums = Array.from({ length: rows }, () => Array.from({ length: vectors }, () => f.local('v128')));
    this.factors = Array.from({ length: vectors }, () => f.local('v128'));
    this.factor = f.local('v128');
  }

  load(rows: readonly Local[]): Code {
    return this.sums.map((row, r) => row.map((sum, v) => sum.set(v128.load(rows[r].get, 16 * v))));
  }

  store(rows: readonly Local[]): Code {
    return this.sums.map((row, r) => row.map((sum, v) => v128.store(rows[r].get, sum.get, 16 * v)));
  }

  /** One step: `rows` give the addresses of a's numbers (with offsets), b of the row of columns. */
  step(rows: readonly { readonly at: Local; readonly offset: number }[], b: Local): Code {
    return [
      this.factors.map((factor, v) => factor.set(v128.load(b.get, 16 * v))),
      this.sums.map((row, r) => [
        this.factor.set(v128.loadSplat32(rows[r].at.get, rows[r].offset)),
        row.map((sum, v) => sum.set(f32x4.add(sum.get, f32x4.multiply(this.factor.get, this.factors[v].get)))),
      ]),
    ];
  }
}

/**
 * c[i, j] += Σ a[i, s] · b[s, j] over `steps` steps of each of `blocks` blocks, for `rowTiles` times the tile's rows and 8 · columnTiles (+ 4 if
 * `halfTile`) columns. Distances in bytes: a's rows `aRow` (4 if `adjacent`), steps `aStep`, blocks `aBlock`; b's likewise; c's rows `cRow`.
 */
function sumOfProducts(name: string, tileRows: Rows, adjacent: boolean): FunctionBuilder {
  const f = new FunctionBuilder(name, 14);
  const [a, aRow, aStep, aBlock, b, bStep, bBlock, c, cRow, rowTiles, columnTiles, halfTile, steps, blocks] =
    Array.from({ length: 14 }, (_, i) => f.parameter(i));
  const [bColumn, cColumn, bStart, bAt, tilesLeft, stepsLeft, blocksLeft] = Array.from({ length: 7 }, () =>
    f.local('i32'),
  );
  const pointers = adjacent ? 1 : tileRows;
  const starts = Array.from({ length: pointers }, () => f.local('i32'));
  const ats = Array.from({ length: pointers }, () => f.local('i32'));
  const cRows = Array.from({ length: tileRows }, () => f.local('i32'));
  const rows = Array.from({ length: tileRows }, (_, r) =>
    adjacent ? { at: ats[0], offset: r * BYTES } : { at: ats[r], offset: 0 },
  );
  const full = new Tile(f, tileRows, TILE_COLUMNS);
  const half = new Tile(f, tileRows, 4);
  /** Addresses `first`, `first` + distance, … */
  const spread = (list: readonly Local[], first: Code, distance: Code): Code =>
    list.map((local, r) => local.set(r === 0 ? first : i32.add(list[r - 1].get, distance)));

  const tile = (t: Tile): Code => [
    spread(cRows, cColumn.get, cRow.get),
    t.load(cRows),
    spread(starts, a.get, aRow.get),
    bStart.set(bColumn.get),
    blocksLeft.set(blocks.get),
    f.repeatWhile(blocksLeft.get, [
      ats.map((at, r) => at.set(starts[r].get)),
      bAt.set(bStart.get),
      stepsLeft.set(steps.get),
      f.repeatWhile(stepsLeft.get, [
        t.step(rows, bAt),
        ats.map((at) => advance(at, aStep.get)),
        advance(bAt, bStep.get),
        countDown(stepsLeft),
      ]),
      starts.map((start) => advance(start, aBlock.get)),
      advance(bStart, bBlock.get),
      countDown(blocksLeft),
    ]),
    t.store(cRows),
    advance(bColumn, i32.const(t.columns * BYTES)),
    advance(cColumn, i32.const(t.columns * BYTES)),
  ];

  f.body = f.repeatWhile(rowTiles.get, [
    bColumn.set(b.get),
    cColumn.set(c.get),
    tilesLeft.set(columnTiles.get),
    f.ifTrue(tilesLeft.get, f.repeatWhile(tilesLeft.get, [tile(full), countDown(tilesLeft)])),
    f.ifTrue(halfTile.get, tile(half)),
    advance(a, i32.multiply(aRow.get, i32.const(tileRows))),
    advance(c, i32.multiply(cRow.get, i32.const(tileRows))),
    countDown(rowTiles),
  ]);
  return f;
}

/** a in any order. */
export const products = (): FunctionBuilder => sumOfProducts('products', TILE_ROWS, false);
/** The same, row by row. */
export const rowProducts = (): FunctionBuilder => sumOfProducts('rowProducts', 1, false);
/** a's rows side by side: a[i, s] at a + 4 i + s · aStep. */
export const outerProducts = (): FunctionBuilder => sumOfProducts('outerProducts', TILE_ROWS, true);
