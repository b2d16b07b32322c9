/** Bytes and typed arrays: views on a file's bytes as a tensor's elements, byte order, and strided windows made contiguous. */

import type { DataOf, DType } from '../graph/tensor.ts';
import { BYTES_PER_ELEMENT, elementCount } from '../graph/tensor.ts';

const arrays: {
  readonly [D in DType]: new (
    buffer: ArrayBufferLike,
    byteOffset: number,
    length: number,
  ) => DataOf[D];
} = {
  float64: Float64Array,
  float32: Float32Array,
  float16: Uint16Array,
  bfloat16: Uint16Array,
  int64: BigInt64Array,
  int32: Int32Array,
  int16: Int16Array,
  int8: Int8Array,
  uint8: Uint8Array,
  bool: Uint8Array,
};

/**
 * `bytes` as elements of `dtype`, little-endian as on every machine that Node runs on: a view where the bytes are
 * aligned, a copy where they are not. The length must be a multiple of the element's.
 */
export function viewAs<D extends DType>(dtype: D, bytes: Uint8Array): DataOf[D] {
  const size = BYTES_PER_ELEMENT[dtype];
  const aligned = bytes.byteOffset % size === 0 ? bytes : Uint8Array.from(bytes);
  return new arrays[dtype](aligned.buffer, aligned.byteOffset, aligned.byteLength / size);
}

/** Bytes that a tensor takes once it is read: floats of less than 32 bits are widened. */
export function bytesInMemory(dtype: DType, shape: readonly number[]): number {
  const isHalf = dtype === 'float16' || dtype === 'bfloat16';
  return elementCount(shape) * (isHalf ? 4 : BYTES_PER_ELEMENT[dtype]);
}

/** A tensor's elements as the bytes that files hold. */
export function bytesOf(data: DataOf[DType]): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

/** Reverses the bytes of every element, in place. */
export function swapBytes(bytes: Uint8Array, elementSize: number): void {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (elementSize === 2) buffer.swap16();
  else if (elementSize === 4) buffer.swap32();
  else if (elementSize === 8) buffer.swap64();
}

/** True if the strides are those of a row-major tensor without gaps (strides of dimensions of size 1 say nothing). */
export function isContiguous(shape: readonly number[], stride: readonly number[]): boolean {
  let expected = 1;
  for (let i = shape.length - 1; i >= 0; i--) {
    if (shape[i] === 1) continue;
    if (stride[i] !== expected) return false;
    expected *= shape[i];
  }
  return true;
}

/** Elements from a strided tensor's first to its last, both included; 0 for an empty tensor. */
export function spanOf(shape: readonly number[], stride: readonly number[]): number {
  let last = 0;
  for (let i = 0; i < shape.length; i++) {
    if (shape[i] === 0) return 0;
    last += (shape[i] - 1) * stride[i];
  }
  return last + 1;
}

/** The elements of a strided window, gathered in row-major order. `source` starts at the window's first element. */
export function gatherStrided<D extends DType>(
  dtype: D,
  source: DataOf[D],
  shape: readonly number[],
  stride: readonly number[],
): DataOf[D] {
  const count = elementCount(shape);
  const size = BYTES_PER_ELEMENT[dtype];
  const target = new arrays[dtype](new ArrayBuffer(count * size), 0, count);
  if (count === 0) return target;
  const rows = shape.slice(0, -1);
  const rowLength = shape.at(-1) ?? 1;
  const rowStride = stride.at(-1) ?? 1;
  const index = rows.map(() => 0);
  for (let at = 0, start = 0; at < count; ) {
    for (let i = 0, from = start; i < rowLength; i++, from += rowStride) target[at++] = source[from];
    // Count up the outer index like an odometer.
    for (let axis = rows.length - 1; axis >= 0; axis--) {
      start += stride[axis];
      if (++index[axis] < rows[axis]) break;
      start -= stride[axis] * rows[axis];
      index[axis] = 0;
    }
  }
  return target;
}
