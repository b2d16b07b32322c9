/**
 * Pillow's `Image.resize`, byte for byte, on RGB: a horizontal pass, then a vertical one, each rounded to 8 bits. Source and
 * result may be rectangles: only the pixels that the result needs are computed, which does not change their values.
 */
import { type Box, cropImage, type RgbImage, wholeImage } from './image.ts';
import { type Interpolation, type Taps, tapsFor, WEIGHT_BITS } from './resize-filters.ts';
import { resizeKernels } from './wasm/resize-kernels.ts';
import { MOST_SOURCE_BYTES, type Passes, resizeWithKernels } from './wasm/resize-simd.ts';

export interface ResizeRequest {
  /** Size of the whole result. */
  readonly width: number;
  readonly height: number;
  readonly interpolation: Interpolation;
  /** Take only this part of the source, as if it had been cropped first (`resized_crop`). Default: all. */
  readonly source?: Box;
  /** Compute only this part of the result (a crop that follows). Default: all. */
  readonly window?: Box;
  /** Without WebAssembly, as sources that its memory cannot hold: the same result, slower. */
  readonly plain?: boolean;
}

const HALF = 1 << (WEIGHT_BITS - 1);
let scratch = new Uint8ClampedArray(0);

function scratchOf(bytes: number): Uint8ClampedArray {
  if (scratch.length < bytes) scratch = new Uint8ClampedArray(bytes);
  return scratch;
}

/** Rows `rows` of the source, columns of the window, into `out` (rows × window.width × 3). */
function horizontalPass(
  image: RgbImage,
  source: Box,
  rows: readonly [number, number],
  window: Box,
  taps: Taps,
  out: Uint8ClampedArray,
) {
  const { data } = image;
  const { start, count, weights, stride } = taps;
  let at = 0;
  for (let y = rows[0]; y < rows[1]; y++) {
    const row = ((source.top + y) * image.width + source.left) * 3;
    for (let o = window.left; o < window.left + window.width; o++) {
      let from = row + start[o] * 3;
      let k = o * stride;
      let r = HALF;
      let g = HALF;
      let b = HALF;
      for (const end = k + count[o]; k < end; k++, from += 3) {
        const w = weights[k];
        r = (r + Math.imul(data[from], w)) | 0;
        g = (g + Math.imul(data[from + 1], w)) | 0;
        b = (b + Math.imul(data[from + 2], w)) | 0;
      }
      out[at] = r >> WEIGHT_BITS;
      out[at + 1] = g >> WEIGHT_BITS;
      out[at + 2] = b >> WEIGHT_BITS;
      at += 3;
    }
  }
}

/** `input` holds source rows from `firstRow`, each `rowBytes` long; writes the window's rows. */
function verticalPass(
  input: Uint8Array | Uint8ClampedArray,
  base: number,
  pitch: number,
  firstRow: number,
  window: Box,
  taps: Taps,
  out: Uint8ClampedArray,
) {
  const { start, count, weights, stride } = taps;
  const rowBytes = window.width * 3;
  let at = 0;
  for (let o = window.top; o < window.top + window.height; o++) {
    const first = base + (start[o] - firstRow) * pitch;
    const k0 = o * stride;
    const k1 = k0 + count[o];
    for (let x = 0; x < rowBytes; x++) {
      let sum = HALF;
      let from = first + x;
      for (let k = k0; k < k1; k++, from += pitch) sum = (sum + Math.imul(input[from], weights[k])) | 0;
      out[at++] = sum >> WEIGHT_BITS;
    }
  }
}

/** Pillow's nearest: the coordinate is accumulated in double precision from the centre of the first pixel. */
function nearestIndices(input: number, output: number): Int32Array {
  const step = input / output;
  const picked = new Int32Array(output);
  let x = step * 0.5;
  for (let o = 0; o < output; o++, x += step) picked[o] = Math.min(input - 1, Math.trunc(x));
  return picked;
}

function nearest(
  image: RgbImage,
  source: Box,
  window: Box,
  columns: Int32Array,
  rows: Int32Array,
  out: Uint8ClampedArray,
) {
  let at = 0;
  for (let y = window.top; y < window.top + window.height; y++) {
    const row = ((source.top + rows[y]) * image.width + source.left) * 3;
    for (let x = window.left; x < window.left + window.width; x++, at += 3) {
      const from = row + columns[x] * 3;
      out[at] = image.data[from];
      out[at + 1] = image.data[from + 1];
      out[at + 2] = image.data[from + 2];
    }
  }
}

/** Both passes in plain JavaScript. */
function resizePlainly({ image, source, window, across, down, rows }: Passes, out: Uint8ClampedArray): void {
  if (!across) {
    // The vertical pass reads the source itself.
    const base = ((source.top + rows[0]) * image.width + source.left + window.left) * 3;
    verticalPass(image.data, base, image.width * 3, rows[0], window, down, out);
    return;
  }
  const between = scratchOf((rows[1] - rows[0]) * window.width * 3);
  horizontalPass(image, source, rows, window, across, between);
  verticalPass(between, 0, window.width * 3, rows[0], window, down, out);
}

/** Resizes; the result has the size of the window (of the request where there is none). */
export function resizeImage(image: RgbImage, request: ResizeRequest): RgbImage {
  const source = request.source ?? wholeImage(image);
  const { width, height, interpolation } = request;
  const window = request.window ?? { left: 0, top: 0, width, height };
  if (source.width === width && source.height === height) {
    return cropImage(image, { ...window, left: source.left + window.left, top: source.top + window.top });
  }
  const data = new Uint8Array(window.width * window.height * 3);
  const clamped = new Uint8ClampedArray(data.buffer); // storing into it clips to 0 … 255
  const result = { width: window.width, height: window.height, data };
  if (interpolation === 'nearest') {
    nearest(image, source, window, nearestIndices(source.width, width), nearestIndices(source.height, height), clamped);
    return result;
  }
  const down = tapsFor(source.height, height, interpolation);
  // No horizontal pass where the width stays (Pillow skips it too).
  const across = source.width === width ? undefined : tapsFor(source.width, width, interpolation);
  const lastRow = window.top + window.height - 1;
  const rows: [number, number] = [down.start[window.top], down.start[lastRow] + down.count[lastRow]];
  const kernels = request.plain || image.data.length > MOST_SOURCE_BYTES ? null : resizeKernels();
  if (kernels) resizeWithKernels(kernels, { image, source, window, across, down, rows }, data);
  else resizePlainly({ image, source, window, across, down, rows }, clamped);
  return result;
}
