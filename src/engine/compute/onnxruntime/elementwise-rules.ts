/** ONNX operators for element-wise kernels, activations and reductions. */
import { type ActivationFunction, activate, activationDerivative, slopeOf } from '../../graph/activations.ts';
import type { Elementwise } from '../../graph/elementwise.ts';
import type { KernelLowering, LoweringRule } from './kernel-lowering.ts';

/** Element types of ONNX. */
const FLOAT = 1;

type Binary = 'add' | 'subtract' | 'multiply' | 'divide';
const binary =
  <K extends Binary>(type: string): LoweringRule<K> =>
  (c, _, [a, b]) => [c.op(type, [a.name, b.name])];

export const add = binary<'add'>('Add');
export const subtract = binary<'subtract'>('Sub');
export const multiply = binary<'multiply'>('Mul');
export const divide = binary<'divide'>('Div');

export const square: LoweringRule<'square'> = (c, _, [x]) => [c.multiply(x.name, x.name)];

export const inverseRoot: LoweringRule<'inverseRoot'> = (c, { attributes: { eps } }, [x]) => [
  c.inverseRoot(x.name, eps),
];

export const scale: LoweringRule<'scale'> = (c, { attributes: { by } }, [x]) => {
  if (by === 'inverse batch') return [c.divide(x.name, c.batchCount())];
  if (by === 1) return [x.name];
  return [by === -1 ? c.op('Neg', [x.name]) : c.multiply(x.name, by)];
};

export const lerp: LoweringRule<'lerp'> = (c, _, [a, b, t]) => [
  c.add(c.multiply(a.name, c.subtract(1, t.name)), c.multiply(b.name, t.name)),
];

export const mean: LoweringRule<'mean'> = (c, { attributes: { axes, keepDimensions } }, [x]) => [
  c.mean(x.name, axes, keepDimensions),
];

export const sum: LoweringRule<'sum'> = (c, { attributes: { axes, keepDimensions } }, [x]) => [
  c.sum(x.name, axes, keepDimensions),
];

export const sumTo: LoweringRule<'sumTo'> = (c, { attributes: { shape } }, [x]) => {
  const missing = x.shape.length - shape.length;
  const axes = x.shape.flatMap((d, i) => (i < missing || shape[i - missing] !== d ? [i] : []));
  if (axes.length === 0) return [x.name];
  return [c.reshape(c.sum(x.name, axes, true), shape)];
};

// ---- activations

type Unary = (c: KernelLowering, x: string, slope: number) => string;
const op =
  (type: string): Unary =>
  (c, x) =>
    c.op(type, [x]);

/** Functions that are one operator; the others are written out. */
const operators: { readonly [F in ActivationFunction]?: Unary } = {
  relu: op('Relu'),
  relu6: (c, x) => c.op('Clip', [x, c.graph.float(0), c.graph.float(6)]),
  leakyRelu: (c, x, slope) => c.op('LeakyRelu', [x], { alpha: { float: slope } }),
  gelu: (c, x) => c.contributed('Gelu', [x]),
  hardSwish: op('HardSwish'),
  hardSigmoid: (c, x) => c.op('HardSigmoid', [x], { alpha: { float: 1 / 6 }, beta: { float: 0.5 } }),
};

/** A factor that makes every positive number at least 1: the smallest has the reciprocal of it. */
const LARGE = 2 ** 127;

/** 0 for 0, 1 for what is positive, in one pass. */
const isPositive = (c: KernelLowering, x: string): string =>
  c.op('HardSigmoid', [x], { alpha: { float: LARGE }, beta: { float: 0 } });

/** Derivatives that have a shorter form than comparisons, which ONNX Runtime makes bytes of. */
const derivatives: { readonly [F in ActivationFunction]?: Unary } = {
  // The output is 0 or positive.
  relu: (c, y) => isPositive(c, y),
  // 0 at both ends of (0, 6), and only there: the difference of neighbouring numbers is none.
  relu6: (c, y) => isPositive(c, c.multiply(y, c.subtract(6, y))),
};

/** Arithmetic in ONNX operators. */
const arithmetic = (c: KernelLowering): Elementwise<string> => ({
  add: (a, b) => c.add(a, b),
  subtract: (a, b) => c.subtract(a, b),
  multiply: (a, b) => c.multiply(a, b),
  square: (x) => c.multiply(x, x),
  exp: (x) => c.op('Exp', [x]),
  log: (x) => c.op('Log', [x]),
  sqrt: (x) => c.op('Sqrt', [x]),
  reciprocal: (x) => c.op('Reciprocal', [x]),
  sin: (x) => c.op('Sin', [x]),
  cos: (x) => c.op('Cos', [x]),
  erf: (x) => c.op('Erf', [x]),
  tanh: (x) => c.op('Tanh', [x]),
  sigmoid: (x) => c.op('Sigmoid', [x]),
  clamp: (x, low, high) => c.op('Clip', [x, c.graph.float(low), c.graph.float(high)]),
  within: (x, low, high) => {
    const above = c.op('Greater', [x, c.graph.float(low)]);
    const below = c.op('Less', [x, c.graph.float(high)]);
    return c.op('Cast', [c.op('And', [above, below])], { to: FLOAT });
  },
});

export const activation: LoweringRule<'activation'> = (c, { attributes }, [x]) => {
  const operator = operators[attributes.function];
  return [operator ? operator(c, x.name, slopeOf(attributes)) : activate(arithmetic(c), attributes, x.name)];
};

export const activationGradient: LoweringRule<'activationGradient'> = (c, { attributes }, [d, saved]) => {
  const short = derivatives[attributes.function];
  const derivative = short
    ? short(c, saved.name, slopeOf(attributes))
    : activationDerivative(arithmetic(c), attributes, saved.name);
  return [c.multiply(d.name, derivative)];
};
