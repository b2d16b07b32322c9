/** Rules of operations whose channels come in groups, over windows of positions. */
import { type AxisRule, fresh } from './axis-context.ts';
import type { Dimensions, FactorList, FactorTable } from './factors.ts';
import { STRUCTURE } from './factors.ts';

/** Whatever lies where positions are stays: a window over channels mixes neighbours. */
export function holdPositions(factors: FactorTable, x: Dimensions): void {
  for (const list of x.slice(2)) factors.freeze(list, STRUCTURE.positions);
}

/**
 * Outputs and inputs of a convolution. With groups, both sides are groups × channels of one group; a depthwise
 * convolution has one channel a group, so its input and output are one factor.
 */
export const conv: AxisRule<'conv'> = (context) => {
  const { factors, node, inputs, shape } = context;
  const { groups } = node.attributes;
  const [out, into, ...kernel] = context.parameterShape('weight') as readonly number[];
  const otherwise = context.reason('takes channels in groups that do not line up');
  holdPositions(factors, inputs[0]);
  let outer: FactorList = [];
  let inner = inputs[0][1];
  if (groups > 1) {
    [outer, inner] = factors.split(inputs[0][1], [groups, into], otherwise);
    if (into > 1) factors.freeze(outer, { kind: 'convGroups', text: `the ${groups} groups of ${node.id} stay` });
  }
  const multiplies = groups > 1 && into === 1 ? context.reason('gives several outputs for each channel') : undefined;
  const rows = [...outer, ...factors.create(out / groups, multiplies)];
  context.bind('weight', [rows, inner, ...fresh(factors, kernel, STRUCTURE.kernel)]);
  context.bind('bias', [rows]);
  return [inputs[0][0], rows, ...fresh(factors, shape.slice(2), STRUCTURE.positions)];
};

/** As a convolution with its sides exchanged: the weight's first dimension is what it takes in. */
export const convTranspose: AxisRule<'convTranspose'> = (context) => {
  const { factors, node, inputs, shape } = context;
  const { groups } = node.attributes;
  const [into, out, ...kernel] = context.parameterShape('weight') as readonly number[];
  const otherwise = context.reason('takes channels in groups that do not line up');
  let outer: FactorList = [];
  let taken = inputs[0][1];
  const isDepthwise = groups > 1 && into === groups;
  holdPositions(factors, inputs[0]);
  if (groups > 1) {
    const [groupList, inner] = factors.split(taken, [groups, into / groups], otherwise);
    if (!isDepthwise)
      factors.freeze(groupList, { kind: 'convGroups', text: `the ${groups} groups of ${node.id} stay` });
    outer = groupList;
    taken = [...groupList, ...inner];
  }
  const multiplies = isDepthwise ? context.reason('gives several outputs for each channel') : undefined;
  const inner = factors.create(out, multiplies);
  context.bind('weight', [taken, inner, ...fresh(factors, kernel, STRUCTURE.kernel)]);
  context.bind('bias', [[...outer, ...inner]]);
  return [inputs[0][0], [...outer, ...inner], ...fresh(factors, shape.slice(2), STRUCTURE.positions)];
};

/** Groups of several channels stay and lose alike; where each channel is a group of its own, it goes with its channel. */
export const groupNorm: AxisRule<'groupNorm'> = (context) => {
  const { factors, node, inputs } = context;
  const [x] = inputs;
  const { groups } = node.attributes;
  const width = context.shape[1] / groups;
  holdPositions(factors, x);
  if (groups > 1 && width > 1) {
    const [outer] = factors.split(x[1], [groups, width], context.reason('normalises groups that do not line up'));
    factors.freeze(outer, { kind: 'convGroups', text: `the ${groups} groups of ${node.id} stay` });
  }
  for (const role of ['weight', 'bias'] as const) context.bind(role, [x[1]]);
  return x;
};
