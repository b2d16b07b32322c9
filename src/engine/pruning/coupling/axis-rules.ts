/**
 * How the dimensions of each operation's inputs, parameters and output hang together.
 *
 * A rule gives the output's dimensions as lists of factors; what must be equal it unites, what lies inside something else
 * it relates, and what cannot be followed it freezes with a reason.
 */
import type { OperationKind } from '../../graph/operations.ts';
import { type AxisContext, type AxisRule, fresh } from './axis-context.ts';
import { conv, convTranspose, groupNorm, holdPositions } from './axis-rules-images.ts';
import type { Dimensions, FactorList, FrozenReason } from './factors.ts';
import { STRUCTURE } from './factors.ts';

export type AxisRules = { readonly [K in OperationKind]: AxisRule<K> };

const same = ({ inputs }: AxisContext): Dimensions => inputs[0];

/** Channels of [N, C, H, W] stay, positions are new: windows and pooling. */
function positionsReplaced({ factors, inputs: [x], shape }: AxisContext): Dimensions {
  holdPositions(factors, x);
  return [x[0], x[1], ...fresh(factors, shape.slice(2), STRUCTURE.positions)];
}

/** Equal dimensions are united from the right; where one has size 1, the other passes. */
function broadcast(context: AxisContext): Dimensions {
  const { factors, inputs, inputShapes, shape } = context;
  return shape.map((_, i) => {
    const [a, b] = inputs.map((dimensions, k) => {
      const at = dimensions.length - shape.length + i;
      return at < 0 || inputShapes[k][at] === 1 ? undefined : dimensions[at];
    });
    if (a && b) factors.unite(a, b, context.reason('broadcasts dimensions that do not line up'));
    return a ?? b ?? [];
  });
}

const linear: AxisRule<'linear'> = (context) => {
  const [x] = context.inputs;
  const [out] = context.parameterShape('weight') as readonly number[];
  const rows = context.factors.create(out);
  context.bind('weight', [rows, x[x.length - 1]]);
  context.bind('bias', [rows]);
  return [...x.slice(0, -1), rows];
};

/** Batched dimensions are shared (heads), the contracted one too (head_dim of q·k). */
const matmul: AxisRule<'matmul'> = (context) => {
  const { factors, node, inputs, inputShapes, shape, isStored, isConstant } = context;
  const [a, b] = inputs;
  const [contracted, columns] = node.attributes.transposeB ? [b.at(-1), b.at(-2)] : [b.at(-2), b.at(-1)];
  const otherwise = context.reason('multiplies dimensions that do not line up');
  factors.unite(a.at(-1) as FactorList, contracted as FactorList, otherwise);
  // No weight of it goes to zero with what is removed: after a softmax that is no zero either.
  if (isConstant.some(Boolean)) factors.freeze(a.at(-1) as FactorList, context.reason('adds them up by a constant'));
  const rank = shape.length;
  const leading = shape.slice(0, -2).map((_, i): FactorList => {
    const [x, y] = [a, b].map((dimensions, k) => {
      const at = dimensions.length - rank + i;
      return at < 0 || inputShapes[k][at] === 1 ? undefined : dimensions[at];
    });
    if (x && y) factors.unite(x, y, otherwise);
    return x ?? y ?? [];
  });
  if (!isStored.some(Boolean)) {
    for (const list of leading) factors.mark(list, 'heads');
    for (const list of [a.at(-1), contracted, columns]) factors.mark(list as FactorList, 'headDim');
  }
  return [...leading, a.at(-2) as FactorList, columns as FactorList];
};

const batchNorm: AxisRule<'batchNorm'> = (context) => {
  const [x] = context.inputs;
  for (const role of ['weight', 'bias', 'runningMean', 'runningVar'] as const) context.bind(role, [x[1]]);
  return x;
};

const layerNorm: AxisRule<'layerNorm'> = (context) => {
  const [x] = context.inputs;
  for (const role of ['weight', 'bias'] as const) context.bind(role, [x[context.node.attributes.axis]]);
  return x;
};

/** Why all of some lists are frozen: what is cut out of them or put together from them is frozen too. */
function frozenBy({ factors }: AxisContext, lists: readonly FactorList[]): FrozenReason | undefined {
  const leaves = factors.leaves(lists.flat());
  return leaves.every((leaf) => factors.frozen(leaf)) ? leaves.map((leaf) => factors.frozen(leaf)).at(-1) : undefined;
}

const concat: AxisRule<'concat'> = (context) => {
  const { factors, inputs, inputShapes, shape } = context;
  const { axis } = context.node.attributes;
  const parts = inputs.map((x) => x[axis]);
  const reason = frozenBy(context, parts);
  const whole = factors.createDimension(shape[axis], reason);
  let offset = 0;
  if (!reason)
    parts.forEach((part, i) => {
      context.relate({ whole, part, offset, step: 1, wraps: false });
      offset += inputShapes[i][axis];
    });
  return inputs[0].map((first, i) => {
    if (i === axis) return whole;
    for (const other of inputs.slice(1))
      factors.unite(first, other[i], context.reason('joins dimensions that do not line up'));
    return first;
  });
};

