/**
 * The arithmetic of JPEG decoding in WebAssembly SIMD, bit by bit what libjpeg computes (and Pillow on it): its accurate integer
 * inverse DCT, its triangle-filtered enlargement of the colours, its fixed-point YCbCr to RGB.
 */
import {
  assembleModule,
  type Code,
  FunctionBuilder,
  i16x8,
  i32,
  i32x4,
  type Local,
  narrow,
  v128,
} from '../../../common/assembler.ts';
import { decodeUnits } from './entropy-kernel.ts';

const bytesOf16 = (values: readonly number[]): number[] => values.flatMap((value) => [value & 255, (value >> 8) & 255]);
/** (a, b) in every pair of 16-bit lanes. */
const pairs = (a: number, b: number): Code => v128.const([0, 1, 2, 3].flatMap(() => bytesOf16([a, b])));
const every32 = (value: number): Code => i32x4.splat(i32.const(value));
const every16 = (value: number): Code => i16x8.splat(i32.const(value));

/** Lanes of `bytes` bytes, alternately from a and b, beginning in the lower or upper half. */
const interleaved = (half: number, bytes: number): number[] =>
  Array.from({ length: 16 }, (_, i) => {
    const lane = Math.floor(i / bytes);
    return half * 8 + (lane >> 1) * bytes + (i % bytes) + (lane % 2) * 16;
  });
const interleave = (a: Local, b: Local, half: number, bytes: number): Code =>
  v128.shuffle(a.get, b.get, interleaved(half, bytes));

const advance = (at: Local, by: Code): Code => at.set(i32.add(at.get, by));
const locals = (f: FunctionBuilder, count: number): Local[] => Array.from({ length: count }, () => f.local('v128'));

/**
 * Which products of the inputs make each part of the one-dimensional transform: Loeffler, Ligtenberg and Moschytz 1989 in the
 * 13-bit fixed point of libjpeg (jidctint.c), multiplied out so that two inputs go through one dot product. Exact, as all of it is
 * linear in integers.
 */
const EVEN: readonly (readonly [number, number])[] = [
  [8192, 8192], // of inputs 0 and 4
  [8192, -8192],
  [4433, -10704], // of inputs 2 and 6
  [10703, 4433],
];
const ODD: readonly (readonly [number, number, number, number])[] = [
  [-11363, 2260, -6436, 9633], // of inputs 7, 1, 3, 5
  [9633, 6437, -11362, 2261],
  [-6436, 9633, -2259, -11362],
  [2260, 11363, 9633, 6437],
];

interface Transform {
  readonly rows: readonly Local[];
  readonly low: readonly Local[];
  readonly scratch: readonly Local[];
}

/** Four columns of the transform of eight rows; `keep` takes the 32-bit results. */
function halfTransform(
  { rows, scratch }: Transform,
  half: number,
  shift: number,
  offset: number,
  keep: (row: number, value: Code) => Code,
): Code {
  const [inputs04, inputs26, inputs71, inputs35, ...rest] = scratch;
  const even = rest.slice(0, 4);
  const odd = rest[4];
  const pair = (a: number, b: number): Code => interleave(rows[a], rows[b], half, 2);
  const dot = (inputs: Local, [a, b]: readonly number[]): Code => i32x4.dot(inputs.get, pairs(a, b));
  const descale = (value: Code): Code => i32x4.shiftRight(value, i32.const(shift));
  return [
    [inputs04.set(pair(0, 4)), inputs26.set(pair(2, 6)), inputs71.set(pair(7, 1)), inputs35.set(pair(3, 5))],
    [0, 1].map((n) => [
      even[n].set(i32x4.add(dot(inputs04, EVEN[n]), every32(offset))),
      odd.set(dot(inputs26, EVEN[3 - n])),
      even[3 - n].set(i32x4.sub(even[n].get, odd.get)),
      even[n].set(i32x4.add(even[n].get, odd.get)),
    ]),
    // Results n and 7 − n are the sum and the difference of an even and an odd part.
    [3, 2, 1, 0].map((part, n) => {
      const [a, b, c, d] = ODD[part];
      return [
        odd.set(i32x4.add(dot(inputs71, [a, b]), dot(inputs35, [c, d]))),
        keep(n, descale(i32x4.add(even[n].get, odd.get))),
        keep(7 - n, descale(i32x4.sub(even[n].get, odd.get))),
      ];
    }),
  ];
}

/** Transforms all columns; the results take the place of the rows. */
function transform(parts: Transform, shift: number, offset: number): Code {
  const { rows, low, scratch } = parts;
  const high = scratch.slice(9, 17);
  return [
    halfTransform(parts, 0, shift, offset, (row, value) => low[row].set(value)),
    halfTransform(parts, 1, shift, offset, (row, value) => high[row].set(value)),
    rows.map((row, i) => row.set(narrow.toInt16(low[i].get, high[i].get))),
  ];
}

