/**
 * Lowering of depthwise convolutions. TensorFlow's kernels of their gradients leave out a dilation without a word, the forward one refuses
 * it where oneDNN does not take its place, and none takes two strides. So windows with gaps become windows without: a map is dealt out,
 * every d-th row and column into a map of its own (SpaceToBatch). With two strides all places are computed, and some are taken.
 */
import type { Pair, Shape } from '../../graph/operations.ts';
import { HWOI, inMemory, NHWC } from './data-layout.ts';
import { FLOAT, INT, type Laid, type LoweringContext } from './lowering-context.ts';
import type { Attrs } from './saved-model.ts';
import { type Conv, convAttrs, positionsGiven, positionsTaken } from './windows.ts';

export const isDepthwise = ({ groups }: Conv, channels: number): boolean => groups > 1 && groups === channels;

/** The weights [kh, kw, C, M] that DepthwiseConv2dNative takes: those in memory, kh, kw, C·M, 1, read differently. */
export function depthwiseWeight(context: LoweringContext, w: Laid, channels: number): Laid {
  const laid = context.inOrder(w, HWOI);
  const [out, , kh, kw] = w.shape;
  return context.reshapeMemory(laid, [kh, kw, channels, out / channels]);
}

/** Whether TensorFlow's own kernels compute such windows. */
const isOwn = ({ dilation, stride }: Conv): boolean => dilation.every((d) => d === 1) && stride[0] === stride[1];

const NONE = { top: 0, left: 0, bottom: 0, right: 0 } as const;

/** Zeros around a map: before and after its rows, before and after its columns. */
type Around = readonly [number, number, number, number];

/** Maps of every d-th row and column, as a batch. */
interface Deal {
  /** Around the input, so that the maps are of one size. */
  readonly around: Around;
  /** Places of windows without a stride. */
  readonly places: Pair;
  /** After those places, for the same reason. */
  readonly after: Around;
}

function dealOf({ padding: p, kernel, dilation }: Conv, [, , height, width]: Shape): Deal {
  const sides = [height + p.top + p.bottom, width + p.left + p.right];
  const rest = (i: 0 | 1): number => (dilation[i] - (sides[i] % dilation[i])) % dilation[i];
  const places = (i: 0 | 1): number => sides[i] - dilation[i] * (kernel[i] - 1);
  return {
    around: [p.top, p.bottom + rest(0), p.left, p.right + rest(1)],
    places: [places(0), places(1)],
    after: [0, rest(0), 0, rest(1)],
  };
}

const dealtShape = ([n, c, h, w]: Shape, [dh, dw]: Pair, [top, bottom, left, right]: Around): Shape => [
  n * dh * dw,
  c,
  (h + top + bottom) / dh,
  (w + left + right) / dw,
];

function dealt(context: LoweringContext, x: Laid, { dilation }: Conv, around: Around): Laid {
  const inputs = [x.tensor, context.graph.ints(...dilation), context.graph.constant(Int32Array.from(around), [2, 2])];
  const attrs: Attrs = { T: FLOAT, Tblock_shape: INT, Tpaddings: INT };
  return context.emit('SpaceToBatchND', inputs, attrs, dealtShape(x.shape, dilation, around), NHWC);
}

function gathered(context: LoweringContext, x: Laid, { dilation }: Conv, around: Around, shape: Shape): Laid {
  const inputs = [x.tensor, context.graph.ints(...dilation), context.graph.constant(Int32Array.from(around), [2, 2])];
  const attrs: Attrs = { T: FLOAT, Tblock_shape: INT, Tcrops: INT };
  return context.emit('BatchToSpaceND', inputs, attrs, shape, NHWC);
}

/** The windows on maps that were dealt out. */
const bare = (a: Conv): Conv => ({ ...a, stride: [1, 1], dilation: [1, 1], padding: NONE });

/** The gradient of the windows on maps that were dealt out, of the gradient of those that are taken. */
function dealtGradient(context: LoweringContext, a: Conv, d: Laid, { places, after }: Deal): Laid {
  const whole = positionsGiven(context, a.stride, d, [d.shape[0], d.shape[1], ...places]);
  return dealt(context, whole, a, after);
}

export function depthwise(context: LoweringContext, a: Conv, x: Laid, w: Laid, shape: Shape): Laid {
  const own = (of: Conv, map: Laid, result: Shape): Laid =>
    context.emit('DepthwiseConv2dNative', [map.tensor, w.tensor], convAttrs(of), result, NHWC);
  if (isOwn(a)) return own(a, x, shape);
  const { around, places, after } = dealOf(a, x.shape);
  const whole = [shape[0], shape[1], ...places];
  const y = own(bare(a), dealt(context, x, a, around), dealtShape(whole, a.dilation, after));
  return positionsTaken(context, a.stride, gathered(context, y, a, after, whole), shape.slice(2));
}

export function depthwiseInputGradient(context: LoweringContext, a: Conv, d: Laid, w: Laid, shape: Shape): Laid {
  const own = (of: Conv, map: Laid, result: Shape): Laid => {
    const inputs = [context.sizes(inMemory(result, NHWC)), w.tensor, map.tensor];
    return context.emit('DepthwiseConv2dNativeBackpropInput', inputs, convAttrs(of), result, NHWC);
  };
  if (isOwn(a)) return own(a, d, shape);
  const deal = dealOf(a, shape);
  const g = own(bare(a), dealtGradient(context, a, d, deal), dealtShape(shape, a.dilation, deal.around));
  return gathered(context, g, a, deal.around, shape);
}

/** Of weights O, 1, kh, kw. */
export function depthwiseWeightGradient(context: LoweringContext, a: Conv, x: Laid, d: Laid, shape: Shape): Laid {
  const [out, , kh, kw] = shape;
  const channels = x.shape[1];
  const sizes = [kh, kw, channels, out / channels];
  const own = (of: Conv, map: Laid, gradient: Laid): Laid => {
    const inputs = [map.tensor, context.graph.ints(...sizes), gradient.tensor];
    return context.emit('DepthwiseConv2dNativeBackpropFilter', inputs, convAttrs(of), sizes);
  };
  if (isOwn(a)) return context.reshapeMemory(own(a, x, d), shape, HWOI);
  const deal = dealOf(a, x.shape);
  const g = own(bare(a), dealt(context, x, a, deal.around), dealtGradient(context, a, d, deal));
  return context.reshapeMemory(g, shape, HWOI);
}
