/** Pickled values as plain JSON, bounded: the attributes of modules, the arguments of a training script, and the like. */

import type { Budget } from '../../../common/budget.ts';
import { PickleDict, PickleGlobal, PickleObject, PickleSet, type PickleValue, TensorRef } from './pickle-values.ts';

/** JSON. Classes and functions appear as their names, tensors and records as a short description in angle brackets. */
export type AttributeValue =
  | null
  | boolean
  | number
  | string
  | readonly AttributeValue[]
  | { readonly [name: string]: AttributeValue };

const MAX_DEPTH = 4;
const MAX_ITEMS = 256;
const MAX_TEXT = 4096;

/** `value` as JSON; what is deeper, longer or not plain is described instead. What is shared is unfolded, and counted, each time. */
export function plainValue(value: PickleValue, budget: Budget, depth = 0): AttributeValue {
  budget.spend('values');
  if (value === null || typeof value === 'boolean' || typeof value === 'number') return value;
  if (typeof value === 'string') return value.length > MAX_TEXT ? `${value.slice(0, MAX_TEXT)}…` : value;
  if (typeof value === 'bigint') return String(value);
  if (value instanceof PickleGlobal) return value.qualifiedName;
  if (depth < MAX_DEPTH) {
    if (value instanceof PickleSet) return plainValue([...value], budget, depth);
    if (Array.isArray(value) && value.length <= MAX_ITEMS)
      return value.map((item) => plainValue(item, budget, depth + 1));
    if (value instanceof PickleDict && value.size <= MAX_ITEMS) return plainEntries(value, budget, depth + 1);
    // A Namespace, a configuration object: what it holds matters, and its class is in front.
    if (value instanceof PickleObject && value.state instanceof PickleDict && value.state.size <= MAX_ITEMS) {
      return { class: value.className, ...plainEntries(value.state, budget, depth + 1) };
    }
    // An enumeration's member, a device, a partial function: what it was made from.
    if (value instanceof PickleObject && value.state === null && value.args.length <= MAX_ITEMS) {
      return { class: value.className, args: value.args.map((item) => plainValue(item, budget, depth + 1)) };
    }
  }
  return describe(value);
}

function plainEntries(dict: PickleDict, budget: Budget, depth: number): { [name: string]: AttributeValue } {
  return Object.fromEntries([...dict].map(([key, value]) => [keyText(key), plainValue(value, budget, depth)]));
}

/** A dictionary's key as text: what is no name is only described. */
export function keyText(key: PickleValue): string {
  return typeof key === 'string' || typeof key === 'number' || typeof key === 'boolean' ? String(key) : describe(key);
}

function firstKeys(dict: PickleDict, count: number): PickleValue[] {
  const keys: PickleValue[] = [];
  for (const key of dict.keys()) if (keys.push(key) === count) break;
  return keys;
}

/** What a value is, in a few words: `<dict: state, param_groups>`. */
export function describe(value: PickleValue): string {
  if (value instanceof TensorRef) return `<tensor [${value.shape.join(', ')}]>`;
  if (value instanceof PickleDict) {
    const keys = firstKeys(value, 4).map((key) => (typeof key === 'object' ? '…' : String(key).slice(0, 80)));
    return `<dict: ${keys.join(', ')}${value.size > keys.length ? `, … ${value.size} in all` : ''}>`;
  }
  if (value instanceof PickleObject) return `<${value.className}>`;
  if (value instanceof Uint8Array) return `<${value.length} bytes>`;
  if (Array.isArray(value)) return `<list of ${value.length}>`;
  return '<value>';
}
