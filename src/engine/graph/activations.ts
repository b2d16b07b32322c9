/**
 * Everything that is known about an activation function, one record each. Labels, exports, imports, the forward pass, its derivative and
 * the count of MACs are read from here: a new function is a new record.
 */
import type { Elementwise } from './elementwise.ts';

export interface Activation {
  /** What a person reads on a layer's box. */
  readonly label: string;
  /** PyTorch's class. */
  readonly module: string;
  /** PyTorch's function and its keyword arguments; F is torch.nn.functional. */
  readonly python: {
    readonly name: `F.${string}` | `torch.${string}`;
    readonly keywords?: (slope: number) => Readonly<Record<string, string | number>>;
  };
  /** ONNX's operator (operator set 17) and its attributes; without one the arithmetic is written out. */
  readonly onnx?: {
    readonly operator: string;
    readonly attributes?: (slope: number) => Readonly<Record<string, number>>;
  };
  /** Whether the counter of the paper's figures adds its elements to the MACs. */
  readonly counted: boolean;
  /** PyTorch's default, for functions that have a slope. */
  readonly slope?: number;
  /** The function. */
  value<V>(on: Elementwise<V>, x: V, slope: number): V;
  /** Whether `derivative` is a function of the output, which other kernels keep anyway, or of the input. */
  readonly derivativeOf: 'output' | 'input';
  derivative<V>(on: Elementwise<V>, saved: V, slope: number): V;
}

/** Φ(x), the normal distribution function. */
const normal = <V>(on: Elementwise<V>, x: V): V => on.multiply(on.add(on.erf(on.multiply(x, Math.SQRT1_2)), 1), 0.5);

const TANH_SCALE = Math.sqrt(2 / Math.PI);
const CUBIC = 0.044715;
/** tanh(√(2/π) (x + 0.044715 x³)), the inner function of the approximate GELU. */
const innerTanh = <V>(on: Elementwise<V>, x: V): V =>
  on.tanh(on.multiply(x, on.add(on.multiply(on.square(x), TANH_SCALE * CUBIC), TANH_SCALE)));

/** log(1 + eˣ) as max(x, 0) + log(1 + e^−|x|), which does not overflow. */
const softplus = <V>(on: Elementwise<V>, x: V): V => {
  const above = on.clamp(x, 0, Infinity);
  const negated = on.subtract(on.clamp(x, -Infinity, 0), above);
  return on.add(above, on.log(on.add(on.exp(negated), 1)));
};

/** clamp(x + 3, 0, 6). */
const ramp = <V>(on: Elementwise<V>, x: V): V => on.clamp(on.add(x, 3), 0, 6);

