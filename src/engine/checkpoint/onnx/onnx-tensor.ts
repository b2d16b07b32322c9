/** TensorProto of an ONNX file: type and shape at once, elements when asked for. */
import type { Budget } from '../../../common/budget.ts';
import type { DType, Tensor } from '../../graph/tensor.ts';
import { BYTES_PER_ELEMENT } from '../../graph/tensor.ts';
import {
  appendFixed,
  appendIntegers,
  countIntegers,
  eachInteger,
  type Field,
  fields,
  integer,
  ProtobufError,
  text,
} from '../../protobuf/protobuf-reader.ts';
import { viewAs } from '../tensor-bytes.ts';

/** Where the elements lie when they are in a file of their own. */
export interface ExternalData {
  /** A path relative to the folder of the ONNX file, as the file says it: not to be trusted. */
  readonly location: string;
  readonly offset: number;
  /** Undefined: up to what the tensor needs. */
  readonly length?: number;
}

export interface OnnxTensor {
  /** '' for the value of an attribute. */
  readonly name: string;
  /** Undefined for types that no network here has (strings, complex numbers, 8-bit floats): reading throws. */
  readonly dtype: DType | undefined;
  readonly shape: readonly number[];
  readonly external?: ExternalData;
  /** Its elements as they lie in the file. */
  readonly raw?: Uint8Array;
  /** Where the file says whether it is trained: `.pt2` does, ONNX does not. */
  readonly role?: 'parameter' | 'constant';
  /**
   * The elements: a view on the file's bytes where they are aligned.
   * @throws ProtobufError for types without a reading, and for external data, which the file does not hold
   */
  read(): Tensor;
}

/** TensorProto.DataType. Unsigned 64-bit numbers are taken as signed: sizes and indices are far below the difference. */
const TYPES: Readonly<Record<number, DType>> = {
  1: 'float32',
  2: 'uint8',
  3: 'int8',
  5: 'int16',
  6: 'int32',
  7: 'int64',
  9: 'bool',
  10: 'float16',
  11: 'float64',
  13: 'int64',
  16: 'bfloat16',
};

const MAX_DIMENSIONS = 16;
/** Number of the field of sizes. */
const DIMS = 1;
/** A tensor is a record with readers. */
const TENSOR_VALUES = 5;

interface TensorFields {
  name: string;
  type: number;
  raw?: Uint8Array;
  readonly dims: number[];
  /** float_data and double_data as bytes; int32_data, int64_data and uint64_data as fields that are not read yet. */
  readonly fixed: Uint8Array[];
  readonly integers: Field[];
  readonly external: Map<string, string>;
  isExternal: boolean;
}

const readers: Readonly<Record<number, (tensor: TensorFields, field: Field) => void>> = {
  1: (tensor, field) => appendIntegers(tensor.dims, field),
  2: (tensor, field) => {
    tensor.type = integer(field);
  },
  4: (tensor, field) => appendFixed(tensor.fixed, field, 4),
  5: (tensor, field) => void tensor.integers.push(field),
  7: (tensor, field) => void tensor.integers.push(field),
  8: (tensor, field) => {
    tensor.name = text(field);
  },
  9: (tensor, { bytes }) => {
    tensor.raw = bytes;
  },
  10: (tensor, field) => appendFixed(tensor.fixed, field, 8),
  11: (tensor, field) => void tensor.integers.push(field),
  13: (tensor, field) => {
    const [key, value] = parseEntry(field.bytes);
    tensor.external.set(key, value);
  },
  14: (tensor, field) => {
    tensor.isExternal = integer(field) === 1;
  },
};

/** StringStringEntryProto. */
export function parseEntry(message: Uint8Array): [key: string, value: string] {
  const entry: [string, string] = ['', ''];
  for (const field of fields(message))
    if (field.number === 1 || field.number === 2) entry[field.number - 1] = text(field);
  return entry;
}

