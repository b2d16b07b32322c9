/**
 * A network cut into segments: each layer with what follows it up to the next layer (norm, addition, activation, the products
 * of attention), so that what a backend runs as one kernel is in one segment.
 */
import type { Graph, GraphNode, ValueId } from '../../graph/graph.ts';
import { leavingValues } from '../../graph/graph.ts';
import type { Shape } from '../../graph/operations.ts';
import { inferShapes } from '../../graph/shapes.ts';
import type { Groups, LeafId, SetId } from '../coupling/groups.ts';
import type { SetSizes } from '../planning/cost.ts';

/** A number that a segment's shapes depend on: Σ size of a set · how often it is there. */
export interface WidthAxis {
  readonly sets: readonly { readonly set: SetId; readonly multiplicity: number }[];
}

export interface Segment {
  /** Its first layer. */
  readonly name: string;
  readonly nodes: readonly ValueId[];
  /** Values of the images that it takes from segments before. */
  readonly given: readonly ValueId[];
  /** Values that segments after it take, or that leave the network. */
  readonly wanted: readonly ValueId[];
  readonly axes: readonly WidthAxis[];
  /** Equal for segments that take the same time at equal widths. */
  readonly signature: string;
}

const LAYERS: ReadonlySet<GraphNode['kind']> = new Set(['conv', 'convTranspose', 'linear']);
/** Segments of more axes are measured along one: all widths growing together. */
const MOST_AXES = 3;

export const axisSize = ({ sets }: WidthAxis, sizes: SetSizes): number =>
  sets.reduce((sum, { set, multiplicity }) => sum + sizes[set] * multiplicity, 0);

/** Sets whose size a plan can change. */
export function prunableSets({ groups, heads }: Groups): ReadonlySet<SetId> {
  const dims = groups.flatMap(({ dims: set, frozen }) => (set !== undefined && frozen === undefined ? [set] : []));
  return new Set([...dims, ...heads.flatMap(({ set }) => (set === undefined ? [] : [set]))]);
}

/** Nodes from each layer up to the next; what comes before the first belongs to it. */
function nodeRuns({ nodes }: Graph): readonly (readonly GraphNode[])[] {
  const runs: GraphNode[][] = [[]];
  let layers = 0;
  for (const node of nodes) {
    if (LAYERS.has(node.kind) && layers++ > 0) runs.push([]);
    runs[runs.length - 1].push(node);
  }
  return runs;
}

/** Values that change with the images. */
function movingValues({ nodes }: Graph): ReadonlySet<ValueId> {
  const moving = new Set<ValueId>();
  for (const { id, kind, inputs } of nodes)
    if (kind === 'input' || inputs.some((from) => moving.has(from))) moving.add(id);
  return moving;
}

class Segmentation {
  private readonly free: ReadonlySet<SetId>;
  private readonly moving: ReadonlySet<ValueId>;
  private readonly shapes: ReadonlyMap<ValueId, Shape>;
  private readonly parameterShapes: ReadonlyMap<string, readonly number[]>;

  constructor(private readonly groups: Groups) {
    this.free = prunableSets(groups);
    this.moving = movingValues(groups.graph);
    this.shapes = inferShapes(groups.graph);
    this.parameterShapes = new Map(groups.graph.parameters.map(({ name, shape }) => [name, shape]));
  }

  /** What a leaf's size is the sum of; undefined where no plan changes it. */
  private axisOf(leaf: LeafId): WidthAxis | undefined {
    const sets = this.groups.leaves[leaf].sets.filter(({ set }) => this.free.has(set));
    return sets.length ? { sets: sets.toSorted((a, b) => a.set - b.set) } : undefined;
  }

  /** Axes that vary one by one: each has sets that no other has. */
  private axes(dimensions: readonly (readonly LeafId[])[]): readonly WidthAxis[] {
    const found = new Map<string, WidthAxis>();
    for (const leaf of dimensions.flat()) {
      const axis = this.axisOf(leaf);
      if (axis) found.set(axisKey(axis), axis);
    }
    const covered = new Set<SetId>();
    const own: WidthAxis[] = [];
    for (const { sets } of [...found.values()].sort((a, b) => a.sets.length - b.sets.length)) {
      const left = sets.filter(({ set }) => !covered.has(set));
      if (left.length) own.push({ sets: left });
      for (const { set } of left) covered.add(set);
    }
    if (own.length <= MOST_AXES) return own;
    return [{ sets: own.flatMap(({ sets }) => sets) }];
  }

