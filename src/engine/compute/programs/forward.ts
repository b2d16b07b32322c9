/** The Graph's operations as kernels: one rule an operation, for evaluation and for training. */
import { UserError } from '../../../common/errors.ts';
import type { Graph, GraphNode, ValueId } from '../../graph/graph.ts';
import { parametersByName } from '../../graph/graph.ts';
import type { OperationKind, ParameterRole, Shape } from '../../graph/operations.ts';
import { repeatsOf, resizeMatrix } from '../../graph/resize-matrix.ts';
import { nodeShape, sizePerImage } from '../../graph/shapes.ts';
import { float32Tensor } from '../../graph/tensor.ts';
import type { Ref } from './program.ts';
import type { ProgramBuilder } from './program-builder.ts';

export interface ForwardOptions {
  /** Batch statistics (running ones updated), dropout and stochastic depth. Needs a seed where the Graph drops anything. */
  readonly training: boolean;
  /** Before the names of parameters and buffers, to run another set of them: `ema/`. */
  readonly statePrefix?: string;
  /** Values that are there already: neither they nor what only they need is computed. */
  readonly given?: ReadonlyMap<ValueId, Ref>;
}

/** What rules see while a Graph is turned into kernels. */
class Forward {
  readonly values = new Map<ValueId, Ref>();
  #streams = 0;

  constructor(
    readonly builder: ProgramBuilder,
    private readonly graph: Graph,
    readonly options: ForwardOptions,
    private readonly parameters = parametersByName(graph),
  ) {}

  input(node: GraphNode, index: number): Ref {
    const ref = this.values.get(node.inputs[index]);
    if (!ref) throw new Error(`${node.id}: input ${node.inputs[index]} is not computed before it`);
    return ref;
  }

  inputs(node: GraphNode): readonly Ref[] {
    return node.inputs.map((_, i) => this.input(node, i));
  }

  /** Name of the state that holds a parameter. */
  stateName(node: GraphNode, role: ParameterRole): string {
    const name = node.parameters[role];
    if (name === undefined) throw new Error(`${node.id} (${node.kind}) has no ${role}`);
    return `${this.options.statePrefix ?? ''}${name}`;
  }

  /** A parameter's value. */
  parameter(node: GraphNode, role: ParameterRole): Ref {
    const spec = this.parameters.get(node.parameters[role] ?? '');
    if (!spec) throw new Error(`${node.id} (${node.kind}): ${this.graph.name} has no parameter for its ${role}`);
    return this.builder.state(this.stateName(node, role), spec.shape);
  }

  shapeOf(node: GraphNode): Shape {
    return nodeShape(
      node,
      this.inputs(node).map((ref) => this.builder.shape(ref)),
      (role) => this.parameters.get(node.parameters[role as ParameterRole] ?? '')?.shape,
    );
  }

  optional(node: GraphNode, role: ParameterRole): readonly Ref[] {
    return node.parameters[role] === undefined ? [] : [this.parameter(node, role)];
  }

  /** Zeroes elements (or samples) at random and scales the rest up, so that the expectation stays. */
  drop(x: Ref, probability: number, shape: Shape): Ref {
    if (!this.options.training || probability === 0) return x;
    const seed = this.builder.input('seed', [2], 'int32');
    const stream = this.#streams++;
    const mask = this.builder.add('keepMask', [seed], { shape, probability, stream });
    return this.builder.add('multiply', [x, mask], {});
  }
}

type ForwardRule<K extends OperationKind> = (node: GraphNode<K>, forward: Forward) => Ref;

/** Operations that are kernels of the same name and attributes. */
type Plain =
  | 'activation'
  | 'add'
  | 'subtract'
  | 'multiply'
  | 'divide'
  | 'concat'
  | 'slice'
  | 'pad'
  | 'reshape'
  | 'transpose'
  | 'softmax'
  | 'maxPool'
  | 'averagePool'
  | 'mean'
  | 'roll'
  | 'gather'
  | 'expand';

const plain = (node: GraphNode<Plain>, forward: Forward): Ref =>
  forward.builder.add(node.kind, forward.inputs(node), node.attributes as never);

