/** Conversions of whole state dicts between floating-point types, and the search for what is not a finite number. */

import type { DataOf, DType, Tensor, Weights } from '../graph/tensor.ts';
import { float32ToBfloat16, float32ToHalf, toFloat32 } from '../graph/tensor.ts';

const floatTypes: ReadonlySet<DType> = new Set(['float64', 'float32', 'float16', 'bfloat16']);

export function isFloat(dtype: DType): boolean {
  return floatTypes.has(dtype);
}

/** What becomes of numbers in another precision, for the person. */
export function precisionNotes(stored: readonly DType[]): string[] {
  const others = new Set(stored.filter((dtype) => isFloat(dtype) && dtype !== 'float32'));
  if (!others.size) return [];
  return [`its ${[...others].join(' and ')} weights are computed with, and saved, as float32`];
}

/** Every floating-point tensor as float32, in a new map; float32 and integer tensors are the same objects as before. */
export function floatsToFloat32(weights: Weights): Map<string, Tensor> {
  return new Map([...weights].map(([name, tensor]) => [name, convertFloat(tensor, 'float32')]));
}

/** A floating-point tensor as another type, rounded to nearest even; tensors of integers are returned as they are. */
export function convertFloat(tensor: Tensor, dtype: 'float32' | 'float16' | 'bfloat16'): Tensor {
  if (!isFloat(tensor.dtype) || tensor.dtype === dtype) return tensor;
  return { dtype, shape: tensor.shape, data: converters[dtype](toFloat32(tensor)) };
}

const converters: { readonly [D in 'float32' | 'float16' | 'bfloat16']: (values: Float32Array) => DataOf[D] } = {
  float32: (values) => values,
  float16: float32ToHalf,
  bfloat16: float32ToBfloat16,
};

/** A tensor with elements that are NaN or infinite. */
export interface NonFinite {
  readonly name: string;
  /** How many elements. */
  readonly count: number;
  /** Flat index of the first one. */
  readonly first: number;
}

/** The tensors that hold a NaN or an infinity: weights that diverged or were damaged. Empty if all is well. */
export function findNonFinite(weights: Weights): NonFinite[] {
  return [...weights].flatMap(([name, { dtype, data }]) => {
    const found = scanners[dtype]?.(data);
    return found ? [{ name, ...found }] : [];
  });
}

type Found = { count: number; first: number } | undefined;

const scanners: { readonly [D in DType]?: (data: DataOf[DType]) => Found } = {
  float64: (data) => scanNumbers(data as Float64Array),
  float32: (data) => scanNumbers(data as Float32Array),
  float16: (data) => scanBits(data as Uint16Array, 0x7c00),
  bfloat16: (data) => scanBits(data as Uint16Array, 0x7f80),
};

function scanNumbers(data: Float32Array | Float64Array): Found {
  let count = 0;
  let first = -1;
  for (let i = 0; i < data.length; i++) {
    // 0 for a finite number, NaN otherwise.
    if (data[i] - data[i] === 0) continue;
    if (count++ === 0) first = i;
  }
  return count ? { count, first } : undefined;
}

/** Infinities and NaNs have every bit of the exponent set. */
function scanBits(data: Uint16Array, exponent: number): Found {
  let count = 0;
  let first = -1;
  for (let i = 0; i < data.length; i++) {
    if ((data[i] & exponent) !== exponent) continue;
    if (count++ === 0) first = i;
  }
  return count ? { count, first } : undefined;
}
