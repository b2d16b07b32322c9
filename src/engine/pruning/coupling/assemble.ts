/** From sets of indices to groups: which sets stand on the same axes, which are heads, and which layers are members. */
import {
  type Group,
  type GroupId,
  type Heads,
  headsName,
  type IndexSet,
  type Leaf,
  type LeafId,
  type Member,
  rootName,
  type SetId,
  type SpaceEntry,
} from './groups.ts';
import type { Candidate } from './members.ts';

export interface AssembleInput {
  readonly leaves: readonly Leaf[];
  readonly sets: readonly IndexSet[];
  readonly setOf: Int32Array;
  readonly positionOf: Int32Array;
  readonly candidates: readonly Candidate[];
  /** Leaves that are a batch of products, and those they contract. */
  readonly heads: ReadonlySet<LeafId>;
  readonly headDims: ReadonlySet<LeafId>;
}

type SetRole = 'heads' | 'channels' | 'outer';

export function assembleGroups(input: AssembleInput): { groups: readonly Group[]; heads: readonly Heads[] } {
  const candidatesOf = candidatesBySet(input);
  const roles = setRoles(input);
  const drafts: Draft[] = [];
  for (const set of input.sets) {
    const candidates = candidatesOf[set.id];
    if (roles[set.id] !== 'channels' || set.frozen?.kind === 'structure' || !candidates.length) continue;
    // Tokens of a position embedding and the like: frozen, and no layer's.
    if (set.frozen && candidates.every(({ kind }) => kind === 'bare')) continue;
    drafts.push(draft(input, roles, set, candidates));
  }
  const covered = new Set(drafts.flatMap(({ space }) => space.map((entry) => entry.set)));
  // Heads whose dimensions cannot be pruned are a group of their own.
  for (const set of input.sets)
    if (roles[set.id] === 'heads' && !covered.has(set.id) && candidatesOf[set.id].length)
      drafts.push(draft(input, roles, set, candidatesOf[set.id]));
  drafts.sort((a, b) => a.order - b.order);
  return finish(input, roles, drafts);
}

/** Candidates whose axis has indices of a set, in Graph order. */
function candidatesBySet({ sets, leaves, candidates }: AssembleInput): readonly (readonly Candidate[])[] {
  const found: Candidate[][] = sets.map(() => []);
  for (const candidate of candidates) {
    const seen = new Set(candidate.leaves.flatMap((leaf) => leaves[leaf].sets.map(({ set }) => set)));
    for (const set of seen) found[set].push(candidate);
  }
  return found;
}

/**
 * Heads are what products are batched over. Where several sets of channels share an axis (after a channel shuffle), the
 * innermost can go entry by entry and the others stay.
 */
function setRoles({ sets, leaves, candidates, heads }: AssembleInput): readonly SetRole[] {
  const roles = sets.map((set): SetRole => (set.leaves.some((leaf) => heads.has(leaf)) ? 'heads' : 'channels'));
  for (const { leaves: axis } of candidates) {
    const whole = axis.flatMap((leaf) => wholeSet(leaves[leaf]) ?? []);
    const free = whole.filter((set) => !sets[set].frozen && roles[set] === 'channels');
    for (const set of free.slice(0, -1)) if (set !== free.at(-1)) roles[set] = 'outer';
  }
  return roles;
}

/** The set that a leaf consists of, if it is one. */
const wholeSet = ({ sets }: Leaf): SetId | undefined => (sets.length === 1 ? sets[0].set : undefined);

interface Draft {
  readonly set: IndexSet;
  readonly order: number;
  readonly root: Candidate;
  readonly space: readonly SpaceEntry[];
  readonly members: readonly Member[];
  readonly attention: boolean;
}

function draft(
  input: AssembleInput,
  roles: readonly SetRole[],
  set: IndexSet,
  candidates: readonly Candidate[],
): Draft {
  const producers = candidates.filter(({ side, kind }) => side === 'out' && (kind === 'conv' || kind === 'linear'));
  const root = producers[0] ?? candidates.find(({ kind }) => kind === 'conv' || kind === 'linear') ?? candidates[0];
  return {
    set,
    root,
    order: input.candidates.indexOf(root),
    space: groupSpace(input, roles, set, candidates),
    members: candidates.map((candidate) => member(input, set, candidate)),
    attention: set.leaves.some((leaf) => input.headDims.has(leaf) || input.heads.has(leaf)),
  };
}

