/** NumPy's scalars and plain arrays in pickles: training scripts leave them in checkpoints, some frameworks keep weights so. */

import type { Budget } from '../../../common/budget.ts';
import type { DType, Tensor } from '../../graph/tensor.ts';
import { BYTES_PER_ELEMENT, elementCount } from '../../graph/tensor.ts';
import { gatherStrided, swapBytes, viewAs } from '../tensor-bytes.ts';
import { PickleObject, type PickleValue } from './pickle-values.ts';

/** NumPy's type strings (kind and bytes) of the element types that there are tensors of. */
const dtypes: ReadonlyMap<string, DType> = new Map<string, DType>([
  ['f8', 'float64'],
  ['f4', 'float32'],
  ['f2', 'float16'],
  ['i8', 'int64'],
  ['i4', 'int32'],
  ['i2', 'int16'],
  ['i1', 'int8'],
  ['u1', 'uint8'],
  ['b1', 'bool'],
]);

interface ElementType {
  readonly dtype: DType;
  readonly bigEndian: boolean;
}

/** Reads the record of `numpy.dtype('f8', …)`, whose state is (version, byte order, …). */
function elementType(value: PickleValue | undefined): ElementType | undefined {
  if (!(value instanceof PickleObject) || value.className !== 'numpy.dtype') return undefined;
  const dtype = typeof value.args[0] === 'string' ? dtypes.get(value.args[0]) : undefined;
  const order = Array.isArray(value.state) ? value.state[1] : '<';
  return dtype && { dtype, bigEndian: order === '>' };
}

function elements(
  type: ElementType,
  data: Uint8Array,
  shape: readonly number[],
  fortranOrder = false,
  budget?: Budget,
): Tensor | undefined {
  const size = BYTES_PER_ELEMENT[type.dtype];
  if (data.byteLength !== elementCount(shape) * size) return undefined;
  budget?.spend('bytes', fortranOrder ? 2 * data.byteLength : data.byteLength);
  // Bytes in a pickle lie anywhere, so they are copied to where they are aligned.
  const aligned = data.slice();
  if (type.bigEndian) swapBytes(aligned, size);
  const values = viewAs(type.dtype, aligned);
  if (!fortranOrder) return { dtype: type.dtype, shape, data: values };
  const stride = shape.map((_, axis) => elementCount(shape.slice(0, axis)));
  return { dtype: type.dtype, shape, data: gatherStrided(type.dtype, values, shape, stride) };
}

/** `scalar(dtype, bytes)` as a number (float16 stays a record). */
export function decodeScalar(dtype: PickleValue | undefined, data: PickleValue | undefined): PickleValue | undefined {
  const type = elementType(dtype);
  if (!type || !(data instanceof Uint8Array) || type.dtype === 'float16') return undefined;
  const value = elements(type, data, [])?.data[0];
  if (value === undefined) return undefined;
  if (type.dtype === 'bool') return value !== 0;
  return typeof value === 'bigint' && Number.isSafeInteger(Number(value)) ? Number(value) : value;
}

/** True for the record of an array, whatever its type. */
export function isArray(value: PickleValue): value is PickleObject {
  return value instanceof PickleObject && value.className === 'numpy.core.multiarray._reconstruct';
}

/** NumPy's own limit. */
const MAX_DIMENSIONS = 64;
const isSize = (size: PickleValue): boolean => Number.isSafeInteger(size) && (size as number) >= 0;

/** `_reconstruct(ndarray, …)` with the state (version, shape, dtype, fortran order, bytes); undefined if it is not that. */
export function decodeArray(value: PickleValue, budget: Budget): Tensor | undefined {
  if (!isArray(value) || !Array.isArray(value.state)) return undefined;
  const [, shape, dtype, fortranOrder, data] = value.state;
  const type = elementType(dtype);
  if (!type || !Array.isArray(shape) || !shape.every(isSize) || shape.length > MAX_DIMENSIONS) return undefined;
  return data instanceof Uint8Array
    ? elements(type, data, shape as number[], fortranOrder === true, budget)
    : undefined;
}
