/** How one dimension lies inside another (concat, slice, zero-pad, roll), and the fixed point of what that says of factors. */
import type { FactorList, FactorTable, FrozenReason } from './factors.ts';

/** Entry i of `part` is entry offset + i · step of `whole`; for a roll, (offset + i) mod size. */
export interface Relation {
  whole: FactorList;
  part: FactorList;
  offset: number;
  readonly step: number;
  readonly wraps: boolean;
  /** Why both are frozen where factors do not line up. */
  readonly otherwise: FrozenReason;
}

/** Refines both sides of every relation until each relates single factors, or is frozen. */
export function settleRelations(factors: FactorTable, relations: readonly Relation[]): void {
  for (let changed = true; changed; ) {
    changed = false;
    for (const relation of relations) while (peel(factors, relation)) changed = true;
  }
}

/**
 * Takes the innermost factor off both sides where one of them has several: 12 × 64 at offset 768 of 2304 is 12 at
 * offset 12 of 36, each times the same 64. Says whether anything changed.
 */
function peel(factors: FactorTable, relation: Relation): boolean {
  const whole = factors.leaves(relation.whole);
  const part = factors.leaves(relation.part);
  if (whole.length <= 1 && part.length <= 1) return false;
  if (factors.isFrozen(whole) && factors.isFrozen(part)) return false;
  const inner = Math.min(...[whole, part].filter((list) => list.length > 1).map((list) => lastSize(factors, list)));
  const fits = (size: number): boolean => inner > 1 && size % inner === 0;
  const cut = [whole, part].map((list) => (fits(lastSize(factors, list)) ? cutInner(factors, list, inner) : undefined));
  const [outerWhole, outerPart] = cut;
  if (relation.step !== 1 || !fits(relation.offset) || !outerWhole || !outerPart) {
    factors.freeze([...whole, ...part], relation.otherwise);
    return true;
  }
  factors.unite(outerWhole.inner, outerPart.inner, relation.otherwise);
  relation.whole = outerWhole.outer;
  relation.part = outerPart.outer;
  relation.offset /= inner;
  return true;
}

const lastSize = (factors: FactorTable, list: FactorList): number => {
  const last = list.at(-1);
  return last === undefined ? 1 : factors.size(last);
};

function cutInner(factors: FactorTable, list: FactorList, inner: number): { outer: FactorList; inner: FactorList } {
  const last = list[list.length - 1];
  const rest = list.slice(0, -1);
  const size = factors.size(last);
  if (size === inner) return { outer: rest, inner: [last] };
  const [a, b] = factors.refine(last, size / inner, inner);
  return { outer: [...rest, a], inner: [b] };
}