const slice: AxisRule<'slice'> = (context) => {
  const [x] = context.inputs;
  const { axis, start, step } = context.node.attributes;
  const reason = frozenBy(context, [x[axis]]);
  const part = context.factors.createDimension(context.shape[axis], reason);
  if (!reason) context.relate({ whole: x[axis], part, offset: start, step, wraps: false });
  return x.map((list, i) => (i === axis ? part : list));
};

const pad: AxisRule<'pad'> = (context) => {
  const [x] = context.inputs;
  const { axis, before } = context.node.attributes;
  const reason = frozenBy(context, [x[axis]]);
  const whole = context.factors.createDimension(context.shape[axis], reason);
  if (!reason) context.relate({ whole, part: x[axis], offset: before, step: 1, wraps: false });
  return x.map((list, i) => (i === axis ? whole : list));
};

const roll: AxisRule<'roll'> = (context) => {
  const [x] = context.inputs;
  const { axes, shifts } = context.node.attributes;
  return x.map((part, i) => {
    const shift = shifts[axes.indexOf(i)];
    if (!shift || context.factors.isFrozen(part)) return part;
    const size = context.shape[i];
    const whole = context.factors.createDimension(size);
    context.relate({ whole, part, offset: ((shift % size) + size) % size, step: 1, wraps: true });
    return whole;
  });
};

const softmax: AxisRule<'softmax'> = (context) => {
  const [x] = context.inputs;
  context.factors.freeze(x[context.node.attributes.axis], context.reason('shares one sum among them'));
  return x;
};

const mean: AxisRule<'mean'> = (context) => {
  const [x] = context.inputs;
  const { axes, keepDimensions } = context.node.attributes;
  if (!context.isNorm) for (const axis of axes) context.factors.freeze(x[axis], context.reason('averages over them'));
  return keepDimensions ? x.map((list, i) => (axes.includes(i) ? [] : list)) : x.filter((_, i) => !axes.includes(i));
};

const gather: AxisRule<'gather'> = (context) => {
  const [table] = context.inputs;
  context.factors.freeze(table[0], STRUCTURE.positions);
  return [context.factors.create(context.shape[0], STRUCTURE.positions), ...table.slice(1)];
};

/** A dimension that is repeated is as free as what it meets. */
const expand: AxisRule<'expand'> = ({ factors, inputs: [x], inputShapes: [from], shape }) =>
  shape.map((d, i) => {
    const at = x.length - shape.length + i;
    return at >= 0 && from[at] === d ? x[at] : factors.createDimension(d);
  });

export const axisRules: AxisRules = {
  input: ({ factors, shape }) => {
    const [batch, channels, ...positions] = shape;
    const image: FrozenReason = { kind: 'image', text: 'the channels of the image' };
    return [
      factors.createDimension(batch),
      factors.createDimension(channels, image),
      ...fresh(factors, positions, STRUCTURE.positions),
    ];
  },
  parameter: (context) => {
    const dimensions = context.shape.map((d) => context.factors.createDimension(d));
    context.bind('value', dimensions);
    return dimensions;
  },
  constant: ({ factors, shape }) => shape.map((d) => factors.createDimension(d)),
  conv,
  convTranspose,
  linear,
  matmul,
  batchNorm,
  layerNorm,
  groupNorm,
  activation: same,
  add: broadcast,
  subtract: broadcast,
  multiply: broadcast,
  divide: broadcast,
  scale: same,
  concat,
  slice,
  pad,
  reshape: (context) =>
    context.factors.split(
      context.inputs[0].flat(),
      context.shape,
      context.reason('cuts dimensions where no factor ends'),
    ),
  transpose: ({ inputs: [x], node }) => node.attributes.permutation.map((i) => x[i]),
  softmax,
  maxPool: positionsReplaced,
  averagePool: positionsReplaced,
  resize: positionsReplaced,
  mean,
  roll,
  gather,
  expand,
  dropout: same,
  dropPath: same,
  opaque: freezeAll,
};

/** The rule for an operation that nobody described: nothing that it touches can be pruned. */
export function freezeAll(context: AxisContext): Dimensions {
  const { factors, inputs, shape } = context;
  const { node } = context;
  const reason = context.reason(
    node.kind === 'opaque'
      ? `calls ${node.attributes.operator}: ${node.attributes.reason}`
      : 'is an operation that cannot be followed',
  );
  for (const dimensions of inputs) for (const list of dimensions) factors.freeze(list, reason);
  return fresh(factors, shape, reason);
}
