/** Padding of windows by the rules of frameworks. */
import type { OperationAttributes, SpatialPadding } from './operations.ts';

/** Zeros on both sides of one dimension, the odd one after. */
export function splitPadding(total: number): [before: number, after: number] {
  const before = total >> 1;
  return [before, total - before];
}

/** Padding of TensorFlow's SAME, which depends on the size that enters: ⌈size / stride⌉ outputs. */
export function tensorFlowPadding(
  { kernel, stride, dilation }: Pick<OperationAttributes['conv'], 'kernel' | 'stride' | 'dilation'>,
  size: readonly [height: number, width: number],
): SpatialPadding {
  const along = (i: 0 | 1): [number, number] => {
    const outputs = Math.ceil(size[i] / stride[i]);
    return splitPadding(Math.max((outputs - 1) * stride[i] + (kernel[i] - 1) * dilation[i] + 1 - size[i], 0));
  };
  const [top, bottom] = along(0);
  const [left, right] = along(1);
  return { top, bottom, left, right };
}
