/** Layers that take a group's channels in, and which of their inputs belong to which channel. */
import type { GraphNode } from '../../graph/graph.ts';
import type { Group, Groups, LeafId, SetId } from '../coupling/groups.ts';

/** A plain convolution or linear layer whose input a group's channels are, or are among. */
export interface Consumer {
  readonly node: GraphNode<'conv' | 'linear'>;
  readonly weight: string;
  /** Input channels of the layer, and the taps of each: 9 for 3 × 3. */
  readonly channels: number;
  readonly taps: number;
  /** The group's entry of every input channel; −1 for those of other groups. */
  readonly entryOf: Int32Array;
}

/** For every row of a dimension its place in a set; −1 where it is not of that set. */
function entriesOfRows({ leaves, setOf, positionOf }: Groups, dimension: readonly LeafId[], set: SetId): Int32Array {
  let rows: Int32Array = Int32Array.of(-1);
  for (const id of dimension) {
    const { size, base } = leaves[id];
    if (size < 0) continue;
    const next = new Int32Array(rows.length * size);
    for (let row = 0; row < rows.length; row++)
      for (let i = 0; i < size; i++)
        next[row * size + i] = base >= 0 && setOf[base + i] === set ? positionOf[base + i] : rows[row];
    rows = next;
  }
  return rows;
}

/**
 * The consumers of a group; undefined where one of them is of another kind (a grouped convolution, a bare parameter that
 * multiplies, attention), so that what is lost is not known from them.
 */
export function consumersOf(groups: Groups, group: Group): readonly Consumer[] | undefined {
  const { dims, heads, members, channelGroups } = group;
  if (dims === undefined || heads !== undefined || channelGroups !== 1) return undefined;
  const inputs = members.filter(({ side }) => side === 'in');
  if (!inputs.length || inputs.some(({ kind }) => kind !== 'conv' && kind !== 'linear')) return undefined;
  const consumers: Consumer[] = [];
  for (const { axis } of inputs) {
    const node = groups.graph.nodes.find(({ parameters }) => parameters.weight === axis.parameter);
    if (node?.kind !== 'conv' && node?.kind !== 'linear') return undefined;
    if (node.kind === 'conv' && node.attributes.groups > 1) return undefined;
    if (consumers.some(({ weight }) => weight === axis.parameter)) continue;
    const entryOf = entriesOfRows(groups, groups.parameters.get(axis.parameter)?.[1] ?? [], dims);
    const taps = node.kind === 'conv' ? node.attributes.kernel[0] * node.attributes.kernel[1] : 1;
    consumers.push({ node, weight: axis.parameter, channels: entryOf.length, taps, entryOf });
  }
  return consumers;
}
