/** What a person reads on a layer's box: its operation in a few words. */
import { activations } from '../engine/graph/activations.ts';
import type { GraphNode } from '../engine/graph/graph.ts';
import type { OperationKind, Pair } from '../engine/graph/operations.ts';

const size = ([height, width]: Pair): string => `${height}×${width}`;
const stride = ([height, width]: Pair): string =>
  height === 1 && width === 1 ? '' : height === width ? ` /${height}` : ` /${height}×${width}`;

type Label<K extends OperationKind> = string | ((node: GraphNode<K>, weight: readonly number[] | undefined) => string);

const labels: { readonly [K in OperationKind]: Label<K> } = {
  input: 'images',
  parameter: 'parameter',
  constant: 'constant',
  conv: ({ attributes: a }, weight) => {
    const depthwise = a.groups > 1 && weight?.[1] === 1;
    const kind = depthwise ? 'depthwise' : a.groups > 1 ? `conv in ${a.groups} groups` : 'conv';
    return `${kind} ${size(a.kernel)}${stride(a.stride)}`;
  },
  convTranspose: ({ attributes: a }) => `transposed conv ${size(a.kernel)}${stride(a.stride)}`,
  linear: 'linear',
  matmul: ({ attributes: a }) => (a.transposeB ? 'product a·bᵀ' : 'product a·b'),
  batchNorm: 'batch norm',
  layerNorm: 'layer norm',
  groupNorm: ({ attributes: a }) => `group norm, ${a.groups} groups`,
  activation: ({ attributes: a }) => activations[a.function].label,
  add: 'add',
  subtract: 'subtract',
  multiply: 'multiply',
  divide: 'divide',
  scale: 'scale',
  concat: 'concat',
  slice: 'slice',
  pad: 'pad',
  reshape: 'reshape',
  transpose: 'transpose',
  softmax: 'softmax',
  maxPool: ({ attributes: a }) => `max pool ${size(a.kernel)}${stride(a.stride)}`,
  averagePool: ({ attributes: a }) => `average pool ${size(a.kernel)}${stride(a.stride)}`,
  resize: ({ attributes: a }) => `resize to ${size(a.size)}`,
  mean: 'mean',
  roll: 'roll',
  gather: 'gather',
  expand: 'expand',
  dropout: 'dropout',
  dropPath: 'drop path',
  opaque: ({ attributes: a }) => a.operator,
};

/** `conv 3×3 /2`, `depthwise 7×7`, `GELU`. */
export function nodeLabel(node: GraphNode, weight: readonly number[] | undefined): string {
  const label = labels[node.kind] as Label<OperationKind>;
  return typeof label === 'string' ? label : label(node, weight);
}
