/** Activations, element-by-element kernels and reductions. */
import type { Tensor } from '@tensorflow/tfjs-core';
import { activate, activationDerivative } from '../../graph/activations.ts';
import type { Elementwise } from '../../graph/elementwise.ts';
import { sizePerImage, withBatch } from '../../graph/shapes.ts';
import type { KernelAttributes } from '../programs/kernels.ts';
import type { KernelContext, KernelRule, Laid } from './kernel-context.ts';
import { elementwise } from './simd/channels.ts';
import type { Tfjs } from './tfjs.ts';

type Function = KernelAttributes['activation']['function'];

const elementwiseOn = (tf: Tfjs): Elementwise<Tensor> => {
  const below = (x: Tensor, high: number): Tensor => tf.step(tf.sub(high, x));
  return {
    add: tf.add<Tensor>,
    subtract: tf.sub<Tensor>,
    multiply: tf.mul<Tensor>,
    square: tf.square,
    exp: tf.exp,
    erf: tf.erf,
    // tanh x = 2 σ(2x) − 1: the sigmoid is vectorised, tanh is not.
    tanh: (x) => tf.sub(tf.mul(tf.sigmoid(tf.mul(x, 2)), 2), 1),
    sigmoid: tf.sigmoid,
    clamp: (x, low, high) => {
      if (low === 0) return high === 6 ? tf.relu6(x) : high === Infinity ? tf.relu(x) : tf.clipByValue(x, 0, high);
      const above = low === -Infinity ? x : tf.maximum<Tensor>(x, low);
      return high === Infinity ? above : tf.minimum(above, high);
    },
    within: (x, low, high) => {
      const above = tf.step(low === 0 ? x : tf.sub(x, low));
      return high === Infinity ? above : tf.mul(above, below(x, high));
    },
  };
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
  return [context.map(x, (tensor) => activate(elementwiseOn(tf), a, tensor))];
};

export const activationGradient: KernelRule<'activationGradient'> = (context, { attributes: a }, [gradient, saved]) => {
  const { tf, simd } = context;
  const d = context.inOrder(gradient, saved.order);
  const kernel = simdDerivatives[a.function];
  if (simd && kernel) return [context.map(d, (tensor) => elementwise(context, simd, kernel, [tensor, saved.tensor]))];
  return [context.map(d, (tensor) => tf.mul(tensor, activationDerivative(elementwiseOn(tf), a, saved.tensor)))];
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
