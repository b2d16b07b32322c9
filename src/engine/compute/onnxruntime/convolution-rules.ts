/** ONNX operators for convolutions and their gradients. */
import type { Pair, Shape, SpatialPadding } from '../../graph/operations.ts';
import { windowPlaces } from '../../graph/shapes.ts';
import type { KernelAttributes } from '../programs/kernels.ts';
import { blockedConvolution } from './blocked-convolution.ts';
import { isDepthwise, type KernelLowering, type LoweringRule, type Value } from './kernel-lowering.ts';
import type { Attributes } from './onnx-graph.ts';

type Conv = KernelAttributes['conv'];
type Window = KernelAttributes['patches'];

export const pads = ({ top, left, bottom, right }: SpatialPadding): readonly number[] => [top, left, bottom, right];
const NO_PADS = [0, 0, 0, 0];

const convAttributes = (a: Conv, padding = pads(a.padding)): Attributes => ({
  kernel_shape: a.kernel,
  strides: a.stride,
  dilations: a.dilation,
  group: a.groups,
  pads: padding,
});

export const conv: LoweringRule<'conv'> = (c, { attributes }, inputs) => [
  convolution(c, inputs, attributes, convAttributes(attributes)),
];

/** Of x, weights and perhaps a bias. */
function convolution(c: KernelLowering, inputs: readonly Value[], a: Conv, attributes: Attributes): string {
  const names = inputs.map((x) => x.name);
  return blockedConvolution(c, inputs, a, attributes) ?? c.op('Conv', names, attributes);
}

/** Size of a kernel with the gaps of its dilation. */
const extent = ({ kernel, dilation }: Pick<Conv, 'kernel' | 'dilation'>): Pair => [
  dilation[0] * (kernel[0] - 1) + 1,
  dilation[1] * (kernel[1] - 1) + 1,
];

const isStrided = ({ stride }: Pick<Conv, 'stride'>): boolean => stride[0] > 1 || stride[1] > 1;

// ---- gradient by the input

/** Input and output channels of every group swapped, the kernel turned round: [I, O / groups, kh, kw]. */
function turnedWeight(c: KernelLowering, w: Value, groups: number): Value {
  const [out, into, ...kernel] = w.shape;
  const shape = [groups * into, out / groups, ...kernel];
  const flipped = kernel.some((size) => size > 1) ? c.flip(w.name, [2, 3]) : w.name;
  if (groups === 1) return { name: c.transpose(flipped, [1, 0, 2, 3]), shape };
  if (isDepthwise(groups, w.shape)) return { name: flipped, shape };
  const grouped = c.reshape(flipped, [groups, out / groups, into, ...kernel]);
  return { name: c.reshape(c.transpose(grouped, [0, 2, 1, 3, 4]), shape), shape };
}

/** A convolution with the weights turned round; padding that would be negative is cut off the result. */
function unstridedInputGradient(c: KernelLowering, a: Conv, size: Pair, d: Value, w: Value): string {
  const [eh, ew] = extent(a);
  const start = [eh - 1 - a.padding.top, ew - 1 - a.padding.left];
  const end = [size[0] + eh - 1 - d.shape[2] - start[0], size[1] + ew - 1 - d.shape[3] - start[1]];
  const padding = [...start, ...end].map((n) => Math.max(0, n));
  const y = convolution(c, [d, turnedWeight(c, w, a.groups)], a, convAttributes(a, padding));
  if ([...start, ...end].every((n) => n >= 0)) return y;
  return c.slice(
    y,
    [0, 1].map((i) => ({ axis: 2 + i, start: Math.max(0, -start[i]), end: Math.max(0, -start[i]) + size[i] })),
  );
}

/** Pixels at the end that no window reaches come out as zeros. */
function transposedConvolution(c: KernelLowering, a: Conv, size: Pair, d: Value, w: Value): string {
  const reach = ([0, 1] as const).map((i) => a.stride[i] * (d.shape[2 + i] - 1) + extent(a)[i]);
  const { top, left } = a.padding;
  const end = [reach[0] - top - size[0], reach[1] - left - size[1]];
  return c.op('ConvTranspose', [d.name, w.name], {
    ...convAttributes(a, [top, left, ...end.map((n) => Math.max(0, n))]),
    output_padding: end.map((n) => Math.max(0, -n)),
  });
}

