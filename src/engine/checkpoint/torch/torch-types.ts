/** PyTorch's element types in files: names of storages and of dtypes. */

import type { DType } from '../../graph/tensor.ts';
import { BYTES_PER_ELEMENT } from '../../graph/tensor.ts';

/** The storage class that PyTorch writes for each element type. */
export const storageClasses: { readonly [D in DType]: string } = {
  float64: 'DoubleStorage',
  float32: 'FloatStorage',
  float16: 'HalfStorage',
  bfloat16: 'BFloat16Storage',
  int64: 'LongStorage',
  int32: 'IntStorage',
  int16: 'ShortStorage',
  int8: 'CharStorage',
  uint8: 'ByteStorage',
  bool: 'BoolStorage',
};

const dtypeOfStorage = new Map(Object.entries(storageClasses).map(([dtype, storage]) => [storage, dtype as DType]));

/** Bytes an element of the storages that hold none of our types: needed to step over them. */
const otherElementSizes: ReadonlyMap<string, number> = new Map([
  ['UntypedStorage', 1],
  ['ComplexFloatStorage', 8],
  ['ComplexDoubleStorage', 16],
  ['QInt8Storage', 1],
  ['QUInt8Storage', 1],
  ['QInt32Storage', 4],
  ['QUInt4x2Storage', 1],
  ['QUInt2x4Storage', 1],
]);

/** PyTorch's other names of the same types. */
const aliases: ReadonlyMap<string, DType> = new Map<string, DType>([
  ['double', 'float64'],
  ['float', 'float32'],
  ['half', 'float16'],
  ['long', 'int64'],
  ['int', 'int32'],
  ['short', 'int16'],
]);

/** The element type of `FloatStorage` and the like; undefined for those that Espalier does not read, and untyped ones. */
export function storageDType(storageClass: string): DType | undefined {
  return dtypeOfStorage.get(storageClass);
}

/** Bytes an element; undefined for a class that PyTorch does not have. */
export function storageElementSize(storageClass: string): number | undefined {
  const dtype = storageDType(storageClass);
  return dtype ? BYTES_PER_ELEMENT[dtype] : otherElementSizes.get(storageClass);
}

/** The element type of `torch.float32` and the like. */
export function namedDType(name: string): DType | undefined {
  const short = name.replace(/^torch\./, '');
  return Object.hasOwn(storageClasses, short) ? (short as DType) : aliases.get(short);
}
