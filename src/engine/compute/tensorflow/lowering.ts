/** Programs as one TensorFlow graph: a signature for each program, and for every state signatures that set, read and reset it. */

import { withBatch } from '../../graph/shapes.ts';
import { elementCount, float32Tensor, type Tensor } from '../../graph/tensor.ts';
import type { KernelKind } from '../programs/kernels.ts';
import { keepMask } from '../programs/noise.ts';
import { type KernelNode, type Program, type Ref, type StateSpec, unitedStates } from '../programs/program.ts';
import { inMemory, type Order, plainOrder } from './data-layout.ts';
import { inFloat64 } from './float64.ts';
import { findFusions, NO_FUSIONS } from './fusion.ts';
import { GraphDefBuilder, type TensorRef, type VariableRef } from './graph-def.ts';
import { weightOrder } from './lower-convolutions.ts';
import { lowerFused } from './lower-fused.ts';
import { plainBatchNorm } from './lower-plain-batch-norm.ts';
import { isOptimizerKernel, lowerUpdates } from './lower-updates.ts';
import { FLOAT, type Laid, LoweringContext, type LoweringRule, type ProductType } from './lowering-context.ts';
import { loweringRules, type SourceKernel } from './lowering-rules.ts';
import type { SavedModel } from './saved-model.ts';

/** A random mask that the executor computes and feeds: see noise.ts. */
interface FedMask {
  readonly key: string;
  readonly attributes: KernelNode<'keepMask'>['attributes'];
}

export interface LoweredPrograms {
  readonly model: SavedModel;
  readonly states: ReadonlyMap<string, StateSpec>;
  /** Names of the states of each group: see `groupOf`. */
  readonly groups: ReadonlyMap<string, readonly string[]>;
  readonly masks: Readonly<Record<string, readonly FedMask[]>>;
  /** Whether scalars are fed as the bits of doubles. */
  readonly float64: boolean;
}

export interface LoweringOptions {
  /** Whether convolutions take in what follows them: kernels that only oneDNN has, so on CPUs whose TensorFlow uses it. */
  readonly fuse: boolean;
  readonly products: ProductType;
  /** Everything in double precision. */
  readonly float64?: boolean;
}

const DEFAULT_LOWERING: LoweringOptions = { fuse: true, products: 'float32' };

export const signatures = {
  run: (program: string): string => `run ${program}`,
  /** Inputs or outputs named as the states, in PyTorch's layout. */
  assign: (states: string): string => `assign ${states}`,
  read: (states: string): string => `read ${states}`,
  /** Gives all states of a group that have one their initial value. */
  reset: (group: string): string => `reset ${group}`,
};

/**
 * States that are mostly set and read together: weights, each optimiser slot, averages, gradients. TensorFlow prepares every signature
 * when it first runs, which takes it some 20 ms, so there is one for a group besides those for one state.
 */
export const groupOf = (state: string): string => state.slice(0, state.lastIndexOf('/') + 1);

/** Values of a program's masks for a seed. */
export function maskFeeds(
  masks: readonly FedMask[],
  seed: ArrayLike<number>,
  batch: number,
): Record<string, Tensor<'float32'>> {
  return Object.fromEntries(
    masks.map(({ key, attributes: { shape, stream, probability } }) => {
      const sizes = withBatch(shape, batch);
      return [key, float32Tensor(sizes, keepMask(seed, stream, elementCount(sizes), probability))];
    }),
  );
}

/** Orders of dimensions of the states: convolution weights, and what belongs to them, lie as TensorFlow's kernels take them. */
function stateOrders(programs: readonly Program[], states: ReadonlyMap<string, StateSpec>): (state: string) => Order {
  const owner = (name: string): string => states.get(name)?.like ?? name;
  const orders = new Map<string, Order>();
  for (const { nodes } of programs)
    for (const node of nodes) {
      if (node.kind !== 'conv') continue;
      const weight = nodes[node.inputs[1].node];
      if (weight.kind !== 'state') continue;
      const channels = weight.shapes[0][1] * node.attributes.groups;
      orders.set(owner(weight.attributes.name), weightOrder(node.attributes, channels));
    }
  return (name) => orders.get(owner(name)) ?? plainOrder(states.get(name)?.shape.length ?? 0);
}

