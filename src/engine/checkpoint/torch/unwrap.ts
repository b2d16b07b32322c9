/** Finds the weights in what a training script saved: wrappers by their usual keys, whole modules, averaged weights. */

import type { Budget } from '../../../common/budget.ts';
import { UserError } from '../../../common/errors.ts';
import { timmNames } from '../other-names.ts';
import { type AttributeValue, describe, plainValue } from './attributes.ts';
import { isModule, type ModuleRecord, walkModule } from './module-record.ts';
import { PickleDict, PickleObject, type PickleValue } from './pickle-values.ts';
import { isStateDict, type StateEntries, type StateEntry, stateEntries, stripPrefixes } from './state-entries.ts';

/** Which of a file's weights to take. */
export interface WeightChoice {
  /** Take the averaged (EMA) weights. */
  readonly useEma?: boolean;
  /** Take what lies under this key; dots go deeper. */
  readonly key?: string;
  readonly namesAsStored?: boolean;
}

export interface Unwrapped {
  readonly entries: ReadonlyMap<string, StateEntry>;
  readonly module?: ModuleRecord;
  /** What lay beside the weights, by key: plain values as they are, others described. */
  readonly baggage: Readonly<Record<string, AttributeValue>>;
  /** The keys that led to the weights, then the prefixes that were taken off their names. */
  readonly sources: readonly string[];
  /** Whose names they had, where these were others than timm's. */
  readonly whoseNames?: string;
  /** What the person should know of what was taken off. */
  readonly notes: readonly string[];
}

/** Keys under which weights lie, the most specific first. */
const weightKeys = [
  'state_dict',
  'model_state_dict',
  'model',
  'model_state',
  'module',
  'net',
  'network',
  'weights',
  'params',
  'teacher',
];
const emaKeys = [
  'state_dict_ema',
  'model_ema',
  'ema_state_dict',
  'model_ema_state_dict',
  'ema',
  'params_ema',
  'ema_model',
];
/** Keys of dictionaries that hold tensors but no weights. */
const otherKeys = /optim|sched|scaler|amp|rng|random|loss|criterion|meter|history|args|config|hyper/i;

const MAX_DEPTH = 6;

/** Whether an average lay beside the weights. */
export const holdsAverage = ({ baggage }: Pick<Unwrapped, 'baggage'>): boolean =>
  emaKeys.some((key) => Object.hasOwn(baggage, key) && baggage[key] !== null);

/**
 * The weights in a pickled value.
 * @param budget of the file, which it names in errors
 * @throws UserError if it holds no tensors, or not those asked for, or several networks
 */
export function unwrap(budget: Budget, root: PickleValue, choice: WeightChoice): Unwrapped {
  const where = budget.file;
  const path: string[] = [];
  let value = root;
  const baggage: Record<string, AttributeValue> = {};
  const notes: string[] = [];
  if (choice.key !== undefined) value = follow(where, root, choice.key, path);
  else if (choice.useEma) value = step(budget, root, findEma(where, root), path, baggage);
  for (let depth = 0; depth < MAX_DEPTH; depth++) {
    const next = isModule(value) ? wrappedModule(value) : wrapperKey(where, value);
    if (next === undefined) break;
    if (isModule(value) && !KNOWN_WRAPPERS.test(value.className))
      notes.push(
        `${value.className}, which holds the network, is no class that is known: what its forward adds is left out`,
      );
    value = step(budget, value, next, path, baggage);
  }
  return { ...weightsIn(budget, root, value, path, baggage, choice), baggage, notes };
}

function weightsIn(
  budget: Budget,
  root: PickleValue,
  value: PickleValue,
  path: readonly string[],
  baggage: Record<string, AttributeValue>,
  { namesAsStored }: WeightChoice,
): Omit<Unwrapped, 'baggage' | 'notes'> {
  const where = budget.file;
  if (isModule(value)) {
    const { module, entries } = walkModule(value, budget);
    if (entries.size === 0) throw noTensors(where, root);
    const { entries: renamed, whose } = namesAsStored ? { entries, whose: undefined } : timmNames(entries);
    return { module, entries: renamed, sources: path, ...(whose && { whoseNames: whose }) };
  }
  if (!(value instanceof PickleDict) || !isStateDict(value)) throw noTensors(where, root);
  const { entries, others } = stateEntries(value, budget);
  const names = namesAsStored ? { entries, stripped: [] } : stripPrefixes(entries);
  const { entries: renamed, whose } = namesAsStored ? { entries, whose: undefined } : timmNames(names.entries);
  refuseForeignTensors(where, others);
  for (const [key, other] of others) baggage[key] = plainValue(other, budget);
  const sources = [...path, ...names.stripped];
  return {
    entries: renamed,
    module: siblingModule(budget, root, names.entries),
    sources,
    ...(whose && { whoseNames: whose }),
  };
}

/** Tensors that PyTorch makes of several parts, by the function that puts them together. */
const FOREIGN_TENSORS: ReadonlyMap<string, string> = new Map([
  ['torch._utils._rebuild_qtensor', 'quantised'],
  ['torch._utils._rebuild_sparse_tensor', 'sparse'],
  ['torch._utils._rebuild_sparse_csr_tensor', 'sparse'],
  ['torch._utils._rebuild_nested_tensor', 'a nested tensor'],
  ['torch._utils._rebuild_meta_tensor_no_storage', 'a meta tensor, which has no numbers'],
  ['torch._utils._rebuild_wrapper_subclass', 'of a subclass of torch.Tensor'],
]);

