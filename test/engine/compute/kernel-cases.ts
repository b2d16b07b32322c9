/**
 * Small programs, at least one for every kernel: values are states named `x0`, `x1`, … so that derivatives by all of them can be taken.
 * Gradients are checked against finite differences, and backends against the interpreter, on these.
 */

import { emitForward } from '../../../src/engine/compute/programs/forward.ts';
import { emitGradients } from '../../../src/engine/compute/programs/gradients.ts';
import { emitBatchMean } from '../../../src/engine/compute/programs/losses.ts';
import type { Program, Ref } from '../../../src/engine/compute/programs/program.ts';
import { ProgramBuilder } from '../../../src/engine/compute/programs/program-builder.ts';
import { ACTIVATION_FUNCTIONS } from '../../../src/engine/graph/activations.ts';
import { GraphBuilder } from '../../../src/engine/graph/builder.ts';
import type { ValueId } from '../../../src/engine/graph/graph.ts';
import type { OperationAttributes, Pair, SpatialPadding } from '../../../src/engine/graph/operations.ts';
import { float32Tensor } from '../../../src/engine/graph/tensor.ts';
import { uniform } from '../../support/detfill.ts';
import { type Values, values } from '../../support/interpreter.ts';

export interface KernelCase {
  readonly name: string;
  /** Shapes of the states; the program's batch size is 2 where a case uses it, through the input `images` [N, 1]. */
  readonly states: readonly (readonly number[])[];
  /** Range of the states' values; (−1, 1) by default. */
  readonly range?: readonly [number, number];
  build(b: ProgramBuilder, x: readonly Ref[]): Ref;
}

const pads = (top: number, left = top, bottom = top, right = left): SpatialPadding => ({ top, left, bottom, right });

const convCase = (
  name: string,
  x: readonly number[],
  w: readonly number[],
  { stride = 1, padding = pads(0), dilation = 1, groups = 1, bias = false } = {},
): KernelCase => ({
  name: `conv ${name}`,
  states: bias ? [x, w, [w[0]]] : [x, w],
  build: (b, refs) =>
    b.add('conv', refs, {
      kernel: [w[2], w[3]],
      stride: [stride, stride],
      padding,
      dilation: [dilation, dilation],
      groups,
    }),
});

const pool = { kernel: [3, 3], stride: [2, 2], padding: pads(1) } as const;
const affine = (shape: readonly number[], axis: number): readonly (readonly number[])[] => [
  shape,
  [shape[axis]],
  [shape[axis]],
];
/** A value with the batch dimension: the input [N, …] plus a state that is broadcast over it. */
const batched = (b: ProgramBuilder, x: Ref): Ref => {
  const shape = b.shape(x);
  const zero = b.add('scale', [b.input('images', [-1, 1])], { by: 0 });
  return b.add('add', [b.add('reshape', [zero], { shape: [-1, ...shape.slice(1).map(() => 1)] }), x], {});
};

