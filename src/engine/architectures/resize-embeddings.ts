/**
 * Position embeddings for another image size: what timm does when a checkpoint meets a model of another resolution.
 * All arithmetic in double precision.
 */
import { elementCount, float32Tensor, type Tensor, toFloat32 } from '../graph/tensor.ts';

/** Keys' cubic with a = −½, which Pillow and PyTorch's antialiased resizing use. */
function cubic(x: number): number {
  const d = Math.abs(x);
  if (d < 1) return (1.5 * d - 2.5) * d * d + 1;
  return d < 2 ? ((-0.5 * d + 2.5) * d - 4) * d + 2 : 0;
}

/** For each of `to` outputs, the weight of each of `from` inputs: bicubic, widened when shrinking. */
function resizeMatrix(from: number, to: number): Float64Array[] {
  const scale = from / to;
  const stretch = Math.max(scale, 1);
  return Array.from({ length: to }, (_, o) => {
    const centre = (o + 0.5) * scale;
    const start = Math.max(Math.trunc(centre - 2 * stretch + 0.5), 0);
    const end = Math.min(Math.trunc(centre + 2 * stretch + 0.5), from);
    const weights = new Float64Array(from);
    let total = 0;
    for (let i = start; i < end; i++) {
      weights[i] = cubic((i + 0.5 - centre) / stretch);
      total += weights[i];
    }
    return weights.map((w) => w / total);
  });
}

/** [from[0]·from[1], width] → [to[0]·to[1], width] by a matrix along each of the two sides. */
function resizeGrid(
  values: Float64Array,
  width: number,
  from: readonly [number, number],
  rows: readonly Float64Array[],
  columns: readonly Float64Array[],
): Float64Array {
  const between = new Float64Array(rows.length * from[1] * width);
  rows.forEach((weights, r) => {
    for (let i = 0; i < from[0]; i++)
      if (weights[i])
        for (let k = 0; k < from[1] * width; k++)
          between[r * from[1] * width + k] += weights[i] * values[i * from[1] * width + k];
  });
  const out = new Float64Array(rows.length * columns.length * width);
  for (let r = 0; r < rows.length; r++)
    columns.forEach((weights, c) => {
      for (let i = 0; i < from[1]; i++)
        if (weights[i])
          for (let k = 0; k < width; k++)
            out[(r * columns.length + c) * width + k] += weights[i] * between[(r * from[1] + i) * width + k];
    });
  return out;
}

/** Side of a square grid of `count` cells. */
function squareSide(count: number, what: string): number {
  const side = Math.sqrt(count);
  if (!Number.isInteger(side)) throw new Error(`${what} has ${count} positions, which are no square grid`);
  return side;
}

/**
 * timm's resample_abs_pos_embed: [1, prefix + h·w, C] for another square number of tokens, bicubic with antialiasing.
 * The `prefix` rows of class and distillation tokens stay as they are.
 */
export function resizePositionEmbedding(embedding: Tensor, tokens: number, prefix: number): Tensor<'float32'> {
  const [, count, width] = embedding.shape;
  const from = squareSide(count - prefix, 'the position embedding');
  const to = squareSide(tokens - prefix, 'the image');
  const data = toFloat32(embedding);
  const grid = Float64Array.from(data.subarray(prefix * width));
  const matrix = resizeMatrix(from, to);
  const resized = resizeGrid(grid, width, [from, from], matrix, matrix);
  const out = new Float32Array(tokens * width);
  out.set(data.subarray(0, prefix * width));
  out.set(resized, prefix * width);
  return float32Tensor([1, tokens, width], out);
}

/** Where timm places the source offsets: a geometric progression whose last reaches the target's edge. */
function sourceOffsets(from: number, to: number): number[] {
  const half = Math.floor(from / 2);
  let [left, right, ratio] = [1.01, 1.5, 1.01];
  while (right - left > 1e-6) {
    ratio = (left + right) / 2;
    if ((1 - ratio ** half) / (1 - ratio) > Math.floor(to / 2)) right = ratio;
    else left = ratio;
  }
  const distances: number[] = [];
  for (let i = 0, current = 1; i < half; i++) {
    distances.push(current);
    current += ratio ** (i + 1);
  }
  return [...distances.map((d) => -d).reverse(), 0, ...distances];
}

/** For each target offset, linear weights of the source offsets around it; beyond the last it continues the nearest. */
function offsetMatrix(from: number, to: number): Float64Array[] {
  const source = sourceOffsets(from, to);
  return Array.from({ length: to }, (_, o) => {
    const target = o - (to - 1) / 2;
    const weights = new Float64Array(from);
    const right = Math.min(
      source.findIndex((x) => x >= target) < 0 ? from - 1 : source.findIndex((x) => x >= target),
      from - 1,
    );
    const left = Math.max(right - 1, 0);
    const before = Math.max(target - source[left], 0);
    const after = Math.max(source[right] - target, 0);
    const span = before + after;
    weights[left] += span ? after / span : 0.5;
    weights[right] += span ? before / span : 0.5;
    return weights;
  });
}

/**
 * timm's resize_rel_pos_bias_table: Swin's table [(2·s − 1)², heads] for windows of another side, by linear interpolation
 * between geometrically spaced offsets.
 */
export function resizeRelativePositionBias(table: Tensor, rows: number): Tensor<'float32'> {
  const [count, heads] = table.shape;
  const from = squareSide(count, 'the relative position bias table');
  const to = squareSide(rows, 'the window');
  const matrix = offsetMatrix(from, to);
  const resized = resizeGrid(Float64Array.from(toFloat32(table)), heads, [from, from], matrix, matrix);
  return float32Tensor([rows, heads], Float32Array.from(resized));
}

/**
 * The tensor in the shape that a Graph for this image size needs, or undefined when it is no position embedding or differs
 * in more than its number of positions.
 */
export function resizedForGraph(name: string, tensor: Tensor, shape: readonly number[]): Tensor | undefined {
  if (elementCount(tensor.shape) === elementCount(shape)) return undefined;
  const sameWidth = tensor.shape.length === shape.length && tensor.shape.at(-1) === shape.at(-1);
  if (!sameWidth) return undefined;
  if (name.endsWith('relative_position_bias_table')) return resizeRelativePositionBias(tensor, shape[0]);
  if (!name.endsWith('pos_embed')) return undefined;
  // Before a square grid stand no, one or two tokens (class token, distillation token), or registers as well.
  const prefix = [0, 1, 2, 5, 9].find(
    (p) => Number.isInteger(Math.sqrt(shape[1] - p)) && Number.isInteger(Math.sqrt(tensor.shape[1] - p)),
  );
  return prefix === undefined ? undefined : resizePositionEmbedding(tensor, shape[1], prefix);
}
