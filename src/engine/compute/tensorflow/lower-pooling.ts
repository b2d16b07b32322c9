/** Lowering of pooling: values lie as N, H, W, C. */
import type { KernelAttributes } from '../programs/kernels.ts';
import { inMemory, NHWC } from './data-layout.ts';
import { FLOAT, INT, type Laid, type LoweringContext, type LoweringRule } from './lowering-context.ts';
import type { Attrs } from './saved-model.ts';
import { paddedImages, paddingAttrs, spatial, type Window } from './windows.ts';

const poolAttrs = (a: Window): Attrs => ({
  T: FLOAT,
  ksize: spatial(a.kernel),
  strides: spatial(a.stride),
  data_format: { str: 'NHWC' },
  ...paddingAttrs(a),
});

export const maxPool: LoweringRule<'maxPool'> = (context, { attributes, shapes }, [x]) => [
  context.emit('MaxPool', [context.inOrder(x, NHWC).tensor], poolAttrs(attributes), shapes[0], NHWC),
];

export const maxPoolGradient: LoweringRule<'maxPoolGradient'> = (context, { attributes, shapes }, [d, x, y]) => {
  const inputs = [x, y, d].map((value) => context.inOrder(value, NHWC).tensor);
  return [context.emit('MaxPoolGrad', inputs, poolAttrs(attributes), shapes[0], NHWC)];
};

const isPadded = ({ padding: p }: Window): boolean => p.top + p.left + p.bottom + p.right > 0;

/** The same pooling of an input that has been padded: AvgPool knows VALID and SAME only. */
const unpadded = (a: KernelAttributes['averagePool']): KernelAttributes['averagePool'] => ({
  ...a,
  padding: { top: 0, left: 0, bottom: 0, right: 0 },
});

/** Area of the kernel over the number of pixels (not padding) in each window, [1, h, w, 1] in memory: corrects a mean over all. */
function coverage(
  context: LoweringContext,
  a: KernelAttributes['averagePool'],
  input: readonly number[],
  output: readonly number[],
): Laid {
  const { kernel, stride, padding } = a;
  const inside = (position: number, i: 0 | 1): number => {
    const start = position * stride[i] - (i === 0 ? padding.top : padding.left);
    return Math.min(start + kernel[i], input[2 + i]) - Math.max(start, 0);
  };
  const [h, w] = output.slice(2);
  const correction = Float32Array.from({ length: h * w }, (_, p) => {
    const pixels = inside(Math.floor(p / w), 0) * inside(p % w, 1);
    return (kernel[0] * kernel[1]) / pixels;
  });
  return context.laid(context.graph.constant(correction, [1, h, w, 1]), [1, 1, h, w], NHWC);
}

export const averagePool: LoweringRule<'averagePool'> = (context, { attributes: a, shapes: [shape] }, [input]) => {
  const x = paddedImages(context, input, a.padding);
  const y = context.emit('AvgPool', [x.tensor], poolAttrs(unpadded(a)), shape, NHWC);
  if (a.countPadding || !isPadded(a)) return [y];
  return [context.binary('Mul', y, coverage(context, a, input.shape, shape), shape)];
};

export const averagePoolGradient: LoweringRule<'averagePoolGradient'> = (context, { attributes: a }, [gradient]) => {
  const d = context.inOrder(gradient, NHWC);
  const { top, left, bottom, right } = a.padding;
  const [n, c, h, w] = a.inputShape;
  const corrected =
    a.countPadding || !isPadded(a) ? d : context.binary('Mul', d, coverage(context, a, a.inputShape, d.shape), d.shape);
  const padded = [n, c, h + top + bottom, w + left + right];
  const sizes = context.sizes(inMemory(padded, NHWC));
  const attrs = poolAttrs(unpadded(a));
  const wide = context.emit('AvgPoolGrad', [sizes, corrected.tensor], attrs, padded, NHWC);
  if (!isPadded(a)) return [wide];
  const bounds = [context.graph.ints(0, top, left, 0), context.graph.ints(-1, h, w, -1)];
  return [context.emit('Slice', [wide.tensor, ...bounds], { T: FLOAT, Index: INT }, a.inputShape, NHWC)];
};
