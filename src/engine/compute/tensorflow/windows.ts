/** What lowerings of convolutions and pooling share: attributes of windows, zeros around maps, positions that strides take. Values lie as N, H, W, C. */
import type { Pair, Shape, SpatialPadding } from '../../graph/operations.ts';
import type { KernelAttributes } from '../programs/kernels.ts';
import { inMemory, NHWC } from './data-layout.ts';
import { FLOAT, INT, type Laid, type LoweringContext } from './lowering-context.ts';
import type { Attrs } from './saved-model.ts';

export type Conv = KernelAttributes['conv'];

export interface Window {
  readonly kernel: Pair;
  readonly stride: Pair;
  readonly padding: SpatialPadding;
}

export const spatial = ([h, w]: Pair): { readonly ints: readonly number[] } => ({ ints: [1, h, w, 1] });

/** SAME where it is PyTorch's padding too (stride 1, half the kernel on every side), which oneDNN likes best; else VALID or EXPLICIT. */
export function paddingAttrs({ kernel, stride, padding: p }: Window, dilation: Pair = [1, 1]): Attrs {
  const total = [p.top + p.bottom, p.left + p.right];
  if (total[0] === 0 && total[1] === 0) return { padding: { str: 'VALID' } };
  const isSame = ([first, second]: Pair, i: 0 | 1): boolean =>
    stride[i] === 1 && first === second && first + second === dilation[i] * (kernel[i] - 1);
  if (isSame([p.top, p.bottom], 0) && isSame([p.left, p.right], 1)) return { padding: { str: 'SAME' } };
  return {
    padding: { str: 'EXPLICIT' },
    explicit_paddings: { ints: [0, 0, p.top, p.bottom, p.left, p.right, 0, 0] },
  };
}

export const isExplicit = (a: Conv): boolean => 'explicit_paddings' in paddingAttrs(a, a.dilation);

export const convAttrs = (a: Conv): Attrs => ({
  T: FLOAT,
  strides: spatial(a.stride),
  dilations: spatial(a.dilation),
  data_format: { str: 'NHWC' },
  ...paddingAttrs(a, a.dilation),
});

/** Images with zeros around them. */
export function paddedImages(context: LoweringContext, input: Laid, padding: SpatialPadding): Laid {
  const { top, left, bottom, right } = padding;
  const x = context.inOrder(input, NHWC);
  if (top + left + bottom + right === 0) return x;
  const [n, c, h, w] = x.shape;
  const pads = context.graph.constant(Int32Array.of(0, 0, top, bottom, left, right, 0, 0), [4, 2]);
  const shape = [n, c, h + top + bottom, w + left + right];
  return context.emit('Pad', [x.tensor, pads], { T: FLOAT, Tpaddings: INT }, shape, NHWC);
}

/** Of a slice without bounds. */
const EVERY: Attrs = { T: FLOAT, Index: INT, begin_mask: { int: 15 }, end_mask: { int: 15 } };

const isWhole = (stride: Pair): boolean => stride.every((s) => s === 1);

/** Every position of a map that windows with a stride begin at: `sides` of them. */
export function positionsTaken(context: LoweringContext, stride: Pair, x: Laid, sides: Shape): Laid {
  if (isWhole(stride)) return x;
  const { graph } = context;
  const whole = graph.ints(0, 0, 0, 0);
  const shape = [...x.shape.slice(0, 2), ...sides];
  const inputs = [x.tensor, whole, whole, graph.ints(1, ...stride, 1)];
  return context.emit('StridedSlice', inputs, EVERY, shape, NHWC);
}

/** The map of a shape whose values at those positions are given, with zeros at the others. */
export function positionsGiven(context: LoweringContext, stride: Pair, values: Laid, shape: Shape): Laid {
  if (isWhole(stride)) return values;
  const { graph } = context;
  const whole = graph.ints(0, 0, 0, 0);
  const inputs = [context.sizes(inMemory(shape, NHWC)), whole, whole, graph.ints(1, ...stride, 1), values.tensor];
  return context.emit('StridedSliceGrad', inputs, EVERY, shape, NHWC);
}
