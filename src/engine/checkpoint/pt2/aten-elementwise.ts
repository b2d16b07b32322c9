/** ATen operations that work element by element, norms of activations and choices. */
import { type AtenCall, type AtenRule, INTERNAL } from './aten-call.ts';

const unary =
  (operator: string): AtenRule =>
  (call) =>
    call.result(operator, [call.asResult('self')]);

const internal =
  (operator: string): AtenRule =>
  (call) =>
    call.result(operator, [call.tensor(call.has('self') ? 'self' : 'input')], {}, INTERNAL);

const identity: AtenRule = (call) =>
  call.result('Identity', [call.tensor(call.has('self') ? 'self' : call.has('input') ? 'input' : 'a')]);

/** other · alpha. */
function scaled(call: AtenCall, value: string): string {
  const alpha = call.number('alpha') ?? 1;
  return alpha === 1
    ? value
    : call.emit('Mul', [value, call.constant(alpha, Number.isInteger(alpha) && call.isInteger('self'))]);
}

const binary =
  (operator: string): AtenRule =>
  (call) =>
    call.result(operator, [call.asResult('self'), scaled(call, call.asResult('other'))]);

const divide: AtenRule = (call) => {
  const mode = call.text('rounding_mode', '');
  const operands = [call.asResult('self'), call.asResult('other')];
  if (mode === '' || call.isInteger('self')) call.result('Div', operands);
  else if (mode === 'floor') call.result('Floor', [call.emit('Div', operands)]);
  else call.refuse(`it rounds by ${mode}`);
};

const clamp: AtenRule = (call) => {
  const bound = (name: string): string => (call.has(name) ? call.asResult(name) : '');
  call.result('Clip', [
    call.asResult('self'),
    bound(call.has('min_val') ? 'min_val' : 'min'),
    bound(call.has('max_val') ? 'max_val' : 'max'),
  ]);
};

const hardtanh: AtenRule = (call) =>
  call.result('Clip', [
    call.tensor('self'),
    call.constant(call.number('min_val') ?? -1),
    call.constant(call.number('max_val') ?? 1),
  ]);

const power: AtenRule = (call) => {
  // A number to the power of whole ones is computed as a fraction: ONNX takes the type of the base.
  if (call.overload === 'Scalar')
    call.result('Pow', [call.constant(call.number('self') ?? 0), call.tensor('exponent')]);
  else call.result('Pow', [call.asResult('self'), call.asResult('exponent')]);
};

/** Below any score: what a mask hides. Infinity would make NaN of 0 · ∞. */
export const HIDDEN = -1e9;
const finite = (value: number): number => Math.max(HIDDEN, Math.min(-HIDDEN, value));

const where: AtenRule = (call) => {
  const operand = (name: string): string => {
    const number = call.number(name);
    return number === undefined ? call.tensor(name) : call.constant(finite(number));
  };
  call.result('Where', [call.tensor('condition'), operand('self'), operand('other')]);
};

const maskedFill: AtenRule = (call) => {
  const value =
    call.has('value') && call.argument('value')?.kind === 'tensor'
      ? call.tensor('value')
      : call.constant(finite(call.number('value') ?? 0));
  call.result('Where', [call.tensor('mask'), value, call.tensor('self')]);
};

/** PyTorch's numbers of floating-point types. */
const FLOATS: ReadonlySet<number> = new Set([6, 7, 8, 13]);

const cast: AtenRule = (call) => {
  const type = call.output().type;
  const from = call.meta(
    call.node.inputs.flatMap(({ argument }) => (argument.kind === 'tensor' ? [argument.name] : []))[0],
  ).type;
  if (FLOATS.has(type) && FLOATS.has(from)) identity(call);
  else
    call.result('Cast', [call.tensor(call.has('self') ? 'self' : 'x')], {
      to: FLOATS.has(type) ? 1 : type === 12 ? 9 : 7,
    });
};

const softmax: AtenRule = (call) => call.result('Softmax', [call.tensor('self')], { axis: call.int('dim', -1) });

const truth =
  (operator: string, negated = false): AtenRule =>
  (call) => {
    const operands = [call.tensor('self'), call.operand('other', 'self')];
    if (negated) call.result('Not', [call.emit(operator, operands)]);
    else call.result(operator, operands);
  };

/** PyTorch's number of truths. */
const TRUTH = 12;

/** Of whole numbers these go bit by bit. */
const ofTruths =
  (rule: AtenRule): AtenRule =>
  (call) => {
    if (call.output().type !== TRUTH) call.refuse('it works on the bits of numbers');
    rule(call);
  };

/** One half times the sigmoid of the other. */
const glu: AtenRule = (call) => {
  const axis = call.axis(call.int('dim', -1), call.rank('self'));
  const half = call.output().sizes[axis];
  if (half === undefined || half < 0) return call.refuse('it cuts the batch');
  const part = (start: number): string =>
    call.emit('Slice', [call.tensor('self'), ...[start, start + half, axis].map((value) => call.integers([value]))]);
  return call.result('Mul', [part(0), call.emit('Sigmoid', [part(half)])]);
};

