/** Attributes of PyTorch's, timm's and torchvision's classes that say widths, heads and sizes: what they are in a Graph. */
import { UserError } from '../../common/errors.ts';
import { isLibraryClass, shortClass } from '../checkpoint/modules/layer-record.ts';
import { PickleDict, PickleFloat, PickleTuple, type PickleValue } from '../checkpoint/torch/pickle-values.ts';
import type { GraphNode } from '../graph/graph.ts';
import { detectorAttributes } from './detector-attributes.ts';
import type { Attributes, FittedModule, GraphWidths } from './graph-widths.ts';

/** Of a layer with a weight, by the operation that it is. */
function layerAttributes(node: GraphNode, weight: readonly number[]): Attributes {
  const [out, into] = weight;
  switch (node.kind) {
    case 'conv': {
      const { groups } = node.attributes;
      return { in_channels: into * groups, out_channels: out, groups };
    }
    case 'linear':
      return { in_features: into, out_features: out };
    case 'batchNorm':
      return { num_features: out };
    case 'layerNorm':
      return { normalized_shape: PickleTuple.from([out]) };
    default:
      throw new UserError(`layer ${node.module} is a ${node.kind}, whose class cannot be written with other widths`);
  }
}

/** PyTorch's attention and torchvision's compute with the width that enters: heads that lost some of it cannot be written. */
const FULL_WIDTH = /^(MultiheadAttention|ShiftedWindowAttention)$/;

function attention({ layer, path, written }: FittedModule, widths: GraphWidths): Attributes {
  const heads = widths.heads(path);
  const qkv = widths.weight(`${path}.qkv`);
  if (heads === undefined || !qkv) return {};
  const width = qkv[0] / 3;
  if (FULL_WIDTH.test(shortClass(layer)) && width !== qkv[1])
    throw new UserError(
      `${layer.path}: ${width} of its ${qkv[1]} channels are left inside the attention, and ${layer.className} computes with as many as enter it. Export it with --format pytorch, or prune heads and head dimensions of timm's network of that name.`,
    );
  const scale = widths.graph.nodes.find((node) => node.kind === 'scale' && node.module === path);
  const factor = scale?.kind === 'scale' ? scale.attributes.by : undefined;
  const isNumber = typeof factor === 'number' && written.attribute('fused_attn') !== true;
  return {
    num_heads: heads,
    head_dim: width / heads,
    attn_dim: width,
    all_head_dim: width,
    dim: qkv[1],
    embed_dim: qkv[1],
    kdim: qkv[1],
    vdim: qkv[1],
    scale: new PickleFloat(isNumber ? factor : (width / heads) ** -0.5),
  };
}

const head = (_: FittedModule, { features }: GraphWidths): Attributes => ({
  in_features: features,
  num_features: features,
});

const transformer = (_: FittedModule, widths: GraphWidths): Attributes => ({
  embed_dim: widths.features,
  num_classes: widths.graph.classes,
});

/** Of a composite class, by its name; every network has `num_features` and `num_classes` beside these. */
const composites: Readonly<Record<string, (at: FittedModule, widths: GraphWidths) => Attributes>> = {
  Attention: attention,
  WindowAttention: attention,
  MultiheadAttention: attention,
  ShiftedWindowAttention: attention,
  ClassifierHead: head,
  NormMlpClassifierHead: head,
  VisionTransformer: transformer,
  VisionTransformerDistilled: transformer,
  SwinTransformer: (_, { out }) => ({ embed_dim: out('patch_embed.proj') }),
  SwinTransformerBlock: ({ path }, { out }) => ({ dim: out(`${path}.norm1`) }),
  PatchMerging: ({ path }, { out }) => ({
    dim: (out(`${path}.norm`) ?? Number.NaN) / 4,
    out_dim: out(`${path}.reduction`),
  }),
  Conv2dNormActivation: ({ path }, { out }) => ({ out_channels: out(`${path}.0`) }),
  ConvNormActivation: ({ path }, { out }) => ({ out_channels: out(`${path}.0`) }),
  ConvBNReLU: ({ path }, { out }) => ({ out_channels: out(`${path}.0`) }),
  InvertedResidual: ({ path }, widths) => ({ out_channels: widths.channels(path) }),
};

/** What the network itself says of its widths. */
function networkAttributes({ written }: FittedModule, widths: GraphWidths): Attributes {
  const { features, graph } = widths;
  const info = written.attribute('feature_info');
  for (const entry of Array.isArray(info) ? info : []) {
    const module = entry instanceof PickleDict ? entry.get('module') : undefined;
    const channels = typeof module === 'string' ? widths.channels(module) : undefined;
    if (entry instanceof PickleDict && channels !== undefined) entry.set('num_chs', channels);
  }
  return { num_features: features, head_hidden_size: features, last_channel: features, num_classes: graph.classes };
}

/** Stochastic depth: its rate in the Graph. */
function dropAttributes({ layer, path }: FittedModule, { graph }: GraphWidths): Attributes {
  const node = graph.nodes.find(({ kind, module }) => (kind === 'dropPath' || kind === 'dropout') && module === path);
  if (node?.kind === 'dropPath') {
    const rate = new PickleFloat(node.attributes.probability);
    return shortClass(layer) === 'StochasticDepth' ? { p: rate } : { drop_prob: rate };
  }
  return node?.kind === 'dropout' ? { p: new PickleFloat(node.attributes.probability) } : {};
}

/**
 * Sets the attributes of one module; only those that its class has.
 * @throws UserError where its class cannot say what the Graph computes
 */
export function setAttributes(module: FittedModule, widths: GraphWidths): void {
  const { layer, written, tensors } = module;
  const found: Record<string, PickleValue | undefined> = {};
  for (const name of tensors) {
    const node = widths.owner(name);
    const shape = widths.weight(name.replace(/\.weight$/, ''));
    if (node && shape) Object.assign(found, layerAttributes(node, shape));
  }
  if (isLibraryClass(layer)) {
    if (layer.path === '') Object.assign(found, networkAttributes(module, widths));
    Object.assign(found, composites[shortClass(layer)]?.(module, widths), dropAttributes(module, widths));
  }
  if (widths.graph.family === 'yolo') Object.assign(found, detectorAttributes(module, widths));
  for (const [name, value] of Object.entries(found)) {
    const old = written.attribute(name);
    const hasValue = old !== undefined && old !== null && value !== undefined;
    if (hasValue && !Object.is(Number.NaN, value)) written.set(name, value);
  }
}
