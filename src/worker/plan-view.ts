/** A plan's consequences for every node and group, as the model editor draws them. Prepared once, then fast enough for a slider. */
import { inferShapes } from '../engine/graph/shapes.ts';
import type { Groups, LeafId } from '../engine/pruning/coupling/groups.ts';
import type { CompiledCost, SetSizes } from '../engine/pruning/planning/cost.ts';
import type { Plan } from '../engine/pruning/planning/plan-types.ts';
import type { GroupsView, PlanView, TargetRange } from '../protocol/graph-view.ts';
import type { PlanTime } from '../protocol/latency-values.ts';
import { channelAxes } from './channel-axes.ts';

/** A product of leaves' sizes. */
type Product = readonly LeafId[];

/** What of a node changes with the plan. */
interface NodeSizes {
  readonly width: Product | undefined;
  readonly inWidth: Product | undefined;
  readonly parameters: readonly Product[];
}

export interface PlanViewContext {
  readonly range: TargetRange;
  /** Made without scores: every channel counts the same. */
  readonly unscored: boolean;
  /** Where times are known. */
  readonly time?: PlanTime;
  /** Modules removed whole. */
  readonly removed?: readonly string[];
}

/** Entries that a plan leaves of every set. */
function setSizes(groups: Groups, plan: Plan): SetSizes {
  const sizes = Int32Array.from(groups.sets, ({ size }) => size);
  const planned = groups.groups.filter(({ dims }) => dims !== undefined);
  for (const [i, { dims }] of planned.entries())
    if (dims !== undefined && plan.groups[i]) sizes[dims] = plan.groups[i].kept.length;
  for (const [i, { set }] of groups.heads.entries())
    if (set !== undefined && plan.heads[i]) sizes[set] = plan.heads[i].kept.length;
  return sizes;
}

function nodeSizes(groups: Groups): NodeSizes[] {
  const { graph } = groups;
  const axes = channelAxes(graph, inferShapes(graph));
  const trainable = new Set(graph.parameters.filter((p) => p.trainable).map((p) => p.name));
  return graph.nodes.map((node): NodeSizes => {
    const dimensions = groups.values.get(node.id);
    const own = axes.get(node.id) ?? [];
    const input = groups.values.get(node.inputs[0]);
    const weight = groups.parameters.get(node.parameters.weight ?? '');
    return {
      width: dimensions && own.length ? own.flatMap((axis) => dimensions[axis] ?? []) : undefined,
      inWidth: node.kind === 'conv' ? input?.[1] : node.kind === 'linear' ? weight?.[1] : undefined,
      parameters: Object.values(node.parameters)
        .filter((name) => trainable.has(name))
        .flatMap((name) => {
          const shape = groups.parameters.get(name);
          return shape ? [shape.flat()] : [];
        }),
    };
  });
}

/** Sizes of all leaves under the sizes of their sets. */
function leafSizes({ leaves }: Groups, sizes: SetSizes): Float64Array {
  return Float64Array.from(leaves, ({ size, sets }) => {
    if (!sets.length) return Math.abs(size);
    let sum = 0;
    for (const { set, multiplicity } of sets) sum += sizes[set] * multiplicity;
    return sum;
  });
}

/** Threshold of each scope of the view: of the plan's scope that ranks its groups; null where nothing goes. */
function thresholds({ scopes }: GroupsView, groups: Groups, plan: Plan): (number | null)[] {
  const byId = new Map(plan.scopes.map((scope) => [scope.id, scope.threshold]));
  const planned = groups.groups.filter(({ dims }) => dims !== undefined);
  const ofGroup = new Map(planned.map(({ id }, i) => [id, plan.groups[i]?.scope]));
  return scopes.map(({ groups: members, kind }) => {
    if (kind === 'heads') return null;
    const own = ofGroup.get(members[0]);
    return own === undefined ? null : (byId.get(own) ?? null);
  });
}

/** Prepares a network; what it returns turns plans into views. */
export function compilePlanView(
  groups: Groups,
  view: GroupsView,
  cost: CompiledCost,
): (plan: Plan, context: PlanViewContext) => PlanView {
  const { graph } = groups;
  const nodes = nodeSizes(groups);
  return (plan, { range, unscored, time, removed = [] }) => {
    const sizes = setSizes(groups, plan);
    const leaves = leafSizes(groups, sizes);
    const product = (of: Product | undefined): number => {
      if (!of) return 0;
      let size = 1;
      for (const leaf of of) size *= leaves[leaf];
      return size;
    };
    const macs = cost.nodes(sizes);
    return {
      target: plan.targetMacs ?? plan.after.macs,
      ...(time && { time }),
      before: plan.before,
      after: plan.after,
      range,
      kept: [
        ...groups.groups.map(({ dims, width }) => (dims === undefined ? width : sizes[dims])),
        ...groups.heads.map(({ set, count }) => (set === undefined ? count : sizes[set])),
      ],
      thresholds: thresholds(view, groups, plan),
      widths: nodes.map(({ width }) => product(width)),
      inWidths: nodes.map(({ inWidth }) => product(inWidth)),
      macs: graph.nodes.map((node) => macs.get(node.id) ?? 0),
      params: nodes.map(({ parameters }) => parameters.reduce((sum, shape) => sum + product(shape), 0)),
      removed,
      unscored,
    };
  };
}
