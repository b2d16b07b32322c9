/** Scopes: which groups are ranked together (paper, section 3.3; semantics of the reference's scopes). */
import { formatCounted } from '../../../common/format.ts';
import type { GraphNode } from '../../graph/graph.ts';
import type { OperationKind } from '../../graph/operations.ts';
import { type Group, type GroupId, type Groups, isPrunable, type SetId } from '../coupling/groups.ts';

export type ScopeKind = 'isomorphic' | 'global' | 'local' | 'headDim';

export interface Scope {
  readonly id: number;
  readonly kind: ScopeKind;
  /** Module types of the dependency chain, for isomorphic scopes: `conv.out → batchNorm → relu → conv.in`. */
  readonly chain: string;
  readonly groups: readonly GroupId[];
}

export interface ScopeOptions {
  /** Groups of the same chain share a scope. */
  readonly isomorphic: boolean;
  /** Without `isomorphic`: one scope for all, else one for each group. */
  readonly global: boolean;
  /** Attention head dims have a ratio and so a scope of their own. */
  readonly headDims: boolean;
}

/** The scopes of all groups that can be pruned. Their order is that of their first group. */
export function findScopes(groups: Groups, options: ScopeOptions): readonly Scope[] {
  const chains = dependencyChains(groups);
  const found = new Map<string, { kind: ScopeKind; chain: string; groups: GroupId[] }>();
  for (const group of groups.groups) {
    if (!isPrunable(group) || group.dims === undefined) continue;
    const { kind, key } = scopeKey(group, chains[group.id], options);
    const scope = found.get(key);
    if (scope) scope.groups.push(group.id);
    else found.set(key, { kind, chain: chains[group.id].text, groups: [group.id] });
  }
  return [...found.values()].map((scope, id) => ({ id, ...scope }));
}

function scopeKey(group: Group, chain: Chain, options: ScopeOptions): { kind: ScopeKind; key: string } {
  if (options.headDims && group.heads !== undefined) return { kind: 'headDim', key: 'headDim' };
  if (options.isomorphic) return { kind: 'isomorphic', key: chain.key };
  if (options.global) return { kind: 'global', key: 'global' };
  return { kind: 'local', key: `local ${group.id}` };
}

interface Chain {
  /** What must be equal for two groups to be isomorphic. */
  readonly key: string;
  /** The same for reading. */
  readonly text: string;
}

/** Identity in evaluation: the traced network that the reference sees does not have them. */
const UNSEEN: ReadonlySet<OperationKind> = new Set(['dropout', 'dropPath', 'input', 'constant']);
/** The reference sees one type of all of these. */
const ELEMENTWISE: ReadonlySet<OperationKind> = new Set([
  'activation',
  'add',
  'subtract',
  'multiply',
  'divide',
  'scale',
  'softmax',
]);

/** The dependency chain of every group: the operations that its channels (and heads) pass, in Graph order. */
function dependencyChains(groups: Groups): readonly Chain[] {
  const ofSet: GroupId[][] = groups.sets.map(() => []);
  for (const { id, space } of groups.groups) for (const { set } of space) if (set !== undefined) ofSet[set].push(id);
  const chains = groups.groups.map((): { keys: string[]; names: string[] } => ({ keys: [], names: [] }));
  const setsOf = (dimensions: readonly (readonly number[])[] = []): Set<SetId> =>
    new Set(dimensions.flatMap((list) => list.flatMap((leaf) => groups.leaves[leaf].sets.map(({ set }) => set))));
  const outputs = new Map([...groups.values].map(([id, dimensions]) => [id, setsOf(dimensions)]));
  for (const node of groups.graph.nodes) {
    if (UNSEEN.has(node.kind)) continue;
    const out = outputs.get(node.id) ?? new Set();
    const into = new Set(node.inputs.flatMap((id) => [...(outputs.get(id) ?? [])]));
    const touched = new Set<GroupId>([...out, ...into].flatMap((set) => ofSet[set]));
    for (const group of touched) {
      const sets = groups.groups[group].space.flatMap(({ set }) => set ?? []);
      const type = typeOf(node, groups);
      const side = sideOf(
        sets.some((set) => out.has(set)),
        sets.some((set) => into.has(set)),
      );
      chains[group].keys.push(`${type.key}${side}`);
      chains[group].names.push(`${type.name}${side}`);
    }
  }
  return chains.map(({ keys, names }) => ({ key: keys.join(' → '), text: names.join(' → ') }));
}

const sideOf = (out: boolean, into: boolean): string => (out && into ? '' : out ? '.out' : '.in');

/** Types only: kernel sizes and widths do not matter. Attention over windows is another module than over the whole map. */
function typeOf(node: GraphNode, groups: Groups): { key: string; name: string } {
  if (ELEMENTWISE.has(node.kind))
    return { key: 'elementwise', name: node.kind === 'activation' ? node.attributes.function : node.kind };
  const name = node.kind === 'matmul' && isWindowed(node, groups) ? 'matmul of windows' : node.kind;
  return { key: name, name };
}

/** Whether a product is over more than batch and heads: windows of an image. */
function isWindowed(node: GraphNode<'matmul'>, { values, leaves }: Groups): boolean {
  const leading = (values.get(node.id) ?? []).slice(0, -2).flat();
  return leading.some((leaf) => leaves[leaf].size > 1 && leaves[leaf].frozen?.kind === 'structure');
}

/** Scopes as text: a line for each, its groups below it. */
export function formatScopes(scopes: readonly Scope[], { groups }: Groups): string {
  return scopes
    .flatMap(({ id, kind, chain, groups: members }) => {
      const channels = members.reduce((sum, group) => sum + groups[group].width, 0);
      const what = kind === 'isomorphic' ? shorten(chain) : kind;
      const heading = `scope ${id} · ${what} · ${formatCounted(members.length, 'group')}, ${formatCounted(channels, 'channel')}`;
      return [heading, ...members.map((group) => `  ${groups[group].root}   ${groups[group].width}`)];
    })
    .join('\n');
}

/** A chain that a line can hold. */
export function shorten(chain: string): string {
  const types = chain.split(' → ');
  if (types.length <= 7) return chain;
  return [...types.slice(0, 3), `… ${types.length - 6} more …`, ...types.slice(-3)].join(' → ');
}