/** One for the class that each number is, zero for the others, along a new last dimension. */
const oneHot: AtenRule = (call) => {
  const sizes = call.output().sizes;
  const classes = sizes.at(-1) ?? call.refuse('its number of classes depends on the numbers');
  const apart = call.reshaped(call.tensor('self'), [...sizes.slice(0, -1), 1]);
  const each = call.integers(Array.from({ length: classes }, (_, i) => i));
  call.result('Cast', [call.emit('Equal', [apart, each])], { to: 7 });
};

export const elementwiseRules: Readonly<Record<string, AtenRule>> = {
  alias: identity,
  contiguous: identity,
  clone: identity,
  detach: identity,
  lift_fresh_copy: identity,
  to: cast,
  type_as: cast,
  _to_copy: cast,
  dropout: (call) =>
    call.result('Dropout', [call.tensor(call.has('input') ? 'input' : 'self')], {
      ratio: { float: call.number('p') ?? 0.5 },
    }),
  feature_dropout: identity,
  add: binary('Add'),
  sub: binary('Sub'),
  mul: binary('Mul'),
  div: divide,
  floor_divide: (call) => call.result('Floor', [call.emit('Div', [call.asResult('self'), call.asResult('other')])]),
  rsub: (call) => call.result('Sub', [call.asResult('other'), scaled(call, call.asResult('self'))]),
  remainder: (call) => call.result('Mod', [call.asResult('self'), call.asResult('other')]),
  maximum: binary('Max'),
  minimum: binary('Min'),
  neg: unary('Neg'),
  exp: unary('Exp'),
  log: unary('Log'),
  sqrt: unary('Sqrt'),
  rsqrt: (call) => call.result('Pow', [call.tensor('self'), call.constant(-0.5)]),
  abs: unary('Abs'),
  sin: unary('Sin'),
  cos: unary('Cos'),
  floor: unary('Floor'),
  ceil: unary('Ceil'),
  reciprocal: unary('Reciprocal'),
  round: unary('Round'),
  sign: unary('Sign'),
  erf: unary('Erf'),
  log_sigmoid: (call) => call.result('Log', [call.emit('Sigmoid', [call.tensor('self')])]),
  softsign: unary('Softsign'),
  glu,
  cumsum: (call) => call.result('CumSum', [call.asResult('self'), call.constant(call.int('dim', 0), true)]),
  square: (call) => call.result('Mul', [call.tensor('self'), call.tensor('self')]),
  pow: power,
  clamp,
  clamp_min: clamp,
  clamp_max: clamp,
  hardtanh,
  relu: unary('Relu'),
  relu6: (call) => call.result('Clip', [call.tensor('self'), call.constant(0), call.constant(6)]),
  leaky_relu: (call) =>
    call.result('LeakyRelu', [call.tensor('self')], { alpha: { float: call.number('negative_slope') ?? 0.01 } }),
  prelu: (call) => call.result('PRelu', [call.tensor('self'), call.tensor('weight')]),
  elu: (call) => call.result('Elu', [call.tensor('self')], { alpha: { float: call.number('alpha') ?? 1 } }),
  gelu: (call) => call.result('Gelu', [call.tensor('self')], { approximate: call.text('approximate', 'none') }),
  silu: internal('Silu'),
  mish: internal('Mish'),
  softplus: internal('Softplus'),
  hardswish: unary('HardSwish'),
  hardsigmoid: (call) =>
    call.result('HardSigmoid', [call.tensor('self')], { alpha: { float: 1 / 6 }, beta: { float: 0.5 } }),
  sigmoid: unary('Sigmoid'),
  tanh: unary('Tanh'),
  softmax,
  _softmax: softmax,
  log_softmax: (call) => call.result('LogSoftmax', [call.tensor('self')], { axis: call.int('dim', -1) }),
  where,
  masked_fill: maskedFill,
  logical_not: (call) => call.result('Not', [call.tensor('self')]),
  logical_and: truth('And'),
  __and__: ofTruths(truth('And')),
  __or__: ofTruths(truth('Or')),
  __xor__: ofTruths(truth('Xor')),
  logical_or: truth('Or'),
  logical_xor: truth('Xor'),
  bitwise_and: ofTruths(truth('And')),
  bitwise_or: ofTruths(truth('Or')),
  bitwise_not: ofTruths(unary('Not')),
  one_hot: oneHot,
  eq: truth('Equal'),
  ne: truth('Equal', true),
  gt: truth('Greater'),
  ge: truth('GreaterOrEqual'),
  lt: truth('Less'),
  le: truth('LessOrEqual'),
};