const layerCases: readonly KernelCase[] = [
  convCase('3×3 padded, bias', [2, 3, 5, 6], [4, 3, 3, 3], { padding: pads(1), bias: true }),
  convCase('1×1', [2, 3, 4, 4], [5, 3, 1, 1]),
  convCase('1×1 stride 2', [2, 3, 5, 5], [4, 3, 1, 1], { stride: 2 }),
  convCase('3×3 stride 2', [2, 3, 6, 6], [4, 3, 3, 3], { stride: 2, padding: pads(1) }),
  convCase('stride 2, uneven padding', [1, 2, 6, 5], [3, 2, 3, 3], { stride: 2, padding: pads(0, 1, 1, 0) }),
  convCase('dilated', [1, 2, 7, 7], [3, 2, 3, 3], { dilation: 2, padding: pads(2) }),
  convCase('all padding at the start, none at the end', [2, 2, 4, 5], [3, 2, 3, 3], { padding: pads(2, 2, 0, 0) }),
  convCase('all padding at opposite ends', [2, 2, 5, 4], [3, 2, 3, 3], { padding: pads(0, 2, 2, 0) }),
  convCase('even kernel that keeps the size', [3, 2, 5, 3], [2, 2, 2, 4], { padding: pads(0, 1, 1, 2) }),
  convCase('column', [2, 2, 4, 3], [3, 2, 3, 1], { padding: pads(1, 0, 1, 0) }),
  convCase('row', [2, 2, 3, 4], [3, 2, 1, 3], { padding: pads(0, 1, 0, 1) }),
  convCase('kernel larger than the image, grouped', [2, 4, 2, 3], [6, 2, 5, 5], { groups: 2, padding: pads(2) }),
  convCase('dilated beyond the image', [2, 2, 3, 2], [2, 2, 3, 3], { dilation: 4, padding: pads(4) }),
  convCase('patches', [2, 3, 8, 8], [6, 3, 4, 4], { stride: 4, bias: true }),
  convCase('depthwise', [2, 4, 5, 5], [4, 1, 3, 3], { groups: 4, padding: pads(1), bias: true }),
  convCase('depthwise stride 2', [2, 4, 6, 6], [4, 1, 3, 3], { groups: 4, stride: 2, padding: pads(1) }),
  convCase('depthwise stride 2 with bias', [2, 4, 6, 6], [4, 1, 3, 3], {
    groups: 4,
    stride: 2,
    padding: pads(1),
    bias: true,
  }),
  convCase('depthwise 7×7', [1, 3, 8, 8], [3, 1, 7, 7], { groups: 3, padding: pads(3) }),
  convCase('depthwise, two outputs each', [1, 3, 5, 5], [6, 1, 3, 3], { groups: 3, padding: pads(1) }),
  convCase('grouped', [2, 6, 5, 5], [4, 3, 3, 3], { groups: 2, padding: pads(1), bias: true }),
  convCase('grouped stride 2', [1, 6, 6, 6], [9, 2, 3, 3], { groups: 3, stride: 2, padding: pads(1) }),
  { name: 'linear', states: [[3, 4], [5, 4], [5]], build: (b, x) => b.add('linear', x, {}) },
  { name: 'linear on tokens', states: [[2, 3, 4], [5, 4], [5]], build: (b, x) => b.add('linear', x, {}) },
  {
    name: 'linear without bias',
    states: [
      [2, 2, 3, 4],
      [5, 4],
    ],
    build: (b, x) => b.add('linear', x, {}),
  },
  ...[false, true].flatMap((transposeA) =>
    [false, true].map(
      (transposeB): KernelCase => ({
        name: `matmul ${transposeA ? 'Aᵀ' : 'A'}${transposeB ? 'Bᵀ' : 'B'}`,
        states: [
          [2, 3, ...(transposeA ? [4, 5] : [5, 4])],
          [2, 3, ...(transposeB ? [6, 4] : [4, 6])],
        ],
        build: (b, x) => b.add('matmul', x, { transposeA, transposeB }),
      }),
    ),
  ),
  {
    name: 'matmul broadcast',
    states: [
      [2, 3, 5, 4],
      [3, 4, 6],
    ],
    build: (b, x) => b.add('matmul', x, { transposeA: false, transposeB: false }),
  },
  {
    name: 'matmul by a matrix',
    states: [
      [2, 3, 4],
      [4, 6],
    ],
    build: (b, x) => b.add('matmul', x, { transposeA: false, transposeB: false }),
  },
  {
    name: 'batchNorm',
    states: [[2, 3, 4, 4], [3], [3], [3], [3]],
    range: [0.5, 1.5],
    build: (b, [x, w, c, ...statistics]) => {
      // Statistics are constants: their derivatives are not taken.
      const [mean, variance] = statistics.map((_, i) =>
        b.add('constant', [], { tensor: float32Tensor([3], Float32Array.of(0.9 + i, 1.1, 1.3)) }),
      );
      return b.add('batchNorm', [x, w, c, mean, variance], { eps: 1e-3 });
    },
  },
  {
    name: 'batchNormTraining',
    states: affine([3, 4, 3, 3], 1),
    build: (b, x) => b.add('batchNormTraining', x, { eps: 1e-5 }),
  },
  {
    name: 'layerNorm of the last dimension',
    states: affine([2, 3, 8], 2),
    build: (b, x) => b.add('layerNorm', x, { eps: 1e-6, axis: 2 }),
  },
  {
    name: 'layerNorm of channels',
    states: affine([2, 6, 3, 4], 1),
    build: (b, x) => b.add('layerNorm', x, { eps: 1e-6, axis: 1 }),
  },
  ...ACTIVATION_FUNCTIONS.map(
    (name): KernelCase => ({
      name: `activation ${name}`,
      states: [[4, 25]],
      // Roots and logarithms of what is above 0.
      range: ['log', 'sqrt', 'reciprocal'].includes(name) ? [0.2, 8] : [-8, 8],
      build: (b, x) => b.add('activation', x, { function: name, slope: name === 'leakyRelu' ? 0.2 : undefined }),
    }),
  ),
  {
    name: 'activation gelu of images',
    states: [[2, 3, 4, 4]],
    range: [-3, 3],
    build: (b, x) => b.add('activation', x, { function: 'gelu' }),
  },
  { name: 'softmax', states: [[2, 3, 5]], range: [-4, 4], build: (b, x) => b.add('softmax', x, { axis: 2 }) },
  { name: 'softmax of axis 1', states: [[2, 5, 3]], range: [-4, 4], build: (b, x) => b.add('softmax', x, { axis: 1 }) },
  { name: 'maxPool', states: [[2, 3, 7, 6]], build: (b, x) => b.add('maxPool', x, pool) },
  {
    name: 'maxPool 2×2',
    states: [[1, 2, 5, 4]],
    build: (b, x) => b.add('maxPool', x, { kernel: [2, 2], stride: [2, 2], padding: pads(0) }),
  },
  {
    name: 'averagePool',
    states: [[1, 2, 6, 4]],
    build: (b, x) => b.add('averagePool', x, { ...pool, kernel: [2, 2], padding: pads(0), countPadding: true }),
  },
  ...[false, true].map(
    (countPadding): KernelCase => ({
      name: `averagePool padded, ${countPadding ? 'padding counted' : 'padding not counted'}`,
      states: [[2, 3, 7, 6]],
      build: (b, x) => b.add('averagePool', x, { ...pool, countPadding }),
    }),
  ),
];