/** Interleaving the first with the second half of the registers rotates the bits of every lane's place by one; three times transposes. */
function rotateThrice(registers: readonly Local[], other: readonly Local[], bytes: number): Code {
  const half = registers.length / 2;
  const once = (from: readonly Local[], to: readonly Local[]): Code =>
    to.map((register, i) => register.set(interleave(from[i >> 1], from[(i >> 1) + half], i % 2, bytes)));
  return [once(registers, other), once(other, registers), once(registers, other)];
}

const PASS_1_SHIFT = 11;
const PASS_2_SHIFT = 18;

/** idct(coefficients, end, quantisation, out, pitch): blocks side by side, to bytes; the coefficients are cleared. */
function idct(): FunctionBuilder {
  const f = new FunctionBuilder('idct', 5);
  const [block, end, quantisation, out, pitch] = [0, 1, 2, 3, 4].map((i) => f.parameter(i));
  const at = f.local('i32');
  const [rows, low, scratch] = [locals(f, 8), locals(f, 8), locals(f, 17)];
  const parts: Transform = { rows, low, scratch };
  const bytes = scratch.slice(0, 4);
  const turned = scratch.slice(4, 8);
  f.body = f.repeatWhile(i32.lessThan(block.get, end.get), [
    rows.map((row, i) => [
      row.set(i16x8.multiply(v128.load(block.get, i * 16), v128.load(quantisation.get, i * 16))),
      v128.store(block.get, v128.zero(), i * 16),
    ]),
    transform(parts, PASS_1_SHIFT, 1 << (PASS_1_SHIFT - 1)),
    rotateThrice(rows, low, 2),
    rows.map((row, i) => row.set(low[i].get)),
    // 128 is added where the rounding is.
    transform(parts, PASS_2_SHIFT, (1 << (PASS_2_SHIFT - 1)) + (128 << PASS_2_SHIFT)),
    bytes.map((two, i) => two.set(narrow.toBytes(rows[2 * i].get, rows[2 * i + 1].get))),
    rotateThrice(bytes, turned, 1),
    at.set(out.get),
    turned.map((two) => [
      v128.storeLow64(at.get, two.get),
      v128.storeHigh64(i32.add(at.get, pitch.get), two.get),
      advance(at, i32.add(pitch.get, pitch.get)),
    ]),
    advance(out, i32.const(8)),
    advance(block, i32.const(128)),
  ]);
  return f;
}

/** Sixteen bytes of a result from two times eight 16-bit lanes, the first where the place is even. */
const alternate = (f: { readonly even: Local; readonly odd: Local }): Code =>
  v128.shuffle(narrow.toBytes(f.even.get, f.even.get), narrow.toBytes(f.odd.get, f.odd.get), interleaved(0, 1));

/** (3 · this + neighbour + bias) >> shift */
const weighted = (middle: Code, neighbour: Code, bias: number, shift: number): Code =>
  i16x8.shiftRight(
    i16x8.add(i16x8.add(i16x8.multiply(middle, every16(3)), neighbour), every16(bias)),
    i32.const(shift),
  );

/** widen(row, out, end): twice as many samples (h2v1_fancy_upsample). The row's first and last sample are repeated beyond it. */
function widenRow(): FunctionBuilder {
  const f = new FunctionBuilder('widen', 3);
  const [row, out, end] = [0, 1, 2].map((i) => f.parameter(i));
  const [middle, even, odd] = locals(f, 3);
  f.body = f.repeatWhile(i32.lessThan(out.get, end.get), [
    middle.set(v128.loadBytes(row.get)),
    even.set(weighted(middle.get, v128.loadBytes(i32.sub(row.get, i32.const(1))), 1, 2)),
    odd.set(weighted(middle.get, v128.loadBytes(row.get, 1), 2, 2)),
    v128.store(out.get, alternate({ even, odd })),
    advance(row, i32.const(8)),
    advance(out, i32.const(16)),
  ]);
  return f;
}

/** widenBoth(near, far, out, end): one of the two rows that a row becomes, `far` being its neighbour on that side (h2v2_fancy_upsample). */
function widenBoth(): FunctionBuilder {
  const f = new FunctionBuilder('widenBoth', 4);
  const [near, far, out, end] = [0, 1, 2, 3].map((i) => f.parameter(i));
  const [before, middle, after, even, odd] = locals(f, 5);
  const column = (by: number): Code => {
    const place = (row: Local): Code =>
      by < 0 ? v128.loadBytes(i32.sub(row.get, i32.const(-by))) : v128.loadBytes(row.get, by);
    return i16x8.add(i16x8.multiply(place(near), every16(3)), place(far));
  };
  f.body = f.repeatWhile(i32.lessThan(out.get, end.get), [
    before.set(column(-1)),
    middle.set(column(0)),
    after.set(column(1)),
    even.set(weighted(middle.get, before.get, 8, 4)),
    odd.set(weighted(middle.get, after.get, 7, 4)),
    v128.store(out.get, alternate({ even, odd })),
    advance(near, i32.const(8)),
    advance(far, i32.const(8)),
    advance(out, i32.const(16)),
  ]);
  return f;
}

