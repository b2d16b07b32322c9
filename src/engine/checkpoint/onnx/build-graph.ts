/** A drafted network as a Graph: modules, names of nodes and parameters as a state dict would have them. */
import { FreeNames } from '../../../common/free-names.ts';
import { activations } from '../../graph/activations.ts';
import { GraphBuilder } from '../../graph/builder.ts';
import type { Graph, ValueId } from '../../graph/graph.ts';
import {
  type OperationAttributes,
  type OperationKind,
  type ParameterRole,
  usualModule,
} from '../../graph/operations.ts';
import type { Tensor } from '../../graph/tensor.ts';
import type { Draft, DraftGraph, DraftId, StoredTensor } from './draft.ts';
import { isReadable, lastOf, MADE_UP, parentOf, ROLE_NAMES } from './names.ts';

type Operation = Exclude<Draft, { kind: 'foreign' }>;

/** Where a node goes: `id` is its path, or a path with a suffix. */
interface Place {
  readonly module: string;
  readonly suffix: string;
  readonly moduleType: string;
}

/** Whether a tensor goes on under its name. */
type IsOwnName = (name: string) => boolean;

/** Of a state dict every name is one, whatever is in it; tensors that were filled in have none. */
const isExact: IsOwnName = (name) => name !== '' && !name.startsWith(MADE_UP);

/** The module that a node's parameters are named after, if they are. */
function namedAfter({ kind, stored }: Operation, isOwn: IsOwnName): string | undefined {
  const name = stored.weight?.name ?? stored.bias?.name ?? MADE_UP;
  return kind !== 'parameter' && isOwn(name) && name.includes('.') ? parentOf(name) : undefined;
}

function moduleTypeOf(draft: Operation): string {
  if (draft.kind === 'activation') return activations[draft.attributes.function].module;
  return usualModule(draft.kind);
}

const isStored = (draft: Operation | undefined): boolean => draft?.kind === 'parameter' || draft?.kind === 'constant';

/** The network's nodes with their places in a tree of modules. */
function placeNodes(drafts: ReadonlyMap<DraftId, Operation>, isOwn: IsOwnName): ReadonlyMap<DraftId, Place> {
  const taken = new Set<string>();
  const places = new Map<DraftId, Place>();
  for (const [id, draft] of drafts) {
    const module = namedAfter(draft, isOwn);
    if (module === undefined || taken.has(module)) continue;
    taken.add(module);
    places.set(id, { module, suffix: '', moduleType: moduleTypeOf(draft) });
  }
  const paths = new Map([...drafts].map(([id, { origin }]) => [id, places.get(id)?.module ?? origin.path]));
  const counts = new Map<string, number>();
  const composite = new Set<string>();
  for (const [id, path] of paths) {
    // What is stored stands beside the node that takes it, and does not make a module of it.
    if (!isStored(drafts.get(id))) counts.set(path, (counts.get(path) ?? 0) + 1);
    for (let parent = parentOf(path); parent; parent = parentOf(parent)) composite.add(parent);
  }
  for (const [id, draft] of drafts) {
    if (places.has(id)) continue;
    const path = paths.get(id) ?? '';
    const moduleType = moduleTypeOf(draft);
    const isModule = composite.has(path) || (counts.get(path) ?? 0) > 1;
    const isAlone = path !== '' && !isModule && counts.has(path) !== isStored(draft);
    if (isAlone && moduleType) places.set(id, { module: path, suffix: '', moduleType });
    else if (isAlone) places.set(id, { module: parentOf(path), suffix: lastOf(path), moduleType: '' });
    // Layers without a name are numbered: the builder makes them differ.
    else
      places.set(id, {
        module: isModule || !isStored(draft) ? path : parentOf(path),
        suffix: suffixOf(draft),
        moduleType,
      });
  }
  return places;
}

const suffixOf = (draft: Operation): string =>
  draft.kind === 'activation' ? draft.attributes.function : draft.kind.toLowerCase();

const joined = (path: string, suffix: string): string => [path, suffix].filter(Boolean).join('.');

/** Names nodes and parameters, and gives each layer its own. */
class Names {
  readonly tensors = new Map<string, StoredTensor>();
  /** Tensors of the file that several layers have: names of the initialisers. */
  readonly shared = new Set<string>();
  readonly #given = new Set<string>();
  readonly #ids: Set<string>;
  readonly #freeTensors = new FreeNames();
  readonly #freeIds = new FreeNames();

  constructor(
    private readonly builder: GraphBuilder,
    input: ValueId,
    private readonly shares: boolean,
    readonly isOwn: IsOwnName,
  ) {
    this.#ids = new Set([input]);
  }

  /** A suffix that makes the name of a node one that no other has; `otherwise` where the path alone is taken. */
  freeSuffix(path: string, suffix: string, otherwise: string): string {
    const isFree = (name: string): boolean => name !== '' && !this.#ids.has(name);
    const base = isFree(joined(path, suffix)) ? suffix : suffix || otherwise;
    const found = isFree(joined(path, base)) ? base : this.#numbered(path, base, isFree);
    this.#ids.add(joined(path, found));
    return found;
  }

  #numbered(path: string, suffix: string, isFree: (name: string) => boolean): string {
    const whole = this.#freeIds.find(joined(path, suffix), (name) => !isFree(name));
    return path ? whole.slice(path.length + 1) : whole;
  }

  add(role: ParameterRole, id: ValueId, stored: StoredTensor): string {
    const isOwn = this.isOwn(stored.name);
    const known = this.tensors.get(stored.name);
    if (this.shares && known && String(known.shape) === String(stored.shape)) return stored.name;
    if (isOwn && this.#given.has(stored.name)) this.shared.add(stored.name);
    this.#given.add(stored.name);
    const fallback = role === 'value' ? id : `${id}.${ROLE_NAMES[role]}`;
    const base = isOwn && !this.tensors.has(stored.name) ? stored.name : fallback;
    const name = this.#freeTensors.find(base, (taken) => this.tensors.has(taken));
    this.tensors.set(name, stored);
    const isStatistic = role === 'runningMean' || role === 'runningVar';
    return this.builder.parameter(name, stored.shape, !isStatistic);
  }
}

