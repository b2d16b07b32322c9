/**
 * The two passes of Pillow's resize in WebAssembly SIMD. Weights have 22 fraction bits, more than a 16-bit product takes:
 * each is split into high · 2¹¹ + low, both halves go through the 16-bit dot product, and the sum is put together again, exactly.
 */
import {
  assembleModule,
  type Code,
  FunctionBuilder,
  i32,
  i32x4,
  type Local,
  narrow,
  v128,
  widen,
} from './assembler.ts';

/** Bits of the low half of a weight. */
export const LOW_BITS = 11;
const FRACTION_BITS = 22;

const NONE = 255;
/** Two neighbouring RGB pixels from byte `first` as 16-bit pairs: r r, g g, b b. */
const pixelPairs = (first: number): Code =>
  v128.const([0, 1, 2, 3].flatMap((c) => (c < 3 ? [first + c, NONE, first + 3 + c, NONE] : [NONE, NONE, NONE, NONE])));

/** The rounded, shifted sum of both halves. */
const combine = (high: Local, low: Local): Code =>
  i32x4.shiftRight(
    i32x4.add(
      i32x4.add(i32x4.shiftLeft(high.get, i32.const(LOW_BITS)), low.get),
      i32x4.splat(i32.const(1 << (FRACTION_BITS - 1))),
    ),
    i32.const(FRACTION_BITS),
  );

const addTo = (sum: Local, more: Code): Code => sum.set(i32x4.add(sum.get, more));
const advance = (at: Local, by: Code): Code => at.set(i32.add(at.get, by));

/**
 * horizontal(source, pitch, sourceEnd, out, taps, tapsEnd): rows of RGB, each from `pitch` bytes to as many pixels as the tap
 * table has entries. An entry: offset of the first byte, groups of four taps; per group 4 × i32: high 01, high 23, low 01, low 23,
 * two 16-bit weights each.
 */
function horizontal(): FunctionBuilder {
  const f = new FunctionBuilder('horizontal', 6);
  const [row, pitch, sourceEnd, out, taps, tapsEnd] = [0, 1, 2, 3, 4, 5].map((i) => f.parameter(i));
  const [entry, at, groups] = [f.local('i32'), f.local('i32'), f.local('i32')];
  const [high, low, four, pair] = [f.local('v128'), f.local('v128'), f.local('v128'), f.local('v128')];
  const half = (first: number, weights: number): Code => [
    pair.set(v128.swizzle(four.get, pixelPairs(first))),
    addTo(high, i32x4.dot(pair.get, v128.loadSplat32(entry.get, weights))),
    addTo(low, i32x4.dot(pair.get, v128.loadSplat32(entry.get, weights + 8))),
  ];
  const group: Code = [
    four.set(v128.load(at.get)),
    half(0, 0),
    half(6, 4),
    advance(at, i32.const(12)),
    advance(entry, i32.const(16)),
    groups.set(i32.sub(groups.get, i32.const(1))),
  ];
  const sum = f.local('v128');
  const pixel: Code = [
    at.set(i32.add(row.get, i32.load(entry.get))),
    groups.set(i32.load(entry.get, 4)),
    advance(entry, i32.const(8)),
    high.set(v128.zero()),
    low.set(v128.zero()),
    f.repeatWhile(groups.get, group),
    sum.set(narrow.toInt16(combine(high, low), v128.zero())),
    // Four bytes are written; the fourth is the next pixel's.
    v128.storeLow32(out.get, narrow.toBytes(sum.get, sum.get)),
    advance(out, i32.const(3)),
  ];
  f.body = f.repeatWhile(i32.lessThan(row.get, sourceEnd.get), [
    entry.set(taps.get),
    f.repeatWhile(i32.lessThan(entry.get, tapsEnd.get), pixel),
    advance(row, pitch.get),
  ]);
  return f;
}

const interleave = (from: number): number[] => Array.from({ length: 16 }, (_, i) => from + (i >> 1) + (i % 2) * 16);

/**
 * vertical(source, pitch, rowBytes, out, taps, tapsEnd): one row per entry of the tap table, `rowBytes` (a multiple of 16) long.
 * An entry: offset of the first row, pairs of taps; per pair 2 × i32: high and low, two 16-bit weights each.
 */
function vertical(): FunctionBuilder {
  const f = new FunctionBuilder('vertical', 6);
  const [source, pitch, rowBytes, out, entry, tapsEnd] = [0, 1, 2, 3, 4, 5].map((i) => f.parameter(i));
  const [column, columnEnd, at, weights, pairs] = Array.from({ length: 5 }, () => f.local('i32'));
  const quarters = Array.from({ length: 4 }, () => ({
    high: f.local('v128'),
    low: f.local('v128'),
    data: f.local('v128'),
  }));
  const [upper, lower, mixed, highWeights, lowWeights] = Array.from({ length: 5 }, () => f.local('v128'));
  const pair: Code = [
    upper.set(v128.load(at.get)),
    lower.set(v128.load(i32.add(at.get, pitch.get))),
    highWeights.set(v128.loadSplat32(weights.get, 0)),
    lowWeights.set(v128.loadSplat32(weights.get, 4)),
    [0, 1].map((part) => [
      mixed.set(v128.shuffle(upper.get, lower.get, interleave(part * 8))),
      quarters[part * 2].data.set(widen.low(mixed.get)),
      quarters[part * 2 + 1].data.set(widen.high(mixed.get)),
    ]),
    quarters.map(({ high, low, data }) => [
      addTo(high, i32x4.dot(data.get, highWeights.get)),
      addTo(low, i32x4.dot(data.get, lowWeights.get)),
    ]),
    advance(at, i32.add(pitch.get, pitch.get)),
    advance(weights, i32.const(8)),
    pairs.set(i32.sub(pairs.get, i32.const(1))),
  ];
  const words = (a: number): Code =>
    narrow.toInt16(combine(quarters[a].high, quarters[a].low), combine(quarters[a + 1].high, quarters[a + 1].low));
  const chunk: Code = [
    at.set(i32.add(i32.add(source.get, i32.load(entry.get)), column.get)),
    pairs.set(i32.load(entry.get, 4)),
    weights.set(i32.add(entry.get, i32.const(8))),
    quarters.map(({ high, low }) => [high.set(v128.zero()), low.set(v128.zero())]),
    f.repeatWhile(pairs.get, pair),
    v128.store(out.get, narrow.toBytes(words(0), words(2))),
    advance(out, i32.const(16)),
    advance(column, i32.const(16)),
  ];
  f.body = [
    columnEnd.set(rowBytes.get),
    f.repeatWhile(i32.lessThan(entry.get, tapsEnd.get), [
      column.set(i32.const(0)),
      f.repeatWhile(i32.lessThan(column.get, columnEnd.get), chunk),
      entry.set(weights.get),
    ]),
  ];
  return f;
}

export interface ResizeKernels {
  readonly memory: WebAssembly.Memory;
  horizontal(source: number, pitch: number, sourceEnd: number, out: number, taps: number, tapsEnd: number): void;
  vertical(source: number, pitch: number, rowBytes: number, out: number, taps: number, tapsEnd: number): void;
}

let kernels: ResizeKernels | null | undefined;

/** The kernels, or null where this machine's WebAssembly has no SIMD. */
export function resizeKernels(): ResizeKernels | null {
  if (kernels !== undefined) return kernels;
  try {
    const module = new WebAssembly.Module(assembleModule([horizontal(), vertical()]));
    kernels = new WebAssembly.Instance(module).exports as unknown as ResizeKernels;
  } catch {
    kernels = null;
  }
  return kernels;
}
