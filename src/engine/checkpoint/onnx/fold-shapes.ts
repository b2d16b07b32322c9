/** ONNX operators on constants that move, cut, join and make elements. */
import { elementCount } from '../../graph/tensor.ts';
import { type Plain, plain } from './constants.ts';
import {
  axisOf,
  broadcast,
  countOf,
  expandTo,
  type FoldContext,
  FoldError,
  type FoldKernel,
  gathered,
  listOf,
  need,
  numbers,
  reshaped,
  strides,
} from './fold-tensors.ts';

/** One dimension cut to start, start + step, … below end, as NumPy counts. */
export function sliceBounds(size: number, start: number, end: number, step: number): { start: number; count: number } {
  if (!step) throw new FoldError('a step of 0');
  const clamp = (v: number, low: number, high: number): number => Math.min(Math.max(v < 0 ? v + size : v, low), high);
  const [first, last] =
    step > 0 ? [clamp(start, 0, size), clamp(end, 0, size)] : [clamp(start, 0, size - 1), clamp(end, -1, size - 1)];
  return { start: first, count: Math.max(0, Math.ceil((last - first) / step)) };
}

const slice: FoldKernel = (context) => {
  const x = need(context, 0);
  const starts = listOf(context, 'starts', 1) ?? [];
  const ends = listOf(context, 'ends', 2) ?? [];
  const axes = listOf(context, 'axes', 3) ?? starts.map((_, i) => i);
  const steps = numbers(context.inputs[4]) ?? starts.map(() => 1);
  const shape = [...x.shape];
  const from = strides(x.shape);
  let offset = 0;
  axes.forEach((given, i) => {
    const axis = axisOf(given, x.shape.length);
    const { start, count } = sliceBounds(x.shape[axis], starts[i], ends[i], steps[i]);
    offset += start * from[axis];
    from[axis] *= steps[i];
    shape[axis] = count;
  });
  return gathered(context, x, shape, from, offset);
};

const concat: FoldKernel = (context) => {
  const parts = context.inputs.map((_, i) => need(context, i));
  const axis = axisOf(context.int('axis', 0), parts[0].shape.length);
  const shape = parts[0].shape.map((size, i) =>
    i === axis ? parts.reduce((sum, part) => sum + (part.shape[axis] ?? 0), 0) : size,
  );
  const data = context.allocate(parts[0].type, countOf(shape));
  const rows = elementCount(shape.slice(0, axis));
  let at = 0;
  for (let row = 0; row < rows; row++)
    for (const part of parts) {
      const length = part.data.length / rows;
      data.set(part.data.subarray(row * length, (row + 1) * length), at);
      at += length;
    }
  return plain(parts[0].type, shape, data);
};

const gather: FoldKernel = (context) => {
  const [x, indices] = [need(context, 0), need(context, 1)];
  const axis = axisOf(context.int('axis', 0), x.shape.length);
  const size = x.shape[axis];
  const inner = elementCount(x.shape.slice(axis + 1));
  const outer = elementCount(x.shape.slice(0, axis));
  const shape = [...x.shape.slice(0, axis), ...indices.shape, ...x.shape.slice(axis + 1)];
  const data = context.allocate(x.type, countOf(shape));
  let at = 0;
  for (let o = 0; o < outer; o++)
    for (const index of indices.data) {
      const from = index < 0 ? index + size : index;
      if (!(from >= 0 && from < size)) throw new FoldError(`index ${index} of ${size} entries`);
      const start = (o * size + from) * inner;
      data.set(x.data.subarray(start, start + inner), at);
      at += inner;
    }
  return plain(x.type, shape, data);
};

const split: FoldKernel = (context) => {
  const x = need(context, 0);
  const axis = axisOf(context.int('axis', 0), x.shape.length);
  const each = Math.ceil(x.shape[axis] / context.outputs);
  const parts =
    listOf(context, 'split', 1) ??
    Array.from({ length: context.outputs }, (_, i) => Math.min(each, x.shape[axis] - i * each));
  const own = strides(x.shape);
  let start = 0;
  return parts.map((size) => {
    const part = gathered(
      context,
      x,
      x.shape.map((d, i) => (i === axis ? size : d)),
      own,
      start * own[axis],
    );
    start += size;
    return part;
  });
};