const binaryShapes: readonly (readonly [readonly number[], readonly number[]])[] = [
  [
    [2, 3, 4],
    [2, 3, 4],
  ],
  [
    [2, 3, 4],
    [1, 3, 1],
  ],
  [
    [2, 3, 4, 5],
    [4, 1],
  ],
  [[4], [2, 3, 4]],
];

const transposedCase = (
  name: string,
  x: readonly number[],
  w: readonly number[],
  inputShape: readonly number[],
  { stride = 1, padding = pads(0), groups = 1 } = {},
): KernelCase => ({
  name: `transposed conv ${name}`,
  states: [x, w],
  build: (b, refs) =>
    b.add('convInputGradient', refs, {
      kernel: [w[2], w[3]],
      stride: [stride, stride],
      padding,
      dilation: [1, 1],
      groups,
      inputShape,
    }),
});

/** A convolution's gradient by its input as a layer: what a transposed convolution is. */
const IMAGE = {
  channels: 1,
  height: 1,
  width: 1,
  mean: [0, 0, 0],
  std: [1, 1, 1],
  resize: 1,
  interpolation: 'nearest',
} as const;

/** An operation of the Graph that is several kernels, on the first state; its parameters are the states that follow. */
const operationCase = (
  name: string,
  states: readonly (readonly number[])[],
  build: (b: GraphBuilder, x: ValueId, parameter: (i: number) => string) => ValueId,
): KernelCase => ({
  name,
  states,
  build: (b) => {
    const graph = new GraphBuilder();
    const parameter = (i: number): string => graph.parameter(`x${i}`, states[i]);
    const y = build(graph, graph.value('x0', states[0]), parameter);
    return emitForward(b, graph.finish({ name, family: 'test', input: IMAGE, classes: 0 }, y), [y], {
      training: false,
    })[0];
  },
});

const resizeCase = (name: string, from: Pair, attributes: OperationAttributes['resize']): KernelCase =>
  operationCase(`resize ${name}`, [[2, 2, ...from]], (b, x) => b.add('resize', 'y', [x], attributes));