/** What stands where a weight should is named as what it is. */
function refuseForeignTensors(where: string, others: readonly (readonly [string, PickleValue])[]): void {
  for (const [name, value] of others) {
    // Quantised layers keep their weight in a tuple, beside the bias.
    const parts = Array.isArray(value) ? value : [value];
    const kind = parts
      .map((part) => (part instanceof PickleObject ? FOREIGN_TENSORS.get(part.className) : undefined))
      .find((found) => found !== undefined);
    if (kind)
      throw new UserError(
        `${where}: tensor '${name}' is ${kind}; Espalier works on dense floating-point weights. Save them with \`.dequantize()\`, \`.to_dense()\` or as plain tensors.`,
      );
  }
}

/** A whole module beside a state dict of the same names (averaged weights): it says what the network is. */
function siblingModule(budget: Budget, root: PickleValue, entries: StateEntries): ModuleRecord | undefined {
  if (!(root instanceof PickleDict)) return undefined;
  for (const value of root.values()) {
    if (!isModule(value)) continue;
    const other = walkModule(value, budget);
    if (other.entries.size === entries.size && [...other.entries.keys()].every((name) => entries.has(name))) {
      return other.module;
    }
  }
  return undefined;
}

/** One level in; what stays behind is baggage. */
function step(
  budget: Budget,
  value: PickleValue,
  key: string,
  path: string[],
  baggage: Record<string, AttributeValue>,
): PickleValue {
  path.push(key);
  if (isModule(value)) return (value.attribute('_modules') as PickleDict).get(key) as PickleValue;
  const dict = value as PickleDict;
  for (const [name, other] of dict) {
    if (name !== key && typeof name === 'string')
      baggage[name] = isHeavy(other) ? describe(other) : plainValue(other, budget);
  }
  return dict.get(key) as PickleValue;
}

/** Weights of other networks and the optimizer's state are told by their size, not listed. */
function isHeavy(value: PickleValue): boolean {
  return isModule(value) || isStateDict(value) || (value instanceof PickleDict && value.has('param_groups'));
}

function holdsWeights(value: PickleValue | undefined): boolean {
  if (isModule(value) || isStateDict(value)) return true;
  return (
    value instanceof PickleDict &&
    [...weightKeys, ...emaKeys].some((key) => isModule(value.get(key)) || isStateDict(value.get(key)))
  );
}

/** The key of a dictionary under which the weights lie; undefined if they lie in it directly, or there are none. */
function wrapperKey(where: string, value: PickleValue): string | undefined {
  if (!(value instanceof PickleDict)) return undefined;
  const known = [...weightKeys, ...emaKeys].find((key) => holdsWeights(value.get(key)));
  if (known !== undefined || isStateDict(value)) return known;
  const others = [...value].flatMap(([key, item]) =>
    typeof key === 'string' && !otherKeys.test(key) && holdsWeights(item) ? [key] : [],
  );
  if (others.length > 1) {
    throw new UserError(`${where} holds several networks (${others.join(', ')}): say which one, with its key.`);
  }
  return others[0];
}

/** Whose wrappers give what the module in them gives. */
const KNOWN_WRAPPERS = /^(torch|timm|apex|deepspeed|accelerate|fairscale|lightning|pytorch_lightning|ultralytics)\./;

/** A module that only wraps another (data parallel, averaged, compiled): the name of the other. */
function wrappedModule(module: PickleObject): string | undefined {
  const children = module.attribute('_modules') as PickleDict;
  const [name] = children.keys();
  const wraps = children.size === 1 && (name === 'module' || name === '_orig_mod') && isModule(children.get(name));
  return wraps ? name : undefined;
}

function findEma(where: string, root: PickleValue): string {
  const key = root instanceof PickleDict ? emaKeys.find((name) => holdsWeights(root.get(name))) : undefined;
  if (key === undefined) throw new UserError(`${where} holds no EMA weights${keysOf(root)}.`);
  return key;
}

function follow(where: string, root: PickleValue, key: string, path: string[]): PickleValue {
  let value = root;
  let rest = key;
  while (rest) {
    const dict: PickleDict | undefined = value instanceof PickleDict ? value : undefined;
    // A key may have dots itself: the longest that fits is taken.
    const fits =
      dict &&
      [...dict.keys()].filter((name) => typeof name === 'string' && (rest === name || rest.startsWith(`${name}.`)));
    const name = fits?.sort((a, b) => String(b).length - String(a).length)[0];
    if (typeof name !== 'string') throw new UserError(`${where} has no key '${key}'${keysOf(value)}.`);
    path.push(name);
    value = dict?.get(name) ?? null;
    rest = rest.slice(name.length + 1);
  }
  return value;
}

function keysOf(value: PickleValue): string {
  if (!(value instanceof PickleDict)) return '';
  const keys = [...value.keys()].filter((key) => typeof key === 'string');
  return `; its keys are ${keys.slice(0, 12).join(', ')}${keys.length > 12 ? ', …' : ''}`;
}

function noTensors(where: string, root: PickleValue): UserError {
  const what = root instanceof PickleObject ? `a call or instance of ${root.className} (not executed)` : describe(root);
  return new UserError(
    `${where} holds no tensors that are a network's weights; what it holds is ${what}${keysOf(root)}.`,
  );
}
