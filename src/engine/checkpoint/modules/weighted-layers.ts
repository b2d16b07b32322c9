/** Layers with parameters: what a class and its attributes make of the node that the architecture has in that place. */
import type { GraphNode } from '../../graph/graph.ts';
import type { OperationAttributes, Shape, SpatialPadding } from '../../graph/operations.ts';
import { splitPadding, tensorFlowPadding } from '../../graph/padding.ts';
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

type WeightedKind = 'conv' | 'linear' | 'batchNorm' | 'layerNorm';
type Weighted = GraphNode<WeightedKind>;

/** `input`: the shape that enters the layer. */
type Rule<K extends WeightedKind> = (layer: ModuleRecord, node: GraphNode<K>, input: Shape) => OperationAttributes[K];

function padding(layer: ModuleRecord, { kernel, dilation }: OperationAttributes['conv']): SpatialPadding {
  const text = layer.attributes['padding'];
  if (text === 'same') {
    const [top, bottom] = splitPadding(dilation[0] * (kernel[0] - 1));
    const [left, right] = splitPadding(dilation[1] * (kernel[1] - 1));
    return { top, bottom, left, right };
  }
  const [rows, columns] = text === 'valid' ? [0, 0] : pairAttribute(layer, 'padding', 0);
  return { top: rows, bottom: rows, left: columns, right: columns };
}

const convolution: Rule<'conv'> = (layer, node) => {
  requireAttribute(layer, 'padding_mode', 'zeros');
  requireAttribute(layer, 'transposed', false);
  const attributes = {
    kernel: node.attributes.kernel,
    stride: pairAttribute(layer, 'stride', 1),
    dilation: pairAttribute(layer, 'dilation', 1),
    groups: numberAttribute(layer, 'groups', 1),
    padding: node.attributes.padding,
  };
  return { ...attributes, padding: padding(layer, attributes) };
};

/** timm's Conv2dSame: TensorFlow's SAME, which depends on the size that enters. */
const sameConvolution: Rule<'conv'> = (layer, node, input) => {
  const attributes = convolution({ ...layer, attributes: { ...layer.attributes, padding: 0 } }, node, input);
  return { ...attributes, padding: tensorFlowPadding(attributes, [input[2], input[3]]) };
};

const batchNorm: Rule<'batchNorm'> = (layer, node) => {
  // Without a momentum PyTorch averages over all batches, which matters in training only.
  if (layer.attributes['momentum'] === null) refuseAttribute(layer, 'momentum');
  return {
    eps: numberAttribute(layer, 'eps', 1e-5),
    momentum: numberAttribute(layer, 'momentum', node.attributes.momentum),
  };
};

const layerNorm =
  (axisOf: (input: Shape) => number): Rule<'layerNorm'> =>
  (layer, node, input) => {
    const { axis } = node.attributes;
    if (axisOf(input) !== axis)
      refuseLayer(layer, `norms dimension ${axisOf(input)} of ${input.length}, where the network needs ${axis}`);
    const shape = layer.attributes['normalized_shape'];
    if (Array.isArray(shape) && shape.length !== 1) refuseAttribute(layer, 'normalized_shape');
    return { eps: numberAttribute(layer, 'eps', 1e-5), axis };
  };

const lastDimension = layerNorm((input) => input.length - 1);
const channels = layerNorm(() => 1);

const attentionProjection: Rule<'linear'> = (layer) => {
  requireAttribute(layer, 'batch_first', true);
  requireAttribute(layer, 'add_zero_attn', false);
  requireAttribute(layer, 'bias_k', null);
  requireAttribute(layer, 'bias_v', null);
  return {};
};

type Entry = { [K in WeightedKind]: { readonly kind: K; readonly rule: Rule<K> } }[WeightedKind];

const linear: Entry = { kind: 'linear', rule: () => ({}) };
const norm: Entry = { kind: 'batchNorm', rule: batchNorm };

/** By class, PyTorch's, torchvision's and timm's. */
const layers: Readonly<Record<string, Entry>> = {
  Conv2d: { kind: 'conv', rule: convolution },
  Conv2dSame: { kind: 'conv', rule: sameConvolution },
  Linear: linear,
  NonDynamicallyQuantizableLinear: linear,
  MultiheadAttention: { kind: 'linear', rule: attentionProjection },
  BatchNorm2d: norm,
  SyncBatchNorm: norm,
  BatchNormAct2d: norm,
  SyncBatchNormAct: norm,
  FrozenBatchNorm2d: norm,
  LayerNorm: { kind: 'layerNorm', rule: lastDimension },
  LayerNorm2d: { kind: 'layerNorm', rule: channels },
};

export const isWeighted = (node: GraphNode): node is Weighted =>
  node.kind === 'conv' || node.kind === 'linear' || node.kind === 'batchNorm' || node.kind === 'layerNorm';

const KIND_NAMES: { readonly [K in WeightedKind]: string } = {
  conv: 'convolution',
  linear: 'linear layer',
  batchNorm: 'batch norm',
  layerNorm: 'layer norm',
};

/**
 * The architecture's node with the attributes of the layer that has its parameters.
 * @throws UserError where the class computes something else, or an attribute cannot be taken over
 */
export function weightedNode(layer: ModuleRecord, node: Weighted, input: Shape): Weighted {
  const entry = isLibraryClass(layer) ? layers[shortClass(layer)] : undefined;
  if (entry?.kind !== node.kind) refuseLayer(layer, `stands where the network has a ${KIND_NAMES[node.kind]}`);
  // The entry's kind is the node's: the one place where the compiler cannot see that.
  const attributes = (entry.rule as Rule<WeightedKind>)(layer, node, input);
  return { ...node, attributes } as Weighted;
}
