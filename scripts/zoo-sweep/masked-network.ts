/**
 * The dense network that computes what its pruned one must: weights of removed entries are zero, and norms and factors of attention go over the
 * channels that are left. For files whose tensors have names of their own, which PyTorch cannot be given a masked state dict of.
 */
import type { Graph, GraphNode } from '../../src/engine/graph/graph.ts';
import type { OperationKind, Shape } from '../../src/engine/graph/operations.ts';
import { inferShapes } from '../../src/engine/graph/shapes.ts';
import { float32Tensor, type Tensor, type Weights } from '../../src/engine/graph/tensor.ts';
import type { Pruned } from '../../src/engine/pruning/rebuilding/apply-plan.ts';

/** The dense weights with every entry zero that the pruned network lacks. */
export function masked(weights: Weights, { keptIndices }: Pruned): Map<string, Tensor> {
  const result = new Map<string, Tensor>();
  for (const [name, tensor] of weights) {
    if (tensor.dtype !== 'float32') continue;
    const kept = (keptIndices.get(name)?.kept ?? []).map((indices) => indices && new Set(indices));
    const data = Float32Array.from(tensor.data as Float32Array);
    if (kept.some(Boolean))
      for (let flat = 0; flat < data.length; flat++) {
        let rest = flat;
        for (let d = tensor.shape.length - 1; d >= 0; d--) {
          const stays = kept[d];
          if (stays && !stays.has(rest % tensor.shape[d])) data[flat] = 0;
          rest = Math.floor(rest / tensor.shape[d]);
        }
      }
    result.set(name, { dtype: 'float32', shape: tensor.shape, data });
  }
  return result;
}

/** A node that the reference has besides those of the network. */
const extra = <K extends OperationKind>(
  kind: K,
  id: string,
  inputs: readonly string[],
  attributes: GraphNode<K>['attributes'],
): GraphNode => ({ kind, id, inputs, attributes, parameters: {}, module: '', moduleType: '', counted: false }) as never;

/** The channels of a norm, and how they lie in its input. */
interface Normed {
  readonly node: GraphNode<'layerNorm' | 'groupNorm'>;
  readonly kept: Int32Array;
  readonly channels: number;
  readonly shape: Shape;
}

/** Which of the channels are left: 1 and 0, along the norm's dimension. */
function mask({ node, kept, channels, shape }: Normed): Tensor<'float32'> {
  const axis = node.kind === 'layerNorm' ? node.attributes.axis : 1;
  const data = new Float32Array(channels);
  for (const i of kept) data[i] = 1;
  return float32Tensor(
    shape.map((_, i) => (i === axis ? channels : 1)),
    data,
  );
}

/**
 * The norm over what is left: its input without the mean of that and zero elsewhere. The norm over all then finds the mean 0 and the variance
 * k/C of the right one, so that ε times k/C, and the weights times √(k/C), give what is wanted.
 */
function overKept(normed: Normed): GraphNode[] {
  const { node, kept, channels, shape } = normed;
  const [x] = node.inputs;
  const id = (name: string): string => `${node.id}#${name}`;
  const share = kept.length / channels;
  const first = [
    extra('constant', id('mask'), [], { tensor: mask(normed) }),
    extra('multiply', id('kept'), [x, id('mask')], {}),
  ];
  const last = [
    extra('multiply', id('input'), [id('centred'), id('mask')], {}),
    {
      ...node,
      inputs: [id('input')],
      attributes: { ...node.attributes, eps: node.attributes.eps * share },
    } as GraphNode,
  ];
  if (node.kind === 'layerNorm')
    return [
      ...first,
      extra('mean', id('mean'), [id('kept')], { axes: [node.attributes.axis], keepDimensions: true }),
      extra('scale', id('own mean'), [id('mean')], { by: 1 / share }),
      extra('subtract', id('centred'), [id('kept'), id('own mean')], {}),
      ...last,
    ];
  const positions = shape.slice(2).reduce((a, b) => a * b, 1);
  const { groups } = node.attributes;
  const grouped = [shape[0], groups, channels / groups, positions];
  return [
    ...first,
    extra('reshape', id('grouped'), [id('kept')], { shape: grouped }),
    extra('mean', id('mean'), [id('grouped')], { axes: [2, 3], keepDimensions: true }),
    extra('scale', id('own mean'), [id('mean')], { by: 1 / share }),
    extra('subtract', id('centred groups'), [id('grouped'), id('own mean')], {}),
    extra('reshape', id('centred'), [id('centred groups')], { shape }),
    ...last,
  ];
}

/** Whether a norm loses channels over which it goes: one of every channel alone does not mind. */
function normed(node: GraphNode, pruned: Pruned, shape: Shape): Normed | undefined {
  if (node.kind !== 'layerNorm' && node.kind !== 'groupNorm') return undefined;
  const kept = pruned.keptIndices.get(node.parameters.weight ?? '')?.kept[0];
  const channels = node.kind === 'layerNorm' ? shape[node.attributes.axis] : shape[1];
  if (!kept || (node.kind === 'groupNorm' && node.attributes.groups === channels)) return undefined;
  return { node, kept, channels, shape };
}

type Shapes = ReadonlyMap<string, Shape>;

/** How many times the channels that are left all channels are, of a mean over them; undefined where it loses none. */
function averagesOverFewer(node: GraphNode, shapes: Shapes, smaller: Shapes): number | undefined {
  if (node.kind !== 'mean') return undefined;
  const count = (of: Shapes): number =>
    node.attributes.axes.reduce((product, axis) => product * (of.get(node.inputs[0])?.[axis] ?? 1), 1);
  const factor = count(shapes) / count(smaller);
  return factor === 1 ? undefined : factor;
}

/** Whether a mean goes over channels that are removed, as that of a norm by the root of the mean square. */
export const averagesOverRemoved = (graph: Graph, pruned: Graph): boolean => {
  const [shapes, smaller] = [inferShapes(graph), inferShapes(pruned)];
  return graph.nodes.some((node) => averagesOverFewer(node, shapes, smaller) !== undefined);
};

/** Graph and weights of the reference. */
export function maskedNetwork(
  graph: Graph,
  weights: Weights,
  pruned: Pruned,
): { readonly graph: Graph; readonly weights: Map<string, Tensor> } {
  const shapes = inferShapes(graph);
  const smaller = inferShapes(pruned.graph);
  const reference = new Map([...weights, ...masked(weights, pruned)]);
  const shrunk = new Set<string>();
  const nodes = graph.nodes.flatMap((node): GraphNode[] => {
    if (node.kind === 'scale' && node.attributes.by === 'rsqrt(last dimension)') {
      const width = smaller.get(node.inputs[0])?.at(-1) as number;
      return [{ ...node, attributes: { by: width ** -0.5 } }];
    }
    const narrower = averagesOverFewer(node, shapes, smaller);
    if (narrower !== undefined) {
      const mean = { ...node, id: `${node.id}#all` };
      return [mean, extra('scale', node.id, [mean.id], { by: narrower })];
    }
    const found = normed(node, pruned, shapes.get(node.inputs[0]) as Shape);
    if (!found) return [node];
    const name = node.parameters.weight as string;
    const tensor = reference.get(name) as Tensor<'float32'>;
    const factor = Math.sqrt(found.kept.length / found.channels);
    // Shared weights are made smaller once: norms that share them lose the same channels.
    if (!shrunk.has(name)) reference.set(name, { ...tensor, data: tensor.data.map((value) => value * factor) });
    shrunk.add(name);
    return overKept(found);
  });
  return { graph: { ...graph, nodes }, weights: reference };
}
