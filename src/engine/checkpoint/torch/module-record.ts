/** Whole pickled `nn.Module`s as records: their tensors under the names of `state_dict()`, and a tree of what they are. */

import type { Budget } from '../../../common/budget.ts';
import { UserError } from '../../../common/errors.ts';
import { type AttributeValue, plainValue } from './attributes.ts';
import { PickleDict, PickleGlobal, PickleObject, PickleSet, type PickleValue } from './pickle-values.ts';
import { type StateEntries, stateTensor } from './state-entries.ts';

/** One module of a pickled network: data, from which an architecture can be recognised and built anew. */
export interface ModuleRecord {
  /** Full class name, e.g. `torch.nn.modules.conv.Conv2d`. */
  readonly className: string;
  /** Path in the network, e.g. `blocks.0.attn`; empty for the network itself. */
  readonly path: string;
  /** Attributes as JSON: `num_heads`, `in_features`, `stride`, `eps`, … */
  readonly attributes: Readonly<Record<string, AttributeValue>>;
  /** Modules by attribute name, in order; a child that is None is left out. */
  readonly children: ReadonlyMap<string, ModuleRecord>;
  /** Names within the module of the parameters that it has, and of those registered as None (a convolution without bias). */
  readonly parameters: readonly string[];
  readonly absentParameters: readonly string[];
  /** Names of its buffers, those outside of the state dict included. */
  readonly buffers: readonly string[];
  /** Functions that run before or after its forward, by name: they may change what it computes. */
  readonly hooks: readonly string[];
}

const MAX_DEPTH = 200;
/** Buffers outside of the state dict that decide what a network computes: they are compared with the network that is built. */
const DECISIVE_BUFFERS: ReadonlySet<string> = new Set(['relative_position_index', 'attn_mask']);
/** Maps and lists of one record. */
const MODULE_VALUES = 10;

export function isModule(value: PickleValue | undefined): value is PickleObject {
  return (
    value instanceof PickleObject &&
    ['_parameters', '_modules'].every((name) => value.attribute(name) instanceof PickleDict)
  );
}

/**
 * Walks a pickled module as `state_dict()` does: parameters, then persistent buffers (and DECISIVE_BUFFERS), then children.
 * A module that is shared is walked, and counted, wherever it is.
 * @throws UserError if modules contain one another
 */
export function walkModule(root: PickleObject, budget: Budget): { module: ModuleRecord; entries: StateEntries } {
  const entries: StateEntries = new Map();

  const walk = (module: PickleObject, path: string, depth: number): ModuleRecord => {
    if (depth > MAX_DEPTH)
      throw new UserError(
        `${budget.file}: the pickled network has modules inside modules ${MAX_DEPTH} deep, or contains itself (at '${path.slice(0, 80)}…').`,
      );
    budget.spend('nodes');
    budget.spend('values', MODULE_VALUES);
    const hidden = module.attribute('_non_persistent_buffers_set');
    const isHidden = (name: string): boolean =>
      hidden instanceof PickleSet && hidden.has(name) && !DECISIVE_BUFFERS.has(name);
    const parameters = dictEntries(module.attribute('_parameters'));
    const buffers = dictEntries(module.attribute('_buffers'));
    // Each is a name with the whole path in front, in several lists.
    const named = parameters.length + buffers.length;
    budget.spend('values', 3 * named);
    budget.spend('bytes', named * path.length);
    for (const [name, value] of [...parameters, ...buffers.filter(([name]) => !isHidden(name))]) {
      const tensor = stateTensor(value, budget);
      if (tensor) entries.set(join(path, name), tensor);
    }
    const children = dictEntries(module.attribute('_modules')).flatMap(([name, child]): [string, ModuleRecord][] =>
      isModule(child) ? [[name, walk(child, join(path, name), depth + 1)]] : [],
    );
    return {
      className: module.className,
      path,
      attributes: attributesOf(module, budget),
      children: new Map(children),
      parameters: parameters.filter(([, value]) => value !== null).map(([name]) => name),
      absentParameters: parameters.filter(([, value]) => value === null).map(([name]) => name),
      buffers: buffers.filter(([, value]) => value !== null).map(([name]) => name),
      hooks: hooksOf(module),
    };
  };

  return { module: walk(root, '', 0), entries };
}

function join(path: string, name: string): string {
  return path ? `${path}.${name}` : name;
}

function dictEntries(value: PickleValue | undefined): [string, PickleValue][] {
  if (!(value instanceof PickleDict)) return [];
  return [...value].filter((entry): entry is [string, PickleValue] => typeof entry[0] === 'string');
}

function hooksOf(module: PickleObject): string[] {
  return ['_forward_pre_hooks', '_forward_hooks'].flatMap((kind) => {
    const hooks = module.attribute(kind);
    // An OrderedDict is a record of a call with entries.
    const values = hooks instanceof PickleDict ? hooks : hooks instanceof PickleObject ? hooks.entries : [];
    return [...values].map(([, hook]) => hookName(hook));
  });
}

function hookName(hook: PickleValue): string {
  if (hook instanceof PickleGlobal) return hook.qualifiedName;
  return hook instanceof PickleObject ? hook.className : 'a function';
}

/** `nn.Module`'s own bookkeeping. */
const internals =
  /^_(parameters|buffers|modules|non_persistent_buffers_set|is_full_backward_hook|.*_hooks(_.*)?|.*_hook)$/;

function attributesOf(module: PickleObject, budget: Budget): Record<string, AttributeValue> {
  const own = dictEntries(module.state).filter(([name, value]) => !internals.test(name) && !isModule(value));
  return Object.fromEntries(own.map(([name, value]) => [name, plainValue(value, budget)]));
}