/** Whether the counter of MACs sees a node: layers and pooling, and products of values, which no module stands for. */
const isCounted = ({ kind, attributes }: Operation, moduleType: string): boolean =>
  kind === 'matmul' ||
  (moduleType !== '' &&
    kind !== 'dropout' &&
    !(kind === 'mean' && String((attributes as OperationAttributes['mean']).axes) !== '2,3'));

/** A value that the network gives, by its name in the file. */
export interface DraftOutput {
  readonly name: string;
  readonly draft: DraftId;
}

/** Where a drafted network begins and ends. */
export interface DraftEnds {
  readonly input: DraftId;
  readonly inputName: ValueId;
  readonly outputs: readonly DraftOutput[];
}

export interface BuiltGraph {
  readonly graph: Graph;
  /** By parameter name. */
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  /** Tensors of the file of which several layers now have a copy each. */
  readonly shared: readonly string[];
}

/** Builds the Graph of everything that the outputs need; `input` is the draft of the images. */
export function buildGraph(
  drafted: DraftGraph,
  { input, inputName, outputs }: DraftEnds,
  header: Pick<Graph, 'name' | 'family' | 'input' | 'classes' | 'ending'>,
  namesAreExact = false,
): BuiltGraph {
  const { order } = drafted.live(outputs.map(({ draft }) => draft));
  const drafts = new Map(order.filter((id) => id !== input).map((id) => [id, drafted.get(id) as Operation]));
  const isOwn = namesAreExact ? isExact : isReadable;
  const places = placeNodes(drafts, isOwn);
  const builder = new GraphBuilder();
  const parameters = new Names(builder, inputName, namesAreExact, isOwn);
  const ids = new Map<DraftId, ValueId>([[input, builder.input(header.input, inputName)]]);
  for (const [id, draft] of drafts) {
    const { module, suffix, moduleType } = places.get(id) as Place;
    ids.set(
      id,
      addNode(
        builder,
        parameters,
        draft,
        drafted.inputsOf(id).map((value) => ids.get(value) as ValueId),
        { module, suffix, moduleType },
      ),
    );
  }
  const idOf = (draft: DraftId): ValueId => ids.get(drafted.resolve(draft)) as ValueId;
  const built = builder.finish(
    header,
    outputs.map(({ name, draft }) => ({ name, value: idOf(draft) })),
  );
  return {
    graph: { ...built, modules: modulesOf(built) },
    tensors: parameters.tensors,
    shared: [...parameters.shared],
  };
}

function addNode(
  builder: GraphBuilder,
  parameters: Names,
  draft: Operation,
  inputs: readonly ValueId[],
  { module, suffix, moduleType }: Place,
): ValueId {
  // A bare parameter is called as it is in the state dict.
  const { value } = draft.stored;
  const isNamed = value && parameters.isOwn(value.name);
  const path = isNamed ? parentOf(value.name) : module;
  const own = isNamed ? lastOf(value.name) : suffix;
  const free = parameters.freeSuffix(path, own, suffixOf(draft));
  const id = joined(path, free);
  const names = Object.fromEntries(
    Object.entries(draft.stored).map(([role, stored]) => [role, parameters.add(role as ParameterRole, id, stored)]),
  );
  const options = { suffix: free, moduleType, counted: isCounted(draft, moduleType) };
  return builder.add<OperationKind>(draft.kind, path, inputs, draft.attributes, names, options);
}

/** One of several alike is called after what holds them: `blocks.3` is a Block, `layer1.0` a Layer. */
function memberType(path: string): string {
  const holder = /^\d+$/.test(lastOf(path)) ? lastOf(parentOf(path)).replace(/s?_?\d*$/, '') : '';
  return holder ? holder[0].toUpperCase() + holder.slice(1) : 'Module';
}

/** Modules that hold others, in the order in which they begin. What they are can only be told from their children. */
function modulesOf({ nodes }: Graph): Graph['modules'] {
  const children = new Map<string, Set<string>>();
  for (const { id, kind } of nodes) {
    if (kind === 'input') continue;
    const parts = id.split('.');
    for (let i = 1; i < parts.length; i++) {
      const path = parts.slice(0, i).join('.');
      children.set(path, (children.get(path) ?? new Set()).add(parts[i]));
    }
  }
  const linear = new Set(nodes.flatMap(({ id, kind }) => (kind === 'linear' ? [id] : [])));
  const scored = new Set(
    nodes.flatMap((node) => (node.kind === 'matmul' && node.attributes.transposeB ? [node.module] : [])),
  );
  const isAttention = (path: string): boolean =>
    ['qkv', 'proj'].every((name) => linear.has(`${path}.${name}`)) && scored.has(path);
  const typeOf = (path: string, names: ReadonlySet<string>): string => {
    if ([...names].every((name) => /^\d+$/.test(name))) return 'Sequential';
    return isAttention(path) ? 'Attention' : memberType(path);
  };
  return [...children].map(([path, names]) => ({ path, type: typeOf(path, names) }));
}

/** The weights of a built Graph, read from the file's bytes. */
export const weightsOf = (tensors: ReadonlyMap<string, StoredTensor>): Map<string, Tensor> =>
  new Map([...tensors].map(([name, stored]) => [name, stored.read()]));
