/** ONNX operators that work element by element, and softmax. */
import { ACTIVATION_FUNCTIONS, type ActivationFunction, activations } from '../../graph/activations.ts';
import { erf } from '../../graph/elementwise.ts';
import type { OperationKind } from '../../graph/operations.ts';
import { broadcastShapes } from '../../graph/shapes.ts';
import { float32Tensor } from '../../graph/tensor.ts';
import { always, isFixed, plain } from './constants.ts';
import type { DraftId } from './draft.ts';
import type { Value } from './onnx-values.ts';
import type { OperatorCall, OperatorRule } from './operator-call.ts';
import { onlyNumber } from './repeated-values.ts';

const activation =
  (of: ActivationFunction): OperatorRule =>
  (call) =>
    call.emit('activation', [call.operand(0)], { function: of });

const binary =
  (kind: OperationKind & ('add' | 'subtract' | 'multiply' | 'divide')): OperatorRule =>
  (call) =>
    call.emit(kind, [call.operand(0), call.operand(1)], {});

/** A mask that hides nothing adds nothing. */
const add: OperatorRule = (call) => {
  const label = { id: call.origin.label, kind: call.node.opType };
  const shape = String(broadcastShapes(label, call.shape(0), call.shape(1)));
  const isNothing = (value: Value): boolean => value.kind === 'repeated' && onlyNumber(value) === 0;
  const other = [1, 0].find((i) => isNothing(call.value(1 - i)) && String(call.shape(i)) === shape);
  return other === undefined ? binary('add')(call) : call.value(other);
};

/** A function of one number that has no operation: it must turn out to be part of an activation or a norm. */
const foreign =
  (each: (x: number) => number, numbers: readonly number[] = []): OperatorRule =>
  (call) =>
    call.foreign([call.operand(0)], call.shape(0), { each, numbers });

const foreignOfTwo =
  (each: (x: number, y: number) => number): OperatorRule =>
  (call) => {
    const shape = broadcastShapes({ id: call.origin.label, kind: call.node.opType }, call.shape(0), call.shape(1));
    return call.foreign([call.operand(0), call.operand(1)], shape, { each });
  };

const clip: OperatorRule = (call) => {
  const bound = (name: string, i: number, otherwise: number): number =>
    call.has(i) ? (call.scalar(i) ?? call.fail('has limits that are no constants')) : call.float(name, otherwise);
  const [low, high] = [bound('min', 1, -Infinity), bound('max', 2, Infinity)];
  if (low === 0 && high === 6) return activation('relu6')(call);
  // An exporter may write no limit as the largest number there is.
  if (low === 0 && high > 1e38) return activation('relu')(call);
  return foreign((x) => Math.min(Math.max(x, low), high), [low, high])(call);
};

/** Of any number of values, two at a time. */
const ofMany =
  (each: (x: number, y: number) => number): OperatorRule =>
  (call) => {
    if (call.inputs.length === 2) return foreignOfTwo(each)(call);
    return call.inputs.length === 1 ? call.value(0) : call.fail('takes more than two values');
  };

const sum: OperatorRule = (call) => {
  const operands = call.inputs.map((_, i) => call.operand(i));
  return call.computed(operands.reduce((a, b) => call.add('add', [a, b], {})));
};

const close = (a: number, b: number): boolean => Math.abs(a - b) <= 1e-5;

const hardSigmoid: OperatorRule = (call) => {
  const [alpha, beta] = [call.float('alpha', 0.2), call.float('beta', 0.5)];
  if (close(alpha, 1 / 6) && close(beta, 0.5)) return activation('hardSigmoid')(call);
  return foreign((x) => Math.min(Math.max(alpha * x + beta, 0), 1), [alpha, beta])(call);
};

const leakyRelu = (call: OperatorCall, slope: number): Value =>
  call.emit('activation', [call.operand(0)], { function: 'leakyRelu', slope: Number(slope.toPrecision(6)) });

const pRelu: OperatorRule = (call) => {
  const slope = call.stored(1);
  if (slope?.shape.reduce((a, b) => a * b, 1) === 1 && !slope.shape.some((d) => d !== 1) && !call.isTrained(1))
    return leakyRelu(call, slope.read().data[0]);
  // max(x, 0) − slope · max(−x, 0), the slope of each channel where it broadcasts to.
  const rank = call.shape(0).length;
  const own = call.shape(1);
  const perChannel = own.length === 1 && own[0] > 1 ? [own[0], ...Array<number>(rank - 2).fill(1)] : own;
  const x = call.operand(0);
  const above = call.add('activation', [x], { function: 'relu' });
  const below = call.add('activation', [call.add('scale', [x], { by: -1 })], { function: 'relu' });
  const scaled = call.add('multiply', [below, call.reshape(call.operand(1), perChannel)], {});
  return call.emit('subtract', [above, scaled], {});
};

const power: OperatorRule = (call) => {
  const exponent = call.scalar(1);
  if (exponent === undefined) return foreignOfTwo((x, y) => x ** y)(call);
  const x = call.operand(0);
  if (exponent === 2) return call.emit('multiply', [x, x], {});
  return call.foreign([x], call.shape(0), { each: (v) => v ** exponent, numbers: [exponent] });
};

