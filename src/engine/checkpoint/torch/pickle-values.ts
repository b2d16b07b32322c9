/**
 * What the pickle machine makes of a pickle: plain data. Classes and functions are names (`PickleGlobal`), and what a
 * pickle would have built by calling them is a record of the call (`PickleObject`). Nothing here can be executed.
 */

/** Anything a pickle can hold. Lists and tuples are both arrays. */
export type PickleValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | PickleValue[]
  | PickleDict
  | PickleSet
  | PickleNode;

export class PickleDict extends Map<PickleValue, PickleValue> {}
export class PickleSet extends Set<PickleValue> {}
/** A tuple, where a pickle is read to be written again; otherwise tuples are arrays like lists. */
export class PickleTuple extends Array<PickleValue> {}

/** Base of the values that are not JavaScript's own. */
abstract class PickleNode {
  abstract readonly nodeKind: string;
}

/** A class or function by name, e.g. `torch.nn.modules.conv.Conv2d`. */
export class PickleGlobal extends PickleNode {
  override readonly nodeKind = 'global';
  readonly qualifiedName: string;
  /** `module` as the pickle has it. */
  constructor(
    readonly module: string,
    readonly name: string,
  ) {
    super();
    this.qualifiedName = `${renamedModules.get(module) ?? module}.${name}`;
  }
}

/** Python 2's names, and NumPy 2's private ones, under the names that the tables use. */
const renamedModules: ReadonlyMap<string, string> = new Map([
  ['__builtin__', 'builtins'],
  ['copy_reg', 'copyreg'],
  ['numpy._core.multiarray', 'numpy.core.multiarray'],
  ['numpy._core.numeric', 'numpy.core.numeric'],
]);

/** A float, where a pickle is read to be written again: 1.0 is not 1 there. */
export class PickleFloat extends PickleNode {
  override readonly nodeKind = 'float';
  constructor(readonly value: number) {
    super();
  }
}

/** The record of a call or of an instance: what would have been built, from what, and what was put into it. */
export class PickleObject extends PickleNode {
  override readonly nodeKind = 'object';
  readonly className: string;
  readonly args: readonly PickleValue[];
  readonly keywords: PickleDict | undefined;
  /** What `__setstate__` would have received; a dictionary is the instance's `__dict__`. */
  state: PickleValue = null;
  /** What is called, and whether by `cls.__new__`: where a pickle is read to be written again. */
  callable: PickleValue = null;
  byNew = false;
  private ownItems: PickleValue[] | undefined;
  private ownEntries: PickleDict | undefined;

  constructor(className: string, args: readonly PickleValue[], keywords?: PickleDict) {
    super();
    this.className = className;
    this.args = args;
    this.keywords = keywords;
  }

  /** Items of a list subclass. */
  get items(): PickleValue[] {
    this.ownItems ??= [];
    return this.ownItems;
  }

  /** Whether items or entries were added after the call. */
  get isContainer(): boolean {
    return this.ownItems !== undefined || this.ownEntries !== undefined;
  }

  /** Entries of a dict subclass. */
  get entries(): PickleDict {
    this.ownEntries ??= new PickleDict();
    return this.ownEntries;
  }

  /** The attribute `name` of the instance's `__dict__`, undefined if it has none. */
  attribute(name: string): PickleValue | undefined {
    return this.state instanceof PickleDict ? this.state.get(name) : undefined;
  }
}

/** What a value consists of. */
export function pickledParts(value: PickleValue): readonly PickleValue[] {
  if (Array.isArray(value)) return value;
  if (value instanceof Map) return [...value].flat();
  if (value instanceof Set) return [...value];
  if (!(value instanceof PickleObject)) return [];
  const own = value.isContainer ? [...value.items, ...[...value.entries].flat()] : [];
  return [value.callable, ...value.args, value.keywords ?? null, ...own, value.state];
}

/** A storage that lies elsewhere in the file, referred to by its key. */
export class StorageRef extends PickleNode {
  override readonly nodeKind = 'storage';
  constructor(
    /** PyTorch's storage class without its module, e.g. `FloatStorage`. */
    readonly type: string,
    readonly key: string,
    /** Number of elements of `type` (bytes for an untyped storage). */
    readonly elements: number,
    /** Elements before this storage's first one in the storage `key`: not 0 for views in very old files. */
    readonly offset = 0,
  ) {
    super();
  }
}

/** A tensor as a window on a storage: offset and strides in elements. */
export class TensorRef extends PickleNode {
  override readonly nodeKind = 'tensor';
  constructor(
    readonly storage: StorageRef,
    readonly offset: number,
    readonly shape: readonly number[],
    readonly stride: readonly number[],
    /** PyTorch's name of the element type, where it is not the storage's. */
    readonly dtypeName?: string,
  ) {
    super();
  }
}

/** Where and why a pickle cannot be read. */
export class PickleError extends Error {
  override readonly name = 'PickleError';
  constructor(
    message: string,
    /** Byte of the pickle. */
    readonly offset: number,
    /** True if the bytes ended before the pickle did. */
    readonly truncated = false,
  ) {
    super(message);
  }
}
