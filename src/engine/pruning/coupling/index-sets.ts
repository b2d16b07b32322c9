/** From factors to indices: which single indices are one class, and which classes lie in the same places. */
import type { FactorId, FrozenReason } from './factors.ts';
import { BATCH_FACTOR } from './factors.ts';
import type { IndexSet, Leaf, LeafId, SetId } from './groups.ts';
import { UnionFind } from './union-find.ts';
import type { Walk } from './walk.ts';

export interface IndexSets {
  readonly leaves: readonly Leaf[];
  readonly setOf: Int32Array;
  readonly positionOf: Int32Array;
  readonly sets: readonly IndexSet[];
  /** The leaf of a settled factor. */
  leafOf(factor: FactorId): LeafId;
}

interface Range {
  readonly factor: FactorId;
  readonly size: number;
  readonly base: number;
  readonly frozen?: FrozenReason;
}

/** Unites the indices that relations tie, and sorts the classes into sets. `order`: factors as their sets should be numbered. */
export function indexSets(walk: Walk, order: readonly FactorId[]): IndexSets {
  const { ranges, leafIds, total } = allocate(walk, order);
  const leafOf = (factor: FactorId): LeafId => leafIds.get(factor) as LeafId;
  const union = new UnionFind(total);
  const frozen = new IndexReasons(total);
  for (const { base, size, frozen: reason } of ranges) if (reason && base >= 0) frozen.set(base, size, reason);
  relate(walk, (factor) => ranges[leafOf(factor)], union, frozen);
  return { leafOf, ...sortClasses(ranges, union, frozen) };
}

/** Gives every leaf that can be pruned, or whose being frozen is worth telling, its range of indices. */
function allocate(
  { factors }: Walk,
  order: readonly FactorId[],
): { ranges: readonly Range[]; leafIds: ReadonlyMap<FactorId, LeafId>; total: number } {
  const ranges: Range[] = [];
  const leafIds = new Map<FactorId, LeafId>();
  let total = 0;
  for (const factor of order) {
    if (leafIds.has(factor)) continue;
    leafIds.set(factor, ranges.length);
    const reason = factors.frozen(factor);
    const size = factors.size(factor);
    const counted = factor !== BATCH_FACTOR && reason?.kind !== 'structure' && reason?.kind !== 'convGroups';
    ranges.push({ factor, size, base: counted ? total : -1, frozen: reason });
    if (counted) total += size;
  }
  return { ranges, leafIds, total };
}

/** A reason an index, by number. */
class IndexReasons {
  readonly #reasons: FrozenReason[] = [];
  readonly #of: Int32Array;

  constructor(size: number) {
    this.#of = new Int32Array(size);
  }

  /** 0 where the index is free. */
  code(index: number): number {
    return this.#of[index];
  }

  reason(code: number): FrozenReason | undefined {
    return this.#reasons[code - 1];
  }