  segment(run: readonly GraphNode[], usedLater: ReadonlySet<ValueId>): Segment {
    const inside = new Set(run.map(({ id }) => id));
    const taken = new Set(run.flatMap(({ inputs }) => inputs));
    const given = [...taken].filter((id) => !inside.has(id) && this.moving.has(id));
    const wanted = run.filter(({ id }) => usedLater.has(id) && this.moving.has(id)).map(({ id }) => id);
    const parameters = run.flatMap((node) => Object.values(node.parameters));
    const { values, parameters: leavesOf } = this.groups;
    const dimensions = [
      ...[...given, ...inside].flatMap((id) => values.get(id) ?? []),
      ...parameters.flatMap((name) => leavesOf.get(name) ?? []),
    ];
    const axes = this.axes(dimensions);
    const signature = this.signature(run, given, wanted, axes);
    const name = run.find(({ kind }) => LAYERS.has(kind))?.id ?? run[0].id;
    return { name, nodes: run.map(({ id }) => id), given, wanted, axes, signature };
  }

  /** Operations, attributes, dense shapes, and which dimension follows which axis; no names. */
  private signature(
    run: readonly GraphNode[],
    given: readonly ValueId[],
    wanted: readonly ValueId[],
    axes: readonly WidthAxis[],
  ): string {
    const place = new Map<ValueId, string>(given.map((id, i) => [id, `given${i}`]));
    const dimension = (leaves: readonly LeafId[]): string =>
      leaves
        .map((leaf) => {
          const at = axes.flatMap(({ sets }, i) =>
            this.groups.leaves[leaf].sets.some(({ set }) => sets.some((own) => own.set === set)) ? [i] : [],
          );
          return `${this.groups.leaves[leaf].size}${at.length ? `a${at.join('+')}` : ''}`;
        })
        .join('*');
    const value = (id: ValueId): string =>
      `${this.shapes.get(id)?.join('x')}[${(this.groups.values.get(id) ?? []).map(dimension).join(' ')}]`;
    const parameter = (name: string): string =>
      `${this.parameterShapes.get(name)?.join('x')}[${(this.groups.parameters.get(name) ?? []).map(dimension).join(' ')}]`;
    const lines = run.map((node, i) => {
      place.set(node.id, `at${i}`);
      const attributes = JSON.stringify(node.attributes, (_, each: unknown) =>
        ArrayBuffer.isView(each) ? 'data' : each,
      );
      const inputs = node.inputs.map((id) => place.get(id) ?? 'fixed').join(',');
      const owned = Object.entries(node.parameters).map(([role, name]) => `${role}=${parameter(name)}`);
      return `${node.kind}(${inputs})${attributes} ${owned.join(' ')} ${wanted.includes(node.id) ? 'out' : ''}`;
    });
    const sizes = axes.map(({ sets }) =>
      sets.map(({ set, multiplicity }) => `${this.groups.sets[set].size}x${multiplicity}`),
    );
    return [given.map(value).join(' '), ...lines, sizes.join(';')].join('\n');
  }
}

const axisKey = ({ sets }: WidthAxis): string =>
  sets.map(({ set, multiplicity }) => `${set}x${multiplicity}`).join('+');

/** Cuts a network, in its order. Together the segments compute everything once. */
export function segmentNetwork(groups: Groups): readonly Segment[] {
  const { graph } = groups;
  const segmentation = new Segmentation(groups);
  const runs = nodeRuns(graph);
  const leaving = leavingValues(graph);
  const later = new Set<ValueId>(leaving);
  const segments: Segment[] = [];
  for (const run of runs.toReversed()) {
    segments.unshift(segmentation.segment(run, later));
    for (const { inputs } of run) for (const id of inputs) later.add(id);
  }
  return segments.filter(({ wanted }) => wanted.length > 0);
}
