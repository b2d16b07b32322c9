/** Activations, element-by-element kernels and reductions. */
import type { Tensor } from '@tensorflow/tfjs-core';
import { sizePerImage, withBatch } from '../../graph/shapes.ts';
import type { KernelAttributes } from '../programs/kernels.ts';
import type { KernelContext, KernelRule, Laid } from './kernel-context.ts';
import { elementwise } from './simd/channels.ts';
import type { Tfjs } from './tfjs.ts';

type Attributes = KernelAttributes['activation'];
type Function = Attributes['function'];

/** PyTorch's default slope of leakyRelu. */
const SLOPE = 0.01;
const slopeOf = ({ slope = SLOPE }: Attributes): number => slope;

/** tanh x = 2 σ(2x) − 1: the sigmoid is vectorised, tanh is not. */
const tanh = (tf: Tfjs, x: Tensor): Tensor => tf.sub(tf.mul(tf.sigmoid(tf.mul(x, 2)), 2), 1);

/** Φ(x) = (1 + erf(x / √2)) / 2. */
const normalCdf = (tf: Tfjs, x: Tensor): Tensor => tf.mul(tf.add(tf.erf(tf.mul(x, Math.SQRT1_2)), 1), 0.5);

const TANH_SCALE = Math.sqrt(2 / Math.PI);
const CUBIC = 0.044715;
/** tanh √(2/π) (x + 0.044715 x³), the inner function of the approximate GELU. */
function geluInner(tf: Tfjs, x: Tensor): Tensor {
  const cubic = tf.add(tf.mul(tf.square(x), TANH_SCALE * CUBIC), TANH_SCALE);
  return tanh(tf, tf.mul(x, cubic));
}

/** clip(x + 3, 0, 6) / 6. */
const hardSigmoid = (tf: Tfjs, x: Tensor): Tensor => tf.mul(tf.relu6(tf.add(x, 3)), 1 / 6);
/** 1 where low < x < high, else 0. */
const inside = (tf: Tfjs, x: Tensor, low: number, high: number): Tensor =>
  tf.mul(tf.step(low === 0 ? x : tf.sub(x, low)), tf.step(tf.sub(high, x)));

const activations: { readonly [F in Function]: (tf: Tfjs, x: Tensor, a: Attributes) => Tensor } = {
  relu: (tf, x) => tf.relu(x),
  relu6: (tf, x) => tf.relu6(x),
  leakyRelu: (tf, x, a) => tf.leakyRelu(x, slopeOf(a)),
  gelu: (tf, x) => tf.mul(x, normalCdf(tf, x)),
  geluTanh: (tf, x) => tf.mul(tf.mul(x, 0.5), tf.add(geluInner(tf, x), 1)),
  silu: (tf, x) => tf.mul(x, tf.sigmoid(x)),
  sigmoid: (tf, x) => tf.sigmoid(x),
  tanh,
  hardSwish: (tf, x) => tf.mul(x, hardSigmoid(tf, x)),
  hardSigmoid,
};

/** Derivatives by what GRADIENT_FROM_OUTPUT says is saved: the output y or the input x. */
const derivatives: { readonly [F in Function]: (tf: Tfjs, saved: Tensor, a: Attributes) => Tensor } = {
  relu: (tf, y) => tf.step(y),
  relu6: (tf, y) => inside(tf, y, 0, 6),
  leakyRelu: (tf, y, a) => tf.step(y, slopeOf(a)),
  // Φ(x) + x φ(x), φ(x) = exp(−x² / 2) / √(2π).
  gelu: (tf, x) => {
    const density = tf.mul(tf.exp(tf.mul(tf.square(x), -0.5)), 1 / Math.sqrt(2 * Math.PI));
    return tf.add(normalCdf(tf, x), tf.mul(x, density));
  },
  // (1 + t) / 2 + x / 2 (1 − t²) √(2/π) (1 + 3 · 0.044715 x²).
  geluTanh: (tf, x) => {
    const t = geluInner(tf, x);
    const slope = tf.add(tf.mul(tf.square(x), 1.5 * TANH_SCALE * CUBIC), TANH_SCALE / 2);
    const curved = tf.mul(tf.mul(x, tf.sub(1, tf.square(t))), slope);
    return tf.add(tf.mul(tf.add(t, 1), 0.5), curved);
  },
  // σ (1 + x (1 − σ)).
  silu: (tf, x) => {
    const s = tf.sigmoid(x);
    return tf.mul(s, tf.add(tf.mul(x, tf.sub(1, s)), 1));
  },
  sigmoid: (tf, y) => tf.mul(y, tf.sub(1, y)),
  tanh: (tf, y) => tf.sub(1, tf.square(y)),
  // (2 clip(x, −3, 3) + 3) / 6 inside, 0 below, 1 above: continuous but at ±3.
  hardSwish: (tf, x) => {
    const slope = tf.mul(tf.add(x, 1.5), 1 / 3);
    return tf.add(tf.mul(slope, inside(tf, x, -3, 3)), tf.sub(1, tf.step(tf.sub(3, x))));
  },
  hardSigmoid: (tf, x) => tf.mul(inside(tf, x, -3, 3), 1 / 6),
};

