/** Windows of Swin: cutting an image into them, their relative position bias, and the mask of shifted ones. */
import type { GraphBuilder } from '../graph/builder.ts';
import type { ValueId } from '../graph/graph.ts';
import { float32Tensor } from '../graph/tensor.ts';

/** Rows and columns. */
export type Size = readonly [number, number];
export type Shift = Size;

/** A score that no softmax lets through (timm's figure). */
const MASKED = -100;

/** Side of a window: the usual one, or the whole image where that is smaller. */
export const windowSide = (image: number, usual: number): number => Math.min(image, usual);

const paddedSize = (size: number, window: number): number => Math.ceil(size / window) * window;

/** [N, H, W, C] to [N, windows, L, C], zeros at the bottom and right where the image does not divide. */
export function partitionWindows(b: GraphBuilder, path: string, x: ValueId, window: Size): ValueId {
  let image = x;
  for (const i of [0, 1]) {
    const size = b.shape(image)[i + 1];
    const after = paddedSize(size, window[i]) - size;
    if (after) image = b.add('pad', path, [image], { axis: i + 1, before: 0, after }, {}, { suffix: 'pad' });
  }
  const [, height, width, channels] = b.shape(image);
  const [rows, columns] = [height / window[0], width / window[1]];
  const cut = b.reshape(path, image, [-1, rows, window[0], columns, window[1], channels], 'cut');
  const windows = b.transpose(path, cut, [0, 1, 3, 2, 4, 5], 'window_order');
  return b.reshape(path, windows, [-1, rows * columns, window[0] * window[1], channels], 'windows');
}

/** [N, windows, L, C] back to [N, H, W, C] of `size`, padding cut off. */
export function reverseWindows(b: GraphBuilder, path: string, x: ValueId, window: Size, size: Size): ValueId {
  const channels = b.shape(x)[3];
  const [height, width] = [paddedSize(size[0], window[0]), paddedSize(size[1], window[1])];
  const split = [-1, height / window[0], width / window[1], window[0], window[1], channels];
  const windows = b.reshape(path, x, split, 'uncut');
  const ordered = b.transpose(path, windows, [0, 1, 3, 2, 4, 5], 'image_order');
  let image = b.reshape(path, ordered, [-1, height, width, channels], 'image');
  if (height > size[0]) image = b.slice(path, image, 1, 0, size[0], 1, 'crop_rows');
  if (width > size[1]) image = b.slice(path, image, 2, 0, size[1], 1, 'crop_columns');
  return image;
}

/** Row of the bias table for every pair of positions in a window: by how far they are apart, rows first. */
export function relativePositionIndex(window: Size): Int32Array {
  const [rows, columns] = window;
  const positions = rows * columns;
  const index = new Int32Array(positions * positions);
  for (let a = 0; a < positions; a++)
    for (let c = 0; c < positions; c++) {
      const down = Math.floor(a / columns) - Math.floor(c / columns) + rows - 1;
      const right = (a % columns) - (c % columns) + columns - 1;
      index[a * positions + c] = down * (2 * columns - 1) + right;
    }
  return index;
}

/** Relative position bias [heads, L, L] from the table [(2·rows − 1)·(2·columns − 1), heads]. */
export function positionBias(b: GraphBuilder, path: string, window: Size, heads: number): ValueId {
  const positions = window[0] * window[1];
  // The table's length is the window's: another one in the checkpoint is for the loader to resize.
  const name = `${path}.relative_position_bias_table`;
  const value = b.parameter(name, [(2 * window[0] - 1) * (2 * window[1] - 1), heads]);
  const table = b.add('parameter', path, [], {}, { value }, { suffix: 'relative_position_bias_table' });
  const indices = relativePositionIndex(window);
  const rows = b.add('gather', path, [table], { indices }, {}, { suffix: 'position_bias_rows' });
  const byHead = b.transpose(path, rows, [1, 0], 'position_bias_by_head');
  return b.reshape(path, byHead, [heads, positions, positions], 'position_bias');
}

/** Which of the three bands of a shifted image a row or column lies in: neighbours in a window only within one band. */
function band(position: number, size: number, window: number, shift: number): number {
  if (position < size - window) return 0;
  return position < size - shift ? 1 : 2;
}

/** Mask [windows, 1, L, L] of shifted windows: 0 between positions that are neighbours in the image, else −100. */
export function shiftMask(b: GraphBuilder, path: string, image: Size, window: Size, shift: Shift): ValueId {
  const [height, width] = [paddedSize(image[0], window[0]), paddedSize(image[1], window[1])];
  const columns = width / window[1];
  const count = (height / window[0]) * columns;
  const positions = window[0] * window[1];
  const data = new Float32Array(count * positions * positions);
  for (let w = 0; w < count; w++) {
    const regions = Array.from({ length: positions }, (_, p) => {
      const row = Math.floor(w / columns) * window[0] + Math.floor(p / window[1]);
      const column = (w % columns) * window[1] + (p % window[1]);
      return 3 * band(row, height, window[0], shift[0]) + band(column, width, window[1], shift[1]);
    });
    for (let a = 0; a < positions; a++)
      for (let c = 0; c < positions; c++)
        if (regions[a] !== regions[c]) data[(w * positions + a) * positions + c] = MASKED;
  }
  const tensor = float32Tensor([count, 1, positions, positions], data);
  return b.add('constant', path, [], { tensor }, {}, { suffix: 'attn_mask' });
}
