/** Weights of a network that has none: He et al. 2015 for convolutions, as PyTorch's reference models do for the rest. */
import { deriveSeed, Random } from '../data/random.ts';
import type { Graph, GraphNode } from '../graph/graph.ts';
import type { ParameterRole } from '../graph/operations.ts';
import { elementCount, float32Tensor, type Tensor, type Weights } from '../graph/tensor.ts';

/** Standard deviation of bare parameters: tokens and position embeddings. */
const TOKEN_DEVIATION = 0.02;
/** Layer scale starts near zero, so that a deep network starts near the identity (Touvron et al. 2021). */
const LAYER_SCALE = 1e-6;

type Fill = (data: Float32Array, shape: readonly number[], random: Random) => void;

const normal =
  (deviation: (shape: readonly number[]) => number): Fill =>
  (data, shape, random) => {
    const scale = deviation(shape);
    for (let i = 0; i < data.length; i++) data[i] = scale * random.normal();
  };

const constant =
  (value: number): Fill =>
  (data) => {
    data.fill(value);
  };

const fanOut = ([out, , ...kernel]: readonly number[]): number => out * elementCount(kernel);

const convWeight = normal((shape) => Math.sqrt(2 / fanOut(shape)));
const linearWeight: Fill = (data, [, into], random) => {
  const bound = 1 / Math.sqrt(into);
  for (let i = 0; i < data.length; i++) data[i] = random.uniform(-bound, bound);
};
const token = normal(() => TOKEN_DEVIATION);

function fillOf(node: GraphNode, role: ParameterRole, shape: readonly number[]): Fill {
  if (role === 'runningVar') return constant(1);
  if (role === 'weight') return node.kind === 'conv' ? convWeight : node.kind === 'linear' ? linearWeight : constant(1);
  if (role === 'value') return shape.length === 1 ? constant(LAYER_SCALE) : token;
  return constant(0);
}

/** Random weights for every parameter and buffer; the same for the same seed. */
export function initialiseWeights(graph: Graph, seed: number): Weights {
  const fills = new Map<string, (tensor: Tensor<'float32'>, random: Random) => void>();
  for (const node of graph.nodes)
    for (const [role, name] of Object.entries(node.parameters) as [ParameterRole, string][])
      fills.set(name, (tensor, random) => fillOf(node, role, tensor.shape)(tensor.data, tensor.shape, random));
  return new Map(
    graph.parameters.map(({ name, shape, dtype }, index): [string, Tensor] => {
      if (dtype === 'int64') return [name, { dtype, shape, data: new BigInt64Array(elementCount(shape)) }];
      const tensor = float32Tensor(shape);
      fills.get(name)?.(tensor, new Random(deriveSeed(seed, index)));
      return [name, tensor];
    }),
  );
}