/** Functions for which there are kernels of our own. */
const simdActivations: Partial<Record<Function, 'gelu'>> = { gelu: 'gelu' };
const simdDerivatives: Partial<Record<Function, 'geluGradient' | 'reluGradient' | 'relu6Gradient'>> = {
  gelu: 'geluGradient',
  relu: 'reluGradient',
  relu6: 'relu6Gradient',
};

export const activation: KernelRule<'activation'> = (context, { attributes: a }, [x]) => {
  const { tf, simd } = context;
  const kernel = simdActivations[a.function];
  if (simd && kernel) return [context.map(x, (tensor) => elementwise(context, simd, kernel, [tensor]))];
  return [context.map(x, (tensor) => activations[a.function](tf, tensor, a))];
};

export const activationGradient: KernelRule<'activationGradient'> = (context, { attributes: a }, [gradient, saved]) => {
  const { tf, simd } = context;
  const d = context.inOrder(gradient, saved.order);
  const kernel = simdDerivatives[a.function];
  if (simd && kernel) return [context.map(d, (tensor) => elementwise(context, simd, kernel, [tensor, saved.tensor]))];
  return [context.map(d, (tensor) => tf.mul(tensor, derivatives[a.function](tf, saved.tensor, a)))];
};

type BinaryKernel = 'add' | 'subtract' | 'multiply' | 'divide';

export const binary =
  (operation: (tf: Tfjs) => (a: Tensor, b: Tensor) => Tensor): KernelRule<BinaryKernel> =>
  (context, { shapes: [shape] }, [a, b]) => [context.binary(operation(context.tf), a, b, shape)];

export const square: KernelRule<'square'> = ({ tf, map }, _, [x]) => [map(x, (tensor) => tf.square(tensor))];

export const inverseRoot: KernelRule<'inverseRoot'> = ({ tf, map }, { attributes: { eps } }, [x]) => [
  map(x, (tensor) => tf.rsqrt(tf.add(tensor, eps))),
];

export const scale: KernelRule<'scale'> = (context, { attributes: { by } }, [x]) => {
  const factor = by === 'inverse batch' ? context.inverseBatch : by;
  return [context.map(x, (tensor) => context.tf.mul(tensor, factor))];
};

export const lerp: KernelRule<'lerp'> = (context, _, [a, b, t]) => {
  const { tf } = context;
  const target = context.inOrder(b, a.order);
  return [context.map(a, (tensor) => tf.add(tensor, tf.mul(tf.sub(target.tensor, tensor), t.tensor)))];
};

const reduction =
  (kind: 'sum' | 'mean'): KernelRule<'sum' | 'mean'> =>
  (context, { attributes: { axes, keepDimensions } }, [x]) => [context.reduce(kind, x, axes, keepDimensions)];

export const mean = reduction('mean');
export const sum = reduction('sum');

/** Sum over what broadcasting from the right had repeated. */
export function sumToShape(context: KernelContext, x: Laid, shape: readonly number[]): Laid {
  const added = x.shape.length - shape.length;
  const axes = x.shape.flatMap((size, i) => (i < added || (shape[i - added] === 1 && size !== 1) ? [i] : []));
  const summed = axes.length ? context.reduce('sum', x, axes, true) : x;
  return context.reshape(summed, shape);
}

export const sumTo: KernelRule<'sumTo'> = (context, { attributes: { shape } }, [x]) => [
  sumToShape(context, x, withBatch(shape, context.batch)),
];

export const globalNorm: KernelRule<'globalNorm'> = (context, _, inputs) => {
  const { tf } = context;
  const squares = inputs.map((x) => {
    const size = sizePerImage(x.shape);
    const mean = context.meanOfLast(context.matrix(tf.square(x.tensor), 1, size));
    return tf.mul(context.asShape(mean, []), size);
  });
  return [context.laid(tf.sqrt(squares.length > 1 ? tf.addN(squares) : squares[0]), [])];
};

export const clipFactor: KernelRule<'clipFactor'> = ({ tf, map }, { attributes: { limit } }, [norm]) => [
  map(norm, (tensor) => tf.minimum(tf.div(limit, tf.add(tensor, 1e-6)), 1)),
];
