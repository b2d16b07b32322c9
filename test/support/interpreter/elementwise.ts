/** Activations, their derivatives and the error function, in double precision. */
import type { KernelAttributes } from '../../../src/engine/compute/programs/kernels.ts';

/** erf by its series for small arguments and by the continued fraction of erfc for large ones: full double precision. */
export function erf(x: number): number {
  const a = Math.abs(x);
  if (a < 2.5) {
    let term = x;
    let sum = x;
    for (let n = 1; Math.abs(term) > 1e-17 * Math.abs(sum); n++) {
      term *= (-x * x) / n;
      sum += term / (2 * n + 1);
    }
    return (2 / Math.sqrt(Math.PI)) * sum;
  }
  let fraction = a;
  for (let n = 60; n > 0; n--) fraction = a + n / 2 / fraction;
  return Math.sign(x) * (1 - Math.exp(-a * a) / Math.sqrt(Math.PI) / fraction);
}

const clamp = (x: number, low: number, high: number): number => Math.min(Math.max(x, low), high);
const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
const TANH_SCALE = Math.sqrt(2 / Math.PI);
const inner = (x: number): number => TANH_SCALE * (x + 0.044715 * x ** 3);

type Attributes = KernelAttributes['activation'];
type Function = Attributes['function'];
const slopeOf = ({ slope = 0.01 }: Attributes): number => slope;

export const activations: { readonly [F in Function]: (x: number, a: Attributes) => number } = {
  relu: (x) => Math.max(x, 0),
  relu6: (x) => clamp(x, 0, 6),
  leakyRelu: (x, a) => (x > 0 ? x : slopeOf(a) * x),
  gelu: (x) => (x / 2) * (1 + erf(x * Math.SQRT1_2)),
  geluTanh: (x) => (x / 2) * (1 + Math.tanh(inner(x))),
  silu: (x) => x * sigmoid(x),
  sigmoid,
  tanh: Math.tanh,
  hardSwish: (x) => (x * clamp(x + 3, 0, 6)) / 6,
  hardSigmoid: (x) => clamp(x + 3, 0, 6) / 6,
};

/** Derivatives by the saved value: the output for the functions of GRADIENT_FROM_OUTPUT, else the input. */
export const derivatives: { readonly [F in Function]: (saved: number, a: Attributes) => number } = {
  relu: (y) => (y > 0 ? 1 : 0),
  relu6: (y) => (y > 0 && y < 6 ? 1 : 0),
  leakyRelu: (y, a) => (y > 0 ? 1 : slopeOf(a)),
  gelu: (x) => (1 + erf(x * Math.SQRT1_2)) / 2 + (x * Math.exp((-x * x) / 2)) / Math.sqrt(2 * Math.PI),
  geluTanh: (x) => {
    const t = Math.tanh(inner(x));
    return (1 + t) / 2 + (x / 2) * (1 - t * t) * TANH_SCALE * (1 + 3 * 0.044715 * x * x);
  },
  silu: (x) => sigmoid(x) * (1 + x * (1 - sigmoid(x))),
  sigmoid: (y) => y * (1 - y),
  tanh: (y) => 1 - y * y,
  hardSwish: (x) => (x <= -3 ? 0 : x >= 3 ? 1 : (2 * x + 3) / 6),
  hardSigmoid: (x) => (x > -3 && x < 3 ? 1 / 6 : 0),
};
