/** Activations as plain functions of one number: what a chain of ONNX operators is compared with. */
import type { ActivationFunction } from '../../graph/operations.ts';

/** Error function, to 1.5e-7 (Abramowitz & Stegun 7.1.26). */
export function erf(x: number): number {
  const t = 1 / (1 + 0.3275911 * Math.abs(x));
  const polynomial = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
  return Math.sign(x) * (1 - polynomial * Math.exp(-x * x));
}

const clamp = (x: number, low: number, high: number): number => Math.min(Math.max(x, low), high);
const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

/** PyTorch's functions; leakyRelu with its usual slope. */
export const activationFunctions: { readonly [F in ActivationFunction]: (x: number, slope?: number) => number } = {
  relu: (x) => Math.max(x, 0),
  relu6: (x) => clamp(x, 0, 6),
  leakyRelu: (x, slope = 0.01) => (x < 0 ? slope * x : x),
  gelu: (x) => 0.5 * x * (1 + erf(x * Math.SQRT1_2)),
  geluTanh: (x) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3))),
  silu: (x) => x * sigmoid(x),
  sigmoid,
  tanh: Math.tanh,
  hardSwish: (x) => (x * clamp(x + 3, 0, 6)) / 6,
  hardSigmoid: (x) => clamp(x / 6 + 0.5, 0, 1),
};
