/**
 * Multiply-accumulates and parameters of one image, by the counter of the paper's figures.
 *
 * The counter adds norms, activations and pooling modules to the products, and sees modules only (`counted`).
 * An attention module is counted as a whole, and its parts stand at their nodes here; its projection is counted as if
 * it were square, which after pruning it is not: `macs` has that figure, `macsTrue` the projection's real width.
 */
import { activations } from './activations.ts';
import type { Graph, GraphNode, ValueId } from './graph.ts';
import { nodesById, parametersByName } from './graph.ts';
import type { OperationKind, Shape } from './operations.ts';
import { ATTENTION_MODULES } from './reference-quirks.ts';
import { inferShapes, sizePerImage } from './shapes.ts';

export interface Cost {
  /** By the reference's counter. */
  readonly macs: number;
  /** The same with every projection at its real width. */
  readonly macsTrue: number;
  /** Trainable parameters. */
  readonly params: number;
}

interface NodeShapes {
  readonly inputs: readonly Shape[];
  readonly output: Shape;
  readonly weight: readonly number[];
  readonly hasBias: boolean;
}

type MacsRule<K extends OperationKind> = (node: GraphNode<K>, shapes: NodeShapes) => number;

const none = (): number => 0;
const inputElements = (_: GraphNode, { inputs }: NodeShapes): number => sizePerImage(inputs[0]);

/** What the counter adds for one node that it sees. */
const macsRules: { readonly [K in OperationKind]: MacsRule<K> } = {
  input: none,
  parameter: none,
  constant: none,
  conv: (_, { output, weight, hasBias }) => {
    const positions = sizePerImage(output) / Math.abs(output[1]);
    return positions * weight[0] * (weight[1] * weight[2] * weight[3] + (hasBias ? 1 : 0));
  },
  convTranspose: (_, { inputs, output, weight, hasBias }) => {
    const positions = sizePerImage(inputs[0]) / Math.abs(inputs[0][1]);
    return positions * weight[0] * weight[1] * weight[2] * weight[3] + (hasBias ? sizePerImage(output) : 0);
  },
  linear: (_, { inputs, weight, hasBias }) => sizePerImage(inputs[0]) * weight[0] + (hasBias ? weight[0] : 0),
  matmul: (_, { inputs, output }) => sizePerImage(output) * Math.abs(inputs[0].at(-1) as number),
  batchNorm: (_, { inputs }) => 2 * sizePerImage(inputs[0]),
  layerNorm: (_, { inputs }) => 2 * sizePerImage(inputs[0]),
  groupNorm: (_, { inputs }) => 2 * sizePerImage(inputs[0]),
  activation: (node, { output }) => (activations[node.attributes.function].counted ? sizePerImage(output) : 0),
  add: none,
  subtract: none,
  multiply: none,
  divide: none,
  scale: none,
  concat: none,
  slice: none,
  pad: none,
  reshape: none,
  transpose: none,
  softmax: none,
  maxPool: inputElements,
  averagePool: inputElements,
  resize: none,
  mean: inputElements,
  roll: none,
  gather: none,
  expand: none,
  dropout: none,
  dropPath: none,
  // What it computes is not known.
  opaque: none,
};

/** An attention module as the counter sees it: found by its module type and its qkv and proj layers. */
export interface AttentionCost {
  readonly module: string;
  readonly qkv: ValueId;
  readonly proj: ValueId;
  /** The product of queries and keys: its output is [N, (windows,) heads, L, L]. */
  readonly product: ValueId;
  /** The product of the softmax and the values. */
  readonly mixing: ValueId;
}

export function attentionModules(graph: Graph): readonly AttentionCost[] {
  return graph.modules.flatMap(({ path, type }) => {
    if (!ATTENTION_MODULES.has(type)) return [];
    const inside = graph.nodes.filter((node) => node.module === path || node.module.startsWith(`${path}.`));
    const qkv = inside.find((node) => node.id === `${path}.qkv`);
    const proj = inside.find((node) => node.id === `${path}.proj`);
    const product = inside.find((node) => node.kind === 'matmul' && node.attributes.transposeB);
    const mixing = inside.find((node) => node.kind === 'matmul' && !node.attributes.transposeB);
    if (!qkv || !proj || !product || !mixing) return [];
    return [{ module: path, qkv: qkv.id, proj: proj.id, product: product.id, mixing: mixing.id }];
  });
}

/** Shapes of values and parameters: the Graph's own, or those a plan would leave. */
export interface ShapeTable {
  value(id: ValueId): Shape;
  parameter(name: string): readonly number[];
}

/** The shapes that an attention module's MACs depend on. */
interface AttentionShapes {
  readonly input: Shape;
  readonly product: Shape;
  readonly qkvWeight: readonly number[];
  readonly projWeight: readonly number[];
  readonly hasBias: boolean;
}

