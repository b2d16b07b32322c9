/** A module among the records of a pickle: its attributes, tensors and children, to be read and changed. */
import { UserError } from '../../../common/errors.ts';
import { PickleDict, PickleObject, type PickleValue, pickledParts, StorageRef } from '../torch/pickle-values.ts';

/** The entries of a dictionary, an OrderedDict's included. */
export function dictOf(value: PickleValue | undefined): PickleDict | undefined {
  if (value instanceof PickleDict) return value;
  const isOrdered = value instanceof PickleObject && value.className === 'collections.OrderedDict';
  return isOrdered && !value.args.length ? value.entries : undefined;
}

export const isWrittenModule = (value: PickleValue | undefined): value is PickleObject => {
  const own = value instanceof PickleObject ? dictOf(value.state) : undefined;
  return ['_parameters', '_buffers', '_modules'].every((name) => dictOf(own?.get(name)) !== undefined);
};

const isName = (entry: [PickleValue, PickleValue]): entry is [string, PickleValue] => typeof entry[0] === 'string';

export class WrittenModule {
  constructor(
    readonly object: PickleObject,
    readonly path = '',
  ) {}

  get #own(): PickleDict {
    return dictOf(this.object.state) as PickleDict;
  }
  attribute(name: string): PickleValue | undefined {
    return this.#own.get(name);
  }
  set(name: string, value: PickleValue): void {
    this.#own.set(name, value);
  }
  /** `_parameters`, `_buffers` or `_modules`. */
  dict(name: '_parameters' | '_buffers' | '_modules'): PickleDict {
    return dictOf(this.attribute(name)) as PickleDict;
  }
  get children(): WrittenModule[] {
    return [...this.dict('_modules')]
      .filter(isName)
      .flatMap(([name, child]) =>
        isWrittenModule(child) ? [new WrittenModule(child, this.path ? `${this.path}.${name}` : name)] : [],
      );
  }
  /** Its own tensors by name. */
  get tensors(): { readonly dict: PickleDict; readonly name: string; readonly value: PickleValue }[] {
    return (['_parameters', '_buffers'] as const).flatMap((kind) => {
      const dict = this.dict(kind);
      return [...dict].filter(isName).flatMap(([name, value]) => (value === null ? [] : [{ dict, name, value }]));
    });
  }
}

const MAX_DEPTH = 200;

/** A module and all within it, outermost first; one that is shared at each of its places. */
export function* writtenModules(module: WrittenModule, depth = 0): Generator<WrittenModule> {
  yield module;
  if (depth > MAX_DEPTH) throw new UserError('the pickled network contains itself');
  for (const child of module.children) yield* writtenModules(child, depth + 1);
}

/** Every value reachable from `root`, each once. `without`: not these, and what only they lead to. */
export function reachable(root: PickleValue, without?: ReadonlySet<PickleValue>): Set<PickleValue> {
  const seen = new Set<PickleValue>();
  const open: PickleValue[] = [root];
  for (let value = open.pop(); value !== undefined; value = open.pop()) {
    if (typeof value !== 'object' || value === null || seen.has(value) || without?.has(value)) continue;
    seen.add(value);
    for (const part of pickledParts(value)) open.push(part);
  }
  return seen;
}

export const storagesIn = (values: Iterable<PickleValue>): StorageRef[] =>
  [...values].filter((value) => value instanceof StorageRef);
