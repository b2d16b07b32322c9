/** Resizing through the WebAssembly kernels: lays out the memory, prepares the tap tables, copies in and out. */
import type { Box, RgbImage } from '../image.ts';
import type { Taps } from '../resize-filters.ts';
import { LOW_BITS, type ResizeKernels } from './resize-kernels.ts';

/** Larger sources are left to the plain code: the memory never shrinks again. */
export const MOST_SOURCE_BYTES = 64 * 1024 * 1024;

/** The kernels read and write up to this much beyond what they need. */
const SLACK = 64;
const PAGE = 65536;

const align = (bytes: number): number => Math.ceil(bytes / 16) * 16;

/** Two weights' halves as 16-bit pairs: [high, low]. */
function packPair(first: number, second: number): [number, number] {
  const mask = (1 << LOW_BITS) - 1;
  const high = ((first >> LOW_BITS) & 0xffff) | ((second >> LOW_BITS) << 16);
  const low = (first & mask) | ((second & mask) << 16);
  return [high, low];
}

interface Range {
  readonly from: number;
  readonly to: number;
}

/** The table for `horizontal`: outputs of the range, byte offsets from the beginning of a row. */
function horizontalTable({ start, count, weights, stride }: Taps, { from, to }: Range): Int32Array {
  const table: number[] = [];
  for (let o = from; o < to; o++) {
    const groups = Math.ceil(count[o] / 4);
    table.push(start[o] * 3, groups);
    const weight = (t: number) => (t < count[o] ? weights[o * stride + t] : 0);
    for (let t = 0; t < groups * 4; t += 4) {
      const [high01, low01] = packPair(weight(t), weight(t + 1));
      const [high23, low23] = packPair(weight(t + 2), weight(t + 3));
      table.push(high01, high23, low01, low23);
    }
  }
  return Int32Array.from(table);
}

/** The table for `vertical`: offsets of rows `pitch` bytes apart, counted from `firstRow`. */
function verticalTable(
  { start, count, weights, stride }: Taps,
  { from, to }: Range,
  firstRow: number,
  pitch: number,
): Int32Array {
  const table: number[] = [];
  for (let o = from; o < to; o++) {
    const pairs = Math.ceil(count[o] / 2);
    table.push((start[o] - firstRow) * pitch, pairs);
    for (let t = 0; t < pairs * 2; t += 2) {
      const second = t + 1 < count[o] ? weights[o * stride + t + 1] : 0;
      table.push(...packPair(weights[o * stride + t], second));
    }
  }
  return Int32Array.from(table);
}

/** What both passes of a resize work on. */
export interface Passes {
  readonly image: RgbImage;
  readonly source: Box;
  readonly window: Box;
  /** Undefined where the width stays: the horizontal pass is left out. */
  readonly across: Taps | undefined;
  readonly down: Taps;
  /** Source rows that the window needs, counted from the source's top. */
  readonly rows: readonly [number, number];
}

/** Grows the memory to hold so many bytes. */
function reserve(memory: WebAssembly.Memory, bytes: number): void {
  const missing = bytes - memory.buffer.byteLength;
  if (missing > 0) memory.grow(Math.ceil(missing / PAGE));
}

/** Writes the window's pixels to `out`. */
export function resizeWithKernels(kernels: ResizeKernels, request: Passes, out: Uint8Array): void {
  const { image, source, window, across, down, rows } = request;
  const { memory } = kernels;
  const rowCount = rows[1] - rows[0];
  const sourcePitch = image.width * 3;
  // Without a horizontal pass the vertical one reads the source from the window's first column on.
  const firstColumn = source.left + (across ? 0 : window.left);
  const betweenPitch = across ? window.width * 3 : sourcePitch;
  const outPitch = align(window.width * 3);
  const wide = across && horizontalTable(across, { from: window.left, to: window.left + window.width });
  const tall = verticalTable(down, { from: window.top, to: window.top + window.height }, rows[0], betweenPitch);

  const sourceAt = 0;
  const betweenAt = align(sourceAt + rowCount * sourcePitch + sourcePitch + SLACK);
  const outAt = across ? align(betweenAt + (rowCount + 1) * betweenPitch + SLACK) : betweenAt;
  const wideAt = align(outAt + window.height * outPitch + SLACK);
  const tallAt = align(wideAt + (wide ? wide.byteLength : 0));
  reserve(memory, tallAt + tall.byteLength + SLACK);

  const bytes = new Uint8Array(memory.buffer);
  const begin = ((source.top + rows[0]) * image.width + firstColumn) * 3;
  const end = Math.min(image.data.length, begin + rowCount * sourcePitch);
  bytes.set(image.data.subarray(begin, end), sourceAt);
  new Int32Array(memory.buffer, tallAt, tall.length).set(tall);
  if (wide) {
    new Int32Array(memory.buffer, wideAt, wide.length).set(wide);
    const sourceEnd = sourceAt + rowCount * sourcePitch;
    kernels.horizontal(sourceAt, sourcePitch, sourceEnd, betweenAt, wideAt, wideAt + wide.byteLength);
  }
  kernels.vertical(across ? betweenAt : sourceAt, betweenPitch, outPitch, outAt, tallAt, tallAt + tall.byteLength);
  const rowBytes = window.width * 3;
  for (let y = 0; y < window.height; y++) {
    const from = outAt + y * outPitch;
    out.set(bytes.subarray(from, from + rowBytes), y * rowBytes);
  }
}
