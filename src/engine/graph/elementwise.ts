/**
 * Arithmetic element by element, on whatever computes it: numbers, the nodes of a TensorFlow or ONNX graph, tensors. A function written in
 * these terms once is the same everywhere.
 */
export interface Elementwise<V> {
  add(a: V | number, b: V | number): V;
  subtract(a: V | number, b: V | number): V;
  multiply(a: V | number, b: V | number): V;
  square(x: V): V;
  exp(x: V): V;
  log(x: V): V;
  sqrt(x: V): V;
  reciprocal(x: V): V;
  sin(x: V): V;
  cos(x: V): V;
  erf(x: V): V;
  tanh(x: V): V;
  /** 1 / (1 + e⁻ˣ). */
  sigmoid(x: V): V;
  /** min(max(x, low), high); an end may be infinite. */
  clamp(x: V, low: number, high: number): V;
  /** 1 where low < x < high, else 0; an end may be infinite. */
  within(x: V, low: number, high: number): V;
}

/** Error function, to 1.5e-7 (Abramowitz & Stegun 7.1.26). */
export function erf(x: number): number {
  const t = 1 / (1 + 0.3275911 * Math.abs(x));
  const polynomial = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
  return Math.sign(x) * (1 - polynomial * Math.exp(-x * x));
}

/** On numbers. */
export const onNumbers: Elementwise<number> = {
  add: (a, b) => a + b,
  subtract: (a, b) => a - b,
  multiply: (a, b) => a * b,
  square: (x) => x * x,
  exp: Math.exp,
  log: Math.log,
  sqrt: Math.sqrt,
  reciprocal: (x) => 1 / x,
  sin: Math.sin,
  cos: Math.cos,
  erf,
  tanh: Math.tanh,
  sigmoid: (x) => 1 / (1 + Math.exp(-x)),
  clamp: (x, low, high) => Math.min(Math.max(x, low), high),
  within: (x, low, high) => (low < x && x < high ? 1 : 0),
};