const operationCases: readonly KernelCase[] = [
  operationCase('group norm', [[2, 6, 3, 2], [6], [6]], (b, x, of) =>
    b.add('groupNorm', 'y', [x], { groups: 3, eps: 1e-3 }, { weight: of(1), bias: of(2) }),
  ),
  operationCase('instance norm', [[2, 3, 4, 4], [3], [3]], (b, x, of) =>
    b.add('groupNorm', 'y', [x], { groups: 3, eps: 1e-3 }, { weight: of(1), bias: of(2) }),
  ),
  operationCase('transposed convolution', [[1, 4, 3, 3], [4, 2, 3, 3], [4]], (b, x, of) =>
    b.add(
      'convTranspose',
      'y',
      [x],
      { kernel: [3, 3], stride: [2, 2], padding: pads(1), outputPadding: [1, 1], dilation: [1, 1], groups: 2 },
      { weight: of(1), bias: of(2) },
    ),
  ),
  resizeCase('nearest, twice as large', [3, 2], { size: [6, 4], mode: 'nearest', coordinates: 'asymmetric' }),
  resizeCase('nearest, smaller', [5, 7], {
    size: [3, 4],
    mode: 'nearest',
    coordinates: 'halfPixel',
    rounding: 'preferFloor',
  }),
  resizeCase('bilinear', [3, 4], { size: [7, 5], mode: 'linear', coordinates: 'halfPixel' }),
  resizeCase('bilinear, corners aligned', [3, 4], { size: [6, 4], mode: 'linear', coordinates: 'alignCorners' }),
  resizeCase('bicubic', [4, 4], { size: [6, 7], mode: 'cubic', coordinates: 'halfPixel' }),
];

const transposedCases: readonly KernelCase[] = [
  transposedCase('2×2 stride 2', [2, 3, 3, 4], [3, 4, 2, 2], [2, 4, 6, 8], { stride: 2 }),
  transposedCase('3×3 padded, stride 2', [2, 3, 3, 3], [3, 2, 3, 3], [2, 2, 6, 6], { stride: 2, padding: pads(1) }),
  transposedCase('in groups', [2, 4, 3, 3], [4, 2, 3, 3], [2, 4, 5, 5], { groups: 2 }),
];

const elementwiseCases: readonly KernelCase[] = [
  ...(['add', 'subtract', 'multiply', 'divide'] as const).flatMap((kind) =>
    binaryShapes.map(
      ([a, c]): KernelCase => ({
        name: `${kind} [${a}] [${c}]`,
        states: [a, c],
        range: [0.5, 2],
        build: (b, x) => b.add(kind, x, {}),
      }),
    ),
  ),
  {
    name: 'add of images and normalised channels',
    states: [
      [2, 4, 3, 3],
      [4, 1, 1],
      [2, 4, 3, 3],
    ],
    build: (b, [x, gamma, y]) => {
      const rows = b.add('transpose', [y], { permutation: [0, 2, 3, 1] });
      const back = b.add('transpose', [b.add('softmax', [rows], { axis: 3 })], { permutation: [0, 3, 1, 2] });
      return b.add('add', [x, b.add('multiply', [back, gamma], {})], {});
    },
  },
  { name: 'square', states: [[3, 4]], build: (b, x) => b.add('square', x, {}) },
  { name: 'scale', states: [[3, 4]], build: (b, x) => b.add('scale', x, { by: 0.3 }) },
  {
    name: 'scale by the inverse batch',
    states: [[1, 4]],
    build: (b, [x]) => b.add('scale', [batched(b, x)], { by: 'inverse batch' }),
  },
  {
    name: 'keepMask',
    states: [[1, 3, 4]],
    build: (b, [x]) => {
      const seed = b.input('seed', [2], 'int32');
      const mask = b.add('keepMask', [seed], { shape: [-1, 3, 1], probability: 0.4, stream: 3 });
      return b.add('multiply', [batched(b, x), mask], {});
    },
  },
];

