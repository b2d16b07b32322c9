/** Convolutions and pooling by plain loops over windows. */
import type { KernelAttributes } from '../../../src/engine/compute/programs/kernels.ts';
import { type Values, values } from './array.ts';

interface Window {
  readonly kernel: readonly [number, number];
  readonly stride: readonly [number, number];
  readonly padding: { readonly top: number; readonly left: number };
  readonly dilation?: readonly [number, number];
}

/** Calls `visit(output position, input position, kernel position)` for every pair that lies inside one plane. */
function forEachTap(
  { kernel: [kh, kw], stride: [sh, sw], padding, dilation: [dh, dw] = [1, 1] }: Window,
  [h, w]: readonly number[],
  [oh, ow]: readonly number[],
  visit: (o: number, i: number, k: number) => void,
): void {
  for (let oy = 0; oy < oh; oy++)
    for (let ox = 0; ox < ow; ox++)
      for (let ky = 0; ky < kh; ky++) {
        const y = oy * sh - padding.top + ky * dh;
        if (y < 0 || y >= h) continue;
        for (let kx = 0; kx < kw; kx++) {
          const x = ox * sw - padding.left + kx * dw;
          if (x >= 0 && x < w) visit(oy * ow + ox, y * w + x, ky * kw + kx);
        }
      }
}

interface Taps {
  readonly o: Int32Array;
  readonly i: Int32Array;
  readonly k: Int32Array;
}

function taps(window: Window, input: readonly number[], output: readonly number[]): Taps {
  const list: [number, number, number][] = [];
  forEachTap(window, input, output, (o, i, k) => list.push([o, i, k]));
  const column = (j: 0 | 1 | 2): Int32Array => Int32Array.from(list, (row) => row[j]);
  return { o: column(0), i: column(1), k: column(2) };
}

/** Runs `visit` over every (sample, output channel, input channel of its group) with offsets of their planes. */
function forEachPlane(
  [n, channels, ...size]: readonly number[],
  [out, perGroup, kh, kw]: readonly number[],
  outSize: readonly number[],
  visit: (xPlane: number, wPlane: number, yPlane: number) => void,
): void {
  const area = size[0] * size[1];
  const outArea = outSize[0] * outSize[1];
  const outPerGroup = out / (channels / perGroup);
  for (let s = 0; s < n; s++)
    for (let o = 0; o < out; o++) {
      const first = Math.floor(o / outPerGroup) * perGroup;
      for (let c = 0; c < perGroup; c++)
        visit((s * channels + first + c) * area, (o * perGroup + c) * kh * kw, (s * out + o) * outArea);
    }
}

/** Taps of one kernel position on one row of a plane: outputs o, o + 1, … take inputs i, i + step, …. */
interface Row {
  readonly o: number;
  readonly i: number;
  readonly k: number;
  readonly length: number;
  readonly step: number;
}

/** All taps of a plane, gathered into rows: long loops without index tables. */
function rows(window: Window, input: readonly number[], output: readonly number[]): readonly Row[] {
  const step = window.stride[1];
  const byRow = new Map<number, { o: number; i: number; k: number; length: number; step: number }>();
  forEachTap(window, input, output, (o, i, k) => {
    // One row for each row of outputs and position in the kernel.
    const key = Math.floor(o / output[1]) * window.kernel[0] * window.kernel[1] + k;
    const row = byRow.get(key);
    if (row) row.length++;
    else byRow.set(key, { o, i, k, length: 1, step });
  });
  return [...byRow.values()];
}

export function conv(a: KernelAttributes['conv'], [x, w, bias]: readonly Values[], shape: readonly number[]): Values {
  const y = values(shape);
  const area = shape[2] * shape[3];
  if (bias) for (let i = 0; i < y.data.length; i++) y.data[i] = bias.data[Math.floor(i / area) % shape[1]];
  const all = rows(a, x.shape.slice(2), shape.slice(2));
  forEachPlane(x.shape, w.shape, shape.slice(2), (xp, wp, yp) => {
    for (const { o, i, k, length, step } of all) {
      const weight = w.data[wp + k];
      const [to, from] = [yp + o, xp + i];
      for (let j = 0; j < length; j++) y.data[to + j] += x.data[from + j * step] * weight;
    }
  });
  return y;
}

export function convInputGradient(
  a: KernelAttributes['conv'],
  [d, w]: readonly Values[],
  shape: readonly number[],
): Values {
  const dx = values(shape);
  const all = rows(a, shape.slice(2), d.shape.slice(2));
  forEachPlane(shape, w.shape, d.shape.slice(2), (xp, wp, yp) => {
    for (const { o, i, k, length, step } of all) {
      const weight = w.data[wp + k];
      const [from, to] = [yp + o, xp + i];
      for (let j = 0; j < length; j++) dx.data[to + j * step] += d.data[from + j] * weight;
    }
  });
  return dx;
}

