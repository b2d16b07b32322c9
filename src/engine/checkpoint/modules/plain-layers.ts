/** Layers without parameters (activations, pooling): what a class and its attributes compute. */

import type { ActivationFunction } from '../../graph/activations.ts';
import type { Revision } from '../../graph/builder.ts';
import type { GraphNode } from '../../graph/graph.ts';
import type { OperationAttributes, Pair, Shape } from '../../graph/operations.ts';
import type { ModuleRecord } from '../torch/module-record.ts';
import {
  isLibraryClass,
  numberAttribute,
  pairAttribute,
  refuseAttribute,
  refuseLayer,
  requireAttribute,
  shortClass,
} from './layer-record.ts';

/** Which nodes of a Graph such a layer can stand for. */
export type Category = 'activation' | 'pool';

interface Pooling {
  readonly kind: 'maxPool' | 'averagePool';
  readonly kernel: Pair;
  readonly stride: Pair;
  readonly padding: Pair;
  readonly ceil: boolean;
  readonly countPadding: boolean;
}

/** What a layer computes. */
type Computation =
  | { readonly kind: 'identity' }
  | { readonly kind: 'activation'; readonly attributes: OperationAttributes['activation'] }
  | { readonly kind: 'quickGelu' }
  | Pooling
  | { readonly kind: 'adaptive'; readonly of: 'mean' | 'max'; readonly size: Pair };

interface PlainLayer {
  readonly category: Category;
  readonly computation: (layer: ModuleRecord) => Computation;
}

const activation = (of: ActivationFunction, check?: (layer: ModuleRecord) => void): PlainLayer => ({
  category: 'activation',
  computation: (layer) => {
    check?.(layer);
    return { kind: 'activation', attributes: { function: of } };
  },
});

const sixBounds = (layer: ModuleRecord): void => {
  requireAttribute(layer, 'min_val', 0);
  requireAttribute(layer, 'max_val', 6);
};

const gelu: PlainLayer = {
  category: 'activation',
  computation: (layer) => {
    requireAttribute(layer, 'approximate', 'none', 'tanh');
    const tanh = layer.attributes['approximate'] === 'tanh';
    return { kind: 'activation', attributes: { function: tanh ? 'geluTanh' : 'gelu' } };
  },
};

const leakyRelu: PlainLayer = {
  category: 'activation',
  computation: (layer) => ({
    kind: 'activation',
    attributes: { function: 'leakyRelu', slope: numberAttribute(layer, 'negative_slope', 0.01) },
  }),
};

function window(layer: ModuleRecord, kind: Pooling['kind']): Pooling {
  const kernel = pairAttribute(layer, 'kernel_size', 1);
  const hasStride = layer.attributes['stride'] !== null && layer.attributes['stride'] !== undefined;
  return {
    kind,
    kernel,
    stride: hasStride ? pairAttribute(layer, 'stride', 1) : kernel,
    padding: pairAttribute(layer, 'padding', 0),
    ceil: layer.attributes['ceil_mode'] === true,
    countPadding: layer.attributes['count_include_pad'] !== false,
  };
}

const maxPool: PlainLayer = {
  category: 'pool',
  computation: (layer) => {
    if (pairAttribute(layer, 'dilation', 1).some((d) => d !== 1)) refuseAttribute(layer, 'dilation');
    requireAttribute(layer, 'return_indices', false);
    return window(layer, 'maxPool');
  },
};

const averagePool: PlainLayer = {
  category: 'pool',
  computation: (layer) => {
    requireAttribute(layer, 'divisor_override', null);
    return window(layer, 'averagePool');
  },
};

const adaptive = (of: 'mean' | 'max'): PlainLayer => ({
  category: 'pool',
  computation: (layer) => ({ kind: 'adaptive', of, size: pairAttribute(layer, 'output_size', 1) }),
});

