/** Shapes of every kernel's outputs, one rule a kernel; the batch size stays symbolic. Kernels come from checked Graphs: the rules trust them. */
import type { Pair, Shape, SpatialPadding } from '../../graph/operations.ts';
import { broadcastShape, windowPlaces } from '../../graph/shapes.ts';
import type { KernelAttributes, KernelKind } from './kernels.ts';

type KernelShapeRule<K extends KernelKind> = (
  attributes: KernelAttributes[K],
  inputs: readonly Shape[],
) => readonly Shape[];

const same = (_: unknown, [x]: readonly Shape[]): readonly Shape[] => [x];

/** Shape of two operands broadcast from the right. */
function operandsShape(a: Shape, b: Shape): Shape {
  const shape = broadcastShape(a, b);
  if (!shape) throw new Error(`[${a}] and [${b}] do not broadcast`);
  return shape;
}

const binary = (_: unknown, [a, b]: readonly Shape[]): readonly Shape[] => [operandsShape(a, b)];
const replaced = (shape: Shape, axis: number, size: number): Shape => shape.map((d, i) => (i === axis ? size : d));

interface Window {
  readonly kernel: Pair;
  readonly stride: Pair;
  readonly padding: SpatialPadding;
  readonly dilation?: Pair;
}

function windowed(x: Shape, channels: number, { kernel, stride, padding, dilation = [1, 1] }: Window): Shape {
  return [
    x[0],
    channels,
    windowPlaces(x[2], kernel[0], stride[0], dilation[0], padding.top + padding.bottom),
    windowPlaces(x[3], kernel[1], stride[1], dilation[1], padding.left + padding.right),
  ];
}

function reduced(x: Shape, { axes, keepDimensions }: KernelAttributes['mean']): Shape {
  return keepDimensions ? x.map((d, i) => (axes.includes(i) ? 1 : d)) : x.filter((_, i) => !axes.includes(i));
}

/** Shapes of (x, weight, bias) gradients from the inputs (d, x, weight, …). */
const affineGradients = (_: unknown, [, x, weight]: readonly Shape[]): readonly Shape[] => [x, weight, weight];

const kernelShapeRules: { readonly [K in KernelKind]: KernelShapeRule<K> } = {
  input: ({ shape }) => [shape],
  // A state's shape is known to the builder only, which does not ask this table.
  state: () => [],
  constant: ({ tensor }) => [tensor.shape],
  keepMask: ({ shape }) => [shape],
  conv: (a, [x, weight]) => [windowed(x, weight[0], a)],
  convInputGradient: ({ inputShape }) => [inputShape],
  convWeightGradient: ({ weightShape }) => [weightShape],
  patches: (a, [x]) => {
    const [n, channels, height, width] = windowed(x, x[1], a);
    return [[n, ...a.kernel, channels, height * width]];
  },
  linear: (_, [x, weight]) => [[...x.slice(0, -1), weight[0]]],
  matmul: ({ transposeA, transposeB }, [a, b]) => {
    const rows = a.at(transposeA ? -1 : -2) as number;
    const columns = b.at(transposeB ? -2 : -1) as number;
    return [[...operandsShape(a.slice(0, -2), b.slice(0, -2)), rows, columns]];
  },
  batchNorm: same,
  batchNormGradient: affineGradients,
  batchNormTraining: (_, [x, weight]) => [x, weight, weight, weight, weight],
  batchNormTrainingGradient: affineGradients,
  layerNorm: ({ axis }, [x]) => [x, replaced(x, axis, 1), replaced(x, axis, 1)],
  layerNormGradient: affineGradients,
  activation: same,
  activationGradient: same,
  softmax: same,
  softmaxGradient: same,
  maxPool: (a, [x]) => [windowed(x, x[1], a)],
  maxPoolGradient: (_, [, x]) => [x],
  averagePool: (a, [x]) => [windowed(x, x[1], a)],
  averagePoolGradient: ({ inputShape }) => [inputShape],
  add: binary,
  subtract: binary,
  multiply: binary,
  divide: binary,
  square: same,
  inverseRoot: same,
  scale: same,
  lerp: same,
  concat: ({ axis }, inputs) => {
    let size = 0;
    for (const shape of inputs) size += shape[axis];
    return [replaced(inputs[0], axis, size)];
  },
  slice: ({ axis, start, end, step }, [x]) => [replaced(x, axis, Math.ceil((end - start) / step))],
  sliceGradient: ({ axis, size }, [d]) => [replaced(d, axis, size)],
  pad: ({ axis, before, after }, [x]) => [replaced(x, axis, x[axis] + before + after)],
  reshape: ({ shape }) => [shape],
  transpose: ({ permutation }, [x]) => [permutation.map((i) => x[i])],
  roll: same,
  gather: ({ indices }, [table]) => [[indices.length, ...table.slice(1)]],
  gatherGradient: ({ rows }, [d]) => [[rows, ...d.slice(1)]],
  expand: ({ shape }) => [shape],
  mean: (a, [x]) => [reduced(x, a)],
  sum: (a, [x]) => [reduced(x, a)],
  sumTo: ({ shape }) => [shape],
  globalNorm: () => [[]],
  clipFactor: () => [[]],
  oneHot: ({ classes }, [labels]) => [[...labels, classes]],
  argMax: (_, [x]) => [x.slice(0, -1)],
  crossEntropy: (_, [logits]) => [logits.slice(0, 1), logits],
  sgdStep: (_, [parameter, , , ...slots]) => [parameter, ...slots],
  adamWStep: (_, [parameter]) => [parameter, parameter, parameter],
  rmsPropStep: (_, [parameter, , , ...slots]) => [parameter, ...slots],
};

export function kernelShapes<K extends KernelKind>(
  kind: K,
  attributes: KernelAttributes[K],
  inputs: readonly Shape[],
): readonly Shape[] {
  return (kernelShapeRules[kind] as KernelShapeRule<K>)(attributes, inputs);
}