/** The one dimension that a softmax goes over: before operator set 13 it was all from `axis` on as one. */
function softmaxAxis(call: OperatorCall): number {
  const shape = call.shape(0);
  const modern = call.scope.opset >= 13;
  const axis = call.axis(call.int('axis', modern ? -1 : 1), shape.length);
  if (!modern && shape.slice(axis + 1).some((size) => size !== 1))
    call.fail('goes over several dimensions at once, which Espalier cannot take over');
  return axis;
}

const softmax: OperatorRule = (call) => call.emit('softmax', [call.operand(0)], { axis: softmaxAxis(call) });

/** Shares are numbers. */
const isNotANumber: OperatorRule = (call) => {
  const value = call.value(0);
  if (value.kind !== 'computed' || call.scope.graph.as(value.draft, 'softmax') === undefined)
    return call.foreign([call.operand(0)], call.shape(0));
  const constant = always(plain('bool', [], Float64Array.of(0)));
  return { kind: 'known', name: call.node.outputs[0], path: call.origin.path, constant };
};

const dropout: OperatorRule = (call) => {
  const ratio = call.float('ratio', call.scalar(1) ?? 0.5);
  const x = call.operand(0);
  return ratio > 0 && ratio < 1
    ? call.emit('dropout', [x], { probability: Number(ratio.toPrecision(6)) })
    : call.computed(x);
};

const passes: OperatorRule = (call) => call.value(0);

const cast: OperatorRule = (call) => {
  const to = call.int('to', 1);
  if (![1, 10, 11, 16].includes(to))
    call.fail('makes integers of what the network computes, which Espalier cannot take over');
  return call.value(0);
};

/** The choice as arithmetic: a · m + b · (1 − m). Only what no mask of attention hides would be infinite times 0. */
function mixed(call: OperatorCall, mask: readonly number[], shape: readonly number[]): Value {
  const constant = (values: readonly number[]): DraftId =>
    call.add('constant', [], { tensor: float32Tensor(shape.length ? shape : [1], Float32Array.from(values)) });
  const part = (i: number, chosen: readonly number[]): DraftId =>
    call.add('multiply', [call.operand(i), constant(chosen)], {});
  const others = mask.map((m) => 1 - m);
  return call.emit('add', [part(1, mask), part(2, others)], {});
}

/** Where the choice does not depend on the images. */
const where: OperatorRule = (call) => {
  const condition = call.value(0);
  if (!(condition.kind === 'known' || condition.kind === 'repeated') || !isFixed(condition.constant))
    return call.scope.namesAreExact
      ? call.fail('chooses by what the network computes, which Espalier cannot take over')
      : call.foreign([call.operand(1), call.operand(2)]);
  const { data } = condition.constant.each[0];
  const [chosen, other] = data.every(Boolean) ? [1, 2] : data.some(Boolean) ? [0, 0] : [2, 1];
  const label = { id: call.origin.label, kind: call.node.opType };
  const shape = broadcastShapes(label, call.shape(0), broadcastShapes(label, call.shape(1), call.shape(2)));
  if (chosen === other || String(call.shape(chosen)) !== String(shape))
    return mixed(
      call,
      Array.from(data, (m) => Number(Boolean(m))),
      condition.constant.each[0].shape,
    );
  return call.value(chosen);
};

/** Operators that are an activation as they stand. */
const ownOperators = Object.fromEntries(
  ACTIVATION_FUNCTIONS.flatMap((name) => {
    const { onnx } = activations[name];
    return onnx && !onnx.attributes ? [[onnx.operator, activation(name)]] : [];
  }),
);

export const elementwiseOperators: Readonly<Record<string, OperatorRule>> = {
  ...ownOperators,
  Add: add,
  Cast: cast,
  CastLike: passes,
  Clip: clip,
  Div: binary('divide'),
  Dropout: dropout,
  Elu: (call) =>
    call.emit('activation', [call.operand(0)], {
      function: 'elu',
      slope: Number(call.float('alpha', 1).toPrecision(6)),
    }),
  Erf: foreign(erf),
  Gelu: (call) => activation(call.string('approximate', 'none') === 'tanh' ? 'geluTanh' : 'gelu')(call),
  HardSigmoid: hardSigmoid,
  Identity: passes,
  IsNaN: isNotANumber,
  LeakyRelu: (call) => leakyRelu(call, call.float('alpha', 0.01)),
  LogSoftmax: (call) => call.foreign([call.operand(0)], call.shape(0), { numbers: [softmaxAxis(call)] }),
  Max: ofMany(Math.max),
  Min: ofMany(Math.min),
  Mul: binary('multiply'),
  Neg: foreign((x) => -x),
  PRelu: pRelu,
  Pow: power,
  Softmax: softmax,
  Softsign: foreign((x) => x / (1 + Math.abs(x))),
  Sub: binary('subtract'),
  Sum: sum,
  Where: where,
};

/** Operators that only our own readers of other formats write. */
export const internalElementwiseOperators: Readonly<Record<string, OperatorRule>> = {
  Silu: activation('silu'),
  Mish: activation('mish'),
  Softplus: activation('softplus'),
};