const reshape: FoldKernel = (context) => {
  const x = need(context, 0);
  const target = numbers(need(context, 1)) as number[];
  const copied = target.map((size, i) => (size === 0 && !context.int('allowzero', 0) ? x.shape[i] : size));
  const known = copied.reduce((product, size) => (size === -1 ? product : product * size), 1);
  return reshaped(
    x,
    copied.map((size) => (size === -1 ? x.data.length / known : size)),
  );
};

const unsqueeze: FoldKernel = (context) => {
  const x = need(context, 0);
  const given = listOf(context, 'axes', 1) ?? [];
  const rank = x.shape.length + given.length;
  const axes = given.map((axis) => axisOf(axis, rank));
  const rest = [...x.shape];
  return reshaped(
    x,
    Array.from({ length: rank }, (_, i) => (axes.includes(i) ? 1 : (rest.shift() ?? 1))),
  );
};

const squeeze: FoldKernel = (context) => {
  const x = need(context, 0);
  const axes = listOf(context, 'axes', 1)?.map((axis) => axisOf(axis, x.shape.length));
  return reshaped(
    x,
    x.shape.filter((size, i) => (axes ? !axes.includes(i) : size !== 1)),
  );
};

const flatten: FoldKernel = (context) => {
  const x = need(context, 0);
  const axis = context.int('axis', 1);
  const at = axis < 0 ? axis + x.shape.length : axis;
  return reshaped(x, [elementCount(x.shape.slice(0, at)), elementCount(x.shape.slice(at))]);
};

/** The common case, several times faster than the general one. */
function transposedMatrix(context: FoldContext, x: Plain): Plain {
  const [rows, columns] = x.shape;
  const data = context.allocate(x.type, x.data.length);
  for (let r = 0; r < rows; r++) for (let c = 0; c < columns; c++) data[c * rows + r] = x.data[r * columns + c];
  return plain(x.type, [columns, rows], data);
}

const transpose: FoldKernel = (context) => {
  const x = need(context, 0);
  const order = context.ints('perm') ?? [...x.shape.keys()].reverse();
  if (String(order) === '1,0') return transposedMatrix(context, x);
  const own = strides(x.shape);
  return gathered(
    context,
    x,
    order.map((i) => x.shape[axisOf(i, x.shape.length)]),
    order.map((i) => own[i]),
  );
};

const tile: FoldKernel = (context) => {
  const x = need(context, 0);
  const repeats = numbers(need(context, 1)) as number[];
  // Every dimension as (repeats, size): a broadcast, then one dimension again.
  const wide = reshaped(
    x,
    x.shape.flatMap((size) => [1, size]),
  );
  const expanded = expandTo(
    context,
    wide,
    x.shape.flatMap((size, i) => [repeats[i], size]),
  );
  return reshaped(
    expanded,
    x.shape.map((size, i) => size * repeats[i]),
  );
};

const range: FoldKernel = (context) => {
  const [start, limit, step] = [0, 1, 2].map((i) => need(context, i).data[0]);
  const count = Math.max(0, Math.ceil((limit - start) / step));
  const { type } = need(context, 0);
  const data = context.allocate(type, countOf([count]));
  for (let i = 0; i < count; i++) data[i] = start + i * step;
  return plain(type, [count], data);
};

export const shapeKernels: Readonly<Record<string, FoldKernel>> = {
  Concat: concat,
  Constant: (context) => {
    const value = context.tensor('value');
    if (!value) throw new FoldError('its value has a form that Espalier does not read');
    return value;
  },
  ConstantOfShape: (context) => {
    const shape = numbers(need(context, 0)) as number[];
    const value = context.tensor('value') ?? plain('float', [1], new Float32Array(1));
    return plain(value.type, shape, context.allocate(value.type, countOf(shape)).fill(value.data[0]));
  },
  Expand: (context) => {
    const x = need(context, 0);
    return expandTo(context, x, broadcast(x.shape, numbers(need(context, 1)) as number[]));
  },
  Flatten: flatten,
  Gather: gather,
  Range: range,
  Reshape: reshape,
  Slice: slice,
  Split: split,
  Squeeze: squeeze,
  Tile: tile,
  Transpose: transpose,
  Unsqueeze: unsqueeze,
};