  set(first: number, count: number, reason: FrozenReason): void {
    let code = this.#reasons.indexOf(reason) + 1;
    if (!code) code = this.#reasons.push(reason);
    for (let i = first; i < first + count; i++) if (!this.#of[i]) this.#of[i] = code;
  }

  /** Gives a class's root the reason of any of its members. */
  spread(union: UnionFind): void {
    for (let i = 0; i < this.#of.length; i++) {
      const root = union.find(i);
      if (this.#of[i] && !this.#of[root]) this.#of[root] = this.#of[i];
    }
  }
}

function relate(walk: Walk, rangeOf: (factor: FactorId) => Range, union: UnionFind, frozen: IndexReasons): void {
  const { factors } = walk;
  for (const relation of walk.relations) {
    const [whole] = factors.leaves(relation.whole).map(rangeOf);
    const parts = factors.leaves(relation.part).map(rangeOf);
    const [part] = parts;
    if (!whole || parts.length > 1 || factors.leaves(relation.whole).length > 1) continue; // frozen while settling
    const { offset, step, wraps } = relation;
    if (!part) {
      // One entry taken out by itself, as q, k and v are: its dimension has no factor that could lose it.
      if (whole.base >= 0) frozen.set(whole.base + offset, 1, { kind: 'structure', text: relation.otherwise.text });
    } else if (step !== 1) {
      if (whole.base >= 0) frozen.set(whole.base, whole.size, part.frozen ?? relation.otherwise);
      if (part.base >= 0) frozen.set(part.base, part.size, whole.frozen ?? relation.otherwise);
    } else if (part.base < 0) {
      if (whole.base >= 0) frozen.set(whole.base + offset, part.size, part.frozen ?? relation.otherwise);
    } else if (whole.base < 0) {
      frozen.set(part.base, part.size, whole.frozen ?? relation.otherwise);
    } else if (wraps) {
      for (let i = 0; i < part.size; i++) union.unite(whole.base + ((offset + i) % whole.size), part.base + i);
    } else for (let i = 0; i < part.size; i++) union.unite(whole.base + offset + i, part.base + i);
  }
}

/**
 * Partition refinement: classes start in one set a reason (or none) and are told apart by every leaf that some of them
 * have indices in and others have not, so that a set ends with the classes of one signature.
 */
function sortClasses(ranges: readonly Range[], union: UnionFind, frozen: IndexReasons): Omit<IndexSets, 'leafOf'> {
  const total = union.size;
  frozen.spread(union);
  const cell = new Int32Array(total);
  let cells = 0;
  for (let i = 0; i < total; i++) if (union.find(i) === i) cells = Math.max(cells, frozen.code(i));
  for (let i = 0; i < total; i++) if (union.find(i) === i) cell[i] = frozen.code(i);
  cells++;
  for (const { base, size } of ranges) {
    if (base < 0) continue;
    const next = new Map<number, number>();
    for (let i = base; i < base + size; i++) {
      const root = union.find(i);
      const to = next.get(cell[root]) ?? cells++;
      next.set(cell[root], to);
      cell[root] = to;
    }
  }
  const setIds = new Map<number, SetId>();
  const sizes: number[] = [];
  const reasons: (FrozenReason | undefined)[] = [];
  const setOf = new Int32Array(total);
  const positionOf = new Int32Array(total);
  for (let i = 0; i < total; i++) {
    const root = union.find(i);
    if (root === i) {
      const id = setIds.get(cell[i]) ?? sizes.length;
      if (id === sizes.length) {
        setIds.set(cell[i], id);
        sizes.push(0);
        reasons.push(frozen.reason(frozen.code(i)));
      }
      setOf[i] = id;
      positionOf[i] = sizes[id]++;
    } else {
      setOf[i] = setOf[root];
      positionOf[i] = positionOf[root];
    }
  }
  return { ...describe(ranges, setOf, sizes, reasons), setOf, positionOf };
}

function describe(
  ranges: readonly Range[],
  setOf: Int32Array,
  sizes: readonly number[],
  reasons: readonly (FrozenReason | undefined)[],
): { leaves: readonly Leaf[]; sets: readonly IndexSet[] } {
  const leavesOf: LeafId[][] = sizes.map(() => []);
  const leaves = ranges.map(({ size, base, frozen }, leaf): Leaf => {
    const counts = new Map<SetId, number>();
    if (base >= 0) for (let i = base; i < base + size; i++) counts.set(setOf[i], (counts.get(setOf[i]) ?? 0) + 1);
    for (const set of counts.keys()) leavesOf[set].push(leaf);
    return { size, base, frozen, sets: [...counts].map(([set, count]) => ({ set, multiplicity: count / sizes[set] })) };
  });
  const sets = sizes.map((size, id): IndexSet => ({ id, size, leaves: leavesOf[id], frozen: reasons[id] }));
  return { leaves, sets };
}