const records = {
  relu: {
    label: 'ReLU',
    module: 'ReLU',
    python: { name: 'F.relu' },
    onnx: { operator: 'Relu' },
    counted: true,
    value: (on, x) => on.clamp(x, 0, Infinity),
    derivativeOf: 'output',
    derivative: (on, y) => on.within(y, 0, Infinity),
  },
  relu6: {
    label: 'ReLU6',
    module: 'ReLU6',
    python: { name: 'F.relu6' },
    counted: true,
    value: (on, x) => on.clamp(x, 0, 6),
    derivativeOf: 'output',
    derivative: (on, y) => on.within(y, 0, 6),
  },
  leakyRelu: {
    label: 'leaky ReLU',
    module: 'LeakyReLU',
    python: { name: 'F.leaky_relu', keywords: (slope) => ({ negative_slope: slope }) },
    onnx: { operator: 'LeakyRelu', attributes: (alpha) => ({ alpha }) },
    counted: true,
    slope: 0.01,
    value: (on, x, slope) => on.add(on.clamp(x, 0, Infinity), on.multiply(on.clamp(x, -Infinity, 0), slope)),
    derivativeOf: 'output',
    derivative: (on, y, slope) => on.add(on.multiply(on.within(y, 0, Infinity), 1 - slope), slope),
  },
  gelu: {
    label: 'GELU',
    module: 'GELU',
    python: { name: 'F.gelu' },
    counted: true,
    value: (on, x) => on.multiply(x, normal(on, x)),
    derivativeOf: 'input',
    // Φ(x) + x φ(x), φ(x) = exp(−x² / 2) / √(2π).
    derivative: (on, x) => {
      const density = on.multiply(on.exp(on.multiply(on.square(x), -0.5)), 1 / Math.sqrt(2 * Math.PI));
      return on.add(normal(on, x), on.multiply(x, density));
    },
  },
  geluTanh: {
    label: 'GELU (tanh)',
    module: 'GELU',
    python: { name: 'F.gelu', keywords: () => ({ approximate: 'tanh' }) },
    counted: true,
    value: (on, x) => on.multiply(on.multiply(x, 0.5), on.add(innerTanh(on, x), 1)),
    derivativeOf: 'input',
    // (1 + t) / 2 + x (1 − t²) √(2/π) (1 + 3 · 0.044715 x²) / 2.
    derivative: (on, x) => {
      const t = innerTanh(on, x);
      const slope = on.add(on.multiply(on.square(x), 1.5 * CUBIC * TANH_SCALE), TANH_SCALE / 2);
      const falling = on.subtract(1, on.square(t));
      return on.add(on.add(on.multiply(t, 0.5), 0.5), on.multiply(on.multiply(x, falling), slope));
    },
  },
  silu: {
    label: 'SiLU',
    module: 'SiLU',
    python: { name: 'F.silu' },
    counted: false,
    value: (on, x) => on.multiply(x, on.sigmoid(x)),
    derivativeOf: 'input',
    // σ (1 + x (1 − σ)).
    derivative: (on, x) => {
      const sigmoid = on.sigmoid(x);
      return on.multiply(sigmoid, on.add(on.multiply(x, on.subtract(1, sigmoid)), 1));
    },
  },
  sigmoid: {
    label: 'sigmoid',
    module: 'Sigmoid',
    python: { name: 'torch.sigmoid' },
    onnx: { operator: 'Sigmoid' },
    counted: false,
    value: (on, x) => on.sigmoid(x),
    derivativeOf: 'output',
    derivative: (on, y) => on.multiply(y, on.subtract(1, y)),
  },
  tanh: {
    label: 'tanh',
    module: 'Tanh',
    python: { name: 'torch.tanh' },
    onnx: { operator: 'Tanh' },
    counted: false,
    value: (on, x) => on.tanh(x),
    derivativeOf: 'output',
    derivative: (on, y) => on.subtract(1, on.square(y)),
  },
  hardSwish: {
    label: 'hard swish',
    module: 'Hardswish',
    python: { name: 'F.hardswish' },
    onnx: { operator: 'HardSwish' },
    counted: false,
    value: (on, x) => on.multiply(on.multiply(x, 1 / 6), ramp(on, x)),
    derivativeOf: 'input',
    derivative: (on, x) => on.multiply(on.add(ramp(on, x), on.multiply(x, on.within(x, -3, 3))), 1 / 6),
  },
  hardSigmoid: {
    label: 'hard sigmoid',
    module: 'Hardsigmoid',
    python: { name: 'F.hardsigmoid' },
    onnx: { operator: 'HardSigmoid', attributes: () => ({ alpha: 1 / 6, beta: 0.5 }) },
    counted: false,
    value: (on, x) => on.multiply(ramp(on, x), 1 / 6),
    derivativeOf: 'input',
    derivative: (on, x) => on.multiply(on.within(x, -3, 3), 1 / 6),
  },
  /** `slope`: alpha, what it tends to for small numbers, negated. */
  elu: {
    label: 'ELU',
    module: 'ELU',
    python: { name: 'F.elu', keywords: (slope) => ({ alpha: slope }) },
    onnx: { operator: 'Elu', attributes: (alpha) => ({ alpha }) },
    counted: false,
    slope: 1,
    value: (on, x, slope) => {
      const below = on.multiply(on.subtract(on.exp(on.clamp(x, -Infinity, 0)), 1), slope);
      return on.add(on.clamp(x, 0, Infinity), below);
    },
    derivativeOf: 'input',
    derivative: (on, x, slope) => {
      const above = on.within(x, 0, Infinity);
      const below = on.multiply(on.exp(on.clamp(x, -Infinity, 0)), slope);
      return on.add(above, on.multiply(on.subtract(1, above), below));
    },
  },
  softplus: {
    label: 'softplus',
    module: 'Softplus',
    python: { name: 'F.softplus' },
    onnx: { operator: 'Softplus' },
    counted: false,
    value: softplus,
    derivativeOf: 'input',
    derivative: (on, x) => on.sigmoid(x),
  },
  mish: {
    label: 'Mish',
    module: 'Mish',
    python: { name: 'F.mish' },
    counted: false,
    value: (on, x) => on.multiply(x, on.tanh(softplus(on, x))),
    derivativeOf: 'input',
    // t + x σ(x) (1 − t²), t = tanh(softplus(x)).
    derivative: (on, x) => {
      const t = on.tanh(softplus(on, x));
      return on.add(t, on.multiply(on.multiply(x, on.sigmoid(x)), on.subtract(1, on.square(t))));
    },
  },
  exp: {
    label: 'exp',
    module: '',
    python: { name: 'torch.exp' },
    onnx: { operator: 'Exp' },
    counted: false,
    value: (on, x) => on.exp(x),
    derivativeOf: 'output',
    derivative: (_, y) => y,
  },
  log: {
    label: 'log',
    module: '',
    python: { name: 'torch.log' },
    onnx: { operator: 'Log' },
    counted: false,
    value: (on, x) => on.log(x),
    derivativeOf: 'input',
    derivative: (on, x) => on.reciprocal(x),
  },
  sqrt: {
    label: 'square root',
    module: '',
    python: { name: 'torch.sqrt' },
    onnx: { operator: 'Sqrt' },
    counted: false,
    value: (on, x) => on.sqrt(x),
    derivativeOf: 'output',
    derivative: (on, y) => on.multiply(on.reciprocal(y), 0.5),
  },
  reciprocal: {
    label: 'reciprocal',
    module: '',
    python: { name: 'torch.reciprocal' },
    onnx: { operator: 'Reciprocal' },
    counted: false,
    value: (on, x) => on.reciprocal(x),
    derivativeOf: 'output',
    derivative: (on, y) => on.multiply(on.square(y), -1),
  },
  sin: {
    label: 'sine',
    module: '',
    python: { name: 'torch.sin' },
    onnx: { operator: 'Sin' },
    counted: false,
    value: (on, x) => on.sin(x),
    derivativeOf: 'input',
    derivative: (on, x) => on.cos(x),
  },
  cos: {
    label: 'cosine',
    module: '',
    python: { name: 'torch.cos' },
    onnx: { operator: 'Cos' },
    counted: false,
    value: (on, x) => on.cos(x),
    derivativeOf: 'input',
    derivative: (on, x) => on.multiply(on.sin(x), -1),
  },
  abs: {
    label: 'absolute value',
    module: '',
    python: { name: 'torch.abs' },
    onnx: { operator: 'Abs' },
    counted: false,
    value: (on, x) => on.subtract(on.clamp(x, 0, Infinity), on.clamp(x, -Infinity, 0)),
    derivativeOf: 'input',
    derivative: (on, x) => on.subtract(on.within(x, 0, Infinity), on.within(x, -Infinity, 0)),
  },
} as const satisfies Readonly<Record<string, Activation>>;

export type ActivationFunction = keyof typeof records;

export const activations: { readonly [F in ActivationFunction]: Activation } = records;
export const ACTIVATION_FUNCTIONS = Object.keys(records) as readonly ActivationFunction[];

/** Attributes of an activation; `slope` for functions that have one. */
export interface ActivationAttributes {
  readonly function: ActivationFunction;
  readonly slope?: number;
}

/** The slope, PyTorch's where none is given; 0 for functions without one. */
export const slopeOf = ({ function: name, slope }: ActivationAttributes): number =>
  slope ?? activations[name].slope ?? 0;

export const activate = <V>(on: Elementwise<V>, attributes: ActivationAttributes, x: V): V =>
  activations[attributes.function].value(on, x, slopeOf(attributes));

/** The derivative from the saved value: the output or the input, as the record's `derivativeOf` says. */
export const activationDerivative = <V>(on: Elementwise<V>, attributes: ActivationAttributes, saved: V): V =>
  activations[attributes.function].derivative(on, saved, slopeOf(attributes));
