/** Cases for the kernels' own limits: sizes that are no multiple of a vector or a tile, windows that leave pixels out, long sums. */
import type { Pair, SpatialPadding } from '../../../src/engine/graph/operations.ts';
import type { KernelCase } from './kernel-cases.ts';

const all = (by: number): SpatialPadding => ({ top: by, left: by, bottom: by, right: by });

interface Options {
  readonly stride?: Pair;
  readonly padding?: SpatialPadding;
  readonly dilation?: Pair;
  readonly groups?: number;
  readonly bias?: boolean;
}

function conv(name: string, x: readonly number[], w: readonly number[], options: Options = {}): KernelCase {
  const { stride = [1, 1], padding = all(0), dilation = [1, 1], groups = 1, bias = false } = options;
  return {
    name: `conv ${name}`,
    states: bias ? [x, w, [w[0]]] : [x, w],
    build: (b, refs) => b.add('conv', refs, { kernel: [w[2], w[3]], stride, padding, dilation, groups }),
  };
}

export const moreCases: readonly KernelCase[] = [
  conv('of odd channels', [2, 5, 9, 7], [11, 5, 3, 3], { padding: all(1), bias: true }),
  conv('of 13 to 9 channels, 5×5 stride 2', [2, 13, 9, 9], [9, 13, 5, 5], { stride: [2, 2], padding: all(2) }),
  conv('of 10 to 14 channels', [2, 10, 6, 7], [14, 10, 3, 3], { padding: all(1), bias: true }),
  conv('of 16 to 8 channels, dilated', [2, 16, 7, 6], [8, 16, 3, 3], { dilation: [2, 2], padding: all(2) }),
  conv('of 8 to 24 channels, 5×5 stride 2, uneven padding', [1, 8, 9, 8], [24, 8, 5, 5], {
    stride: [2, 2],
    padding: { top: 1, left: 2, bottom: 2, right: 1 },
  }),
  conv('7×7 stride 3', [1, 3, 17, 16], [5, 3, 7, 7], { stride: [3, 3], padding: all(3) }),
  conv('depthwise of 18 channels, stride 2, bias', [2, 18, 7, 8], [18, 1, 3, 3], {
    groups: 18,
    stride: [2, 2],
    padding: all(1),
    bias: true,
  }),
  conv('stride 3 and 2', [1, 4, 10, 9], [6, 4, 3, 3], { stride: [3, 2], padding: all(1) }),
  conv('that leaves pixels out', [1, 3, 8, 8], [5, 3, 2, 2], { stride: [3, 3] }),
  conv('1×1 stride 2 of an odd size', [2, 6, 7, 5], [7, 6, 1, 1], { stride: [2, 2] }),
  conv('1×1 padded', [1, 3, 4, 4], [5, 3, 1, 1], { padding: all(1) }),
  conv('with more padding than kernel', [1, 3, 4, 4], [5, 3, 2, 2], { padding: all(3) }),
  conv('dilated and strided', [1, 3, 11, 11], [4, 3, 3, 3], { stride: [2, 2], dilation: [2, 3], padding: all(2) }),
  conv('1×7 and dilated', [1, 4, 6, 12], [4, 4, 1, 7], { padding: all(2), dilation: [1, 2] }),
  conv('grouped and dilated', [1, 10, 7, 7], [6, 5, 3, 3], {
    groups: 2,
    dilation: [2, 2],
    padding: all(2),
    bias: true,
  }),
  conv('patches that do not fill the image', [2, 3, 11, 10], [6, 3, 4, 4], { stride: [4, 4] }),
  conv('depthwise 7×7, 8 channels', [2, 8, 9, 9], [8, 1, 7, 7], { groups: 8, padding: all(3), bias: true }),
  conv('depthwise 7×7, stride 2', [1, 4, 11, 9], [4, 1, 7, 7], { groups: 4, stride: [2, 2], padding: all(3) }),
  conv('depthwise 7×7, dilated', [1, 4, 15, 14], [4, 1, 7, 7], { groups: 4, dilation: [2, 2], padding: all(6) }),
  conv('depthwise, dilated, no padding, bias', [2, 5, 11, 10], [5, 1, 3, 3], {
    groups: 5,
    dilation: [2, 2],
    bias: true,
  }),
  conv('depthwise, dilated by 2 and 3, two outputs each', [2, 3, 9, 13], [6, 1, 3, 3], {
    groups: 3,
    dilation: [2, 3],
    padding: { top: 2, left: 3, bottom: 2, right: 3 },
    bias: true,
  }),
  conv('depthwise, dilated and strided', [2, 4, 13, 12], [4, 1, 3, 3], {
    groups: 4,
    stride: [2, 2],
    dilation: [2, 2],
    padding: all(2),
  }),
  conv('depthwise, dilated along one side, uneven padding', [2, 4, 9, 8], [4, 1, 3, 2], {
    groups: 4,
    dilation: [1, 3],
    padding: { top: 1, left: 0, bottom: 0, right: 2 },
  }),
  conv('depthwise, stride 2 and 1, bias', [2, 4, 9, 8], [4, 1, 3, 3], {
    groups: 4,
    stride: [2, 1],
    padding: all(1),
    bias: true,
  }),
  conv('depthwise, dilated beyond the image', [2, 3, 4, 5], [3, 1, 3, 3], {
    groups: 3,
    dilation: [6, 6],
    padding: all(6),
  }),
  conv('depthwise 5×5 of 6 channels', [1, 6, 8, 8], [6, 1, 5, 5], { groups: 6, padding: all(2) }),
  conv('depthwise 9×9', [1, 4, 11, 11], [4, 1, 9, 9], { groups: 4, padding: all(4) }),
  {
    name: 'linear of 70 rows, odd sizes',
    states: [[70, 13], [19, 13], [19]],
    build: (b, x) => b.add('linear', x, {}),
  },
  ...[7, 300].map(
    (size): KernelCase => ({
      name: `slice by steps of a last dimension of ${size}`,
      states: [[2, size]],
      build: (b, x) => b.add('slice', x, { axis: 1, start: 1, end: size, step: 3 }),
    }),
  ),
  ...[false, true].flatMap((transposeA) =>
    [false, true].map(
      (transposeB): KernelCase => ({
        name: `matmul of odd sizes ${transposeA ? 'Aᵀ' : 'A'}${transposeB ? 'Bᵀ' : 'B'}`,
        states: [
          [3, ...(transposeA ? [13, 7] : [7, 13])],
          [3, ...(transposeB ? [11, 13] : [13, 11])],
        ],
        build: (b, x) => b.add('matmul', x, { transposeA, transposeB }),
      }),
    ),
  ),
  ...(['gelu', 'relu', 'relu6'] as const).map(
    (name): KernelCase => ({
      name: `activation ${name} of an odd size`,
      states: [[3, 7]],
      range: [-8, 8],
      build: (b, x) => b.add('activation', x, { function: name }),
    }),
  ),
  ...[3, 6, 8].map(
    (channels): KernelCase => ({
      name: `batchNormTraining of ${channels} channels, many rows`,
      states: [[5, channels, 13, 11], [channels], [channels]],
      build: (b, x) => b.add('batchNormTraining', x, { eps: 1e-5 }),
    }),
  ),
];