export const convInputGradient: LoweringRule<'convInputGradient'> = (c, { attributes: a }, [d, w]) => {
  const size: Pair = [a.inputShape[2], a.inputShape[3]];
  return [isStrided(a) ? transposedConvolution(c, a, size, d, w) : unstridedInputGradient(c, a, size, d, w)];
};

// ---- windows

/** The pixels under every entry of the kernel, one value [..., oh, ow] each, of images that are padded already. */
function taps(c: KernelLowering, x: string, a: Window, [oh, ow]: Shape): readonly string[] {
  const { kernel, stride, dilation } = a;
  return Array.from({ length: kernel[0] * kernel[1] }, (_, tap) => {
    const at = [Math.floor(tap / kernel[1]) * dilation[0], (tap % kernel[1]) * dilation[1]];
    return c.slice(
      x,
      [oh, ow].map((count, i) => ({
        axis: 2 + i,
        start: at[i],
        end: at[i] + stride[i] * (count - 1) + 1,
        step: stride[i],
      })),
    );
  });
}

const paddedImages = (c: KernelLowering, x: string, { top, left, bottom, right }: SpatialPadding): string =>
  c.pad(x, [0, 0, top, left], [0, 0, bottom, right]);

const isPixel = ({ kernel, padding }: Window): boolean =>
  kernel[0] * kernel[1] === 1 && String(pads(padding)) === String(NO_PADS);

export const patches: LoweringRule<'patches'> = (c, { attributes: a, shapes: [shape] }, [x]) => {
  const [n, , , channels, positions] = shape;
  const oh = outputSize(x.shape[2], a, 0);
  const parts = taps(c, paddedImages(c, x.name, a.padding), a, [oh, positions / oh]).map((tap) =>
    c.reshape(tap, [n, 1, channels, positions]),
  );
  return [c.reshape(c.op('Concat', parts, { axis: 1 }), shape)];
};

function outputSize(size: number, a: Window, i: 0 | 1): number {
  const around = i === 0 ? a.padding.top + a.padding.bottom : a.padding.left + a.padding.right;
  return windowPlaces(size, extent(a)[i], a.stride[i], 1, around);
}

// ---- gradient by the weights

export const convWeightGradient: LoweringRule<'convWeightGradient'> = (c, { attributes: a }, [x, d]) => {
  if (!isDepthwise(a.groups, a.weightShape)) {
    if (keepsSize(a, x, d)) return [productsOfShifted(c, a, x, d)];
    return [hasPhases(a) ? productsByPhase(c, a, x, d) : productsByTap(c, a, x, d)];
  }
  return [isStrided(a) ? convolutionWithGradient(c, a, x, d) : productsByColumn(c, a, x, d)];
};

/** One product a tap over samples and positions: [O / groups, N · positions] · [N · positions, I / groups], group by group. */
function productsByTap(c: KernelLowering, a: KernelAttributes['convWeightGradient'], x: Value, d: Value): string {
  const { groups } = a;
  const [out, into, kh, kw] = a.weightShape;
  const rows = (value: string, channels: number): string =>
    c.reshape(value, groups === 1 ? [channels, -1] : [groups, channels / groups, -1]);
  const gradient = rows(c.transpose(d.name, [1, 0, 2, 3]), out);
  const images = c.transpose(paddedImages(c, x.name, a.padding), [1, 0, 2, 3]);
  const under = isPixel(a) && !isStrided(a) ? [images] : taps(c, images, a, d.shape.slice(2));
  const products = under.map((tap) => {
    const pixels = rows(tap, into * groups);
    return groups === 1
      ? c.op('Gemm', [gradient, pixels], { transB: 1 })
      : c.product([gradient, 3, false], [pixels, 3, true]);
  });
  if (products.length === 1) return c.reshape(products[0], a.weightShape);
  const stacked = c.op(
    'Concat',
    products.map((product) => c.reshape(product, [1, out, into])),
    { axis: 0 },
  );
  return c.reshape(c.transpose(stacked, [1, 2, 0]), [out, into, kh, kw]);
}

/** Whether a strided convolution is worth taking apart: cutting out every tap at its stride moves single pixels. */
const hasPhases = ({ kernel, stride, dilation, groups }: KernelAttributes['convWeightGradient']): boolean =>
  groups === 1 &&
  stride[0] === stride[1] &&
  isStrided({ stride }) &&
  kernel[0] * kernel[1] > 1 &&
  dilation[0] * dilation[1] === 1;

