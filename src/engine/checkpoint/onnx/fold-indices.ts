/** ONNX operators on constants that take and put elements by index: tables and masks of windows are made with them. */
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
  need,
  numbers,
  strides,
} from './fold-tensors.ts';

/** Where each tuple of the last dimension points to, in elements. */
function offsetsOf(x: Plain, indices: Plain): { readonly offsets: readonly number[]; readonly length: number } {
  const depth = indices.shape.at(-1) ?? 0;
  if (depth > x.shape.length) throw new FoldError(`indices of ${depth} dimensions where there are ${x.shape.length}`);
  const steps = strides(x.shape);
  const count = depth ? indices.data.length / depth : 0;
  const offsets = Array.from({ length: count }, (_, i) => {
    let at = 0;
    for (let axis = 0; axis < depth; axis++) {
      const given = indices.data[i * depth + axis];
      const index = given < 0 ? given + x.shape[axis] : given;
      if (!(index >= 0 && index < x.shape[axis])) throw new FoldError(`index ${given} of ${x.shape[axis]} entries`);
      at += index * steps[axis];
    }
    return at;
  });
  return { offsets, length: elementCount(x.shape.slice(depth)) };
}

const gatherNd: FoldKernel = (context) => {
  if (context.int('batch_dims', 0)) throw new FoldError('dimensions that it goes over by itself (batch_dims)');
  const [x, indices] = [need(context, 0), need(context, 1)];
  const { offsets, length } = offsetsOf(x, indices);
  const shape = [...indices.shape.slice(0, -1), ...x.shape.slice(indices.shape.at(-1))];
  const data = context.allocate(x.type, countOf(shape));
  offsets.forEach((from, i) => void data.set(x.data.subarray(from, from + length), i * length));
  return plain(x.type, shape, data);
};

const noReduction = (context: FoldContext): void => {
  const found = context.string('reduction', 'none');
  if (found !== 'none') throw new FoldError(`it puts together by ${found}`);
};

const copied = (context: FoldContext, x: Plain): Float32Array | Float64Array => {
  const data = context.allocate(x.type, x.data.length);
  data.set(x.data);
  return data;
};

const scatterNd: FoldKernel = (context) => {
  noReduction(context);
  const [x, indices, updates] = [0, 1, 2].map((i) => need(context, i));
  const { offsets, length } = offsetsOf(x, indices);
  if (updates.data.length !== offsets.length * length) throw new FoldError('updates of another size than its indices');
  const data = copied(context, x);
  offsets.forEach((to, i) => void data.set(updates.data.subarray(i * length, (i + 1) * length), to));
  return plain(x.type, x.shape, data);
};

/** Calls with the place in the whole and the place in the part, for entries of one dimension chosen by a tensor. */
function alongAxis(context: FoldContext, x: Plain, indices: Plain, each: (whole: number, part: number) => void): void {
  const axis = axisOf(context.int('axis', 0), x.shape.length);
  const [steps, own] = [strides(x.shape), strides(indices.shape)];
  for (let part = 0; part < indices.data.length; part++) {
    const given = indices.data[part];
    const index = given < 0 ? given + x.shape[axis] : given;
    if (!(index >= 0 && index < x.shape[axis])) throw new FoldError(`index ${given} of ${x.shape[axis]} entries`);
    let whole = 0;
    for (let d = 0; d < x.shape.length; d++)
      whole += (d === axis ? index : Math.floor(part / own[d]) % indices.shape[d]) * steps[d];
    each(whole, part);
  }
}

const gatherElements: FoldKernel = (context) => {
  const [x, indices] = [need(context, 0), need(context, 1)];
  const data = context.allocate(x.type, countOf(indices.shape));
  alongAxis(context, x, indices, (whole, part) => {
    data[part] = x.data[whole];
  });
  return plain(x.type, indices.shape, data);
};

const scatterElements: FoldKernel = (context) => {
  noReduction(context);
  const [x, indices, updates] = [0, 1, 2].map((i) => need(context, i));
  const data = copied(context, x);
  alongAxis(context, x, indices, (whole, part) => {
    data[whole] = updates.data[part];
  });
  return plain(x.type, x.shape, data);
};

const cumSum: FoldKernel = (context) => {
  const x = need(context, 0);
  const axis = axisOf(need(context, 1).data[0], x.shape.length);
  const [step, size] = [strides(x.shape)[axis], x.shape[axis]];
  const [exclusive, reverse] = [context.int('exclusive', 0), context.int('reverse', 0)];
  const data = context.allocate(x.type, x.data.length);
  for (let i = 0; i < data.length; i++) {
    if (Math.floor(i / step) % size) continue;
    let sum = 0;
    for (let k = 0; k < size; k++) {
      const at = i + (reverse ? size - 1 - k : k) * step;
      if (exclusive) data[at] = sum;
      sum += x.data[at];
      if (!exclusive) data[at] = sum;
    }
  }
  return plain(x.type, x.shape, data);
};

/** The triangle above or below a diagonal; zeros elsewhere. */
const trilu: FoldKernel = (context) => {
  const x = need(context, 0);
  const [rows, columns] = x.shape.slice(-2);
  const k = context.inputs[1]?.data[0] ?? 0;
  const upper = context.int('upper', 1);
  const data = context.allocate(x.type, x.data.length);
  for (let i = 0; i < data.length; i++) {
    const off = (i % columns) - (Math.floor(i / columns) % rows);
    data[i] = (upper ? off >= k : off <= k) ? x.data[i] : 0;
  }
  return plain(x.type, x.shape, data);
};

