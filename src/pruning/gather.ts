/** Taking rows and columns out of a tensor. */
import { elementCount, type Tensor } from '../graph/tensor.ts';

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
 * Dimensions after the last that loses entries are one run of neighbours; those before the first are repeats. Between
 * them, rows and columns are walked by their offsets.
 */
function gather(from: Data, shape: readonly number[], kept: KeptIndices, into: Data): void {
  const last = kept.reduce((found, indices, i) => (indices ? i : found), 0);
  const run = elementCount(shape.slice(last + 1));
  const inner = offsets(shape[last], kept[last], run);
  let outer: Int32Array = Int32Array.of(0);
  for (let i = 0; i < last; i++) {
    const stride = elementCount(shape.slice(i + 1));
    outer = sums(outer, offsets(shape[i], kept[i], stride));
  }
  if (run === 1) copyElements(from, outer, inner, into);
  else if (run < 32) copyShortRuns(from, outer, inner, run, into);
  else copyLongRuns(from, outer, inner, run, into);
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

function copyElements(from: Data, outer: Int32Array, inner: Int32Array, into: Data): void {
  let at = 0;
  for (let i = 0; i < outer.length; i++) {
    const base = outer[i];
    for (let j = 0; j < inner.length; j++) into[at++] = from[base + inner[j]];
  }
}

function copyShortRuns(from: Data, outer: Int32Array, inner: Int32Array, run: number, into: Data): void {
  let at = 0;
  for (let i = 0; i < outer.length; i++)
    for (let j = 0; j < inner.length; j++)
      for (let k = outer[i] + inner[j], end = k + run; k < end; k++) into[at++] = from[k];
}

function copyLongRuns(from: Data, outer: Int32Array, inner: Int32Array, run: number, into: Data): void {
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