/** Normalises with the batch's statistics and moves the running ones: r ← r + momentum · (batch − r), variance unbiased. */
function batchNormTraining(node: GraphNode<'batchNorm'>, forward: Forward): Ref {
  const { builder: b } = forward;
  const { eps, momentum } = node.attributes;
  const affine = [forward.parameter(node, 'weight'), forward.parameter(node, 'bias')];
  const [y, mean, variance] = b.addAll('batchNormTraining', [forward.input(node, 0), ...affine], { eps });
  for (const [role, batch] of [['runningMean', mean] as const, ['runningVar', variance] as const]) {
    const moved = b.add('lerp', [forward.parameter(node, role), batch, b.scalar(momentum)], {});
    b.update(forward.stateName(node, role), moved);
  }
  if (node.parameters.batchCount !== undefined) b.counter(forward.stateName(node, 'batchCount'));
  return y;
}

/** The kernel that is a convolution's gradient by its input, with the sizes that this gives. */
function convTranspose(node: GraphNode<'convTranspose'>, forward: Forward): Ref {
  const { builder: b } = forward;
  const { outputPadding: _, ...window } = node.attributes;
  const x = forward.input(node, 0);
  const inputShape = forward.shapeOf(node);
  const y = b.add('convInputGradient', [x, forward.parameter(node, 'weight')], { ...window, inputShape });
  if (node.parameters.bias === undefined) return y;
  const bias = b.add('reshape', [forward.parameter(node, 'bias')], { shape: [inputShape[1], 1, 1] });
  return b.add('add', [y, bias], {});
}

/** A layer norm over each group's channels and positions as one dimension, then scale and shift of the channels. */
function groupNorm(node: GraphNode<'groupNorm'>, forward: Forward): Ref {
  const { builder: b } = forward;
  const { groups, eps } = node.attributes;
  const x = forward.input(node, 0);
  const shape = b.shape(x);
  const size = sizePerImage(shape) / Math.abs(shape[0]) / groups;
  const filled = (value: number): Ref => b.add('expand', [b.scalar(value)], { shape: [size] });
  const grouped = b.add('reshape', [x], { shape: [shape[0], groups, size] });
  const standard = b.add('layerNorm', [grouped, filled(1), filled(0)], { eps, axis: 2 });
  const channels = [shape[1], ...shape.slice(2).map(() => 1)];
  const [weight, bias] = (['weight', 'bias'] as const).map((role) =>
    b.add('reshape', [forward.parameter(node, role)], { shape: channels }),
  );
  return b.add('add', [b.add('multiply', [b.add('reshape', [standard], { shape }), weight], {}), bias], {});
}

/** Pixels repeated where that is all; else a product with a matrix along each axis. */
function resize(node: GraphNode<'resize'>, forward: Forward): Ref {
  const { builder: b } = forward;
  const x = forward.input(node, 0);
  const [n, channels, height, width] = b.shape(x);
  const { size } = node.attributes;
  const repeats = repeatsOf(node.attributes, [height, width]);
  if (repeats) {
    const apart = b.add('reshape', [x], { shape: [n, channels, height, 1, width, 1] });
    const repeated = b.add('expand', [apart], { shape: [n, channels, height, repeats[0], width, repeats[1]] });
    return b.add('reshape', [repeated], { shape: [n, channels, ...size] });
  }
  const matrix = (axis: 0 | 1, from: number): Ref =>
    b.add('constant', [], { tensor: float32Tensor([from, size[axis]], resizeMatrix(node.attributes, axis, from)) });
  const product = (left: Ref, right: Ref, transposeA: boolean): Ref =>
    b.add('matmul', [left, right], { transposeA, transposeB: false });
  const wide = width === size[1] && !node.attributes.scales ? x : product(x, matrix(1, width), false);
  return height === size[0] && !node.attributes.scales ? wide : product(matrix(0, height), wide, true);
}

