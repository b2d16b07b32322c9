/**
 * Writes pickles (protocol 2): state dicts that `torch.load(weights_only=True)` takes, and whole modules from the records
 * of a pickle that was read `asWritten`. Only what the values say is written: nothing is imported or called here.
 */

import type { DType } from '../../graph/tensor.ts';
import { elementCount } from '../../graph/tensor.ts';
import {
  PickleDict,
  PickleFloat,
  PickleGlobal,
  PickleObject,
  PickleSet,
  PickleTuple,
  type PickleValue,
  pickledParts,
  StorageRef,
} from './pickle-values.ts';
import { storageClasses } from './torch-types.ts';

/** A tensor to be named in a pickle. */
export interface PickledTensor {
  readonly dtype: DType;
  readonly shape: readonly number[];
  /** Key of the storage that holds exactly this tensor. */
  readonly storageKey: string;
}

/** Deeper values are no network's. */
const MAX_DEPTH = 2000;

/** A call of a function, or with `byNew` of a class's `__new__`. */
export function pickledCall(
  module: string,
  name: string,
  args: readonly PickleValue[],
  options: { readonly byNew?: boolean; readonly state?: PickleValue } = {},
): PickleObject {
  const callable = new PickleGlobal(module, name);
  const call = new PickleObject(callable.qualifiedName, args);
  call.callable = callable;
  call.byNew = options.byNew ?? false;
  call.state = options.state ?? null;
  return call;
}

export const emptyOrderedDict = (): PickleObject => pickledCall('collections', 'OrderedDict', []);

/** `_rebuild_tensor_v2(storage, 0, shape, strides, False, OrderedDict())` */
export function pickledTensor({ dtype, shape, storageKey }: PickledTensor): PickleObject {
  const strides = shape.map((_, axis) => elementCount(shape.slice(axis + 1).map((size) => Math.max(size, 1))));
  const storage = new StorageRef(storageClasses[dtype], storageKey, elementCount(shape));
  const sizes = [PickleTuple.from(shape), PickleTuple.from(strides)];
  return pickledCall('torch._utils', '_rebuild_tensor_v2', [storage, 0, ...sizes, false, emptyOrderedDict()]);
}

/** The pickle of an OrderedDict of tensors. */
export function pickleStateDict(tensors: ReadonlyMap<string, PickledTensor>): Buffer {
  const dict = emptyOrderedDict();
  for (const [name, tensor] of tensors) dict.entries.set(name, pickledTensor(tensor));
  return writePickle(dict);
}

const STOP = Buffer.from('.');
const PROTO_2 = Buffer.from([0x80, 2]);

/** What no pickle can hold as it is. */
export class UnwritableError extends Error {}

/** @throws UnwritableError for values deeper than any network's, and names that are none */
export function writePickle(root: PickleValue): Buffer {
  const writer = new PickleWriter(sharedValues(root));
  writer.write(root, 0);
  return Buffer.concat([PROTO_2, ...writer.parts, STOP]);
}

/** Values with an identity that are referred to more than once: they are written once, and fetched from the memo. */
function sharedValues(root: PickleValue): ReadonlySet<PickleValue> {
  const seen = new Set<PickleValue>();
  const shared = new Set<PickleValue>();
  const open: PickleValue[] = [root];
  for (let value = open.pop(); value !== undefined; value = open.pop()) {
    if (typeof value !== 'object' || value === null) continue;
    if (seen.has(value)) shared.add(value);
    else {
      seen.add(value);
      for (const part of pickledParts(value)) open.push(part);
    }
  }
  return shared;
}

class PickleWriter {
  readonly parts: Buffer[] = [];
  readonly #memo = new Map<PickleValue, number>();

  constructor(private readonly shared: ReadonlySet<PickleValue>) {}

  write(value: PickleValue, depth: number): void {
    if (depth > MAX_DEPTH) throw new UnwritableError('the records of the pickle are nested too deep');
    const known = this.#memo.get(value);
    if (known !== undefined) this.#emit(`j${unsigned(known)}`);
    else if (typeof value === 'object' && value !== null) this.#writeObject(value, depth);
    else this.parts.push(plain(value));
  }

