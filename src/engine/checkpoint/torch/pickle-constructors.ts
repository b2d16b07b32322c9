/**
 * The calls that are understood: what they would return, written out as data. A call that is not here stays a record of
 * itself, and so does one whose arguments are not what PyTorch, NumPy or Python write.
 */

import { decodeScalar } from './numpy.ts';
import {
  PickleDict,
  PickleGlobal,
  PickleObject,
  PickleSet,
  type PickleValue,
  StorageRef,
  TensorRef,
} from './pickle-values.ts';

/** The machine, as far as a constructor needs it. */
export interface Caller {
  /** Counts items that are copied; too many are an error. */
  spend(items: number): void;
  fail(message: string): never;
}

type Args = readonly PickleValue[];
/** undefined: not as expected, keep the record. */
type Constructor = (args: Args, caller: Caller) => PickleValue | undefined;

/** No tensor has more dimensions (`torch.empty` takes at most 64). */
const MAX_DIMENSIONS = 64;

export function applyConstructor(name: string, args: Args, caller: Caller): PickleValue | undefined {
  return constructors.get(name)?.(args, caller);
}

/** The items of an iterable that a pickle can hold. */
function itemsOf(value: PickleValue | undefined): PickleValue[] | undefined {
  if (value === undefined) return [];
  if (Array.isArray(value)) return value;
  if (value instanceof PickleSet) return [...value];
  return undefined;
}

function list([items]: Args, caller: Caller): PickleValue[] | undefined {
  const values = itemsOf(items);
  if (values) caller.spend(values.length);
  return values && [...values];
}

function set(args: Args, caller: Caller): PickleSet | undefined {
  const values = list(args, caller);
  return values && new PickleSet(values);
}

/** `OrderedDict()`, `OrderedDict([[key, value], …])`, `Counter({…})`. */
function dict([source]: Args, caller: Caller): PickleDict | undefined {
  const pairs = source instanceof PickleDict ? [...source] : itemsOf(source);
  if (!pairs) return undefined;
  caller.spend(pairs.length);
  const result = new PickleDict();
  for (const pair of pairs) {
    if (!Array.isArray(pair) || pair.length !== 2) return undefined;
    result.set(pair[0], pair[1]);
  }
  return result;
}

/** `_codecs.encode(text, 'latin1')`: how protocol 2 writes bytes. */
function encode([text, encoding]: Args, caller: Caller): Uint8Array | undefined {
  if (typeof text !== 'string' || (encoding !== 'latin1' && encoding !== undefined)) return undefined;
  caller.spend(text.length);
  return Uint8Array.from(Buffer.from(text, 'latin1'));
}

/** `copyreg._reconstructor(cls, object, None)`: an instance, as protocols 0 and 1 write it. */
function reconstructor([type]: Args): PickleObject | undefined {
  return type instanceof PickleGlobal ? new PickleObject(type.qualifiedName, []) : undefined;
}

function sizes(value: PickleValue | undefined): number[] | undefined {
  if (!Array.isArray(value) || value.length > MAX_DIMENSIONS) return undefined;
  const natural = (item: PickleValue): item is number => Number.isSafeInteger(item) && (item as number) >= 0;
  return value.every(natural) ? value : undefined;
}

function tensor(args: Args, caller: Caller, dtypeName?: string): TensorRef | undefined {
  const [storage, offset, shape, stride] = args;
  const [shapeSizes, strideSizes] = [sizes(shape), sizes(stride)];
  if (!(storage instanceof StorageRef)) return undefined;
  if (!shapeSizes || strideSizes?.length !== shapeSizes.length || !sizes([offset])) {
    return caller.fail('a tensor whose offset, sizes or strides are not whole numbers');
  }
  return new TensorRef(storage, offset as number, shapeSizes, strideSizes, dtypeName);
}

/** `_rebuild_tensor_v3(storage, offset, size, stride, requires_grad, hooks, dtype, metadata)`. */
function tensorOfType(args: Args, caller: Caller): TensorRef | undefined {
  const dtype = args[6];
  return dtype instanceof PickleGlobal ? tensor(args, caller, dtype.qualifiedName) : undefined;
}

/** A parameter is its tensor. */
function parameter([data]: Args): PickleValue | undefined {
  return data instanceof TensorRef ? data : undefined;
}

/** `_rebuild_from_type_v2(function, type, args, state)`: a tensor with Python attributes or of a subclass. */
function tensorFromType([callable, , args]: Args, caller: Caller): PickleValue | undefined {
  if (!(callable instanceof PickleGlobal) || !Array.isArray(args)) return undefined;
  if (callable.qualifiedName === 'torch._tensor._rebuild_from_type_v2') return undefined;
  return applyConstructor(callable.qualifiedName, args, caller);
}

const constructors: ReadonlyMap<string, Constructor> = new Map<string, Constructor>([
  ['builtins.set', set],
  ['builtins.frozenset', set],
  ['builtins.list', list],
  ['builtins.tuple', list],
  ['builtins.dict', dict],
  [
    'builtins.bytearray',
    ([source, encoding], caller) => (source instanceof Uint8Array ? source : encode([source ?? '', encoding], caller)),
  ],
  ['builtins.bytes', ([source]) => (source === undefined ? new Uint8Array(0) : undefined)],
  ['collections.OrderedDict', dict],
  ['collections.Counter', dict],
  ['collections.defaultdict', ([, ...rest], caller) => dict(rest, caller)],
  ['collections.deque', list],
  ['_codecs.encode', encode],
  ['copyreg._reconstructor', reconstructor],
  ['torch.Size', list],
  ['torch._utils._rebuild_tensor', (args, caller) => tensor(args, caller)],
  ['torch._utils._rebuild_tensor_v2', (args, caller) => tensor(args, caller)],
  ['torch._utils._rebuild_tensor_v3', tensorOfType],
  ['torch._utils._rebuild_parameter', parameter],
  ['torch._utils._rebuild_parameter_with_state', parameter],
  ['torch._tensor._rebuild_from_type_v2', tensorFromType],
  ['numpy.core.multiarray.scalar', ([dtype, data]) => decodeScalar(dtype, data)],
]);
