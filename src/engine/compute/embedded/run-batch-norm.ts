/** Batch norm: channels last in memory, everything before them one column of samples. What is one number a channel is computed here. */
import type { Tensor } from '@tensorflow/tfjs-core';
import { NHWC, withLast } from '../tensorflow/data-layout.ts';
import { combination, gradientSums, squaredDeviations } from './channel-arithmetic.ts';
import type { KernelContext, KernelRule, Laid } from './kernel-context.ts';
import { meanOfRows } from './reductions.ts';

/** A value of any rank with dimension 1 last in memory. */
function channelsLast(context: KernelContext, x: Laid): Laid {
  return context.inOrder(x, x.shape.length === 4 ? NHWC : withLast(x.order, 1));
}

/** Copies of the numbers, one a channel. */
const numbersOf = (context: KernelContext, values: readonly Laid[]): Float32Array[] =>
  values.map(({ tensor }) => context.memory.view(tensor).slice());

const perChannel = (count: number, f: (channel: number) => number): Float64Array =>
  Float64Array.from({ length: count }, (_, i) => f(i));

function vector(context: KernelContext, values: ArrayLike<number>): Laid {
  const tensor = context.filled([values.length], [], (target) => target.set(values));
  return context.laid(tensor, [values.length]);
}

function affine(context: KernelContext, x: Tensor, scale: ArrayLike<number>, shift: ArrayLike<number>): Tensor {
  const [s, t] = [scale, shift].map((values) => vector(context, values).tensor);
  return context.affine(x, s, t);
}

export const batchNorm: KernelRule<'batchNorm'> = (context, { attributes: { eps } }, [input, ...parameters]) => {
  const x = channelsLast(context, input);
  const [w, b, mean, variance] = numbersOf(context, parameters);
  const scale = perChannel(w.length, (c) => w[c] / Math.sqrt(variance[c] + eps));
  const shift = perChannel(w.length, (c) => b[c] - mean[c] * scale[c]);
  return [{ ...x, tensor: affine(context, x.tensor, scale, shift) }];
};

export const batchNormGradient: KernelRule<'batchNormGradient'> = (context, { attributes: { eps } }, inputs) => {
  const [gradient, input, ...parameters] = inputs;
  const [d, x] = [gradient, input].map((value) => channelsLast(context, value));
  const [w, mean, variance] = numbersOf(context, parameters);
  const inverse = perChannel(w.length, (c) => 1 / Math.sqrt(variance[c] + eps));
  const [sumD, sumProduct] = gradientSums(context, d.tensor, x.tensor, mean);
  const zeros = new Float64Array(w.length);
  const dx = affine(
    context,
    d.tensor,
    perChannel(w.length, (c) => w[c] * inverse[c]),
    zeros,
  );
  const dw = perChannel(w.length, (c) => sumProduct[c] * inverse[c]);
  return [{ ...d, tensor: dx }, vector(context, dw), vector(context, sumD)];
};

/** The saved statistics are the mean and (variance + eps)^−½. */
export const batchNormTraining: KernelRule<'batchNormTraining'> = (
  context,
  { attributes: { eps } },
  [input, ...parameters],
) => {
  const x = channelsLast(context, input);
  const [w, b] = numbersOf(context, parameters);
  const rows = x.tensor.size / w.length;
  const mean = context.memory.view(meanOfRows(context, x.tensor, 1, rows)).slice();
  const squares = squaredDeviations(context, x.tensor, mean);
  const inverse = perChannel(w.length, (c) => 1 / Math.sqrt(squares[c] / rows + eps));
  const scale = perChannel(w.length, (c) => w[c] * inverse[c]);
  const shift = perChannel(w.length, (c) => b[c] - mean[c] * scale[c]);
  const unbiased = perChannel(w.length, (c) => squares[c] / (rows - 1));
  const y = affine(context, x.tensor, scale, shift);
  return [{ ...x, tensor: y }, ...[mean, unbiased, mean, inverse].map((values) => vector(context, values))];
};

/** dx = w r (d − mean(d) − (x − mean) r² mean(d (x − mean))), r the inverse deviation; dw = r Σ d (x − mean); db = Σ d. */
export const batchNormTrainingGradient: KernelRule<'batchNormTrainingGradient'> = (context, _, inputs) => {
  const [gradient, input, ...parameters] = inputs;
  const [d, x] = [gradient, input].map((value) => channelsLast(context, value));
  const [w, mean, inverse] = numbersOf(context, parameters);
  const rows = x.tensor.size / w.length;
  const [sumD, sumProduct] = gradientSums(context, d.tensor, x.tensor, mean);
  const scale = perChannel(w.length, (c) => w[c] * inverse[c]);
  const slope = perChannel(w.length, (c) => (-scale[c] * inverse[c] ** 2 * sumProduct[c]) / rows);
  const shift = perChannel(w.length, (c) => (-scale[c] * sumD[c]) / rows - mean[c] * slope[c]);
  const dx = combination(context, [d.tensor, x.tensor], scale, slope, shift);
  const dw = perChannel(w.length, (c) => sumProduct[c] * inverse[c]);
  return [{ ...d, tensor: dx }, vector(context, dw), vector(context, sumD)];
};