/** By class, PyTorch's and timm's. */
const layers: Readonly<Record<string, PlainLayer>> = {
  ReLU: activation('relu'),
  ReLU6: activation('relu6', sixBounds),
  Hardtanh: activation('relu6', sixBounds),
  LeakyReLU: leakyRelu,
  GELU: gelu,
  GELUTanh: activation('geluTanh'),
  QuickGELU: { category: 'activation', computation: () => ({ kind: 'quickGelu' }) },
  SiLU: activation('silu'),
  Swish: activation('silu'),
  SwishMe: activation('silu'),
  SwishJit: activation('silu'),
  Sigmoid: activation('sigmoid'),
  Tanh: activation('tanh'),
  Hardswish: activation('hardSwish'),
  HardSwish: activation('hardSwish'),
  HardSwishMe: activation('hardSwish'),
  Hardsigmoid: activation('hardSigmoid'),
  HardSigmoid: activation('hardSigmoid'),
  HardSigmoidMe: activation('hardSigmoid'),
  MaxPool2d: maxPool,
  AvgPool2d: averagePool,
  AdaptiveAvgPool2d: adaptive('mean'),
  AdaptiveMaxPool2d: adaptive('max'),
  FastAdaptiveAvgPool: adaptive('mean'),
  FastAdaptiveAvgPool2d: adaptive('mean'),
};

/** Layers that change nothing in evaluation, or only the order of dimensions around a layer that the Graph has. */
const inert =
  /^(Identity|Dropout|Dropout[123]d|AlphaDropout|DropPath|StochasticDepth|DropBlock2d|Flatten|PatchDropout)$/;

/** torchvision's two orders of dimensions around layers that take the channels last. */
const inertAttributes: Readonly<Record<string, (layer: ModuleRecord) => boolean>> = {
  Permute: ({ attributes }) => ['0,2,3,1', '0,3,1,2'].includes(String(attributes['dims'])),
};

/** The softmax of an attention's scores, over the last dimension: the Graph has it without a module. */
export const isAttentionSoftmax = (layer: ModuleRecord, parent: ModuleRecord): boolean =>
  isLibraryClass(layer) &&
  shortClass(layer) === 'Softmax' &&
  layer.path.endsWith('.softmax') &&
  layer.attributes['dim'] === -1 &&
  isLibraryClass(parent) &&
  shortClass(parent).endsWith('Attention');

export const isInert = (layer: ModuleRecord): boolean =>
  isLibraryClass(layer) && (inert.test(shortClass(layer)) || Boolean(inertAttributes[shortClass(layer)]?.(layer)));
const isIdentity = (layer: ModuleRecord): boolean => layer.className.endsWith('.Identity');

/** timm's blur of three with a stride of two, which a Graph builds of several nodes: whether a layer is one. */
export function isBlur(layer: ModuleRecord): boolean {
  if (!isLibraryClass(layer) || shortClass(layer) !== 'BlurPool2d') return false;
  requireAttribute(layer, 'filt_size', 3);
  requireAttribute(layer, 'stride', 2);
  requireAttribute(layer, 'pad_mode', 'reflect', 'constant');
  return true;
}

/** What such a layer can stand for; undefined for a class that is not known. */
export function categoryOf(layer: ModuleRecord): Category | undefined {
  if (isIdentity(layer)) {
    const name = layer.path.slice(layer.path.lastIndexOf('.') + 1);
    if (/pool/.test(name)) return 'pool';
    return /relu|gelu|silu|act|gate/.test(name) ? 'activation' : undefined;
  }
  return isLibraryClass(layer) ? layers[shortClass(layer)]?.category : undefined;
}

/** Whether a node is what a layer without parameters computes. */
export function categoryOfNode({ kind }: GraphNode): Category | undefined {
  if (kind === 'activation') return 'activation';
  return kind === 'maxPool' || kind === 'averagePool' || kind === 'mean' ? 'pool' : undefined;
}

function computationOf(layer: ModuleRecord): Computation {
  if (isInert(layer)) return { kind: 'identity' };
  const known = isLibraryClass(layer) ? layers[shortClass(layer)] : undefined;
  if (!known) refuseLayer(layer, 'is of a class that Espalier does not know');
  return known.computation(layer);
}

/** Rows or columns to add at the end, so that rounding down gives PyTorch's ceil_mode: no window begins beyond the input. */
function ceilPadding(size: number, { kernel, stride, padding }: Pooling, i: 0 | 1): number {
  const room = size + 2 * padding[i] - kernel[i];
  let outputs = Math.ceil(room / stride[i]) + 1;
  if ((outputs - 1) * stride[i] >= size + padding[i]) outputs--;
  return Math.max((outputs - 1) * stride[i] - room, 0);
}

