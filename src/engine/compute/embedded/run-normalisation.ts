/** Layer norm and softmax. */
import type { Tensor, Tensor2D } from '@tensorflow/tfjs-core';
import { elementCount } from '../../graph/tensor.ts';
import { withLast } from '../tensorflow/data-layout.ts';
import type { KernelContext, KernelRule, Laid } from './kernel-context.ts';
import { sumOfRows } from './reductions.ts';

/** (variance + eps)^−½. */
const inverseDeviation = ({ tf }: KernelContext, variance: Tensor, eps: number): Tensor =>
  tf.rsqrt(tf.add(variance, eps));

const zeros = (context: KernelContext, like: Tensor): Tensor => context.vector(like.size, 0);

// ---- layer norm: the normalised dimension last in memory, each position a row

interface Rows {
  readonly value: Laid;
  readonly matrix: Tensor2D;
}

function rowsAlong(context: KernelContext, x: Laid, axis: number): Rows {
  const value = x.order.at(-1) === axis ? x : context.inOrder(x, withLast(x.order, axis));
  const columns = x.shape[axis];
  return { value, matrix: context.matrix(value.tensor, value.tensor.size / columns, columns) };
}

/** Mean of every row, a column. */
const meanOfEach = (context: KernelContext, matrix: Tensor2D): Tensor =>
  context.matrix(context.meanOfLast(matrix), matrix.shape[0], 1);

export const layerNorm: KernelRule<'layerNorm'> = (context, { attributes: { eps, axis } }, [input, w, b]) => {
  const { tf } = context;
  const { value, matrix } = rowsAlong(context, input, axis);
  const mean = meanOfEach(context, matrix);
  const fromMean = tf.sub(matrix, mean) as Tensor2D;
  const variance = meanOfEach(context, tf.square(fromMean));
  const inverse = inverseDeviation(context, variance, eps);
  const y = context.affine(tf.mul(fromMean, inverse), w.tensor, b.tensor);
  const column = value.shape.map((d, i) => (i === axis ? 1 : d));
  return [
    context.laid(y, value.shape, value.order),
    ...[mean, inverse].map((tensor) => context.laid(tensor, column, value.order)),
  ];
};

/** dx = r (g − mean(g) − x̂ mean(g x̂)) with g = w d; dw = Σ d x̂; db = Σ d. */
export const layerNormGradient: KernelRule<'layerNormGradient'> = (context, { attributes: { axis } }, inputs) => {
  const { tf } = context;
  const [gradient, input, w, mean, inverse] = inputs;
  const { order } = mean;
  const columns = w.tensor.size;
  const rows = elementCount(mean.shape);
  const [d, x] = [gradient, input].map((value) => context.matrix(context.inOrder(value, order).tensor, rows, columns));
  const [m, r] = [mean, inverse].map((value) => context.matrix(value.tensor, rows, 1));
  const standard = tf.mul(tf.sub(x, m), r) as Tensor2D;
  const g = context.affine(d, w.tensor, zeros(context, w.tensor)) as Tensor2D;
  const products = tf.mul(d, standard);
  const meanG = meanOfEach(context, g);
  const meanProduct = meanOfEach(context, tf.mul(g, standard) as Tensor2D);
  const dx = tf.mul(tf.sub(tf.sub(g, meanG), tf.mul(standard, meanProduct)), r);
  return [
    context.laid(dx, gradient.shape, order),
    context.laid(sumOfRows(context, products, columns), w.shape),
    context.laid(sumOfRows(context, d, columns), [input.shape[axis]]),
  ];
};

// ---- softmax

export const softmax: KernelRule<'softmax'> = (context, { attributes: { axis } }, [x]) => {
  const { value, matrix } = rowsAlong(context, x, axis);
  return [context.laid(context.tf.softmax(matrix), value.shape, value.order)];
};

/** y (d − Σ d y). */
export const softmaxGradient: KernelRule<'softmaxGradient'> = (context, { attributes: { axis } }, [gradient, y]) => {
  const { tf } = context;
  const { value, matrix } = rowsAlong(context, y, axis);
  const d = context.matrix(context.inOrder(gradient, value.order).tensor, matrix.shape[0], matrix.shape[1]);
  const inner = tf.mul(meanOfEach(context, tf.mul(d, matrix) as Tensor2D), matrix.shape[1]);
  return [context.laid(tf.mul(matrix, tf.sub(d, inner)), value.shape, value.order)];
};
