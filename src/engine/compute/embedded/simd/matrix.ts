/** Products of matrices in WebAssembly SIMD: of any strides, or summed over blocks, which is what convolutions are. */
import { type Code, FunctionBuilder, f32x4, i32, type Local, v128 } from '../../../../common/assembler.ts';
import { advance, BYTES, countDown, localsOf, parametersOf, times, VECTOR } from './loops.ts';

/** Rows and columns of the part of the result that is kept in registers. */
export const TILE_ROWS = 4;
export const TILE_COLUMNS = 8;

/** Some rows of the result times 4 or 8 columns. */
class Tile {
  readonly sums: Local[][];
  private readonly factors: Local[];
  private readonly factor: Local;

  constructor(
    f: FunctionBuilder,
    rows: number,
    readonly columns: 4 | 8,
  ) {
    const vectors = columns / 4;
    this.sums = Array.from({ length: rows }, () => localsOf(f, 'v128', vectors));
    this.factors = localsOf(f, 'v128', vectors);
    this.factor = f.local('v128');
  }

  load(rows: readonly Local[]): Code {
    return this.sums.map((row, r) => row.map((sum, v) => sum.set(v128.load(rows[r].get, VECTOR * v))));
  }

  store(rows: readonly Local[]): Code {
    return this.sums.map((row, r) => row.map((sum, v) => v128.store(rows[r].get, sum.get, VECTOR * v)));
  }

  /** Stores the first `count` columns of each row; changes the rows' addresses. */
  storeSome(f: FunctionBuilder, rows: readonly Local[], count: Local): Code {
    const bit = (value: number): Code => i32.and(count.get, i32.const(value));
    const vectors = this.columns / 4;
    return this.sums.map((row, r) => {
      const at = rows[r];
      const last = row[vectors - 1];
      const first =
        vectors === 1
          ? f.ifTrue(bit(4), v128.store(at.get, row[0].get))
          : [v128.store(at.get, row[0].get), f.ifTrue(bit(4), advance(at, i32.const(VECTOR)))];
      const upperHalf = v128.shuffle(last.get, last.get, [8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7]);
      return [
        first,
        f.ifTrue(bit(2), [v128.storeLow64(at.get, last.get), last.set(upperHalf), advance(at, i32.const(2 * BYTES))]),
        f.ifTrue(bit(1), v128.storeLow32(at.get, last.get)),
      ];
    });
  }

  /** One step: `rows` give the addresses of a's numbers (with offsets), b that of the row of columns. */
  step(rows: readonly { readonly at: Local; readonly offset: number }[], b: Local): Code {
    return [
      this.factors.map((factor, v) => factor.set(v128.load(b.get, VECTOR * v))),
      this.sums.map((row, r) => [
        this.factor.set(v128.loadSplat32(rows[r].at.get, rows[r].offset)),
        row.map((sum, v) => sum.set(f32x4.add(sum.get, f32x4.multiply(this.factor.get, this.factors[v].get)))),
      ]),
    ];
  }
}

/** Addresses `first`, `first` + distance, … */
const spread = (list: readonly Local[], first: Code, distance: Code): Code =>
  list.map((local, r) => local.set(r === 0 ? first : i32.add(list[r - 1].get, distance)));

/** Where a product's factors lie; distances in bytes, numbers of repetitions. */
interface Factors {
  readonly a: Local;
  readonly aRow: Local;
  readonly aStep: Local;
  readonly aBlock: Local;
  readonly aPlane: Local;
  readonly bStep: Local;
  readonly steps: Local;
  readonly blocks: Local;
  readonly planes: Local;
}

/** Adds a(row, step) · b(step, column) over all steps of all blocks of all planes; b goes on from step to step throughout. */
class ProductSum {
  private readonly planeStarts: Local[];
  private readonly blockStarts: Local[];
  private readonly ats: Local[];
  private readonly bAt: Local;
  private readonly counters: Local[];

  constructor(
    private readonly f: FunctionBuilder,
    rows: number,
    private readonly factors: Factors,
  ) {
    this.planeStarts = localsOf(f, 'i32', rows);
    this.blockStarts = localsOf(f, 'i32', rows);
    this.ats = localsOf(f, 'i32', rows);
    this.bAt = f.local('i32');
    this.counters = localsOf(f, 'i32', 3);
  }

  add(tile: Tile, b: Local): Code {
    const { a, aRow, aBlock, aPlane, steps, blocks, planes } = this.factors;
    const [planesLeft, blocksLeft, stepsLeft] = this.counters;
    const copy = (to: readonly Local[], from: readonly Local[]): Code => to.map((local, r) => local.set(from[r].get));
    const move = (list: readonly Local[], by: Local): Code => list.map((local) => advance(local, by.get));
    return [
      spread(this.planeStarts, a.get, aRow.get),
      this.bAt.set(b.get),
      planesLeft.set(planes.get),
      this.f.repeatWhile(planesLeft.get, [
        copy(this.blockStarts, this.planeStarts),
        blocksLeft.set(blocks.get),
        this.f.repeatWhile(blocksLeft.get, [
          copy(this.ats, this.blockStarts),
          this.steps(tile, steps, stepsLeft),
          move(this.blockStarts, aBlock),
          countDown(blocksLeft),
        ]),
        move(this.planeStarts, aPlane),
        countDown(planesLeft),
      ]),
    ];
  }

