/** Images as the entries of a kernel see them. */
import type { Tensor, Tensor4D } from '@tensorflow/tfjs-core';
import type { Pair } from '../../graph/operations.ts';
import { copyBlocks, type Loop } from './copying.ts';
import type { Conv } from './images.ts';
import type { KernelContext } from './kernel-context.ts';

/** Outputs of one dimension whose pixel lies inside the image, and where the first one's pixel is. */
interface Seen {
  readonly first: number;
  readonly count: number;
  readonly from: number;
}

/** Outputs o with 0 ≤ o · stride + offset < size. */
function seen(offset: number, stride: number, size: number, outputs: number): Seen {
  const first = Math.max(0, Math.ceil(-offset / stride));
  const last = Math.min(outputs - 1, Math.floor((size - 1 - offset) / stride));
  return { first, count: Math.max(0, last - first + 1), from: first * stride + offset };
}

/** The outputs of both dimensions whose pixel at one entry of the kernel lies inside the image. */
export interface SeenByTap {
  readonly rows: Seen;
  readonly columns: Seen;
}

export function seenByTap(a: Conv, x: Tensor4D, [oh, ow]: Pair, tap: Pair): SeenByTap {
  const { stride, padding, dilation } = a;
  return {
    rows: seen(tap[0] * dilation[0] - padding.top, stride[0], x.shape[1], oh),
    columns: seen(tap[1] * dilation[1] - padding.left, stride[1], x.shape[2], ow),
  };
}

interface TapCopy {
  readonly from: number;
  readonly to: number;
  readonly loops: readonly Loop[];
  /** Whether every output sees a pixel. */
  readonly whole: boolean;
}

/** Copies of the pixels [n, h, w, c] that the kernel's entry `tap` sees, to outputs whose pixels lie `pixel` numbers apart. */
function tapCopy(a: Conv, x: Tensor4D, size: Pair, tap: Pair, pixel: number): TapCopy {
  const [n, h, w, c] = x.shape;
  const [oh, ow] = size;
  const { stride } = a;
  const { rows, columns } = seenByTap(a, x, size, tap);
  return {
    from: (rows.from * w + columns.from) * c,
    to: (rows.first * ow + columns.first) * pixel,
    loops: [
      { count: n, from: h * w * c, to: oh * ow * pixel },
      { count: rows.count, from: stride[0] * w * c, to: ow * pixel },
      { count: columns.count, from: stride[1] * c, to: pixel },
    ],
    whole: rows.count === oh && columns.count === ow,
  };
}

/** [n, oh, ow, c]: for each output the pixel that the kernel's entry `tap` sees, 0 in the padding. */
export function throughTap(context: KernelContext, a: Conv, x: Tensor4D, size: Pair, tap: Pair): Tensor4D {
  const [n, , , c] = x.shape;
  const { from, to, loops, whole } = tapCopy(a, x, size, tap, c);
  const [samples, rows, columns] = loops;
  return context.filled([n, ...size, c], [x], (target, source) => {
    if (!whole) target.fill(0);
    // Pixels side by side are copied together.
    if (a.stride[1] === 1) copyBlocks(source, from, target, to, [samples, rows], columns.count * c);
    else copyBlocks(source, from, target, to, loops, c);
  }) as Tensor4D;
}

/** [n, oh · ow, kh, kw, c]: for each output all pixels under the kernel, 0 in the padding. */
export function patchesOf(context: KernelContext, a: Conv, x: Tensor4D, size: Pair): Tensor {
  const [n, , , c] = x.shape;
  const [kh, kw] = a.kernel;
  const pixel = kh * kw * c;
  return context.filled([n, size[0] * size[1], kh, kw, c], [x], (target, source) => {
    target.fill(0);
    for (let ky = 0; ky < kh; ky++)
      for (let kx = 0; kx < kw; kx++) {
        const { from, to, loops } = tapCopy(a, x, size, [ky, kx], pixel);
        copyBlocks(source, from, target, to + (ky * kw + kx) * c, loops, c);
      }
  });
}
