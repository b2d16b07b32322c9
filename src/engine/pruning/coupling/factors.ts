/**
 * Dimensions as ordered products of factors (heads × head_dim; channels × positions after a flatten).
 *
 * A factor is refined into smaller ones when a reshape, a grouped convolution or an equality asks for it; equal factors
 * are united. Dimensions hold references, so a refinement shows in every dimension that shares the factor. What cannot
 * be followed is frozen with a reason that the person sees.
 */

export type FactorId = number;
/** Outermost first; empty for a dimension of size 1. */
export type FactorList = readonly FactorId[];
/** A value's or parameter's dimensions. */
export type Dimensions = readonly FactorList[];

/** Why something cannot be pruned. `structure`: batch, positions, kernels and the like, which nobody expects to prune. */
export interface FrozenReason {
  readonly kind: 'structure' | 'image' | 'classes' | 'convGroups' | 'operation';
  readonly text: string;
}

/** What a factor is to attention: the batch of its products, or what they contract over. */
export type AttentionRole = 'heads' | 'headDim';

/** The factor of the batch: it has no size of its own. */
export const BATCH_FACTOR: FactorId = 0;

export const STRUCTURE = {
  batch: { kind: 'structure', text: 'the batch' },
  positions: { kind: 'structure', text: 'positions' },
  kernel: { kind: 'structure', text: 'the kernel' },
} as const satisfies Record<string, FrozenReason>;

interface Factor {
  readonly size: number;
  /** Another factor that this one was united with. */
  same?: FactorId;
  parts?: FactorList;
  frozen?: FrozenReason;
  readonly roles: Set<AttentionRole>;
}

export class FactorTable {
  readonly #factors: Factor[] = [{ size: -1, frozen: STRUCTURE.batch, roles: new Set() }];

  /** A new factor as a list; empty for size 1. */
  create(size: number, frozen?: FrozenReason): FactorList {
    if (size === 1) return [];
    this.#factors.push({ size, frozen, roles: new Set() });
    return [this.#factors.length - 1];
  }

  /** A dimension of a shape: −k is the batch times k. */
  createDimension(dimension: number, frozen?: FrozenReason): FactorList {
    const rest = this.create(Math.abs(dimension), frozen);
    return dimension < 0 ? [BATCH_FACTOR, ...rest] : rest;
  }

  size(factor: FactorId): number {
    return this.#factors[factor].size;
  }

  frozen(factor: FactorId): FrozenReason | undefined {
    return this.#factors[factor].frozen;
  }

  roles(factor: FactorId): ReadonlySet<AttentionRole> {
    return this.#factors[factor].roles;
  }

  /** The list with every factor resolved to what it is made of now. */
  leaves(list: FactorList): FactorId[] {
    const found: FactorId[] = [];
    for (const factor of list) this.#collect(factor, found);
    return found;
  }

  #collect(factor: FactorId, into: FactorId[]): void {
    let at = factor;
    for (let same = this.#factors[at].same; same !== undefined; same = this.#factors[at].same) at = same;
    const { parts } = this.#factors[at];
    if (!parts) into.push(at);
    else for (const part of parts) this.#collect(part, into);
  }

  /** Number of entries for one image. */
  product(list: FactorList): number {
    let size = 1;
    for (const leaf of this.leaves(list)) if (leaf !== BATCH_FACTOR) size *= this.size(leaf);
    return size;
  }

  freeze(list: FactorList, reason: FrozenReason): void {
    for (const leaf of this.leaves(list)) this.#factors[leaf].frozen ??= reason;
  }

  mark(list: FactorList, role: AttentionRole): void {
    for (const leaf of this.leaves(list)) if (leaf !== BATCH_FACTOR) this.#factors[leaf].roles.add(role);
  }

  isFrozen(list: FactorList): boolean {
    return this.leaves(list).every((leaf) => this.frozen(leaf));
  }

  /** Makes a leaf a product of outer × inner; both keep what is known of it. */
  refine(leaf: FactorId, outer: number, inner: number): [FactorId, FactorId] {
    const { frozen, roles } = this.#factors[leaf];
    const first = this.#factors.length;
    this.#factors.push({ size: outer, frozen, roles: new Set(roles) }, { size: inner, frozen, roles: new Set(roles) });
    this.#factors[leaf].parts = [first, first + 1];
    return [first, first + 1];
  }

  #merge(a: FactorId, b: FactorId): void {
    const [keep, drop] = a < b ? [a, b] : [b, a];
    const [kept, dropped] = [this.#factors[keep], this.#factors[drop]];
    kept.frozen ??= dropped.frozen;
    for (const role of dropped.roles) kept.roles.add(role);
    dropped.same = keep;
  }

  /**
   * Makes two lists of the same product equal, factor by factor. Where they do not line up (6 × 4 against 4 × 6), the
   * rest of both is frozen with `otherwise`.
   */
  unite(a: FactorList, b: FactorList, otherwise: FrozenReason): void {
    const left = this.leaves(a).reverse();
    const right = this.leaves(b).reverse();
    while (left.length && right.length) {
      const x = this.#next(left);
      const y = this.#next(right);
      if (x === y) {
        left.pop();
        right.pop();
        continue;
      }
      const [sx, sy] = [this.size(x), this.size(y)];
      if (x === BATCH_FACTOR || y === BATCH_FACTOR) break;
      if (sx === sy) this.#merge(x, y);
      else if (sx % sy === 0) this.refine(x, sy, sx / sy);
      else if (sy % sx === 0) this.refine(y, sx, sy / sx);
      else break;
    }
    this.freeze(left, otherwise);
    this.freeze(right, otherwise);
  }

  /** Last of a reversed list, resolved in place: it may have been refined or united since the list was made. */
  #next(stack: FactorId[]): FactorId {
    const top = this.leaves([stack[stack.length - 1]]);
    if (top.length !== 1 || top[0] !== stack[stack.length - 1]) stack.splice(-1, 1, ...top.reverse());
    return stack[stack.length - 1];
  }

