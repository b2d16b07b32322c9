/** Depthwise convolutions in WebAssembly SIMD, one row of the kernel at a time: its entries (or their sums) are held in registers. */
import { type Code, FunctionBuilder, f32x4, i32, type Local, v128 } from '../../../../common/assembler.ts';
import { advance, countDown, localsOf, parametersOf, times, VECTOR } from './loops.ts';

/** Widths of kernels that there are functions for. */
export const DEPTHWISE_WIDTHS = [3, 5, 7] as const;
export type DepthwiseWidth = (typeof DEPTHWISE_WIDTHS)[number];

/** Visits x's vectors under a row of the kernel: `use` gets each of them in turn. */
function alongRow(at: Local, x: Local, tap: Local, width: number, use: (value: Code, entry: number) => Code): Code {
  return Array.from({ length: width }, (_, entry) => [
    at.set(entry === 0 ? x.get : i32.add(at.get, tap.get)),
    use(v128.load(at.get), entry),
  ]);
}

/**
 * y[p] += Σ x[p · xPixel + entry · tap] · w[entry] for every vector of channels. Parameters: x, xPixel, tap, y, yPixel, w, bytes between
 * the entries of w, pixels, vectors.
 */
export function depthwiseRow(width: DepthwiseWidth): FunctionBuilder {
  const f = new FunctionBuilder(`depthwiseRow${width}`, 9);
  const [x, xPixel, tap, y, yPixel, w, wEntry, pixels, vectors] = parametersOf(f, 9);
  const [xAt, yAt, at, left] = localsOf(f, 'i32', 4);
  const weights = localsOf(f, 'v128', width);
  const sum = f.local('v128');
  const pixel: Code = [
    sum.set(v128.load(yAt.get)),
    alongRow(at, xAt, tap, width, (value, entry) =>
      sum.set(f32x4.add(sum.get, f32x4.multiply(value, weights[entry].get))),
    ),
    v128.store(yAt.get, sum.get),
    advance(xAt, xPixel.get),
    advance(yAt, yPixel.get),
    countDown(left),
  ];
  f.body = times(f, vectors, [
    alongRow(at, w, wEntry, width, (value, entry) => weights[entry].set(value)),
    xAt.set(x.get),
    yAt.set(y.get),
    left.set(pixels.get),
    f.repeatWhile(left.get, pixel),
    [x, y, w].map((pointer) => advance(pointer, i32.const(VECTOR))),
  ]);
  return f;
}

/**
 * dw[entry] += Σ x[row, p · xPixel + entry · tap] · d[row, p] for every vector of channels. Parameters: x, xPixel, xRow, tap, d, dPixel,
 * dRow, dw, bytes between the entries of dw, pixels, rows, vectors.
 */
export function depthwiseRowGradient(width: DepthwiseWidth): FunctionBuilder {
  const f = new FunctionBuilder(`depthwiseRowGradient${width}`, 12);
  const [x, xPixel, xRow, tap, d, dPixel, dRow, dw, wEntry, pixels, rows, vectors] = parametersOf(f, 12);
  const [xStart, dStart, xAt, dAt, at, pixelsLeft, rowsLeft] = localsOf(f, 'i32', 7);
  const sums = localsOf(f, 'v128', width);
  const gradient = f.local('v128');
  const pixel: Code = [
    gradient.set(v128.load(dAt.get)),
    alongRow(at, xAt, tap, width, (value, entry) =>
      sums[entry].set(f32x4.add(sums[entry].get, f32x4.multiply(value, gradient.get))),
    ),
    advance(xAt, xPixel.get),
    advance(dAt, dPixel.get),
    countDown(pixelsLeft),
  ];
  f.body = times(f, vectors, [
    alongRow(at, dw, wEntry, width, (value, entry) => sums[entry].set(value)),
    xStart.set(x.get),
    dStart.set(d.get),
    rowsLeft.set(rows.get),
    f.repeatWhile(rowsLeft.get, [
      xAt.set(xStart.get),
      dAt.set(dStart.get),
      pixelsLeft.set(pixels.get),
      f.repeatWhile(pixelsLeft.get, pixel),
      advance(xStart, xRow.get),
      advance(dStart, dRow.get),
      countDown(rowsLeft),
    ]),
    at.set(dw.get),
    sums.map((sum) => [v128.store(at.get, sum.get), advance(at, wEntry.get)]),
    [x, d, dw].map((pointer) => advance(pointer, i32.const(VECTOR))),
  ]);
  return f;
}
