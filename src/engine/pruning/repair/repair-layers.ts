/** Which layers of a pruned network are refitted, towards what, and where the fitted constant goes. */

import { type Graph, type GraphNode, leavingValues, nodesById, type ValueId } from '../../graph/graph.ts';
import { inferShapes } from '../../graph/shapes.ts';
import { elementCount } from '../../graph/tensor.ts';
import { type ChannelForm, channelForm } from './channel-form.ts';
import { headLayers, lostHeads } from './lost-heads.ts';
import type { NetworkPair } from './network-pair.ts';
import { type ChannelFactor, normFactor, type Rectified, rectifiedBy } from './rectified.ts';
import { scaledQueries } from './scaled-queries.ts';

/** The sum that a layer's branch ends in: its target makes good what the other branch lacks. */
interface SumTarget {
  /** What is added to the branch, in the pruned network and in the dense one. */
  readonly other: ValueId;
  readonly teacherOther: ValueId;
  /** Transposes between the layer's output and the sum, in their order. */
  readonly permutations: readonly (readonly number[])[];
  readonly factors: readonly ChannelFactor[];
}

/** Where the constant of a fit is put: added to the bias, or taken from the running mean of the norm that follows. */
export interface ConstantPlace {
  readonly role: 'bias' | 'runningMean';
  readonly parameter: string;
}

export interface RepairLayer {
  /** In the pruned network. */
  readonly node: GraphNode<'conv' | 'linear'>;
  readonly weight: string;
  /** The same layer of the dense network. */
  readonly teacherNode: ValueId;
  /** Outputs of the dense layer that stayed; undefined where all did. */
  readonly keptOutputs: Int32Array | undefined;
  readonly constant: ConstantPlace | undefined;
  readonly sum: SumTarget | undefined;
  /** Set where its own second moments would be too large: its input channels are fitted in their place. */
  readonly channels?: ChannelForm;
  /** Set where its targets are sums of the dense outputs: how many it has. */
  readonly mapped?: number;
  /** Set where a ReLU takes what it gives. */
  readonly rectified?: Rectified;
}

export interface RepairLayers {
  /** In forward order. */
  readonly layers: readonly RepairLayer[];
  /** Layers whose input changed and that stay as they are, with the reason. */
  readonly left: ReadonlyMap<ValueId, string>;
}

export type Users = ReadonlyMap<ValueId, readonly GraphNode[]>;

/** Nodes that take a value, by its name. */
export function usersOf(graph: Graph): Users {
  const users = new Map<ValueId, GraphNode[]>();
  for (const node of graph.nodes)
    for (const input of node.inputs) {
      const list = users.get(input);
      if (list) list.push(node);
      else users.set(input, [node]);
    }
  return users;
}

/** Values that differ from the dense network's: what is computed with a parameter that lost entries, and all that follows. */
function changedValues({ student, kept }: NetworkPair): ReadonlySet<ValueId> {
  const changed = new Set<ValueId>();
  for (const node of student.nodes) {
    const lost = Object.values(node.parameters).some((name) => kept.get(name)?.kept.some(Boolean));
    if (lost || node.inputs.some((id) => changed.has(id))) changed.add(node.id);
  }
  return changed;
}

/** Where a constant added to a layer's outputs can go; undefined where nowhere. */
export function constantPlace(node: GraphNode, users: Users): ConstantPlace | undefined {
  const { bias } = node.parameters;
  if (bias !== undefined) return { role: 'bias', parameter: bias };
  const [norm, ...others] = users.get(node.id) ?? [];
  if (norm?.kind !== 'batchNorm' || others.length || norm.parameters.runningMean === undefined) return undefined;
  return { role: 'runningMean', parameter: norm.parameters.runningMean };
}

interface Walked {
  readonly end: GraphNode;
  readonly operand: number;
  readonly permutations: readonly (readonly number[])[];
  readonly factors: readonly ChannelFactor[];
}

/** The sum that a value ends in, through what multiplies each channel by a constant; undefined where there is none. */
function walkToSum(graph: Graph, users: Users, from: ValueId): Walked | undefined {
  const nodes = nodesById(graph);
  const leaving = leavingValues(graph);
  const permutations: (readonly number[])[] = [];
  const factors: ChannelFactor[] = [];
  for (let id = from; ; ) {
    const [next, ...others] = users.get(id) ?? [];
    if (!next || others.length || leaving.has(id)) return undefined;
    const operand = next.inputs.indexOf(id);
    if (next.kind === 'add') return { end: next, operand, permutations, factors };
    if (next.kind === 'batchNorm') {
      const factor = normFactor(next);
      if (!factor) return undefined;
      factors.push(factor);
    } else if (next.kind === 'multiply') {
      const value = nodes.get(next.inputs[1 - operand]);
      if (value?.kind !== 'parameter') return undefined;
      factors.push({ kind: 'scale', value: value.parameters.value as string });
    } else if (next.kind === 'transpose') permutations.push(next.attributes.permutation);
    else if (next.kind !== 'dropout' && next.kind !== 'dropPath') return undefined;
    id = next.id;
  }
}

