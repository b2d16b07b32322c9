/** Sums and combinations of [rows, channels] by channel: SIMD, or plain loops where there is none. */
import type { Tensor } from '@tensorflow/tfjs-core';
import type { KernelContext } from './kernel-context.ts';
import { channelSums, combinedChannels } from './simd/channels.ts';

/** Σ (x − mean)² over all rows. */
export function squaredDeviations(context: KernelContext, x: Tensor, mean: ArrayLike<number>): Float64Array {
  if (context.simd) return channelSums(context, context.simd, 'squaredDeviations', [x], mean)[0];
  const sums = new Float64Array(mean.length);
  context.memory.view(x).forEach((value, i) => {
    const channel = i % mean.length;
    sums[channel] += (value - mean[channel]) ** 2;
  });
  return sums;
}

/** Σ d and Σ d (x − mean) over all rows. */
export function gradientSums(context: KernelContext, d: Tensor, x: Tensor, mean: ArrayLike<number>): Float64Array[] {
  if (context.simd) return channelSums(context, context.simd, 'gradientSums', [d, x], mean);
  const [gradient, values] = [context.memory.view(d), context.memory.view(x)];
  const sums = [new Float64Array(mean.length), new Float64Array(mean.length)];
  gradient.forEach((value, i) => {
    const channel = i % mean.length;
    sums[0][channel] += value;
    sums[1][channel] += value * (values[i] - mean[channel]);
  });
  return sums;
}

/** a · scaleA + b · scaleB + shift. */
export function combination(
  context: KernelContext,
  [a, b]: readonly [Tensor, Tensor],
  scaleA: ArrayLike<number>,
  scaleB: ArrayLike<number>,
  shift: ArrayLike<number>,
): Tensor {
  if (context.simd) return combinedChannels(context, context.simd, a, b, [scaleA, scaleB, shift]);
  return context.filled(a.shape, [a, b], (target, first, second) => {
    for (let i = 0; i < target.length; i++) {
      const channel = i % shift.length;
      target[i] = first[i] * scaleA[channel] + second[i] * scaleB[channel] + shift[channel];
    }
  });
}