const float64Rules = { ...loweringRules, ...plainBatchNorm };

class ProgramLowering {
  private readonly values: (readonly Laid[])[] = [];
  private readonly inputs: Record<string, TensorRef> = {};
  private readonly reads = new Map<string, TensorRef>();
  private readonly masks: FedMask[] = [];
  private readonly context: LoweringContext;

  constructor(
    private readonly graph: GraphDefBuilder,
    private readonly program: Program,
    private readonly variable: (state: string) => PlacedState,
    private readonly options: LoweringOptions,
  ) {
    this.context = new LoweringContext(graph, () => this.batched(), options.products);
  }

  /** Adds the program's operations and its signature; returns the masks that it must be fed. */
  lower(name: string): readonly FedMask[] {
    const { chains, inside } = this.options.fuse && !this.options.float64 ? findFusions(this.program) : NO_FUSIONS;
    this.program.nodes.forEach((node, index) => {
      const fused = chains.get(index);
      if (fused) this.values.push([lowerFused(this.context, this.program, fused, (ref) => this.value(ref))]);
      else this.values.push(inside.has(index) ? [] : this.node(node));
    });
    const done = lowerUpdates({
      context: this.context,
      program: this.program,
      value: (ref) => this.value(ref),
      state: (state) => ({ ...this.variable(state), users: this.usersOf(state) }),
    });
    const outputs = Object.entries(this.program.outputs).map(([key, ref], i) => {
      const { tensor } = this.context.plain(this.value(ref));
      // Fetching the first output makes the updates run.
      return [key, this.graph.identity(tensor, { name: 'output', controls: i === 0 ? done : [] })] as const;
    });
    const fetched = outputs.length ? Object.fromEntries(outputs) : { done: this.graph.after(done) };
    this.graph.signature(signatures.run(name), this.inputs, fetched);
    return this.masks;
  }

  /** The node that reads a state, and the last one of every kernel that takes it; an optimiser's own kernel has none. */
  private usersOf(state: string): readonly TensorRef[] {
    const read = this.reads.get(state);
    if (!read) return [];
    const { nodes } = this.program;
    const isRead = ({ node }: Ref): boolean => {
      const source = nodes[node];
      return source.kind === 'state' && source.attributes.name === state;
    };
    return [
      read,
      ...nodes.flatMap(({ inputs }, i) => (inputs.some(isRead) ? this.values[i].map((v) => v.tensor) : [])),
    ];
  }

  private value(ref: Ref): Laid {
    return this.values[ref.node][ref.output];
  }

  private batched(): TensorRef {
    const spec = this.program.inputs.find(({ shape }) => shape[0] === -1);
    if (!spec) throw new Error('a program whose values have a batch dimension needs an input that has one');
    return this.inputs[spec.name];
  }

  private node(node: KernelNode): readonly Laid[] {
    if (node.kind in this.sources) return this.sources[node.kind as SourceKernel](node as never);
    // Optimiser kernels have no values here: `lowerUpdates` changes the states.
    if (isOptimizerKernel(node.kind)) return [];
    const rules = this.options.float64 ? float64Rules : loweringRules;
    const rule = rules[node.kind as keyof typeof loweringRules] as unknown as LoweringRule<KernelKind>;
    const inputs = node.inputs.map((ref) => this.value(ref));
    return rule(this.context, node, inputs);
  }

