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
      return halfToFloat32(tensor.data as Uint16Array);
    case 'bfloat16':
      return bfloat16ToFloat32(tensor.data as Uint16Array);
    case 'int64':
      return Float32Array.from(tensor.data as BigInt64Array, Number);
    default:
      return new Float32Array(tensor.data as Float64Array | Int32Array | Int16Array | Int8Array | Uint8Array);
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

let halfTable: Float32Array | undefined;

/** By a table of all 65,536 values: several times faster than taking each apart. */
function halfToFloat32(bits: Uint16Array): Float32Array {
  halfTable ??= Float32Array.from({ length: 0x10000 }, (_, value) => halfToNumber(value));
  const table = halfTable;
  const numbers = new Float32Array(bits.length);
  for (let i = 0; i < bits.length; i++) numbers[i] = table[bits[i]];
  return numbers;
}

function bfloat16ToFloat32(bits: Uint16Array): Float32Array {
  const words = new Uint32Array(bits.length);
  for (let i = 0; i < bits.length; i++) words[i] = bits[i] << 16;
  return new Float32Array(words.buffer);
}

/** Bits of float32 numbers, whose `data` may be a view. */
function wordsOf(numbers: Float32Array): Uint32Array {
  return new Uint32Array(numbers.buffer, numbers.byteOffset, numbers.length);
}

/** float32 to bfloat16 bits, rounded to nearest even as PyTorch does; NaN stays NaN. */
export function float32ToBfloat16(numbers: Float32Array): Uint16Array {
  const words = wordsOf(numbers);
  const bits = new Uint16Array(words.length);
  for (let i = 0; i < words.length; i++) {
    const word = words[i];
    const notANumber = (word & 0x7fffffff) > 0x7f800000;
    bits[i] = notANumber ? (word >>> 16) | 0x40 : (word + 0x7fff + ((word >>> 16) & 1)) >>> 16;
  }
  return bits;
}

/** float32 to IEEE 754 binary16 bits, rounded to nearest even as PyTorch does; too large becomes infinity. */
export function float32ToHalf(numbers: Float32Array): Uint16Array {
  const words = wordsOf(numbers);
  const bits = new Uint16Array(words.length);
  for (let i = 0; i < words.length; i++) bits[i] = halfOfWord(words[i]);
  return bits;
}

function halfOfWord(word: number): number {
  const sign = (word >>> 16) & 0x8000;
  const magnitude = word & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00 | ((magnitude >>> 13) & 0x3ff);
  // From 65520 on, the nearest value of the format would be 65536, which it does not have.
  if (magnitude >= 0x477ff000) return sign | 0x7c00;
  if (magnitude >= 0x38800000) {
    const rebiased = magnitude - 0x38000000;
    return sign | ((rebiased + 0xfff + ((rebiased >>> 13) & 1)) >>> 13);
  }
  // Subnormal: a multiple of 2^-24, rounded. The scaled value is exact in double precision.
  const exponent = magnitude >>> 23;
  const significand = exponent ? (magnitude & 0x7fffff) | 0x800000 : magnitude & 0x7fffff;
  const scaled = significand * 2 ** (Math.max(exponent, 1) - 126);
  const floor = Math.floor(scaled);
  const rest = scaled - floor;
  return sign | (floor + (rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? 1 : 0));
}
