/** The tensors that a PyTorch file names, before they are read: windows on storages, or arrays that were in the pickle. */

import type { Budget } from '../../../common/budget.ts';
import type { Tensor } from '../../graph/tensor.ts';
import { keyText } from './attributes.ts';
import { decodeArray, isArray } from './numpy.ts';
import { PickleDict, PickleObject, type PickleValue, TensorRef } from './pickle-values.ts';

export type StateEntry = TensorRef | Tensor;
export type StateEntries = Map<string, StateEntry>;

/** The tensor that a value of a state dict is; undefined for anything else. */
export function stateTensor(value: PickleValue, budget: Budget): StateEntry | undefined {
  const data = parameterData(value);
  return data instanceof TensorRef ? data : decodeArray(data, budget);
}

/** A parameter of PyTorch before 0.4 is an instance with the state (data, requires_grad, hooks). */
function parameterData(value: PickleValue): PickleValue {
  const isParameter = value instanceof PickleObject && value.className === 'torch.nn.parameter.Parameter';
  return isParameter && Array.isArray(value.state) ? (value.state[0] ?? null) : value;
}

/** The entries of a state dict, and what is in it besides tensors, by key. */
export function stateEntries(
  dict: PickleDict,
  budget: Budget,
): { entries: StateEntries; others: [key: string, value: PickleValue][] } {
  const entries: StateEntries = new Map();
  const others: [key: string, value: PickleValue][] = [];
  for (const [key, value] of dict) {
    const tensor = stateTensor(value, budget);
    if (tensor && typeof key === 'string') entries.set(key, tensor);
    else others.push([keyText(key), value]);
  }
  return { entries, others };
}

/** True for a dictionary in which tensors lie directly under names. */
export function isStateDict(value: PickleValue | undefined): boolean {
  if (!(value instanceof PickleDict)) return false;
  for (const [key, item] of value) {
    const data = parameterData(item);
    if (typeof key === 'string' && (data instanceof TensorRef || isArray(data))) return true;
  }
  return false;
}

/** Names that a wrapper puts in front of every entry, and that compiled modules put anywhere. */
const WRAPPER_PREFIX = 'module.';
const COMPILED_PREFIX = '_orig_mod.';
/** The counter of `torch.optim.swa_utils.AveragedModel`, beside its `module.`. */
const AVERAGE_COUNTER = 'n_averaged';

/**
 * Entries under the names of the network itself: without `_orig_mod.` (torch.compile), and without `module.` (data
 * parallel, averaged models) where every entry has it.
 * @returns the entries, and what was taken off
 */
export function stripPrefixes<T>(entries: ReadonlyMap<string, T>): { entries: Map<string, T>; stripped: string[] } {
  const stripped: string[] = [];
  let current = new Map(entries);
  const rename = (what: string, name: (old: string) => string): void => {
    const renamed = new Map([...current].map(([key, value]) => [name(key), value]));
    // Two entries under one name: the prefix was part of the names after all.
    if (renamed.size !== current.size) return;
    current = renamed;
    stripped.push(what);
  };
  if ([...current.keys()].some((key) => isCompiled(key))) {
    rename(COMPILED_PREFIX, (key) => key.replaceAll(/(^|\.)_orig_mod\./g, '$1'));
  }
  for (;;) {
    const names = [...current.keys()].filter((key) => key !== AVERAGE_COUNTER);
    if (names.length === 0 || !names.every((key) => key.startsWith(WRAPPER_PREFIX))) break;
    current.delete(AVERAGE_COUNTER);
    const before = stripped.length;
    rename(WRAPPER_PREFIX, (key) => key.slice(WRAPPER_PREFIX.length));
    if (stripped.length === before) break;
  }
  return { entries: current, stripped };
}

function isCompiled(key: string): boolean {
  return key.startsWith(COMPILED_PREFIX) || key.includes(`.${COMPILED_PREFIX}`);
}
