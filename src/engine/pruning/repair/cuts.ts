/**
 * Where the values of both networks are kept while a repair goes forward. Every layer is fitted to what the layers
 * before it, already repaired, bring it: from the images each time, or from values kept further on.
 */
import type { Graph, ValueId } from '../../graph/graph.ts';
import { nodeMacs } from '../../graph/macs.ts';
import { inferShapes, sizePerImage } from '../../graph/shapes.ts';

export interface Cut {
  /** Values that the rest of each network needs; none at the images. */
  readonly student: readonly ValueId[];
  readonly teacher: readonly ValueId[];
}

/** Layers that are fitted from one cut. */
export interface Segment {
  readonly cut: Cut;
  /** From, and up to but without. */
  readonly from: number;
  readonly to: number;
}

export interface CutOptions {
  readonly images: number;
  /** Most bytes that kept values may take. */
  readonly bytes: number;
}

interface FittedLayer {
  readonly node: { readonly id: ValueId };
  readonly teacherNode: ValueId;
}

/** What opening one more segment costs, in multiply-accumulates: building and loading its programs. */
const SEGMENT_MACS = 2e10;

class Side {
  private readonly position: ReadonlyMap<ValueId, number>;
  private readonly lastUse = new Map<ValueId, number>();
  private readonly bytes: ReadonlyMap<ValueId, number>;
  private readonly moves = new Set<ValueId>();
  /** MACs of one image before each node. */
  readonly before: Float64Array;

  constructor(private readonly graph: Graph) {
    this.position = new Map(graph.nodes.map(({ id }, i) => [id, i]));
    const shapes = inferShapes(graph);
    this.bytes = new Map([...shapes].map(([id, shape]) => [id, shape[0] === -1 ? 4 * sizePerImage(shape) : Infinity]));
    const macs = nodeMacs(graph);
    this.before = new Float64Array(graph.nodes.length + 1);
    graph.nodes.forEach((node, i) => {
      this.before[i + 1] = this.before[i] + (macs.get(node.id) ?? 0);
      if (node.kind === 'input' || node.inputs.some((id) => this.moves.has(id))) this.moves.add(node.id);
      for (const id of node.inputs) this.lastUse.set(id, i);
    });
    for (const { value } of graph.outputs) this.lastUse.set(value, graph.nodes.length);
  }

  at(id: ValueId): number {
    return this.position.get(id) as number;
  }

  /** Values computed before a node and needed from it on; those that no image changes are computed again. */
  live(position: number): readonly ValueId[] {
    return this.graph.nodes
      .slice(0, position)
      .filter(({ id }) => this.moves.has(id) && (this.lastUse.get(id) ?? -1) >= position)
      .map(({ id }) => id);
  }

  /** Bytes an image; infinite where the images themselves are still needed. */
  size(values: readonly ValueId[]): number {
    return values.reduce(
      (sum, id) => sum + (this.graph.nodes[this.at(id)].kind === 'input' ? Infinity : (this.bytes.get(id) as number)),
      0,
    );
  }
}

/**
 * The cheapest cuts whose values fit: every layer is computed from its segment's cut, and the next cut from it too.
 * The first segment begins at the images.
 */
export function chooseCuts(
  student: Graph,
  teacher: Graph,
  layers: readonly FittedLayer[],
  { images, bytes }: CutOptions,
): readonly Segment[] {
  const sides = [new Side(student), new Side(teacher)] as const;
  const places = layers.map(({ node, teacherNode }) => [sides[0].at(node.id), sides[1].at(teacherNode)] as const);
  const macs = places.map(([s, t]) => sides[0].before[s + 1] + sides[1].before[t + 1]);
  const isForward = places.every(([, t], i) => i === 0 || t > places[i - 1][1]);
  const cuts = places.map(([s, t]): Cut => ({ student: sides[0].live(s), teacher: sides[1].live(t) }));
  const start = places.map(([s, t]) => sides[0].before[s] + sides[1].before[t]);
  const fits = cuts.map(
    (cut) => isForward && images * (sides[0].size(cut.student) + sides[1].size(cut.teacher)) <= bytes,
  );
  const n = layers.length;
  // best[i]: least cost of layers i … with a cut right before i (for i = 0: the images).
  const best = new Float64Array(n + 1);
  const next = new Int32Array(n + 1).fill(n);
  for (let i = n - 1; i >= 0; i--) {
    best[i] = Infinity;
    const origin = i === 0 ? 0 : start[i];
    let collected = 0;
    for (let j = i + 1; j <= n; j++) {
      collected += macs[j - 1] - origin;
      if (j < n && !fits[j]) continue;
      const advance = j < n ? start[j] - origin : 0;
      const cost = images * (collected + advance) + SEGMENT_MACS + best[j];
      if (cost < best[i]) {
        best[i] = cost;
        next[i] = j;
      }
    }
  }
  const segments: Segment[] = [];
  for (let i = 0; i < n; i = next[i])
    segments.push({ cut: i === 0 ? { student: [], teacher: [] } : cuts[i], from: i, to: next[i] });
  return segments;
}