  private readonly sources: { readonly [K in SourceKernel]: (node: KernelNode<K>) => readonly Laid[] } = {
    input: ({ attributes: { name, dtype, shape } }) => [this.fed(name, dtype, shape)],
    state: ({ attributes: { name }, shapes }) => {
      const { variable, order } = this.variable(name);
      const read = this.graph.read(variable);
      this.reads.set(name, read);
      return [{ tensor: read, shape: shapes[0], order }];
    },
    keepMask: ({ attributes }) => {
      const key = `mask ${this.masks.length}`;
      this.masks.push({ key, attributes });
      return [this.fed(key, 'float32', attributes.shape)];
    },
  };

  private fed(key: string, dtype: 'float32' | 'int32', shape: readonly number[]): Laid {
    const partial = shape.map((d) => (d < 0 ? -1 : d));
    const tensor = this.graph.placeholder(key, dtype, partial);
    this.inputs[key] = tensor;
    return { tensor, shape, order: plainOrder(shape.length) };
  }
}

interface PlacedState {
  readonly spec: StateSpec;
  readonly variable: VariableRef;
  readonly order: Order;
}

/** Signatures that set, read and reset states: one by one, and all of a group. PyTorch's layout is outside. */
function stateSignatures(graph: GraphDefBuilder, states: readonly PlacedState[]): void {
  const context = new LoweringContext(graph, () => {
    throw new Error('states have no batch dimension');
  });
  const values: Record<string, TensorRef> = {};
  const results: Record<string, TensorRef> = {};
  const assigned: string[] = [];
  const reset: string[] = [];
  for (const { spec, variable, order } of states) {
    const { name, shape, initial } = spec;
    const value = graph.placeholder(`${name}/value`, 'float32', shape);
    const assignment = graph.assign(variable, context.inOrder(context.laid(value, shape), order).tensor);
    const result = graph.identity(context.plain({ tensor: graph.read(variable), shape, order }).tensor);
    graph.signature(signatures.assign(name), { [name]: value }, { done: graph.after([assignment]) });
    graph.signature(signatures.read(name), {}, { [name]: result });
    values[name] = value;
    results[name] = result;
    assigned.push(assignment);
    if (initial === undefined) continue;
    const fill = graph.op('Fill', [graph.ints(...variable.shape), graph.float(initial)], { T: FLOAT }, variable);
    reset.push(graph.assign(variable, fill));
  }
  const group = groupOf(states[0].spec.name);
  graph.signature(signatures.assign(group), values, { done: graph.after(assigned) });
  graph.signature(signatures.read(group), {}, results);
  if (reset.length) graph.signature(signatures.reset(group), {}, { done: graph.after(reset) });
}

function groupNames(names: Iterable<string>): ReadonlyMap<string, readonly string[]> {
  const groups = new Map<string, string[]>();
  for (const name of names) groups.set(groupOf(name), [...(groups.get(groupOf(name)) ?? []), name]);
  return groups;
}

/** Lowers programs that share their states. */
export function lowerPrograms(
  programs: Readonly<Record<string, Program>>,
  options: LoweringOptions = DEFAULT_LOWERING,
): LoweredPrograms {
  const all = Object.values(programs);
  const states = unitedStates(all);
  const order = stateOrders(all, states);
  const graph = new GraphDefBuilder({ float64: options.float64 });
  const placed = new Map<string, PlacedState>();
  for (const [name, spec] of states) {
    const laid = order(name);
    placed.set(name, { spec, variable: graph.variable(name, inMemory(spec.shape, laid)), order: laid });
  }
  const variable = (name: string): PlacedState => placed.get(name) as PlacedState;
  const groups = groupNames(placed.keys());
  for (const names of groups.values()) graph.scope('state', () => stateSignatures(graph, names.map(variable)));
  const masks = Object.fromEntries(
    Object.entries(programs).map(([name, program]) => [
      name,
      graph.scope(`program/${name}`, () => new ProgramLowering(graph, program, variable, options).lower(name)),
    ]),
  );
  const model = graph.toModel();
  return {
    model: options.float64 ? inFloat64(model) : model,
    states,
    groups,
    masks,
    float64: options.float64 ?? false,
  };
}
