/**
 * Which rows of linear layers the heads of an attention are made of: from the products of queries and keys, and of the
 * softmax and the values, back through what only moves elements.
 */
import { type Graph, type GraphNode, nodesById, type ValueId } from '../../graph/graph.ts';
import { inferShapes, withBatch } from '../../graph/shapes.ts';

/** [heads][dims]: outputs of the layer. */
export interface HeadRows {
  readonly layer: GraphNode<'linear'>;
  readonly rows: readonly (readonly number[])[];
}

export interface AttentionHeads {
  readonly queries: HeadRows;
  readonly keys: HeadRows;
  readonly values: HeadRows;
  /** The layer that takes the heads together; rows are its inputs. */
  readonly projection: HeadRows | undefined;
}

type Moved = { readonly shape: readonly number[]; readonly data: Int32Array };

/** What moves elements and computes nothing. */
const moves: { readonly [kind: string]: (node: GraphNode, x: Moved, shape: readonly number[]) => Moved } = {
  reshape: (_, { data }, shape) => ({ shape, data }),
  transpose: (node, x) => {
    const { permutation } = (node as GraphNode<'transpose'>).attributes;
    const strides = stridesOf(x.shape);
    return picked(
      x,
      permutation.map((d) => x.shape[d]),
      permutation.map((d) => strides[d]),
      0,
    );
  },
  slice: (node, x, shape) => {
    const { axis, start, step } = (node as GraphNode<'slice'>).attributes;
    const strides = stridesOf(x.shape);
    return picked(
      x,
      shape,
      strides.map((stride, d) => (d === axis ? stride * step : stride)),
      start * strides[axis],
    );
  },
};

const stridesOf = (shape: readonly number[]): number[] =>
  shape.map((_, i) => shape.slice(i + 1).reduce((a, b) => a * b, 1));

/** Elements at `offset` + Σ place · step. */
function picked(x: Moved, shape: readonly number[], steps: readonly number[], offset: number): Moved {
  const data = new Int32Array(shape.reduce((a, b) => a * b, 1));
  const at = shape.map(() => 0);
  let from = offset;
  for (let i = 0; i < data.length; i++) {
    data[i] = x.data[from];
    for (let d = shape.length - 1; d >= 0; d--) {
      from += steps[d];
      if (++at[d] < shape[d]) break;
      from -= steps[d] * shape[d];
      at[d] = 0;
    }
  }
  return { shape, data };
}

/** Where the elements of a value come from, for one image. */
export class MovedElements {
  private readonly nodes: ReadonlyMap<ValueId, GraphNode>;
  private readonly shapes: ReturnType<typeof inferShapes>;

  constructor(graph: Graph) {
    this.nodes = nodesById(graph);
    this.shapes = inferShapes(graph);
  }

  sizes(id: ValueId): number[] {
    return withBatch(this.shapes.get(id) ?? [], 1);
  }

  /** The node whose output a value only moves (scaling aside, where `scaled`), and of each element the last coordinate there. */
  of(id: ValueId, scaled = false): { readonly source: GraphNode; readonly moved: Moved } | undefined {
    const path: GraphNode[] = [];
    let source = this.nodes.get(id);
    while (source && (source.kind in moves || (scaled && source.kind === 'scale'))) {
      if (source.kind in moves) path.unshift(source);
      source = this.nodes.get(source.inputs[0]);
    }
    if (!source) return undefined;
    const shape = this.sizes(source.id);
    const data = Int32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => i);
    const moved = path.reduce((x, step) => moves[step.kind](step, x, this.sizes(step.id)), { shape, data } as Moved);
    return { source, moved };
  }

  /** Heads of an operand [lead…, heads, tokens, dims] of a product; `turned`: its last two dimensions change places. */
  heads(id: ValueId, turned = false): HeadRows | undefined {
    const found = this.of(id, true);
    if (found?.source.kind !== 'linear') return undefined;
    const { source: layer, moved } = found;
    const { shape, data } = moved;
    if (shape.length < 3) return undefined;
    const width = this.sizes(layer.id).at(-1) as number;
    const [heads, rows, columns] = shape.slice(-3);
    const [dims, stride] = turned ? [rows, columns] : [columns, 1];
    return {
      layer,
      rows: Array.from({ length: heads }, (_, h) =>
        Array.from({ length: dims }, (_, i) => data[h * rows * columns + i * stride] % width),
      ),
    };
  }

  /** Inputs of a linear layer that the heads of a product [lead…, heads, tokens, dims] become. */
  headInputs(layer: GraphNode<'linear'>, product: ValueId): HeadRows | undefined {
    const found = this.of(layer.inputs[0]);
    if (found?.source.id !== product) return undefined;
    const { moved } = found;
    const [heads, tokens, dims] = this.sizes(product).slice(-3);
    const width = moved.shape.at(-1) as number;
    if (width !== heads * dims) return undefined;
    const rows = Array.from({ length: heads }, () => new Array<number>(dims).fill(-1));
    for (let input = 0; input < width; input++) {
      const at = moved.data[input];
      rows[Math.floor(at / (tokens * dims)) % heads][at % dims] = input;
    }
    return rows.some((each) => each.includes(-1)) ? undefined : { layer, rows };
  }
}

/** The linear layer behind a value, through what only moves elements and has no other user. */
function linearAfter(
  users: ReadonlyMap<ValueId, readonly GraphNode[]>,
  from: ValueId,
): GraphNode<'linear'> | undefined {
  for (let id = from; ; ) {
    const [next, ...others] = users.get(id) ?? [];
    if (!next || others.length) return undefined;
    if (next.kind === 'linear') return next;
    if (!(next.kind in moves)) return undefined;
    id = next.id;
  }
}

/** Every attention whose queries, keys and values come straight from linear layers. */
export function attentionHeads(
  graph: Graph,
  users: ReadonlyMap<ValueId, readonly GraphNode[]>,
): readonly AttentionHeads[] {
  const elements = new MovedElements(graph);
  const nodes = nodesById(graph);
  /** The product of queries and keys behind a softmax. */
  const scoresOf = (id: ValueId): GraphNode<'matmul'> | undefined => {
    let node = nodes.get(id);
    for (; node && node.kind !== 'matmul'; node = nodes.get(node.inputs[0]))
      if (!['softmax', 'dropout', 'add', 'reshape', 'scale'].includes(node.kind)) return undefined;
    return node;
  };
  return graph.nodes.flatMap((mixing): AttentionHeads[] => {
    if (mixing.kind !== 'matmul' || mixing.attributes.transposeB) return [];
    const scores = scoresOf(mixing.inputs[0]);
    if (!scores || scores.id === mixing.id) return [];
    const queries = elements.heads(scores.inputs[0]);
    const keys = elements.heads(scores.inputs[1], !scores.attributes.transposeB);
    const values = elements.heads(mixing.inputs[1]);
    if (!queries || !keys || !values) return [];
    const after = linearAfter(users, mixing.id);
    return [{ queries, keys, values, projection: after && elements.headInputs(after, mixing.id) }];
  });
}