function poolNode(layer: ModuleRecord, pool: Pooling, node: GraphNode, input: Shape): Revision {
  const { kind, kernel, stride, padding, countPadding } = pool;
  const extra = pool.ceil ? [ceilPadding(input[2], pool, 0), ceilPadding(input[3], pool, 1)] : [0, 0];
  if (kind === 'averagePool' && extra.some(Boolean)) refuseAttribute(layer, 'ceil_mode');
  if (node.kind === 'mean') {
    const whole = kernel[0] === input[2] && kernel[1] === input[3] && padding.every((p) => p === 0);
    if (!whole) refuseLayer(layer, `pools windows of ${kernel.join(' × ')}, where the network pools the whole image`);
    return adaptivePool(
      layer,
      { kind: 'adaptive', of: kind === 'maxPool' ? 'max' : 'mean', size: [1, 1] },
      node,
      input,
    );
  }
  const pads = { top: padding[0], bottom: padding[0] + extra[0], left: padding[1], right: padding[1] + extra[1] };
  const attributes = { kernel, stride, padding: pads };
  return kind === 'maxPool'
    ? ({ ...node, kind, attributes } as GraphNode<'maxPool'>)
    : ({ ...node, kind, attributes: { ...attributes, countPadding } } as GraphNode<'averagePool'>);
}

type Adaptive = Extract<Computation, { kind: 'adaptive' }>;

function adaptivePool(layer: ModuleRecord, { of, size }: Adaptive, node: GraphNode, input: Shape): Revision {
  const one = size[0] === 1 && size[1] === 1;
  const keeps = node.kind !== 'mean' || node.attributes.keepDimensions;
  if (of === 'mean') {
    // VGG's 7 × 7, by a pooling or by products: the linear layer behind it takes no other size.
    if (!one && node.kind !== 'mean' && node.module === layer.path) return node;
    if (!one) refuseAttribute(layer, 'output_size');
    if (node.kind === 'mean') return node;
    return { ...node, kind: 'mean', attributes: { axes: [2, 3], keepDimensions: true } } as GraphNode<'mean'>;
  }
  if (!one) refuseAttribute(layer, 'output_size');
  if (node.kind === 'mean' && node.attributes.axes.join() !== '2,3') refuseLayer(layer, 'takes the largest value');
  return (b) => {
    const pads = { top: 0, left: 0, bottom: 0, right: 0 };
    const kernel = [input[2], input[3]] as const;
    const { moduleType, counted } = node;
    const attributes = { kernel, stride: kernel, padding: pads };
    const pooled = b.add('maxPool', node.module, node.inputs, attributes, {}, { moduleType, counted });
    return keeps ? pooled : b.reshape(node.module, pooled, [input[0], input[1]], 'flatten');
  };
}

/** x · σ(1.702 x) */
const QUICK_GELU = 1.702;

const quickGelu =
  ({ module, inputs: [x], counted }: GraphNode): Revision =>
  (b) => {
    const gate = b.activation(module, b.scale(module, x, QUICK_GELU), 'sigmoid', { suffix: 'sigmoid' });
    return b.add('multiply', module, [x, gate], {}, {}, { moduleType: 'QuickGELU', counted });
  };

/**
 * The architecture's node as the layer computes it.
 * @throws UserError where the layer's class is not known, or an attribute cannot be taken over
 */
export function plainNode(layer: ModuleRecord, node: GraphNode, input: Shape): Revision {
  const computation = computationOf(layer);
  if (computation.kind === 'adaptive') return adaptivePool(layer, computation, node, input);
  if ('kernel' in computation) return poolNode(layer, computation, node, input);
  if (node.kind === 'mean') refuseLayer(layer, 'stands where the network pools the whole image');
  if (computation.kind === 'identity') return () => node.inputs[0];
  if (computation.kind === 'quickGelu') return quickGelu(node);
  const { kind, attributes } = computation;
  return { ...node, kind, attributes, moduleType: shortClass(layer) } as GraphNode<'activation'>;
}