const nonZero: FoldKernel = (context) => {
  const x = need(context, 0);
  const found = Array.from(x.data.keys()).filter((i) => x.data[i] !== 0);
  const shape = [x.shape.length, found.length];
  const data = context.allocate('int', countOf(shape));
  strides(x.shape).forEach((step, axis) => {
    found.forEach((at, i) => {
      data[axis * found.length + i] = Math.floor(at / step) % x.shape[axis];
    });
  });
  return plain('int', shape, data);
};

/** One of two numbers at each index along a new dimension, the other elsewhere. */
const oneHot: FoldKernel = (context) => {
  const [indices, count, values] = [0, 1, 2].map((i) => need(context, i));
  const size = count.data[0];
  const axis = axisOf(context.int('axis', -1), indices.shape.length + 1);
  const shape = [...indices.shape.slice(0, axis), size, ...indices.shape.slice(axis)];
  const inner = elementCount(indices.shape.slice(axis));
  const data = context.allocate(values.type, countOf(shape)).fill(values.data[0]);
  indices.data.forEach((given, at) => {
    const index = given < 0 ? given + size : given;
    if (index >= 0 && index < size)
      data[(Math.floor(at / inner) * size + index) * inner + (at % inner)] = values.data[1];
  });
  return plain(values.type, shape, data);
};

const matMul: FoldKernel = (context) => {
  const [a, b] = [need(context, 0), need(context, 1)];
  if (a.shape.length < 2 || b.shape.length < 2) throw new FoldError('a vector in a product');
  const [rows, inner] = a.shape.slice(-2);
  const columns = b.shape.at(-1) as number;
  if (b.shape.at(-2) !== inner) throw new FoldError(`[${a.shape}] cannot be multiplied by [${b.shape}]`);
  const lead = broadcast(a.shape.slice(0, -2), b.shape.slice(0, -2));
  const [x, y] = [expandTo(context, a, [...lead, rows, inner]), expandTo(context, b, [...lead, inner, columns])];
  const shape = [...lead, rows, columns];
  // What is counted is what is computed, not what is kept.
  context.allocate(a.type, countOf([...lead, rows, inner, columns]) && 0);
  const data = context.allocate(a.type, countOf(shape));
  for (let m = 0; m < elementCount(lead); m++)
    for (let r = 0; r < rows; r++)
      for (let k = 0; k < inner; k++) {
        const left = x.data[(m * rows + r) * inner + k];
        for (let c = 0; c < columns; c++)
          data[(m * rows + r) * columns + c] += left * y.data[(m * inner + k) * columns + c];
      }
  return plain(a.type, shape, data);
};

/** Places of a dimension's entries when a border is added; −1 for a constant one. */
export function borderIndices(mode: string, size: number, before: number, after: number): number[] {
  return Array.from({ length: before + size + after }, (_, k) => {
    const i = k - before;
    if (mode === 'edge') return Math.min(Math.max(i, 0), size - 1);
    if (mode === 'wrap') return ((i % size) + size) % size;
    if (mode !== 'reflect') return i >= 0 && i < size ? i : -1;
    const period = 2 * (size - 1) || 1;
    const at = ((i % period) + period) % period;
    return at < size ? at : period - at;
  });
}

const pad: FoldKernel = (context) => {
  const x = need(context, 0);
  const amounts = context.ints('pads') ?? numbers(context.inputs[1]) ?? [];
  const axes = numbers(context.inputs[3])?.map((axis) => axisOf(axis, x.shape.length)) ?? [...x.shape.keys()];
  const value = context.inputs[2]?.data[0] ?? 0;
  const mode = context.string('mode', 'constant');
  const places = x.shape.map((size, d) => {
    const i = axes.indexOf(d);
    return borderIndices(mode, size, amounts[i] ?? 0, amounts[i + axes.length] ?? 0);
  });
  const shape = places.map(({ length }) => length);
  const [own, steps] = [strides(shape), strides(x.shape)];
  const data = context.allocate(x.type, countOf(shape));
  for (let flat = 0; flat < data.length; flat++) {
    let from = 0;
    for (let d = 0; d < shape.length && from >= 0; d++) {
      const at = places[d][Math.floor(flat / own[d]) % shape[d]];
      from = at < 0 ? -1 : from + at * steps[d];
    }
    data[flat] = from < 0 ? value : x.data[from];
  }
  return plain(x.type, shape, data);
};

export const indexKernels: Readonly<Record<string, FoldKernel>> = {
  CumSum: cumSum,
  EyeLike: (context) => {
    const { shape } = need(context, 0);
    const k = context.int('k', 0);
    const data = context.allocate('float', countOf(shape));
    for (let i = 0; i < data.length; i++) data[i] = Number((i % shape[1]) - Math.floor(i / shape[1]) === k);
    return plain('float', shape, data);
  },
  GatherElements: gatherElements,
  GatherND: gatherNd,
  MatMul: matMul,
  NonZero: nonZero,
  OneHot: oneHot,
  Pad: pad,
  ScatterElements: scatterElements,
  ScatterND: scatterNd,
  Trilu: trilu,
};