const shapeCases: readonly KernelCase[] = [
  {
    name: 'concat',
    states: [
      [2, 3, 4],
      [2, 1, 4],
      [2, 2, 4],
    ],
    build: (b, x) => b.add('concat', x, { axis: 1 }),
  },
  { name: 'slice', states: [[2, 5, 4]], build: (b, x) => b.add('slice', x, { axis: 1, start: 1, end: 4, step: 1 }) },
  {
    name: 'slice by steps',
    states: [[2, 7, 4]],
    build: (b, x) => b.add('slice', x, { axis: 1, start: 1, end: 6, step: 2 }),
  },
  {
    name: 'slices that cover their input',
    states: [[2, 6]],
    build: (b, [x]) => {
      const part = (start: number, end: number): Ref => b.add('slice', [x], { axis: 1, start, end, step: 1 });
      return b.add('multiply', [part(0, 2), b.add('add', [part(2, 4), part(4, 6)], {})], {});
    },
  },
  { name: 'pad', states: [[2, 3, 4]], build: (b, x) => b.add('pad', x, { axis: 1, before: 2, after: 1 }) },
  { name: 'reshape', states: [[2, 3, 4]], build: (b, x) => b.add('reshape', x, { shape: [6, 2, 2] }) },
  {
    name: 'transpose',
    states: [
      [2, 3, 4],
      [4, 2, 3],
    ],
    build: (b, [x, y]) => b.add('multiply', [b.add('transpose', [x], { permutation: [2, 0, 1] }), y], {}),
  },
  {
    name: 'transpose of transposed and reshape',
    states: [[2, 3, 4, 5]],
    build: (b, [x]) => {
      const t = b.add('transpose', [x], { permutation: [0, 2, 3, 1] });
      const flat = b.add('reshape', [t], { shape: [2, 20, 3] });
      return b.add('softmax', [b.add('transpose', [flat], { permutation: [0, 2, 1] })], { axis: 2 });
    },
  },
  {
    name: 'reshape across a transpose',
    states: [[2, 3, 4]],
    build: (b, [x]) => b.add('reshape', [b.add('transpose', [x], { permutation: [0, 2, 1] })], { shape: [2, 2, 6] }),
  },
  {
    name: 'conv, flattened to tokens, heads split and merged',
    states: [
      [2, 3, 4, 4],
      [8, 3, 2, 2],
      [24, 8],
    ],
    build: (b, [x, w, qkv]) => {
      const patches = b.add('conv', [x, w], {
        kernel: [2, 2],
        stride: [2, 2],
        padding: pads(0),
        dilation: [1, 1],
        groups: 1,
      });
      const flat = b.add('reshape', [patches], { shape: [2, 8, 4] });
      const tokens = b.add('transpose', [flat], { permutation: [0, 2, 1] });
      const split = b.add('reshape', [b.add('linear', [tokens, qkv], {})], { shape: [2, 4, 3, 2, 4] });
      const heads = b.add('transpose', [split], { permutation: [2, 0, 3, 1, 4] });
      const [q, k, v] = [0, 1, 2].map((i) =>
        b.add('reshape', [b.add('slice', [heads], { axis: 0, start: i, end: i + 1, step: 1 })], {
          shape: [2, 2, 4, 4],
        }),
      );
      const p = b.add('softmax', [b.add('matmul', [q, k], { transposeA: false, transposeB: true })], { axis: 3 });
      const o = b.add('matmul', [p, v], { transposeA: false, transposeB: false });
      return b.add('reshape', [b.add('transpose', [o], { permutation: [0, 2, 1, 3] })], { shape: [2, 4, 8] });
    },
  },
  { name: 'roll', states: [[2, 4, 5]], build: (b, x) => b.add('roll', x, { axes: [1, 2], shifts: [-1, 2] }) },
  {
    name: 'roll of images',
    states: [[2, 3, 4, 5], [3], [3]],
    build: (b, x) => b.add('roll', [b.add('batchNormTraining', x, { eps: 1e-5 })], { axes: [2, 3], shifts: [-2, -1] }),
  },
  {
    name: 'gather',
    states: [[4, 3]],
    build: (b, x) => b.add('gather', x, { indices: Int32Array.of(0, 3, 1, 3, 3, 2) }),
  },
  { name: 'expand', states: [[1, 3, 1]], build: (b, x) => b.add('expand', x, { shape: [2, 3, 4] }) },
  {
    name: 'expand over the batch',
    states: [[1, 2, 3]],
    build: (b, [x]) => {
      b.input('images', [-1, 1]);
      return b.add('expand', [x], { shape: [-1, 2, 3] });
    },
  },
  {
    name: 'windows of the batch',
    states: [[1, 4, 4, 3]],
    build: (b, [x]) => {
      const rows = b.add('reshape', [batched(b, x)], { shape: [-1, 2, 2, 2, 2, 3] });
      const windows = b.add('transpose', [rows], { permutation: [0, 1, 3, 2, 4, 5] });
      return b.add('softmax', [b.add('reshape', [windows], { shape: [-4, 4, 3] })], { axis: 1 });
    },
  },
];

