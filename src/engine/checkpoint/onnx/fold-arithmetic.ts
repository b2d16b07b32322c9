/** ONNX operators on constants that compute: sizes, indices, masks, and what exporters leave unfolded of weights. */
import { erf } from '../../graph/elementwise.ts';
import { type ConstantType, type Plain, plain } from './constants.ts';
import {
  axisOf,
  broadcast,
  countOf,
  expandTo,
  type FoldContext,
  type FoldKernel,
  listOf,
  mapped,
  need,
  strides,
} from './fold-tensors.ts';

const unary =
  (of: (v: number) => number): FoldKernel =>
  (context) =>
    mapped(context, need(context, 0), need(context, 0).type, of);

const binaryOf = (
  context: FoldContext,
  x: Plain,
  y: Plain,
  type: ConstantType,
  of: (a: number, b: number) => number,
): Plain => {
  const shape = broadcast(x.shape, y.shape);
  const [a, b] = [expandTo(context, x, shape).data, expandTo(context, y, shape).data];
  const data = context.allocate(type, countOf(shape));
  for (let i = 0; i < data.length; i++) data[i] = of(a[i], b[i]);
  return plain(type, shape, data);
};

const binary =
  (of: (a: number, b: number) => number, type?: ConstantType): FoldKernel =>
  (context) =>
    binaryOf(context, need(context, 0), need(context, 1), type ?? need(context, 0).type, of);

const variadic =
  (of: (a: number, b: number) => number): FoldKernel =>
  (context) =>
    context.inputs.map((_, i) => need(context, i)).reduce((x, y) => binaryOf(context, x, y, x.type, of));

/** Reduces some dimensions, all by default. */
const reduction =
  (
    start: number,
    of: (sum: number, v: number) => number,
    finish = (sum: number, _: number): number => sum,
  ): FoldKernel =>
  (context) => {
    const x = need(context, 0);
    const rank = x.shape.length;
    const given = listOf(context, 'axes', 1);
    const axes = given?.length ? given.map((axis) => axisOf(axis, rank)) : [...x.shape.keys()];
    const kept = x.shape.map((size, i) => (axes.includes(i) ? 1 : size));
    const into = strides(kept).map((step, i) => (axes.includes(i) ? 0 : step));
    const result = context.allocate('int', countOf(kept)).fill(start);
    const own = strides(x.shape);
    for (let i = 0; i < x.data.length; i++) {
      let at = 0;
      for (let axis = 0; axis < rank; axis++) at += (Math.floor(i / own[axis]) % x.shape[axis]) * into[axis];
      result[at] = of(result[at], x.data[i]);
    }
    const each = x.data.length / Math.max(1, result.length);
    const data = context.allocate(x.type, result.length);
    for (let i = 0; i < data.length; i++) data[i] = finish(result[i], each);
    const shape = context.int('keepdims', 1) ? kept : x.shape.filter((_, i) => !axes.includes(i));
    return plain(x.type, shape, data);
  };

const where: FoldKernel = (context) => {
  const [condition, a, b] = [0, 1, 2].map((i) => need(context, i));
  const shape = broadcast(condition.shape, broadcast(a.shape, b.shape));
  const [c, x, y] = [condition, a, b].map((value) => expandTo(context, value, shape).data);
  const data = context.allocate(a.type, countOf(shape));
  for (let i = 0; i < data.length; i++) data[i] = c[i] ? x[i] : y[i];
  return plain(a.type, shape, data);
};

/** TensorProto.DataType of the target to what constants tell apart. */
const castType = (to: number): ConstantType => (to === 9 ? 'bool' : [1, 10, 11, 16].includes(to) ? 'float' : 'int');

const cast: FoldKernel = (context) => {
  const type = castType(context.int('to', 1));
  const convert = { float: (v: number) => v, int: Math.trunc, bool: (v: number) => Number(v !== 0) }[type];
  return mapped(context, need(context, 0), type, convert);
};

const clip: FoldKernel = (context) => {
  const [low, high] = [1, 2].map((i) => context.inputs[i]?.data[0]);
  const x = need(context, 0);
  return mapped(context, x, x.type, (v) => Math.min(Math.max(v, low ?? -Infinity), high ?? Infinity));
};

/** Halves go to the even neighbour, as ONNX and NumPy have it. */
const roundToEven = (v: number): number => (Math.abs(v % 1) === 0.5 ? 2 * Math.round(v / 2) : Math.round(v));