/** @throws ProtobufError where the message is damaged, or has not as many elements as its shape says */
export function parseTensor(message: Uint8Array, budget: Budget): OnnxTensor {
  budget.spend('values', TENSOR_VALUES);
  const parsed: TensorFields = {
    name: '',
    type: 0,
    dims: [],
    fixed: [],
    integers: [],
    external: new Map(),
    isExternal: false,
  };
  for (const field of fields(message)) {
    budget.spend('values', field.number === DIMS ? countIntegers(field) : 1);
    readers[field.number]?.(parsed, field);
  }
  const { name, type, dims: shape } = parsed;
  const label = `tensor '${name}'`;
  if (shape.length > MAX_DIMENSIONS) throw new ProtobufError(`${label} has ${shape.length} dimensions`);
  let count = 1;
  for (const size of shape) count *= size;
  if (shape.some((size) => size < 0) || !Number.isSafeInteger(count))
    throw new ProtobufError(`${label} has the impossible shape [${shape.join(', ')}]`);
  const dtype = TYPES[type];
  if (parsed.isExternal) {
    const external = externalOf(label, parsed.external);
    const read = (): never => {
      throw new ProtobufError(`${label} lies in another file, '${external.location}'`);
    };
    return { name, dtype, shape, external, read };
  }
  if (!dtype) {
    const read = (): never => {
      throw new ProtobufError(`${label} has the element type ${type}, which Espalier does not read`);
    };
    return { name, dtype, shape, read };
  }
  const bytes = elementBytes(label, dtype, count, parsed, budget);
  const { raw } = parsed;
  return { name, dtype, shape, ...(raw && { raw }), read: () => ({ dtype, shape, data: viewAs(dtype, bytes()) }) };
}

/** What stands in front of elements: a tag, and a length of at least two bytes where they are as many as this. */
const LENGTH_IN_TWO_BYTES = 128;
const WIDEST_MOVED = 4;

/**
 * The tensor with its elements where they can be viewed. Those that lie at an odd place are moved there, over the length that they had in
 * front: a copy of each would double a file's memory. The file's bytes cannot be parsed again.
 */
export function movedInPlace(tensor: OnnxTensor): OnnxTensor {
  const { raw, dtype } = tensor;
  const size = dtype && BYTES_PER_ELEMENT[dtype];
  if (!raw || !size || size > WIDEST_MOVED || raw.length < LENGTH_IN_TWO_BYTES) return tensor;
  const off = raw.byteOffset % size;
  if (!off) return tensor;
  new Uint8Array(raw.buffer, raw.byteOffset - off, raw.length + off).copyWithin(0, off);
  return withData(tensor, new Uint8Array(raw.buffer, raw.byteOffset - off, raw.length));
}

/** A tensor whose external elements have been read. */
export function withData({ name, dtype, shape }: OnnxTensor, bytes: Uint8Array): OnnxTensor {
  if (!dtype) throw new ProtobufError(`tensor '${name}' has a type which Espalier does not read`);
  return { name, dtype, shape, read: () => ({ dtype, shape, data: viewAs(dtype, bytes) }) };
}

function externalOf(label: string, entries: ReadonlyMap<string, string>): ExternalData {
  const number = (key: string): number | undefined => {
    const value = entries.get(key);
    if (value === undefined || value === '') return undefined;
    if (!/^\d{1,15}$/.test(value)) throw new ProtobufError(`${label} lies at the impossible ${key} '${value}'`);
    return Number(value);
  };
  const length = number('length');
  return {
    location: entries.get('location') ?? '',
    offset: number('offset') ?? 0,
    ...(length !== undefined && { length }),
  };
}

/** The elements as they lie in memory, from whichever field has them; checked now, put together when asked for. */
function elementBytes(
  label: string,
  dtype: DType,
  count: number,
  parsed: TensorFields,
  budget: Budget,
): () => Uint8Array {
  const size = BYTES_PER_ELEMENT[dtype];
  const { raw, fixed, integers } = parsed;
  const check = (found: number): void => {
    if (found !== count)
      throw new ProtobufError(`${label} has ${found} elements where its shape [${parsed.dims}] has ${count}`);
  };
  if (raw) {
    check(raw.length / size);
    return () => raw;
  }
  if (dtype === 'float32' || dtype === 'float64') {
    check(fixed.reduce((sum, { length }) => sum + length, 0) / size);
    return () => (fixed.length === 1 ? fixed[0] : Buffer.concat(fixed));
  }
  check(integers.reduce((sum, field) => sum + countIntegers(field), 0));
  return () => {
    budget.spend('bytes', count * size);
    return integerBytes(dtype, integers, count);
  };
}

/** The integers in the type's own size; half-precision floats are kept as their bits, in the low half of a number. */
function integerBytes(dtype: DType, from: readonly Field[], count: number): Uint8Array {
  const wide = dtype === 'float16' || dtype === 'bfloat16' || dtype === 'int16';
  const into =
    dtype === 'int64'
      ? new BigInt64Array(count)
      : dtype === 'int32'
        ? new Int32Array(count)
        : wide
          ? new Uint16Array(count)
          : new Uint8Array(count);
  let at = 0;
  for (const field of from)
    eachInteger(field, (value) => {
      into[at++] = into instanceof BigInt64Array ? BigInt(value) : value;
    });
  return new Uint8Array(into.buffer);
}