export function convWeightGradient(
  a: KernelAttributes['conv'],
  [x, d]: readonly Values[],
  shape: readonly number[],
): Values {
  const dw = values(shape);
  const all = rows(a, x.shape.slice(2), d.shape.slice(2));
  forEachPlane(x.shape, shape, d.shape.slice(2), (xp, wp, yp) => {
    for (const { o, i, k, length, step } of all) {
      const [of, by] = [xp + i, yp + o];
      let sum = 0;
      for (let j = 0; j < length; j++) sum += d.data[by + j] * x.data[of + j * step];
      dw.data[wp + k] += sum;
    }
  });
  return dw;
}

/** Runs `visit` for every plane of [N, C, H, W] with the offsets of input and output. */
function forEachChannel(
  input: readonly number[],
  output: readonly number[],
  visit: (xPlane: number, yPlane: number) => void,
): void {
  for (let p = 0; p < input[0] * input[1]; p++) visit(p * input[2] * input[3], p * output[2] * output[3]);
}

/** Index in x of the first maximum of every window. */
function maxima(a: KernelAttributes['maxPool'], x: Values, shape: readonly number[]): Int32Array {
  const best = new Int32Array(shape.reduce((m, n) => m * n, 1)).fill(-1);
  const t = taps(a, x.shape.slice(2), shape.slice(2));
  forEachChannel(x.shape, shape, (xp, yp) => {
    for (let j = 0; j < t.o.length; j++) {
      const [o, i] = [yp + t.o[j], xp + t.i[j]];
      if (best[o] < 0 || x.data[i] > x.data[best[o]]) best[o] = i;
    }
  });
  return best;
}

export function maxPool(a: KernelAttributes['maxPool'], [x]: readonly Values[], shape: readonly number[]): Values {
  return { shape, data: Float64Array.from(maxima(a, x, shape), (i) => x.data[i]) };
}

export function maxPoolGradient(a: KernelAttributes['maxPool'], [d, x]: readonly Values[]): Values {
  const dx = values(x.shape);
  maxima(a, x, d.shape).forEach((i, o) => {
    dx.data[i] += d.data[o];
  });
  return dx;
}

/** What each output of one plane is divided by. A window may reach past the padding nowhere: shapes are floored. */
function divisors(a: KernelAttributes['averagePool'], t: Taps, outputs: number): Float64Array {
  if (a.countPadding) return new Float64Array(outputs).fill(a.kernel[0] * a.kernel[1]);
  const counts = new Float64Array(outputs);
  for (const o of t.o) counts[o]++;
  return counts;
}

export function averagePool(
  a: KernelAttributes['averagePool'],
  [x]: readonly Values[],
  shape: readonly number[],
): Values {
  const y = values(shape);
  const t = taps(a, x.shape.slice(2), shape.slice(2));
  const by = divisors(a, t, shape[2] * shape[3]);
  forEachChannel(x.shape, shape, (xp, yp) => {
    for (let j = 0; j < t.o.length; j++) y.data[yp + t.o[j]] += x.data[xp + t.i[j]] / by[t.o[j]];
  });
  return y;
}

export function averagePoolGradient(
  a: KernelAttributes['averagePool'],
  [d]: readonly Values[],
  shape: readonly number[],
): Values {
  const dx = values(shape);
  const t = taps(a, shape.slice(2), d.shape.slice(2));
  const by = divisors(a, t, d.shape[2] * d.shape[3]);
  forEachChannel(shape, d.shape, (xp, yp) => {
    for (let j = 0; j < t.o.length; j++) dx.data[xp + t.i[j]] += d.data[yp + t.o[j]] / by[t.o[j]];
  });
  return dx;
}

export function patches(a: KernelAttributes['patches'], [x]: readonly Values[], shape: readonly number[]): Values {
  const out = values(shape);
  const [n, kh, kw, channels, outputs] = shape;
  const [height, width] = x.shape.slice(2);
  const columns =
    Math.floor((width + a.padding.left + a.padding.right - a.dilation[1] * (kw - 1) - 1) / a.stride[1]) + 1;
  const t = taps(a, [height, width], [outputs / columns, columns]);
  for (let plane = 0; plane < n * channels; plane++) {
    const [sample, c] = [Math.floor(plane / channels), plane % channels];
    for (let j = 0; j < t.o.length; j++)
      out.data[((sample * kh * kw + t.k[j]) * channels + c) * outputs + t.o[j]] =
        x.data[plane * height * width + t.i[j]];
  }
  return out;
}