/** Of weights that are standardised: with their own mean and variance over all but dimension 1 in training mode. */
const batchNormalization: FoldKernel = (context) => {
  const [x, scale, shift, givenMean, givenVariance] = [0, 1, 2, 3, 4].map((i) => need(context, i));
  const channels = x.shape[1] ?? 1;
  const inner = x.shape.slice(2).reduce((a, b) => a * b, 1);
  const channelOf = (i: number): number => Math.floor(i / inner) % channels;
  const count = x.data.length / channels;
  const isTraining = Boolean(context.int('training_mode', 0));
  const [mean, variance] = [givenMean, givenVariance].map(({ data }) => Float64Array.from(data));
  if (isTraining) {
    mean.fill(0);
    variance.fill(0);
    for (let i = 0; i < x.data.length; i++) mean[channelOf(i)] += x.data[i] / count;
    for (let i = 0; i < x.data.length; i++) variance[channelOf(i)] += (x.data[i] - mean[channelOf(i)]) ** 2 / count;
  }
  const eps = context.float('epsilon', 1e-5);
  const data = context.allocate('float', x.data.length);
  for (let i = 0; i < data.length; i++) {
    const c = channelOf(i);
    data[i] = ((x.data[i] - mean[c]) / Math.sqrt(variance[c] + eps)) * scale.data[c] + shift.data[c];
  }
  const result = plain('float', x.shape, data);
  // Nobody takes the statistics that a standardised weight leaves behind.
  return [result, ...[givenMean, givenVariance].slice(0, Math.max(0, context.outputs - 1))];
};

const truth = (of: (a: number, b: number) => boolean): FoldKernel => binary((a, b) => Number(of(a, b)), 'bool');

const divide: FoldKernel = (context) => {
  const { type } = need(context, 0);
  return binary(type === 'float' ? (a, b) => a / b : (a, b) => Math.trunc(a / b))(context);
};

export const arithmeticKernels: Readonly<Record<string, FoldKernel>> = {
  Abs: unary(Math.abs),
  Add: binary((a, b) => a + b),
  And: truth((a, b) => Boolean(a && b)),
  BatchNormalization: batchNormalization,
  Cast: cast,
  CastLike: (context) => mapped(context, need(context, 0), need(context, 1).type, (v) => v),
  Ceil: unary(Math.ceil),
  Clip: clip,
  Cos: unary(Math.cos),
  Div: divide,
  Equal: truth((a, b) => a === b),
  Erf: unary(erf),
  Exp: unary(Math.exp),
  Floor: unary(Math.floor),
  Greater: truth((a, b) => a > b),
  GreaterOrEqual: truth((a, b) => a >= b),
  Identity: (context) => need(context, 0),
  Less: truth((a, b) => a < b),
  LessOrEqual: truth((a, b) => a <= b),
  Log: unary(Math.log),
  Max: variadic(Math.max),
  Min: variadic(Math.min),
  Mod: (context) => binary(context.int('fmod', 0) ? (a, b) => a % b : (a, b) => a - b * Math.floor(a / b))(context),
  Mul: binary((a, b) => a * b),
  Neg: unary((v) => -v),
  Not: unary((v) => Number(!v)),
  Or: truth((a, b) => Boolean(a || b)),
  Pow: binary((a, b) => a ** b),
  Reciprocal: unary((v) => 1 / v),
  ReduceL1: reduction(0, (sum, v) => sum + Math.abs(v)),
  ReduceL2: reduction(0, (sum, v) => sum + v * v, Math.sqrt),
  ReduceMax: reduction(-Infinity, Math.max),
  ReduceMean: reduction(
    0,
    (sum, v) => sum + v,
    (sum, count) => sum / count,
  ),
  ReduceMin: reduction(Infinity, Math.min),
  ReduceProd: reduction(1, (product, v) => product * v),
  ReduceSum: reduction(0, (sum, v) => sum + v),
  ReduceSumSquare: reduction(0, (sum, v) => sum + v * v),
  Round: unary(roundToEven),
  Relu: unary((v) => Math.max(v, 0)),
  Sigmoid: unary((v) => 1 / (1 + Math.exp(-v))),
  Sign: unary(Math.sign),
  Sin: unary(Math.sin),
  Sqrt: unary(Math.sqrt),
  Sub: binary((a, b) => a - b),
  Tanh: unary(Math.tanh),
  Where: where,
  Xor: truth((a, b) => Boolean(a) !== Boolean(b)),
};
