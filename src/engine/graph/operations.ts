/**
 * The operations a Graph is made of, and the attributes of each.
 *
 * Every operation has one output. Values are laid out as in PyTorch (N, C, H, W; tokens as N, L, C).
 * A table over `OperationKind` must have an entry for each of them, and the compiler says which is missing.
 */
import type { ActivationAttributes } from './activations.ts';
import type { Tensor } from './tensor.ts';

/** Size of one dimension: a positive number, or −k for k times the batch size. */
export type Dimension = number;
export type Shape = readonly Dimension[];

export type Pair = readonly [height: number, width: number];

/** Padding of the two spatial dimensions. */
export interface SpatialPadding {
  readonly top: number;
  readonly left: number;
  readonly bottom: number;
  readonly right: number;
}

export interface OperationAttributes {
  /** A value fed from outside, e.g. images of [N, 3, 224, 224]. */
  input: { readonly shape: Shape };
  /** A bare parameter (role `value`) used as a value: cls_token, pos_embed, layer scale. */
  parameter: Record<never, never>;
  /** A fixed value: an attention mask. */
  constant: { readonly tensor: Tensor<'float32'> };
  /** torch.nn.functional.conv2d. Roles: weight [O, I/groups, kh, kw], bias? [O]. */
  conv: {
    readonly kernel: Pair;
    readonly stride: Pair;
    readonly padding: SpatialPadding;
    readonly dilation: Pair;
    readonly groups: number;
  };
  /**
   * torch.nn.functional.conv_transpose2d: the gradient of a convolution by its input. Roles: weight [I, O/groups, kh, kw], bias? [O].
   * `outputPadding`: rows and columns more at the far end.
   */
  convTranspose: {
    readonly kernel: Pair;
    readonly stride: Pair;
    readonly padding: SpatialPadding;
    readonly outputPadding: Pair;
    readonly dilation: Pair;
    readonly groups: number;
  };
  /** torch.nn.functional.linear over the last dimension. Roles: weight [O, I], bias? [O]. */
  linear: Record<never, never>;
  /** Batched product of the last two dimensions; leading dimensions are equal or 1. `transposeB`: b is [..., n, k]. */
  matmul: { readonly transposeB: boolean };
  /** Over dimension 1. Roles: weight, bias, runningMean, runningVar, batchCount. */
  batchNorm: { readonly eps: number; readonly momentum: number };
  /** Over one dimension (`axis`, counted from 0). Roles: weight, bias. */
  layerNorm: { readonly eps: number; readonly axis: number };
  /** Over the channels of each group and all positions. Roles: weight [C], bias [C]. Instance norm: as many groups as channels. */
  groupNorm: { readonly groups: number; readonly eps: number };
  activation: ActivationAttributes;
  /** Element-wise with broadcasting from the right, as in PyTorch. */
  add: Record<never, never>;
  subtract: Record<never, never>;
  multiply: Record<never, never>;
  divide: Record<never, never>;
  /** Times a number, or times (size of the last dimension)^−½, which follows head_dim when heads get narrower. */
  scale: { readonly by: number | 'rsqrt(last dimension)' };
  concat: { readonly axis: number };
  /** Elements start, start + step, … below end of one dimension. */
  slice: { readonly axis: number; readonly start: number; readonly end: number; readonly step: number };
  /** Zeros before and after one dimension. */
  pad: { readonly axis: number; readonly before: number; readonly after: number };
  /** To `shape`, elements in order. */
  reshape: { readonly shape: Shape };
  /** Output dimension i is input dimension permutation[i]. */
  transpose: { readonly permutation: readonly number[] };
  softmax: { readonly axis: number };
  maxPool: { readonly kernel: Pair; readonly stride: Pair; readonly padding: SpatialPadding };
  /** `countPadding`: PyTorch's count_include_pad. */
  averagePool: {
    readonly kernel: Pair;
    readonly stride: Pair;
    readonly padding: SpatialPadding;
    readonly countPadding: boolean;
  };
  /**
   * Images in another size, as ONNX's Resize defines it. `scales`: output over input where it is another number than that of the sizes;
   * `rounding`: which pixel is nearest, floor by default.
   */
  resize: {
    readonly size: Pair;
    readonly mode: 'nearest' | 'linear' | 'cubic';
    readonly coordinates: 'halfPixel' | 'pytorchHalfPixel' | 'alignCorners' | 'asymmetric';
    readonly scales?: Pair;
    readonly rounding?: 'floor' | 'ceil' | 'preferFloor' | 'preferCeil';
    /** The filter grows as the image shrinks: linear and cubic (then with Keys' a = −½), half pixels. */
    readonly antialias?: true;
  };
  /** Mean over `axes`; adaptive average pooling to 1 × 1 is the mean over the spatial axes. */
  mean: { readonly axes: readonly number[]; readonly keepDimensions: boolean };
  /** torch.roll. */
  roll: { readonly axes: readonly number[]; readonly shifts: readonly number[] };
  /** Rows `indices` (any number of dimensions, here flat) of dimension 0: a relative position bias table. */
  gather: { readonly indices: Int32Array };
  /** Dimensions of size 1 repeated to `shape`: class tokens over the batch. */
  expand: { readonly shape: Shape };
  /** Identity in evaluation. */
  dropout: { readonly probability: number };
  /**
   * An operation of the file that Espalier knows nothing of: it can be drawn, and stays as it is, and so does all that it touches.
   * `call`: how the file calls it, for writing it back.
   */
  opaque: { readonly operator: string; readonly reason: string; readonly shape: Shape; readonly call?: string };
  /** Stochastic depth of one sample's residual branch; identity in evaluation. */
  dropPath: { readonly probability: number };
}