/** The set with what it is multiplied by, in the order of the axis that has most of them. */
function groupSpace(
  { leaves, sets }: AssembleInput,
  roles: readonly SetRole[],
  own: IndexSet,
  candidates: readonly Candidate[],
): readonly SpaceEntry[] {
  let best: SpaceEntry[] = [{ size: own.size, leaves: own.leaves, set: own.id }];
  for (const { leaves: axis } of candidates) {
    const entries = axis.flatMap((leaf): SpaceEntry[] => {
      const { size, frozen, sets: inside } = leaves[leaf];
      if (inside.some(({ set }) => set === own.id)) return [{ size: own.size, leaves: own.leaves, set: own.id }];
      if (frozen?.kind === 'convGroups') return [{ size, leaves: [leaf] }];
      const set = wholeSet(leaves[leaf]);
      if (set === undefined || sets[set].frozen || roles[set] === 'channels') return [];
      return [{ size: sets[set].size, leaves: sets[set].leaves, set }];
    });
    if (entries.length > best.length && entries.filter((e) => e.set === own.id).length === 1) best = entries;
  }
  return best;
}

/** Counts the entries of the layer's axis whose index in one of its leaves is of the set. */
function member({ leaves }: AssembleInput, set: IndexSet, { leaves: axis, ...candidate }: Candidate): Member {
  let all = 1;
  let others = 1;
  for (const leaf of axis) {
    const { size, sets } = leaves[leaf];
    if (size < 0) continue;
    const mine = sets.find((entry) => entry.set === set.id)?.multiplicity ?? 0;
    all *= size;
    others *= size - mine * set.size;
  }
  return { ...candidate, count: all - others };
}

function finish(
  input: AssembleInput,
  roles: readonly SetRole[],
  drafts: readonly Draft[],
): { groups: readonly Group[]; heads: readonly Heads[] } {
  const heads: { layer: string; count: number; set?: SetId; groups: GroupId[] }[] = [];
  const headsOfSet = new Map<SetId, number>();
  const groups = drafts.map((each, id): Group => {
    const { space, set, root } = each;
    const channels = space.reduce((product, { size }) => product * size, 1);
    const wholeHeads = roles[set.id] === 'heads';
    const headEntry = space.find((entry) => entry.set !== undefined && roles[entry.set] === 'heads');
    let owner: number | undefined;
    if (each.attention && !set.frozen) {
      owner = headEntry && headsOfSet.get(headEntry.set as SetId);
      if (owner === undefined) {
        owner = heads.length;
        const count = headEntry?.size ?? frozenHeads(input, root);
        heads.push({ layer: root.layer, count, set: headEntry?.set, groups: [] });
        if (headEntry) headsOfSet.set(headEntry.set as SetId, owner);
      }
      heads[owner].groups.push(id);
    }
    return {
      id,
      root: root.layer,
      side: root.side,
      members: each.members,
      space,
      channels,
      channelGroups: wholeHeads ? channels : channels / set.size,
      width: wholeHeads ? 1 : set.size,
      dims: wholeHeads ? undefined : set.id,
      heads: owner,
      rows: rootRows(input, set, root),
      frozen: frozenText(set, root),
    };
  });
  return {
    groups: numbered(groups, rootName),
    heads: numbered(
      heads.map((each, id) => ({ id, ...each })),
      headsName,
    ),
  };
}

/** Tells those of one name apart by their order. */
function numbered<T extends object>(
  all: readonly T[],
  nameOf: (each: T) => string,
): readonly (T & { part?: number })[] {
  const seen = new Map<string, number>();
  return all.map((each) => {
    const part = seen.get(nameOf(each)) ?? 0;
    seen.set(nameOf(each), part + 1);
    return part ? { ...each, part } : each;
  });
}

/** Heads on the root's axis that are no set that can be pruned. */
function frozenHeads({ leaves, heads }: AssembleInput, root: Candidate): number {
  const found = root.leaves.find((leaf) => heads.has(leaf) && leaves[leaf].size > 0);
  return found === undefined ? 1 : leaves[found].size;
}

function frozenText(set: IndexSet, root: Candidate): string | undefined {
  if (set.frozen) return set.frozen.text;
  if (root.kind !== 'conv' && root.kind !== 'linear') return 'no layer computes it';
  return set.size === 1 ? 'one channel is left' : undefined;
}

/** Row in the root's own leaf of every entry of the set; undefined where entry i is row i. */
function rootRows(
  { leaves, setOf, positionOf }: AssembleInput,
  set: IndexSet,
  root: Candidate,
): readonly number[] | undefined {
  const leaf = leaves[root.leaves.find((id) => leaves[id].sets.some((entry) => entry.set === set.id)) as LeafId];
  const rows = new Array<number>(set.size).fill(-1);
  for (let i = 0; i < leaf.size; i++) {
    const at = leaf.base + i;
    if (setOf[at] === set.id && rows[positionOf[at]] < 0) rows[positionOf[at]] = i;
  }
  return rows.every((row, i) => row === i) ? undefined : rows;
}