  /**
   * Cuts a list into the dimensions of a shape of the same product, refining factors where a cut goes through one.
   * What a cut misses (6 × 4 into 4 × 6) is frozen with `otherwise`, up to where both sides line up again.
   */
  split(list: FactorList, shape: readonly number[], otherwise: FrozenReason): FactorList[] {
    const stack = this.leaves(list).reverse();
    const dimensions: FactorList[] = [];
    for (let i = 0; i < shape.length; i++) {
      const taken = this.#take(stack, shape[i]);
      if (taken) dimensions.push(taken);
      else {
        const count = this.#realign(stack, shape, i, otherwise);
        for (let j = 0; j < count; j++) dimensions.push(this.createDimension(shape[i + j], otherwise));
        i += count - 1;
      }
    }
    return dimensions;
  }

  /** Takes one dimension off a reversed list; undefined, with the list as it was, where it does not line up. */
  #take(stack: FactorId[], dimension: number): FactorList | undefined {
    const before = [...stack];
    const taken: FactorId[] = [];
    if (dimension < 0) {
      if (stack[stack.length - 1] !== BATCH_FACTOR) return undefined;
      taken.push(stack.pop() as FactorId);
    }
    for (let need = Math.abs(dimension); need > 1; ) {
      const next = stack.length ? this.#next(stack) : BATCH_FACTOR;
      const size = this.size(next);
      if (next !== BATCH_FACTOR && need % size === 0) {
        taken.push(stack.pop() as FactorId);
        need /= size;
      } else if (next !== BATCH_FACTOR && size % need === 0) this.refine(next, need, size / need);
      else {
        stack.splice(0, stack.length, ...before);
        return undefined;
      }
    }
    return taken;
  }

  /** Drops and freezes factors until what is gone equals the product of some dimensions from `first` on: how many. */
  #realign(stack: FactorId[], shape: readonly number[], first: number, reason: FrozenReason): number {
    let inside = 1;
    let outside = Math.abs(shape[first]);
    let count = 1;
    while (stack.length && (inside !== outside || stack[stack.length - 1] === BATCH_FACTOR)) {
      if (inside > outside && first + count < shape.length) outside *= Math.abs(shape[first + count++]);
      else {
        const next = this.#next(stack);
        this.freeze([next], reason);
        if (next !== BATCH_FACTOR) inside *= this.size(next);
        stack.pop();
      }
    }
    while (inside > outside && first + count < shape.length) outside *= Math.abs(shape[first + count++]);
    return count;
  }
}