  #emit(code: string): void {
    this.parts.push(Buffer.from(code, 'latin1'));
  }

  /** Puts what was written last into the memo where it is used again. */
  #remember(value: PickleValue): void {
    if (!this.shared.has(value)) return;
    this.#emit(`r${unsigned(this.#memo.size)}`);
    this.#memo.set(value, this.#memo.size);
  }

  #writeObject(value: Exclude<PickleValue, null | boolean | number | bigint | string>, depth: number): void {
    const next = depth + 1;
    if (value instanceof PickleFloat) this.parts.push(float(value.value));
    else if (value instanceof StorageRef) this.#writeStorage(value, next);
    else if (value instanceof PickleObject) this.#writeCall(value, next);
    else if (value instanceof PickleDict) this.#writeDict(value, next);
    else if (Array.isArray(value) && !(value instanceof PickleTuple)) this.#writeList(value, next);
    else {
      if (value instanceof PickleGlobal) this.#writeGlobal(value, next);
      else if (value instanceof Uint8Array) this.write(encodedBytes(value), next);
      else if (value instanceof PickleSet) this.write(pickledCall('builtins', 'set', [[...value]]), next);
      else if (value instanceof PickleTuple) this.#writeTuple(value, next);
      else throw new UnwritableError('a value that cannot be written into a pickle');
      this.#remember(value);
    }
  }

  #writeDict(dict: PickleDict, depth: number): void {
    this.#emit('}');
    this.#remember(dict);
    this.#writeEntries(dict, depth);
  }

  #writeList(list: readonly PickleValue[], depth: number): void {
    this.#emit(']');
    this.#remember(list as PickleValue[]);
    this.#writeItems(list, depth);
  }

  /** Protocol 2 takes a name with dots as one attribute: a class within a class is got from it. */
  #writeGlobal({ module, name }: PickleGlobal, depth: number): void {
    if ([module, name].some((line) => !line || /[\n\r]/.test(line)))
      throw new UnwritableError('a class whose name is no name');
    const dot = name.lastIndexOf('.');
    if (dot < 0) {
      this.parts.push(Buffer.from(`c${module}\n${name}\n`, 'utf8'));
      return;
    }
    const outer = new PickleGlobal(module, name.slice(0, dot));
    this.#writeCall(pickledCall('builtins', 'getattr', [outer, name.slice(dot + 1)]), depth);
  }

  #writeTuple(items: readonly PickleValue[], depth: number): void {
    if (items.length) this.#emit('(');
    for (const item of items) this.write(item, depth);
    this.#emit(items.length ? 't' : ')');
  }

  #writeItems(items: readonly PickleValue[], depth: number): void {
    if (!items.length) return;
    this.#emit('(');
    for (const item of items) this.write(item, depth);
    this.#emit('e');
  }

  #writeEntries(dict: PickleDict, depth: number): void {
    if (!dict.size) return;
    this.#emit('(');
    for (const [key, item] of dict) {
      this.write(key, depth);
      this.write(item, depth);
    }
    this.#emit('u');
  }

  #writeStorage({ type, key, elements }: StorageRef, depth: number): void {
    this.#writeTuple(['storage', new PickleGlobal('torch', type), key, 'cpu', elements], depth);
    this.#emit('Q');
  }

  #writeCall(call: PickleObject, depth: number): void {
    this.write(call.callable, depth);
    this.#writeTuple(call.args, depth);
    if (call.keywords) this.write(call.keywords, depth);
    this.#emit(call.keywords ? '\x92' : call.byNew ? '\x81' : 'R');
    this.#remember(call);
    if (call.isContainer) {
      this.#writeItems(call.items, depth);
      this.#writeEntries(call.entries, depth);
    }
    if (call.state === null) return;
    this.write(call.state, depth);
    this.#emit('b');
  }
}

function unsigned(value: number): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes.toString('latin1');
}

function plain(value: null | boolean | number | bigint | string): Buffer {
  if (value === null) return Buffer.from('N');
  if (typeof value === 'boolean') return Buffer.from([value ? 0x88 : 0x89]);
  if (typeof value === 'string') return text(value);
  if (typeof value === 'number' && !Number.isSafeInteger(value)) return float(value);
  return integer(BigInt(value));
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value, 'utf8');
  return Buffer.concat([Buffer.from(`X${unsigned(bytes.length)}`, 'latin1'), bytes]);
}

function float(value: number): Buffer {
  const bytes = Buffer.from('G\0\0\0\0\0\0\0\0', 'latin1');
  bytes.writeDoubleBE(value, 1);
  return bytes;
}

function integer(value: bigint): Buffer {
  if (value >= 0n && value < 0x100n) return Buffer.from([0x4b, Number(value)]);
  if (value === BigInt.asIntN(32, value)) {
    const bytes = Buffer.from('J\0\0\0\0', 'latin1');
    bytes.writeInt32LE(Number(value), 1);
    return bytes;
  }
  let length = 1;
  while (value !== BigInt.asIntN(8 * length, value)) length++;
  const bytes = Array.from({ length }, (_, i) => Number(BigInt.asUintN(8, value >> BigInt(8 * i))));
  const head = length < 0x100 ? Buffer.from([0x8a, length]) : Buffer.from(`\x8b${unsigned(length)}`, 'latin1');
  return Buffer.concat([head, Buffer.from(bytes)]);
}

/** How protocol 2 writes bytes: `_codecs.encode(text, 'latin1')`. */
const encodedBytes = (bytes: Uint8Array): PickleObject =>
  pickledCall('_codecs', 'encode', [Buffer.from(bytes).toString('latin1'), 'latin1']);
