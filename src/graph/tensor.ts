/** A tensor in memory: what a checkpoint holds and what an executor takes. Data are views into larger buffers where possible. */

/** PyTorch's element types that checkpoints hold. */
export type DType =
  | 'float64'
  | 'float32'
  | 'float16'
  | 'bfloat16'
  | 'int64'
  | 'int32'
  | 'int16'
  | 'int8'
  | 'uint8'
  | 'bool';

/** float16 and bfloat16 are kept as their bits; bool as one byte an element. */
export interface DataOf {
  float64: Float64Array;
  float32: Float32Array;
  float16: Uint16Array;
  bfloat16: Uint16Array;
  int64: BigInt64Array;
  int32: Int32Array;
  int16: Int16Array;
  int8: Int8Array;
  uint8: Uint8Array;
  bool: Uint8Array;
}

export interface Tensor<D extends DType = DType> {
  readonly dtype: D;
  /** Sizes, outermost first; row-major, contiguous. */
  readonly shape: readonly number[];
  readonly data: DataOf[D];
}

/** A state dict: parameters and buffers by their PyTorch names, in file order. */
export type Weights = ReadonlyMap<string, Tensor>;

export const BYTES_PER_ELEMENT: { readonly [D in DType]: number } = {
  float64: 8,
  float32: 4,
  float16: 2,
  bfloat16: 2,
  int64: 8,
  int32: 4,
  int16: 2,
  int8: 1,
  uint8: 1,
  bool: 1,
};

/** Number of elements of a fixed shape; 1 for a scalar. */
export function elementCount(shape: readonly number[]): number {
  let count = 1;
  for (const size of shape) count *= size;
  return count;
}

export function float32Tensor(shape: readonly number[], data?: Float32Array): Tensor<'float32'> {
  return { dtype: 'float32', shape, data: data ?? new Float32Array(elementCount(shape)) };
}

/** The tensor's elements as float32: the tensor's own array when it is float32 already, a converted copy otherwise. */
export function toFloat32(tensor: Tensor): Float32Array {
  switch (tensor.dtype) {
    case 'float32':
      return tensor.data as Float32Array;
    case 'float16':
      return Float32Array.from(tensor.data as Uint16Array, halfToNumber);
    case 'bfloat16':
      return bfloat16ToFloat32(tensor.data as Uint16Array);
    case 'int64':
      return Float32Array.from(tensor.data as BigInt64Array, Number);
    default:
      return Float32Array.from(tensor.data as Float64Array | Int32Array | Int16Array | Int8Array | Uint8Array);
  }
}

/** IEEE 754 binary16 bits to a number. */
export function halfToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

function bfloat16ToFloat32(bits: Uint16Array): Float32Array {
  const words = new Uint32Array(bits.length);
  for (let i = 0; i < bits.length; i++) words[i] = bits[i] << 16;
  return new Float32Array(words.buffer);
}