/** Where byte i of 48 comes from: pixel i / 3 of red and green (registers a and b), or of blue. */
const rgbLanes = (part: number): { readonly redGreen: number[]; readonly all: number[] } => {
  const places = Array.from({ length: 16 }, (_, i) => ({
    pixel: Math.floor((part * 16 + i) / 3),
    colour: (part * 16 + i) % 3,
  }));
  return {
    redGreen: places.map(({ pixel, colour }) => (colour === 1 ? 16 + pixel : pixel)),
    all: places.map(({ pixel, colour }, i) => (colour === 2 ? 16 + pixel : i)),
  };
};

/**
 * 16-bit fixed point of jdcolor.c, factors beyond 16 bits taken apart: 1.402 = 1 + 26345 / 65536, 1.772 = 2 − 14942 / 65536,
 * −0.71414 = −1 + 18734 / 65536, −0.34414 = −22554 / 65536. Of (blue, red) differences.
 */
const RED = pairs(0, 26345);
const GREEN = pairs(-22554, 18734);
const BLUE = pairs(-14942, 0);

/** convert(y, cb, cr, out, end): a row of RGB, 16 pixels at a time. */
function convert(): FunctionBuilder {
  const f = new FunctionBuilder('convert', 5);
  const [y, cb, cr, out, end] = [0, 1, 2, 3, 4].map((i) => f.parameter(i));
  const [light, blueness, redness, low, high] = locals(f, 5);
  const halves = [locals(f, 3), locals(f, 3)];
  const [red, green, blue] = locals(f, 3);
  const fraction = (factors: Code): Code => {
    const of = (half: Local): Code =>
      i32x4.shiftRight(i32x4.add(i32x4.dot(half.get, factors), every32(1 << 15)), i32.const(16));
    return narrow.toInt16(of(low), of(high));
  };
  const eight = (part: number): Code => {
    const at = part * 8;
    const difference = (from: Local): Code => i16x8.sub(v128.loadBytes(from.get, at), every16(128));
    const [r, g, b] = halves[part];
    return [
      light.set(v128.loadBytes(y.get, at)),
      blueness.set(difference(cb)),
      redness.set(difference(cr)),
      low.set(interleave(blueness, redness, 0, 2)),
      high.set(interleave(blueness, redness, 1, 2)),
      r.set(i16x8.add(i16x8.add(light.get, redness.get), fraction(RED))),
      g.set(i16x8.add(i16x8.sub(light.get, redness.get), fraction(GREEN))),
      b.set(i16x8.add(i16x8.add(light.get, i16x8.add(blueness.get, blueness.get)), fraction(BLUE))),
    ];
  };
  const store = (part: number): Code => {
    const { redGreen, all } = rgbLanes(part);
    return v128.store(out.get, v128.shuffle(v128.shuffle(red.get, green.get, redGreen), blue.get, all), part * 16);
  };
  f.body = f.repeatWhile(i32.lessThan(out.get, end.get), [
    eight(0),
    eight(1),
    [red, green, blue].map((colour, i) => colour.set(narrow.toBytes(halves[0][i].get, halves[1][i].get))),
    [0, 1, 2].map(store),
    [y, cb, cr].map((from) => advance(from, i32.const(16))),
    advance(out, i32.const(48)),
  ]);
  return f;
}

export interface JpegKernels {
  readonly memory: WebAssembly.Memory;
  decodeUnits(state: number, blocks: number, blocksEnd: number, units: number, places: number, top: number): void;
  idct(coefficients: number, end: number, quantisation: number, out: number, pitch: number): void;
  widen(row: number, out: number, end: number): void;
  widenBoth(near: number, far: number, out: number, end: number): void;
  convert(y: number, cb: number, cr: number, out: number, end: number): void;
}

let kernels: JpegKernels | null | undefined;

/** The kernels, or null where this machine's WebAssembly has no SIMD. */
export function jpegKernels(): JpegKernels | null {
  if (kernels !== undefined) return kernels;
  try {
    const module = new WebAssembly.Module(assembleModule([decodeUnits(), idct(), widenRow(), widenBoth(), convert()]));
    kernels = new WebAssembly.Instance(module).exports as unknown as JpegKernels;
  } catch {
    kernels = null;
  }
  return kernels;
}