/**
 * A convolution of stride s is one of stride 1 over s² images, of the pixels at (y, x) modulo s: entry (i, j) of the kernel lies in image
 * (i mod s, j mod s), at (i / s, j / s). Pixels are so moved one by one once, not once a tap.
 */
function productsByPhase(c: KernelLowering, a: KernelAttributes['convWeightGradient'], x: Value, d: Value): string {
  const { kernel, padding, weightShape } = a;
  const [out, into] = weightShape;
  const [s] = a.stride;
  const windows = kernel.map((size) => Math.ceil(size / s)) as unknown as Pair;
  const sizes = windows.map((size, i) => d.shape[2 + i] + size - 1);
  const before = [padding.top, padding.left];
  const room = sizes.map((size, i) => size * s - before[i]);
  const reached = room.map((end, i) => Math.min(end, x.shape[2 + i]));
  const cut = reached.some((end, i) => end < x.shape[2 + i])
    ? c.slice(
        x.name,
        reached.map((end, i) => ({ axis: 2 + i, start: 0, end })),
      )
    : x.name;
  const padded = c.pad(cut, [0, 0, ...before], [0, 0, ...room.map((end, i) => end - reached[i])]);
  const phases = {
    name: c.op('SpaceToDepth', [padded], { blocksize: s }),
    shape: [x.shape[0], s * s * into, ...sizes],
  };
  const unstrided = {
    ...a,
    kernel: windows,
    stride: [1, 1] as const,
    padding: { top: 0, left: 0, bottom: 0, right: 0 },
    weightShape: [out, s * s * into, ...windows] as const,
  };
  const gradient = c.reshape(productsByTap(c, unstrided, phases, d), [out, s, s, into, ...windows]);
  const whole = c.reshape(c.transpose(gradient, [0, 3, 4, 1, 5, 2]), [out, into, windows[0] * s, windows[1] * s]);
  return c.slice(
    whole,
    kernel.map((size, i) => ({ axis: 2 + i, start: 0, end: size })),
  );
}

/** Whether every window has its place above a pixel of the images, and there is more than one entry in the kernel. */
const keepsSize = (a: KernelAttributes['convWeightGradient'], x: Value, d: Value): boolean =>
  !isStrided(a) && !isPixel(a) && String(x.shape.slice(2)) === String(d.shape.slice(2));

/** Rows moved on by some pixels, of which a mask is 1 where they are seen. */
interface Move {
  readonly by: number;
  isSeen(row: number, column: number): number;
}

/** 1 where position `p` of `size` has a pixel `by` further on, else 0. */
const hasPixel = (p: number, by: number, size: number): number => Number(p + by >= 0 && p + by < size);

/**
 * The gradient where windows keep the size: the entry (i, j) of the kernel sees pixel p + s of all images in a row, s = Δy · width + Δx, for the
 * gradient at p. Rows of the images are moved by Δy and those of the gradient by −Δx, once each, with zeros for what lies beyond the borders, so
 * that one product takes them as they lie: half the time of cutting out every tap.
 */
