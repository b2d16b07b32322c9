/** Convolution kernels: values lie as N, H, W, C, weights as kh, kw, I, O (depthwise: kh, kw, C, M). */
import type { Tensor, Tensor4D } from '@tensorflow/tfjs-core';
import { withBatch } from '../../graph/shapes.ts';
import type { KernelAttributes } from '../programs/kernels.ts';
import { HWIO, HWOI, NHWC, type Order } from '../tensorflow/data-layout.ts';
import { inputGradient, weightGradient } from './conv-gradients.ts';
import { convolve } from './convolution.ts';
import {
  depthwiseInputGradient,
  depthwiseWeightGradient,
  groupedConvolution,
  groupedInputGradient,
  groupedWeightGradient,
} from './grouped.ts';
import type { KernelContext, KernelRule, Laid } from './kernel-context.ts';
import { patchesOf } from './taps.ts';

type Conv = KernelAttributes['conv'];

const isDepthwise = ({ groups }: Conv, channels: number): boolean => groups > 1 && groups === channels;

/** Order in memory of the weights of a convolution over `channels` channels. */
export const weightOrder = (a: Conv, channels: number): Order => (isDepthwise(a, channels) ? HWOI : HWIO);

const images = (context: KernelContext, x: Laid): Tensor4D => context.inOrder(x, NHWC).tensor as Tensor4D;

/** The weights as the kernels take them; depthwise ones are [kh, kw, C, M]. */
function filterOf(context: KernelContext, a: Conv, weight: Laid, channels: number): Tensor4D {
  const { tensor } = context.inOrder(weight, weightOrder(a, channels));
  if (!isDepthwise(a, channels)) return tensor as Tensor4D;
  const [out, , kh, kw] = weight.shape;
  return context.images(tensor, kh, kw, channels, out / channels);
}

export const conv: KernelRule<'conv'> = (context, { attributes: a, shapes: [shape] }, [input, weight, bias]) => {
  const x = images(context, input);
  const channels = x.shape[3];
  const filter = filterOf(context, a, weight, channels);
  const depthwise = isDepthwise(a, channels);
  if (a.groups === 1 || depthwise)
    return [context.laid(convolve(context, x, filter, a, { bias: bias?.tensor, depthwise }), shape, NHWC)];
  const y: Tensor = groupedConvolution(context, a, a.groups, x, filter);
  return [context.laid(bias ? context.tf.add(y, bias.tensor) : y, shape, NHWC)];
};

export const convInputGradient: KernelRule<'convInputGradient'> = (context, { attributes: a }, [gradient, weight]) => {
  const shape = withBatch(a.inputShape, context.batch);
  const [n, channels, h, w] = shape;
  const d = images(context, gradient);
  const filter = filterOf(context, a, weight, channels);
  const size = [n, h, w, channels] as const;
  if (isDepthwise(a, channels)) return [context.laid(depthwiseInputGradient(context, a, d, filter, size), shape, NHWC)];
  const dx =
    a.groups === 1
      ? inputGradient(context, a, d, filter, size)
      : groupedInputGradient(context, a, a.groups, d, filter, size);
  return [context.laid(dx, shape, NHWC)];
};

export const convWeightGradient: KernelRule<'convWeightGradient'> = (
  context,
  { attributes: a, shapes: [shape] },
  [input, gradient],
) => {
  const [x, d] = [images(context, input), images(context, gradient)];
  const channels = x.shape[3];
  if (isDepthwise(a, channels)) return [context.laid(depthwiseWeightGradient(context, a, x, d), shape, HWOI)];
  const dw = a.groups === 1 ? weightGradient(context, a, x, d) : groupedWeightGradient(context, a, a.groups, x, d);
  return [context.laid(dw, shape, HWIO)];
};

/** Samples, positions, kernel entries and channels in this order in memory. */
const PATCHES: Order = [0, 4, 1, 2, 3];

export const patches: KernelRule<'patches'> = (context, { attributes: a, shapes: [shape] }, [input]) => {
  const x = images(context, input);
  const { kernel, stride, padding, dilation } = a;
  const extent = dilation.map((step, i) => step * (kernel[i] - 1) + 1);
  const size = [
    Math.floor((x.shape[1] + padding.top + padding.bottom - extent[0]) / stride[0]) + 1,
    Math.floor((x.shape[2] + padding.left + padding.right - extent[1]) / stride[1]) + 1,
  ] as const;
  return [context.laid(patchesOf(context, a, x, size), shape, PATCHES)];
};
