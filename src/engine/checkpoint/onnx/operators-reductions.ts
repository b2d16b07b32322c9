/** ONNX operators that reduce dimensions. */
import { sizePerImage } from '../../graph/shapes.ts';
import type { DraftId } from './draft.ts';
import type { OperatorCall, OperatorRule } from './operator-call.ts';

interface Reduction {
  readonly axes: readonly number[];
  readonly keepDimensions: boolean;
}

export function reductionOf(call: OperatorCall): Reduction {
  const shape = call.shape(0);
  const given = call.list('axes', 1);
  if (!given?.length) return call.fail('reduces every dimension, the images too');
  const axes = given.map((axis) => call.axis(axis, shape.length)).sort((a, b) => a - b);
  if (axes.some((axis) => shape[axis] < 0)) call.fail('mixes images with each other');
  return { axes, keepDimensions: Boolean(call.int('keepdims', 1)) };
}

/** Sum of a value of the input's shape. */
export function sumOf(call: OperatorCall, x: DraftId): DraftId {
  const reduction = reductionOf(call);
  const shape = call.scope.graph.shape(x);
  const count = sizePerImage(reduction.axes.map((axis) => shape[axis]));
  return call.add('scale', [call.add('mean', [x], reduction)], { by: count });
}

const squared = (call: OperatorCall): DraftId => {
  const x = call.operand(0);
  return call.add('multiply', [x, x], {});
};

/** The largest entries: what is reduced lies in one column of an image, over which a window goes. */
export function largest(call: OperatorCall, x: DraftId): DraftId {
  const { axes, keepDimensions } = reductionOf(call);
  const { graph } = call.scope;
  const shape = graph.shape(x);
  const padding = { top: 0, left: 0, bottom: 0, right: 0 };
  const others = [...shape.keys()].filter((axis) => !axes.includes(axis));
  const left = keepDimensions ? shape.map((d, i) => (axes.includes(i) ? 1 : d)) : others.map((axis) => shape[axis]);
  if (shape.length === 4 && String(axes) === '2,3') {
    const kernel = [shape[2], shape[3]] as const;
    return call.reshape(call.add('maxPool', [x], { kernel, stride: kernel, padding }), left);
  }
  if (!(shape[others[0]] < 0)) call.fail('takes maxima of a value in which the images do not come first');
  const permutation = [...others, ...axes];
  const moved = permutation.every((axis, i) => axis === i) ? x : call.add('transpose', [x], { permutation });
  const [images, ...rest] = others.map((axis) => shape[axis]);
  const count = sizePerImage(axes.map((axis) => shape[axis]));
  const column = call.reshape(moved, [images, sizePerImage(rest), count, 1]);
  return call.reshape(call.add('maxPool', [column], { kernel: [count, 1], stride: [count, 1], padding }), left);
}

const reduceMin: OperatorRule = (call) => {
  const negated = call.add('scale', [call.operand(0)], { by: -1 });
  return call.emit('scale', [largest(call, negated)], { by: -1 });
};

export const reductionOperators: Readonly<Record<string, OperatorRule>> = {
  ReduceL1: (call) => call.computed(sumOf(call, call.add('activation', [call.operand(0)], { function: 'abs' }))),
  ReduceL2: (call) => call.emit('activation', [sumOf(call, squared(call))], { function: 'sqrt' }),
  ReduceMax: (call) => call.computed(largest(call, call.operand(0))),
  ReduceMean: (call) => call.emit('mean', [call.operand(0)], reductionOf(call)),
  ReduceMin: reduceMin,
  ReduceSum: (call) => call.computed(sumOf(call, call.operand(0))),
  ReduceSumSquare: (call) => call.computed(sumOf(call, squared(call))),
};