  /** One step at a time: with several written out, V8 loads all their numbers first and runs out of registers. */
  private steps(tile: Tile, steps: Local, left: Local): Code {
    const { aStep, bStep } = this.factors;
    return [
      left.set(steps.get),
      this.f.repeatWhile(left.get, [
        tile.step(
          this.ats.map((at) => ({ at, offset: 0 })),
          this.bAt,
        ),
        this.ats.map((at) => advance(at, aStep.get)),
        advance(this.bAt, bStep.get),
        countDown(left),
      ]),
    ];
  }
}

/**
 * c[i, j] = initial[j] + Σ a[i, s] · b[s, j] over `steps` steps of each of `blocks` blocks of each of `planes` planes, for `rowTiles` times
 * `rows` rows, 8 · `columnTiles` columns and `rest` (0 to 7) more; the whole repeated for `bands` bands. Parameters: a, its rows, steps,
 * blocks, planes, bands; b, its columns of 8, steps; c, its rows, bands; initial; then the counts. Reads up to 12 bytes behind b and 28
 * behind the initial values.
 */
export function products(rows: number): FunctionBuilder {
  const f = new FunctionBuilder(`products${rows}`, 20);
  const [a, aRow, aStep, aBlock, aPlane, aBand, b, bTile, bStep, c, cRow, cBand, initial, ...counts] = parametersOf(
    f,
    20,
  );
  const [rowTiles, columnTiles, rest, steps, blocks, planes, bands] = counts;
  const [aTile, cTile, bColumn, cColumn, iColumn, tilesLeft, rowsLeft] = localsOf(f, 'i32', 7);
  const cRows = localsOf(f, 'i32', rows);
  const sum = new ProductSum(f, rows, { a: aTile, aRow, aStep, aBlock, aPlane, bStep, steps, blocks, planes });
  const [full, half] = [new Tile(f, rows, 8), new Tile(f, rows, 4)];
  const compute = (tile: Tile): Code => [
    tile.load(Array.from({ length: rows }, () => iColumn)),
    sum.add(tile, bColumn),
    spread(cRows, cColumn.get, cRow.get),
  ];
  const some = (tile: Tile): Code => [compute(tile), tile.storeSome(f, cRows, rest)];
  const rowTile: Code = [
    bColumn.set(b.get),
    cColumn.set(cTile.get),
    iColumn.set(initial.get),
    tilesLeft.set(columnTiles.get),
    times(f, tilesLeft, [
      compute(full),
      full.store(cRows),
      advance(bColumn, bTile.get),
      [cColumn, iColumn].map((at) => advance(at, i32.const(TILE_COLUMNS * BYTES))),
    ]),
    f.ifTrue(rest.get, [
      f.ifTrue(i32.lessThan(rest.get, i32.const(5)), some(half)),
      f.ifTrue(i32.lessThan(i32.const(4), rest.get), some(full)),
    ]),
    advance(aTile, i32.multiply(aRow.get, i32.const(rows))),
    advance(cTile, i32.multiply(cRow.get, i32.const(rows))),
  ];
  f.body = times(f, bands, [
    aTile.set(a.get),
    cTile.set(c.get),
    rowsLeft.set(rowTiles.get),
    times(f, rowsLeft, rowTile),
    advance(a, aBand.get),
    advance(c, cBand.get),
  ]);
  return f;
}

/**
 * c[i, j] += Σ a[i, s] · b[s, j] over `steps` steps of each of `blocks` blocks, with a[i, s] at a + 4 i + s · aStep, for 4 · `rowTiles`
 * rows and 8 · `columnTiles` (+ 4 if `halfTile`) columns: sums of outer products. Parameters: a, its steps, blocks; b, its steps, blocks;
 * c, its rows; the counts.
 */
export function outerProducts(): FunctionBuilder {
  const f = new FunctionBuilder('outerProducts', 13);
  const [a, aStep, aBlock, b, bStep, bBlock, c, cRow, ...counts] = parametersOf(f, 13);
  const [rowTiles, columnTiles, halfTile, steps, blocks] = counts;
  const [bColumn, cColumn, tilesLeft] = localsOf(f, 'i32', 3);
  const [aStart, aAt, bStart, bAt, stepsLeft, blocksLeft] = localsOf(f, 'i32', 6);
  const cRows = localsOf(f, 'i32', TILE_ROWS);
  const numbers = Array.from({ length: TILE_ROWS }, (_, r) => ({ at: aAt, offset: r * BYTES }));
  const tile = (t: Tile): Code => [
    spread(cRows, cColumn.get, cRow.get),
    t.load(cRows),
    aStart.set(a.get),
    bStart.set(bColumn.get),
    blocksLeft.set(blocks.get),
    f.repeatWhile(blocksLeft.get, [
      aAt.set(aStart.get),
      bAt.set(bStart.get),
      stepsLeft.set(steps.get),
      f.repeatWhile(stepsLeft.get, [
        t.step(numbers, bAt),
        advance(aAt, aStep.get),
        advance(bAt, bStep.get),
        countDown(stepsLeft),
      ]),
      advance(aStart, aBlock.get),
      advance(bStart, bBlock.get),
      countDown(blocksLeft),
    ]),
    t.store(cRows),
    [bColumn, cColumn].map((at) => advance(at, i32.const(t.columns * BYTES))),
  ];
  f.body = times(f, rowTiles, [
    bColumn.set(b.get),
    cColumn.set(c.get),
    tilesLeft.set(columnTiles.get),
    times(f, tilesLeft, tile(new Tile(f, TILE_ROWS, TILE_COLUMNS))),
    f.ifTrue(halfTile.get, tile(new Tile(f, TILE_ROWS, 4))),
    advance(a, i32.const(TILE_ROWS * BYTES)),
    advance(c, i32.multiply(cRow.get, i32.const(TILE_ROWS))),
  ]);
  return f;
}