const reductionCases: readonly KernelCase[] = [
  { name: 'mean', states: [[2, 3, 4, 5]], build: (b, x) => b.add('mean', x, { axes: [2, 3], keepDimensions: false }) },
  { name: 'mean, kept', states: [[2, 3, 4]], build: (b, x) => b.add('mean', x, { axes: [1], keepDimensions: true }) },
  { name: 'sum', states: [[2, 3, 4]], build: (b, x) => b.add('sum', x, { axes: [0, 2], keepDimensions: false }) },
  { name: 'sumTo', states: [[2, 3, 4]], build: (b, x) => b.add('sumTo', x, { shape: [3, 1] }) },
  {
    name: 'crossEntropy of labels',
    states: [[4, 5]],
    range: [-3, 3],
    build: (b, [x]) => {
      const labels = b.add('argMax', [b.add('scale', [x], { by: -1 })], {});
      return b.add('crossEntropy', [x, b.add('oneHot', [labels], { classes: 5, on: 0.92, off: 0.02 })], {});
    },
  },
];

const all: readonly KernelCase[] = [
  ...layerCases,
  ...operationCases,
  ...transposedCases,
  ...elementwiseCases,
  ...shapeCases,
  ...reductionCases,
];

export const kernelCases = all;

/** The batch size that cases run with. */
const CASE_BATCH = 2;

export const caseInputs = (): Record<string, Values> => ({
  images: values([CASE_BATCH, 1], [0.25, -0.5]),
  seed: values([2], [7, 11]),
});

/** Values of the states, different for every case. */
export function caseStates({ name, states, range: [low, high] = [-1, 1] }: KernelCase): Map<string, Values> {
  return new Map(
    states.map((shape, i) => {
      const size = shape.reduce((a, b) => a * b, 1);
      // float32 values, so that every backend starts from the same numbers.
      const data = Float32Array.from(uniform(`${name} ${i}`, size, 'case'), (u) => low + (high - low) * u);
      return [`x${i}`, values(shape, data)];
    }),
  );
}

/** Outputs `y`, a scalar `loss` = Σ weights · y, and `d0`, `d1`, …: its derivatives by the states. */
export function caseProgram(kernelCase: KernelCase): Program {
  const b = new ProgramBuilder();
  const x = kernelCase.states.map((shape, i) => b.state(`x${i}`, shape));
  const y = kernelCase.build(b, x);
  const shape = b.shape(y);
  const perSample = shape.map(Math.abs);
  const size = perSample.reduce((p, q) => p * q, 1);
  const weights = Float32Array.from(uniform(kernelCase.name, size, 'weights'), (u) => 2 * u - 1);
  // Where the batch leads the weights are the same for every sample, and the mean over the batch is taken.
  const tensor = float32Tensor(
    shape[0] < 0 ? [...perSample.slice(1)] : perSample,
    weights.slice(0, size / (shape[0] < 0 ? perSample[0] : 1)),
  );
  const weighted = b.add('multiply', [y, b.add('constant', [], { tensor })], {});
  const axes = shape.map((_, i) => i);
  const sum = (axesSummed: readonly number[]): Ref =>
    b.add('sum', [weighted], { axes: axesSummed, keepDimensions: false });
  const loss = shape[0] === -1 ? emitBatchMean(b, sum(axes.slice(1))) : sum(axes);
  b.output('y', y);
  b.output('loss', loss);
  emitGradients(b, loss, x).forEach((d, i) => {
    b.output(`d${i}`, d);
  });
  return b.finish();
}