/** MACs of an attention module's parts: `projection` as the reference counts it, `projectionTrue` by its real width. */
interface AttentionMacs {
  /** With the scaling of the queries. */
  readonly qkv: number;
  /** With the softmax. */
  readonly product: number;
  readonly mixing: number;
  readonly projection: number;
  readonly projectionTrue: number;
}

function attentionMacs({ input, product, qkvWeight, projWeight, hasBias }: AttentionShapes): AttentionMacs {
  const tokens = Math.abs(input.at(-2) as number);
  const width = Math.abs(input.at(-1) as number);
  const windows = sizePerImage(input) / (tokens * width);
  const q = Math.floor(qkvWeight[0] / 3);
  const heads = Math.abs(product.at(-3) as number);
  const headDim = Math.floor(q / heads);
  const qkv = tokens * q + 3 * tokens * width * q + (hasBias ? 3 * tokens * q : 0);
  const mixing = windows * heads * tokens * tokens * headDim;
  const projected = windows * tokens * (q + 1);
  return {
    qkv: windows * qkv,
    product: mixing + windows * heads * tokens * tokens,
    mixing,
    projection: projected * q,
    projectionTrue: projected * projWeight[0],
  };
}

/** MACs of counted nodes, in their order. */
interface MacsFigures {
  readonly macs: Float64Array;
  readonly macsTrue: Float64Array;
}

export interface MacsCounter {
  readonly nodes: readonly ValueId[];
  /** Of the shapes as they are now: the table's arrays may change between calls. The next call writes over its figures. */
  count(): MacsFigures;
}

/** Prepares the counter for one Graph and the table that its shapes are read from. */
export function compileMacs(graph: Graph, table: ShapeTable): MacsCounter {
  const byId = nodesById(graph);
  const attentions = attentionModules(graph);
  const inAttention = (module: string): boolean =>
    attentions.some((a) => module === a.module || module.startsWith(`${a.module}.`));
  const single = graph.nodes
    .filter((node) => node.counted && macsRules[node.kind] !== none && !inAttention(node.module))
    .map((node) => ({
      node,
      rule: macsRules[node.kind] as MacsRule<OperationKind>,
      shapes: {
        inputs: node.inputs.map((id) => table.value(id)),
        output: table.value(node.id),
        weight: node.parameters.weight ? table.parameter(node.parameters.weight) : [],
        hasBias: node.parameters.bias !== undefined,
      },
    }));
  const whole = attentions.map((attention): AttentionShapes => {
    const qkv = byId.get(attention.qkv) as GraphNode;
    const proj = byId.get(attention.proj) as GraphNode;
    return {
      input: table.value(qkv.inputs[0]),
      product: table.value(attention.product),
      qkvWeight: table.parameter(qkv.parameters.weight as string),
      projWeight: table.parameter(proj.parameters.weight as string),
      hasBias: qkv.parameters.bias !== undefined,
    };
  });
  const nodes = [
    ...single.map(({ node }) => node.id),
    ...attentions.flatMap(({ qkv, product, mixing, proj }) => [qkv, product, mixing, proj]),
  ];
  const macs = new Float64Array(nodes.length);
  const macsTrue = new Float64Array(nodes.length);
  return {
    nodes,
    count: () => {
      let at = 0;
      const put = (counted: number, real = counted): void => {
        macs[at] = counted;
        macsTrue[at++] = real;
      };
      for (const { node, rule, shapes } of single) put(rule(node, shapes));
      for (const shapes of whole) {
        const { qkv, product, mixing, projection, projectionTrue } = attentionMacs(shapes);
        put(qkv);
        put(product);
        put(mixing);
        put(projection, projectionTrue);
      }
      return { macs, macsTrue };
    },
  };
}

/** MACs of a Graph's counted nodes, by the reference's counter. */
export function nodeMacs(graph: Graph): ReadonlyMap<ValueId, number> {
  const counter = compileMacs(graph, shapeTable(graph));
  const { macs } = counter.count();
  return new Map(counter.nodes.map((id, i) => [id, macs[i]]));
}

/** The Graph's own shapes as a table. */
export function shapeTable(graph: Graph): ShapeTable {
  const values = inferShapes(graph);
  const parameters = parametersByName(graph);
  return {
    value: (id) => values.get(id) as Shape,
    parameter: (name) => parameters.get(name)?.shape as readonly number[],
  };
}

const sum = (values: Iterable<number>): number => {
  let total = 0;
  for (const value of values) total += value;
  return total;
};

/** MACs and parameters of a Graph. */
export function graphCost(graph: Graph): Cost {
  const { macs, macsTrue } = compileMacs(graph, shapeTable(graph)).count();
  const params = sum(graph.parameters.map((p) => (p.trainable ? p.shape.reduce((a, b) => a * b, 1) : 0)));
  return { macs: sum(macs), macsTrue: sum(macsTrue), params };
}
