/** Writes the pickle (protocol 2) of a state dict: an OrderedDict of tensors that `torch.load(weights_only=True)` takes. */

import type { DType } from '../../graph/tensor.ts';
import { elementCount } from '../../graph/tensor.ts';
import { storageClasses } from './torch-types.ts';

/** A tensor to be named in the pickle. */
export interface PickledTensor {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
  /** Key of the storage that holds exactly this tensor. */
  readonly storageKey: string;
}

const PROTO_2 = Buffer.from([0x80, 2]);
const MARK = Buffer.from('(');
const EMPTY_TUPLE = Buffer.from(')');
const TUPLE = Buffer.from('t');
const REDUCE = Buffer.from('R');
const PERSISTENT_ID = Buffer.from('Q');
const SET_ITEMS = Buffer.from('u');
const FALSE = Buffer.from([0x89]);
const STOP = Buffer.from('.');

/** `OrderedDict([(name, _rebuild_tensor_v2(storage, 0, shape, strides, False, OrderedDict())), …])` */
export function pickleStateDict(tensors: readonly PickledTensor[]): Buffer {
  const parts = [PROTO_2, emptyOrderedDict, MARK, ...tensors.flatMap(pickleEntry), SET_ITEMS, STOP];
  return Buffer.concat(parts);
}

function pickleEntry({ name, dtype, shape, storageKey }: PickledTensor): Buffer[] {
  const count = elementCount(shape);
  const strides = shape.map((_, axis) => elementCount(shape.slice(axis + 1).map((size) => Math.max(size, 1))));
  const storage = [
    text('storage'),
    global('torch', storageClasses[dtype]),
    text(storageKey),
    text('cpu'),
    integer(count),
  ];
  return [
    text(name),
    global('torch._utils', '_rebuild_tensor_v2'),
    MARK,
    ...tuple(storage),
    PERSISTENT_ID,
    integer(0),
    ...tuple(shape.map(integer)),
    ...tuple(strides.map(integer)),
    FALSE,
    emptyOrderedDict,
    TUPLE,
    REDUCE,
  ];
}

function tuple(items: readonly Buffer[]): Buffer[] {
  return items.length ? [MARK, ...items, TUPLE] : [EMPTY_TUPLE];
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value, 'utf8');
  const head = Buffer.from('X\0\0\0\0', 'latin1');
  head.writeUInt32LE(bytes.length, 1);
  return Buffer.concat([head, bytes]);
}

function integer(value: number): Buffer {
  if (value < 0x100) return Buffer.from([0x4b, value]);
  const bytes = Buffer.from('J\0\0\0\0', 'latin1');
  if (value <= 0x7fffffff) {
    bytes.writeInt32LE(value, 1);
    return bytes;
  }
  const long = Buffer.from('\x8a\x08\0\0\0\0\0\0\0\0', 'latin1');
  long.writeBigInt64LE(BigInt(value), 2);
  return long;
}

function global(module: string, name: string): Buffer {
  return Buffer.from(`c${module}\n${name}\n`, 'latin1');
}

const emptyOrderedDict = Buffer.concat([global('collections', 'OrderedDict'), EMPTY_TUPLE, REDUCE]);