const forwardRules: { readonly [K in OperationKind]: ForwardRule<K> } = {
  input: (node, { builder: b }) => {
    const [n, channels, height, width] = node.attributes.shape;
    const images = b.input('images', [n, height, width, channels]);
    return b.add('transpose', [images], { permutation: [0, 3, 1, 2] });
  },
  parameter: (node, forward) => forward.parameter(node, 'value'),
  constant: (node, { builder }) => builder.add('constant', [], node.attributes),
  conv: (node, forward) => {
    const inputs = [forward.input(node, 0), forward.parameter(node, 'weight'), ...forward.optional(node, 'bias')];
    return forward.builder.add('conv', inputs, node.attributes);
  },
  convTranspose,
  linear: (node, forward) => {
    const inputs = [forward.input(node, 0), forward.parameter(node, 'weight'), ...forward.optional(node, 'bias')];
    return forward.builder.add('linear', inputs, {});
  },
  matmul: (node, forward) => {
    const { transposeB } = node.attributes;
    return forward.builder.add('matmul', forward.inputs(node), { transposeA: false, transposeB });
  },
  batchNorm: (node, forward) => {
    if (forward.options.training) return batchNormTraining(node, forward);
    const roles = ['weight', 'bias', 'runningMean', 'runningVar'] as const;
    const statistics = roles.map((role) => forward.parameter(node, role));
    return forward.builder.add('batchNorm', [forward.input(node, 0), ...statistics], { eps: node.attributes.eps });
  },
  layerNorm: (node, forward) => {
    const affine = [forward.parameter(node, 'weight'), forward.parameter(node, 'bias')];
    return forward.builder.add('layerNorm', [forward.input(node, 0), ...affine], node.attributes);
  },
  groupNorm,
  activation: plain,
  add: plain,
  subtract: plain,
  multiply: plain,
  divide: plain,
  scale: (node, forward) => {
    const x = forward.input(node, 0);
    const last = forward.builder.shape(x).at(-1) as number;
    const by = node.attributes.by === 'rsqrt(last dimension)' ? 1 / Math.sqrt(last) : node.attributes.by;
    return forward.builder.add('scale', [x], { by });
  },
  concat: plain,
  slice: plain,
  pad: plain,
  reshape: plain,
  transpose: plain,
  softmax: plain,
  maxPool: plain,
  averagePool: plain,
  resize,
  mean: plain,
  roll: plain,
  gather: plain,
  expand: plain,
  dropout: (node, forward) => {
    const x = forward.input(node, 0);
    return forward.drop(x, node.attributes.probability, forward.builder.shape(x));
  },
  opaque: (node) => {
    const { operator, reason } = node.attributes;
    throw new UserError(
      `${node.id} (${operator}) cannot be computed: ${reason}. The network can be looked at, and pruned by the size of its weights; what needs it to run (evaluation, gradients, finetuning) is not possible here.`,
    );
  },
  dropPath: (node, forward) => {
    const x = forward.input(node, 0);
    const [n, ...rest] = forward.builder.shape(x);
    return forward.drop(x, node.attributes.probability, [n, ...rest.map(() => 1)]);
  },
};

/** Nodes that the wanted values depend on, as far as they are not given. */
function needed(
  graph: Graph,
  wanted: readonly ValueId[],
  given: ForwardOptions['given'] = new Map(),
): ReadonlySet<ValueId> {
  const found = new Set<ValueId>(wanted);
  for (const node of graph.nodes.toReversed())
    if (found.has(node.id) && !given.has(node.id)) for (const input of node.inputs) found.add(input);
  return found;
}

/**
 * Adds the kernels that compute `wanted` from the input `images` [N, H, W, C] (normalised) and the states named as the parameters.
 * In training it also adds the updates of running statistics.
 */
export function emitForward(
  builder: ProgramBuilder,
  graph: Graph,
  wanted: readonly ValueId[],
  options: ForwardOptions,
): readonly Ref[] {
  const forward = new Forward(builder, graph, options);
  const used = needed(graph, wanted, options.given);
  for (const [id, ref] of options.given ?? []) forward.values.set(id, ref);
  for (const node of graph.nodes) {
    if (!used.has(node.id) || forward.values.has(node.id)) continue;
    builder.source = node.id;
    // A table entry is taken by a kind known only at run time.
    forward.values.set(node.id, (forwardRules[node.kind] as ForwardRule<OperationKind>)(node, forward));
  }
  builder.source = '';
  return wanted.map((id) => {
    const ref = forward.values.get(id);
    if (!ref) throw new Error(`${graph.name} does not compute ${id}`);
    return ref;
  });
}
