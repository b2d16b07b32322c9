/** Sums and combinations by channel through the SIMD kernels. */
import type { Tensor } from '@tensorflow/tfjs-core';
import type { KernelContext } from '../kernel-context.ts';
import { BYTES, roundUp, VECTOR } from './loops.ts';
import type { SimdKernels } from './module.ts';

/** Rows summed in float32; their sums are added up in double precision. */
const ROWS_TOGETHER = 512;
/** What an element costs, in multiplications of a matrix product: memory is slower than arithmetic. */
const COST = 8;
/** Vectors that the sums take together. */
const WIDE = 4;

/** Numbers of [rows, channels] as rows of a multiple of 4, and what is left at the end. */
interface Periods {
  readonly length: number;
  readonly count: number;
  readonly rest: number;
}

function periodsOf(size: number, channels: number): Periods {
  const length = channels % 4 === 0 ? channels : channels % 2 === 0 ? 2 * channels : 4 * channels;
  const count = Math.floor(size / length);
  return { length, count, rest: size - count * length };
}

/** One value a channel, repeated over a period. */
const repeated = (context: KernelContext, values: ArrayLike<number>, length: number): Tensor =>
  context.filled([length], [], (target) => {
    for (let i = 0; i < length; i++) target[i] = values[i % values.length];
  });

/** What a kernel adds up for one element of its inputs, for the few that the kernel leaves. */
type Terms = (inputs: readonly number[], mean: number) => readonly number[];

const SUMS = {
  squaredDeviations: { results: 1, terms: ([x], mean) => [(x - mean) ** 2] },
  gradientSums: { results: 2, terms: ([d, x], mean) => [d, d * (x - mean)] },
} as const satisfies Record<string, { results: number; terms: Terms }>;

/** The kernel's sums over all rows, by channel. */
export function channelSums(
  context: KernelContext,
  simd: SimdKernels,
  kernel: keyof typeof SUMS,
  inputs: readonly Tensor[],
  mean: ArrayLike<number>,
): Float64Array[] {
  const { results, terms }: { results: number; terms: Terms } = SUMS[kernel];
  const channels = mean.length;
  const { length, count, rest } = periodsOf(inputs[0].size, channels);
  const means = repeated(context, mean, length);
  const parts = Math.ceil(count / ROWS_TOGETHER);
  const partial = context.memory.allocate([parts, results, length]);
  const addresses = [...inputs, means, partial].map((tensor) => simd.address(tensor));
  const target = addresses.pop() as number;
  const meansAt = addresses.pop() as number;
  const row = length * BYTES;
  const vectors = length / 4;
  simd.share(parts, inputs[0].size * COST, (call, from, to) => {
    for (let part = from; part < to; part++) {
      const first = part * ROWS_TOGETHER;
      call(
        kernel,
        ...addresses.map((address) => address + first * row),
        meansAt,
        ...Array.from({ length: results }, (_, i) => target + (part * results + i) * row),
        ...[row, Math.min(ROWS_TOGETHER, count - first), Math.floor(vectors / WIDE), vectors % WIDE],
      );
    }
  });
  const sums = Array.from({ length: results }, () => new Float64Array(channels));
  const numbers = context.memory.view(partial);
  for (let i = 0; i < parts * results * length; i++)
    sums[Math.floor(i / length) % results][(i % length) % channels] += numbers[i];
  const views = inputs.map((x) => context.memory.view(x));
  for (let i = count * length; i < count * length + rest; i++) {
    const channel = i % channels;
    const values = terms(
      views.map((view) => view[i]),
      mean[channel],
    );
    sums.forEach((sum, result) => {
      sum[channel] += values[result];
    });
  }
  return sums;
}

/** a · scaleA + b · scaleB + shift, by channel. */
export function combinedChannels(
  context: KernelContext,
  simd: SimdKernels,
  a: Tensor,
  b: Tensor,
  factors: readonly ArrayLike<number>[],
): Tensor {
  const [scaleA, scaleB, shift] = factors;
  const { length, count, rest } = periodsOf(a.size, shift.length);
  const rows = factors.map((values) => repeated(context, values, length));
  const out = context.memory.allocate(a.shape);
  const tensors = [a, b, out].map((tensor) => simd.address(tensor));
  const rowsAt = rows.map((tensor) => simd.address(tensor));
  const row = length * BYTES;
  simd.share(count, a.size * COST, (call, from, to) =>
    call('combine', ...tensors.map((address) => address + from * row), ...rowsAt, row / VECTOR, to - from),
  );
  const [first, second, target] = [a, b, out].map((tensor) => context.memory.view(tensor));
  for (let i = count * length; i < count * length + rest; i++) {
    const channel = i % shift.length;
    target[i] = first[i] * scaleA[channel] + second[i] * scaleB[channel] + shift[channel];
  }
  return out;
}

/** A kernel of one output on tensors of one size: all whole vectors, then the rest as a vector of its own. */
export function elementwise(
  context: KernelContext,
  simd: SimdKernels,
  kernel: 'gelu' | 'geluGradient' | 'reluGradient' | 'relu6Gradient',
  inputs: readonly Tensor[],
): Tensor {
  const out = context.memory.allocate(inputs[0].shape);
  const vectors = Math.floor(out.size / 4);
  const addresses = [...inputs, out].map((tensor) => simd.address(tensor));
  simd.share(vectors, out.size * COST, (call, from, to) =>
    call(kernel, ...addresses.map((address) => address + from * VECTOR), to - from),
  );
  const rest = out.size - 4 * vectors;
  if (rest === 0) return out;
  const ends = inputs.map((x) =>
    context.filled([roundUp(rest, 4)], [x], (target, source) => {
      target.fill(0);
      target.set(source.subarray(4 * vectors));
    }),
  );
  const end = context.memory.allocate([4]);
  simd.call(kernel, ...[...ends, end].map((tensor) => simd.address(tensor)), 1);
  context.memory.view(out).set(context.memory.view(end).subarray(0, rest), 4 * vectors);
  return out;
}