export type OperationKind = keyof OperationAttributes;

/** What a parameter is to its node. */
export type ParameterRole = 'weight' | 'bias' | 'runningMean' | 'runningVar' | 'batchCount' | 'value';

interface Operation {
  /** Parameters that a node of it has, or may have. */
  readonly parameters: readonly ParameterRole[];
  /** PyTorch's class, for an operation that is usually a module of its own. */
  readonly module?: string;
}

/** What is known of an operation wherever it is used. */
export const operations = {
  input: { parameters: [] },
  parameter: { parameters: ['value'] },
  constant: { parameters: [] },
  conv: { parameters: ['weight', 'bias'], module: 'Conv2d' },
  convTranspose: { parameters: ['weight', 'bias'], module: 'ConvTranspose2d' },
  linear: { parameters: ['weight', 'bias'], module: 'Linear' },
  matmul: { parameters: [] },
  batchNorm: { parameters: ['weight', 'bias', 'runningMean', 'runningVar', 'batchCount'], module: 'BatchNorm2d' },
  layerNorm: { parameters: ['weight', 'bias'], module: 'LayerNorm' },
  groupNorm: { parameters: ['weight', 'bias'], module: 'GroupNorm' },
  activation: { parameters: [] },
  add: { parameters: [] },
  subtract: { parameters: [] },
  multiply: { parameters: [] },
  divide: { parameters: [] },
  scale: { parameters: [] },
  concat: { parameters: [] },
  slice: { parameters: [] },
  pad: { parameters: [] },
  reshape: { parameters: [] },
  transpose: { parameters: [] },
  softmax: { parameters: [] },
  maxPool: { parameters: [], module: 'MaxPool2d' },
  averagePool: { parameters: [], module: 'AvgPool2d' },
  resize: { parameters: [], module: 'Upsample' },
  mean: { parameters: [], module: 'AdaptiveAvgPool2d' },
  roll: { parameters: [] },
  gather: { parameters: [] },
  expand: { parameters: [] },
  dropout: { parameters: [], module: 'Dropout' },
  dropPath: { parameters: [] },
  opaque: { parameters: [] },
} as const satisfies { readonly [K in OperationKind]: Operation };

/** Operations with a weight: the layers, which can be scored and cut. Tables over them are as exhaustive as those over all. */
export type LayerKind = {
  [K in OperationKind]: 'weight' extends (typeof operations)[K]['parameters'][number] ? K : never;
}[OperationKind];

export const isLayerKind = (kind: OperationKind): kind is LayerKind => {
  const { parameters }: Operation = operations[kind];
  return parameters.includes('weight');
};

/** PyTorch's class of an operation's module; empty where it is usually a function call. */
export const usualModule = (kind: OperationKind): string => {
  const { module = '' }: Operation = operations[kind];
  return module;
};
