/** Means over rows, by average pooling: XNNPACK's fastest reduction, and in stages, so that float32 loses little in long sums. */
import type { Tensor } from '@tensorflow/tfjs-core';
import { elementCount } from '../../graph/tensor.ts';
import type { KernelContext } from './kernel-context.ts';

/** Average pooling keeps a row on a small stack, which it overruns silently: longer rows are added up in plain loops. */
const WIDEST = 4096;

/** Rows summed in one stage at most, where their number can be divided. */
const LONGEST_SUM = 1024;

/** The largest divisor of n up to `most`; n itself where there is none but 1. */
function divisorOf(n: number, most: number): number {
  for (let d = Math.min(most, n); d > 1; d--) if (n % d === 0) return d;
  return n;
}

/** Mean over the `rows` of each of the `groups` of [groups, rows, rest]: [groups, rest]. */
export function meanOfRows(context: KernelContext, tensor: Tensor, groups: number, rows: number): Tensor {
  const rest = elementCount(tensor.shape) / (groups * rows);
  if (rest > WIDEST) return meanOfWideRows(context, tensor, groups, rows, rest);
  let [x, left] = [tensor, rows];
  while (left > 1) {
    const stage = divisorOf(left, LONGEST_SUM);
    left /= stage;
    x = context.tf.avgPool(context.images(x, groups * left, stage, 1, rest), [stage, 1], 1, 'valid');
  }
  return context.asShape(x, [groups, rest]);
}

function meanOfWideRows(context: KernelContext, tensor: Tensor, groups: number, rows: number, rest: number): Tensor {
  return context.filled([groups, rest], [tensor], (target, source) => {
    const sums = new Float64Array(rest);
    for (let group = 0; group < groups; group++) {
      sums.fill(0);
      for (let row = group * rows; row < (group + 1) * rows; row++)
        for (let i = 0; i < rest; i++) sums[i] += source[row * rest + i];
      for (let i = 0; i < rest; i++) target[group * rest + i] = sums[i] / rows;
    }
  });
}

/** Sum over the rows of [rows, columns]: a vector. */
export function sumOfRows(context: KernelContext, tensor: Tensor, columns: number): Tensor {
  const rows = elementCount(tensor.shape) / columns;
  return context.asShape(context.tf.mul(meanOfRows(context, tensor, 1, rows), rows), [columns]);
}