/** Everything that a value is computed from, itself included. */
function ancestors(nodes: ReadonlyMap<ValueId, GraphNode>, id: ValueId, found = new Set<ValueId>()): Set<ValueId> {
  const open = [id];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (found.has(next)) continue;
    found.add(next);
    open.push(...(nodes.get(next)?.inputs ?? []));
  }
  return found;
}

/** Finds everything that is to be refitted, and how. `mostBytes`: of one layer's second moments. */
export function findRepairLayers(pair: NetworkPair, mostBytes = MOST_BYTES): RepairLayers {
  const { student, teacher, kept } = pair;
  const changed = changedValues(pair);
  const scaled = scaledQueries(pair);
  const users = usersOf(student);
  const teacherUsers = usersOf(teacher);
  const heads = headLayers(lostHeads(pair, { student: users, teacher: teacherUsers }));
  // What comes in is other than before, or what goes out must be.
  const differs = ({ id, inputs }: GraphNode): boolean => changed.has(inputs[0]) || scaled.has(id) || heads.has(id);
  const teacherOf = new Map(teacher.nodes.map((node) => [node.parameters.weight, node.id]));
  const weightUsers = countBy(student.nodes.flatMap(({ parameters }) => parameters.weight ?? []));
  const left = new Map<ValueId, string>();
  const shapeOf = new Map(student.parameters.map(({ name, shape }) => [name, shape]));
  const found = student.nodes.flatMap((node): RepairLayer[] => {
    if ((node.kind !== 'conv' && node.kind !== 'linear') || !differs(node)) return [];
    const weight = node.parameters.weight as string;
    const origin = kept.get(weight);
    const teacherNode = origin && teacherOf.get(origin.from);
    const isLarge = squareBytes(node, shapeOf.get(weight) ?? []) > mostBytes;
    const channels = isLarge ? channelForm(student, node) : undefined;
    if (weightUsers.get(weight) !== 1) left.set(node.id, 'its weights are used more than once');
    else if (isLarge && !channels)
      left.set(node.id, `the second moments of its inputs would take over ${Math.round(mostBytes / 2 ** 20)} MB`);
    else if (!origin || teacherNode === undefined) left.set(node.id, 'the dense network has no such layer');
    else {
      const constant = constantPlace(node, users);
      const layer = { node, weight, teacherNode, keptOutputs: origin.kept[0], constant, sum: undefined };
      return [{ ...layer, ...(channels && { channels }) }];
    }
    return [];
  });
  const shapes = inferShapes(student);
  const sizes = new Map(student.parameters.map(({ name, shape }) => [name, elementCount(shape)]));
  const nodes = nodesById(student);
  const place = new Map(found.map((layer, i) => [layer.node.id, i]));
  const withRectified = (layer: RepairLayer, sum?: ValueId, teacherSum?: ValueId): RepairLayer => {
    const rectified = rectifiedBy(
      { graph: student, users, from: layer.node.id, sum },
      { graph: teacher, users: teacherUsers, from: layer.teacherNode, sum: teacherSum },
    );
    return rectified ? { ...layer, rectified } : layer;
  };
  const layers = found.map((layer, i): RepairLayer => {
    if (layer.channels) return layer;
    const walked = walkToSum(student, users, layer.node.id);
    const teacherWalked = walked && walkToSum(teacher, teacherUsers, layer.teacherNode);
    if (!walked || !teacherWalked || walked.factors.length !== teacherWalked.factors.length)
      return withRectified(layer);
    const outputs = kept.get(layer.weight)?.kept[0]?.length ?? shapes.get(layer.node.id)?.at(channelAxis(layer.node));
    if (!walked.factors.every((factor) => sizes.get(parameterOf(factor)) === Math.abs(outputs ?? 0)))
      return withRectified(layer);
    const other = walked.end.inputs[1 - walked.operand];
    if (String(shapes.get(other)) !== String(shapes.get(walked.end.id)) || !changed.has(other))
      return withRectified(layer);
    // What is added must have been repaired already, and must not hang on this layer.
    if ([...ancestors(nodes, other)].some((id) => (place.get(id) ?? -1) >= i)) return withRectified(layer);
    const teacherOther = teacherWalked.end.inputs[1 - teacherWalked.operand];
    const sum = { other, teacherOther, permutations: walked.permutations, factors: walked.factors };
    return withRectified({ ...layer, sum }, walked.end.id, teacherWalked.end.id);
  });
  return { layers, left };
}

/** Most bytes of one layer's second moments. */
const MOST_BYTES = 512 * 2 ** 20;

/** Bytes of XᵀX in double precision, of all groups of a layer. */
function squareBytes(node: GraphNode<'conv' | 'linear'>, weight: readonly number[]): number {
  const groups = node.kind === 'conv' ? node.attributes.groups : 1;
  return 8 * groups * elementCount(weight.slice(1)) ** 2;
}

const parameterOf = (factor: ChannelFactor): string => (factor.kind === 'norm' ? factor.weight : factor.value);
const channelAxis = ({ kind }: GraphNode): number => (kind === 'conv' ? 1 : -1);

function countBy(names: readonly string[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  return counts;
}