function productsOfShifted(c: KernelLowering, a: KernelAttributes['convWeightGradient'], x: Value, d: Value): string {
  const { groups, padding, dilation } = a;
  const [out, into, kh, kw] = a.weightShape;
  const [height, width] = x.shape.slice(2);
  const down = Array.from({ length: kh }, (_, i) => i * dilation[0] - padding.top);
  const right = Array.from({ length: kw }, (_, j) => j * dilation[1] - padding.left);
  // Where everything begins so that no move goes beyond the start, and how much longer the rows get.
  const start = Math.max(0, -right[0], down[kh - 1] * width);
  const extra = Math.max(start + right[kw - 1], start - down[0] * width);
  /** `moves` copies of the rows, each moved on by some pixels and without those that a mask leaves out: [groups, channels · copies, pixels]. */
  const moved = (value: Value, channels: number, moves: readonly Move[]): string => {
    const rows = c.reshape(c.transpose(value.name, [1, 0, 2, 3]), [channels, -1, height * width]);
    const zeros = (count: number) =>
      count ? [c.graph.constant([channels, count], new Float32Array(channels * count))] : [];
    const parts = moves.flatMap(({ by, isSeen }, i) => {
      const seen = Float32Array.from({ length: height * width }, (_, p) => isSeen(Math.floor(p / width), p % width));
      const masked = seen.includes(0) ? c.multiply(rows, c.graph.constant([height * width], seen)) : rows;
      return [...zeros(i === 0 ? by : extra - moves[i - 1].by + by), c.reshape(masked, [channels, -1])];
    });
    const whole = [...parts, ...zeros(extra - (moves.at(-1)?.by ?? 0))];
    const joined = whole.length === 1 ? whole[0] : c.op('Concat', whole, { axis: 1 });
    const copies = (channels / groups) * moves.length;
    return c.reshape(joined, groups === 1 ? [copies, -1] : [groups, copies, -1]);
  };
  const gradient = moved(
    d,
    out,
    right.map((by) => ({ by: start + by, isSeen: (_, column) => hasPixel(column, by, width) })),
  );
  const images = moved(
    x,
    into * groups,
    // A row of the images is seen from the row `by` above it.
    down.map((by) => ({ by: start - by * width, isSeen: (row) => hasPixel(row, -by, height) })),
  );
  const product =
    groups === 1 ? c.op('Gemm', [gradient, images], { transB: 1 }) : c.product([gradient, 3, false], [images, 3, true]);
  const entries = c.reshape(product, [groups, out / groups, kw, into, kh]);
  return c.reshape(c.transpose(entries, [0, 1, 3, 4, 2]), a.weightShape);
}

/**
 * A depthwise convolution's gradient as one product of rows for each column of the kernel: T[y, y′] = Σ over samples and columns of
 * d[y] · x[y′] for all pairs of rows, of which the kernel's row i takes those with y′ = y + i · dilation. More sums than are needed, but
 * in matrix products: 0.7 to 1 times PyTorch's time at 7 × 7, a fifth at 3 × 3, and no other form is faster.
 */
function productsByColumn(c: KernelLowering, a: KernelAttributes['convWeightGradient'], x: Value, d: Value): string {
  const [channels, , kh, kw] = a.weightShape;
  const { padding, dilation } = a;
  const [oh, ow] = d.shape.slice(2);
  const height = x.shape[2] + padding.top + padding.bottom;
  const rows = c.reshape(c.transpose(d.name, [1, 2, 0, 3]), [channels, oh, -1]);
  const images = c.transpose(paddedImages(c, x.name, padding), [1, 2, 0, 3]);
  const chosen = new Float32Array(oh * height * kh);
  for (let y = 0; y < oh; y++) for (let i = 0; i < kh; i++) chosen[(y * height + y + i * dilation[0]) * kh + i] = 1;
  const choice = c.graph.constant([oh * height, kh], chosen);
  const columns = Array.from({ length: kw }, (_, j) => {
    const start = j * dilation[1];
    const under = c.reshape(c.slice(images, [{ axis: 3, start, end: start + ow }]), [channels, height, -1]);
    const pairs = c.product([rows, 3, false], [under, 3, true]);
    return c.reshape(c.op('MatMul', [c.reshape(pairs, [channels, oh * height]), choice]), [channels, kh, 1]);
  });
  return c.reshape(columns.length === 1 ? columns[0] : c.op('Concat', columns, { axis: 2 }), a.weightShape);
}

/** A strided depthwise convolution's gradient as the convolution of the images with d as a large kernel, samples as its channels. */
function convolutionWithGradient(
  c: KernelLowering,
  a: KernelAttributes['convWeightGradient'],
  x: Value,
  d: Value,
): string {
  const { kernel, stride, dilation, groups } = a;
  const size = d.shape.slice(2);
  const reach = size.map((count, i) => stride[i] * (count - 1) + dilation[i] * (kernel[i] - 1) + 1);
  const padded = paddedImages(c, x.name, a.padding);
  const reached = c.slice(
    padded,
    reach.map((end, i) => ({ axis: 2 + i, start: 0, end })),
  );
  const images = c.reshape(c.transpose(reached, [1, 0, 2, 3]), [1, -1, ...reach]);
  const attributes = { kernel_shape: size, strides: dilation, dilations: stride, group: groups };
  return c.reshape(c.op('Conv', [images, c.transpose(d.name, [1, 0, 2, 3])], attributes), a.weightShape);
}
