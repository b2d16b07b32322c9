/** Pooling of [N, H, W, C] and its gradients, which are loops over windows here. */
import type { Tensor4D } from '@tensorflow/tfjs-core';
import { withBatch } from '../../graph/shapes.ts';
import type { KernelAttributes } from '../programs/kernels.ts';
import { NHWC } from '../tensorflow/data-layout.ts';
import { explicit } from './convolution.ts';
import { NO_PADDING, paddedImages } from './images.ts';
import type { KernelContext, KernelRule, Laid } from './kernel-context.ts';

type Window = KernelAttributes['maxPool'];
type Size4 = readonly [n: number, h: number, w: number, c: number];

const images = (context: KernelContext, x: Laid): Tensor4D => context.inOrder(x, NHWC).tensor as Tensor4D;
const isPadded = ({ padding: p }: Window): boolean => p.top + p.left + p.bottom + p.right > 0;

export const maxPool: KernelRule<'maxPool'> = (context, { attributes: a, shapes: [shape] }, [x]) => {
  const y = context.tf.maxPool(images(context, x), [...a.kernel], [...a.stride], explicit(a.padding));
  return [context.laid(y, shape, NHWC)];
};

/** Calls `visit` for every window of every sample with the offset of its output, and the range of its pixels inside the image. */
function forEachWindow(
  { kernel, stride, padding }: Window,
  [n, h, w, c]: Size4,
  [oh, ow]: readonly number[],
  visit: (output: number, sample: number, top: number, bottom: number, left: number, right: number) => void,
): void {
  for (let s = 0; s < n; s++)
    for (let oy = 0; oy < oh; oy++) {
      const y = oy * stride[0] - padding.top;
      const [top, bottom] = [Math.max(y, 0), Math.min(y + kernel[0], h)];
      for (let ox = 0; ox < ow; ox++) {
        const x = ox * stride[1] - padding.left;
        visit(((s * oh + oy) * ow + ox) * c, s * h * w * c, top, bottom, Math.max(x, 0), Math.min(x + kernel[1], w));
      }
    }
}

export const maxPoolGradient: KernelRule<'maxPoolGradient'> = (context, { attributes, shapes: [shape] }, inputs) => {
  const [d, x, y] = inputs.map((value) => images(context, value));
  const [, oh, ow] = y.shape;
  const [, , w, c] = x.shape;
  const dx = context.filled(x.shape, [d, x, y], (target, gradient, input, output) => {
    target.fill(0);
    forEachWindow(attributes, x.shape, [oh, ow], (at, sample, top, bottom, left, right) => {
      for (let channel = 0; channel < c; channel++) {
        const largest = output[at + channel];
        // The first pixel that has the maximum takes the gradient.
        search: for (let py = top; py < bottom; py++)
          for (let px = left; px < right; px++) {
            const pixel = sample + (py * w + px) * c + channel;
            if (input[pixel] !== largest) continue;
            target[pixel] += gradient[at + channel];
            break search;
          }
      }
    });
  });
  return [context.laid(dx, shape, NHWC)];
};

export const averagePool: KernelRule<'averagePool'> = (context, { attributes: a, shapes: [shape] }, [input]) => {
  const x = images(context, input);
  // tfjs leaves padding out of the mean; where it counts it is written out.
  const written = a.countPadding && isPadded(a);
  const padded = written ? paddedImages(context, x, a.padding) : x;
  const padding = written ? NO_PADDING : a.padding;
  const y = context.tf.avgPool(padded, [...a.kernel], [...a.stride], explicit(padding));
  return [context.laid(y, shape, NHWC)];
};

export const averagePoolGradient: KernelRule<'averagePoolGradient'> = (context, { attributes: a }, [gradient]) => {
  const d = images(context, gradient);
  const shape = withBatch(a.inputShape, context.batch);
  const [n, c, h, w] = shape;
  const area = a.kernel[0] * a.kernel[1];
  const dx = context.filled([n, h, w, c], [d], (target, source) => {
    target.fill(0);
    forEachWindow(a, [n, h, w, c], d.shape.slice(1), (at, sample, top, bottom, left, right) => {
      const share = 1 / (a.countPadding ? area : (bottom - top) * (right - left));
      for (let py = top; py < bottom; py++)
        for (let px = left; px < right; px++) {
          const pixel = sample + (py * w + px) * c;
          for (let channel = 0; channel < c; channel++) target[pixel + channel] += source[at + channel] * share;
        }
    });
  });
  return [context.laid(dx, shape, NHWC)];
};
