/** Taking rows and columns out of a tensor. */
import { elementCount, type Tensor } from '../../graph/tensor.ts';

type Data = Tensor['data'];

/** For every dimension the entries that stay; undefined where all do. */
export type KeptIndices = readonly (Int32Array | undefined)[];

/** The tensor with these entries of each dimension: itself where nothing goes. */
export function gatherTensor<T extends Tensor>(tensor: T, kept: KeptIndices): T {
  if (kept.every((indices) => indices === undefined)) return tensor;
  const shape = tensor.shape.map((size, i) => kept[i]?.length ?? size);
  const data = new (tensor.data.constructor as new (size: number) => Data)(elementCount(shape));
  gather(tensor.data, tensor.shape, kept, data);
  return { ...tensor, shape, data };
}

/**
 * As `gatherTensor`, but the entries are copied when `data` is first read: a tensor that is written or assigned right away
 * never lies beside all the others, and a plan that is only looked at copies nothing.
 */
export function gatheredView(tensor: Tensor, kept: KeptIndices): Tensor {
  if (kept.every((indices) => indices === undefined)) return tensor;
  let source: Tensor | undefined = tensor;
  let gathered: Data | undefined;
  return {
    dtype: tensor.dtype,
    shape: tensor.shape.map((size, i) => kept[i]?.length ?? size),
    get data(): Data {
      if (source) gathered = gatherTensor(source, kept).data;
      source = undefined;
      return gathered as Data;
    },
  };
}

/** Runs of neighbours from this length on are copied as a block. */
const LONG_RUN = 32;

/**
 * Dimensions after the last that loses entries are one run of neighbours; those before the first are repeats. Between
 * them, rows and columns are walked by their offsets.
 */
function gather(from: Data, shape: readonly number[], kept: KeptIndices, into: Data): void {
  const last = kept.reduce((found, indices, i) => (indices ? i : found), 0);
  const run = elementCount(shape.slice(last + 1));
  let outer: Int32Array = Int32Array.of(0);
  for (let i = 0; i < last; i++) outer = sums(outer, offsets(shape[i], kept[i], elementCount(shape.slice(i + 1))));
  const inner = offsets(shape[last], kept[last], run);
  if (run >= LONG_RUN) copyRuns(from, outer, inner, run, into);
  else copyElements(words(from), outer, run === 1 ? inner : sums(inner, offsets(run, undefined, 1)), words(into));
}

function offsets(size: number, kept: Int32Array | undefined, stride: number): Int32Array {
  const result = new Int32Array(kept?.length ?? size);
  for (let i = 0; i < result.length; i++) result[i] = (kept ? kept[i] : i) * stride;
  return result;
}

function sums(a: Int32Array, b: Int32Array): Int32Array {
  const result = new Int32Array(a.length * b.length);
  let at = 0;
  for (const x of a) for (let j = 0; j < b.length; j++) result[at++] = x + b[j];
  return result;
}

/** The same memory as integers, so that bits stay what they are and one loop serves all types of four bytes. */
function words(data: Data): Data {
  return data instanceof Float32Array ? new Int32Array(data.buffer, data.byteOffset, data.length) : data;
}

/** Four rows at a time: one read of a column's offset serves them all, which is a third faster than row by row. */
function copyElements(from: Data, outer: Int32Array, inner: Int32Array, into: Data): void {
  const width = inner.length;
  const whole = outer.length - (outer.length % 4);
  let at = 0;
  for (let i = 0; i < whole; i += 4, at += 4 * width) {
    const [a, b, c, d] = [outer[i], outer[i + 1], outer[i + 2], outer[i + 3]];
    const [second, third, fourth] = [at + width, at + 2 * width, at + 3 * width];
    for (let j = 0; j < width; j++) {
      const column = inner[j];
      into[at + j] = from[a + column];
      into[second + j] = from[b + column];
      into[third + j] = from[c + column];
      into[fourth + j] = from[d + column];
    }
  }
  for (let i = whole; i < outer.length; i++, at += width)
    for (let j = 0; j < width; j++) into[at + j] = from[outer[i] + inner[j]];
}

/** Neighbouring runs are copied together. */
function copyRuns(from: Data, outer: Int32Array, inner: Int32Array, run: number, into: Data): void {
  let at = 0;
  for (let i = 0; i < outer.length; i++)
    for (let j = 0; j < inner.length; ) {
      const first = outer[i] + inner[j];
      let count = 1;
      while (j + count < inner.length && inner[j + count] === inner[j] + count * run) count++;
      (into as Float32Array).set((from as Float32Array).subarray(first, first + count * run), at);
      at += count * run;
      j += count;
    }
}
