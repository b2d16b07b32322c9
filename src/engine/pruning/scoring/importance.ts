/** Importance: one score for each channel of each group, from weights and gradients (semantics of the reference, in float64). */

import { CRITERIA, type Criterion, type GradientUse } from '../../../common/criteria.ts';
import { UserError } from '../../../common/errors.ts';
import { type RunContext, throwIfAborted } from '../../../common/progress.ts';
import { UNSCORED_MODULES } from '../../graph/reference-quirks.ts';
import type { Weights } from '../../graph/tensor.ts';
import { toFloat32 } from '../../graph/tensor.ts';
import { type Group, type Groups, isPrunable, type Member } from '../coupling/groups.ts';
import type { ElementFormula } from './formulas/formula.ts';
import { formulas } from './formulas.ts';
import { type Normaliser, normalisers } from './normalisers.ts';
import { combineGradients, type Numbers, rowScores } from './row-scores.ts';

/**
 * Gradients of a parameter by its state-dict name. `samples`: one array a sample or batch; Taylor adds them up, Hessian
 * averages their squares. `combined`: what the criterion reads, already accumulated.
 */
export type GradientSource =
  | { readonly kind: 'samples'; readonly of: (parameter: string) => readonly Numbers[] }
  | { readonly kind: 'combined'; readonly of: (parameter: string) => Numbers | undefined };

export interface ScoreOptions {
  readonly criterion: Criterion;
  readonly normaliser?: Normaliser;
  readonly gradients?: GradientSource;
  /** For criteria that go by chance. */
  readonly seed?: number;
}

/** Scores of the channels of each group (rows of `space`, row-major), by group id; undefined for what has none. */
export interface Scores {
  readonly criterion: Criterion;
  readonly normaliser: Normaliser;
  readonly channels: readonly (Float64Array | undefined)[];
}

/**
 * Scores every group that can be pruned. Reads one parameter (and its gradient) at a time; yields to the event loop
 * between parameters, so that it can be cancelled. Throws UserError where gradients are missing or numbers are not finite.
 */
export async function scoreGroups(
  groups: Groups,
  weights: Weights,
  options: ScoreOptions,
  context: RunContext = {},
): Promise<Scores> {
  const { criterion, normaliser = 'mean', seed = 0 } = options;
  const formula = formulas[criterion];
  if (formula.of === 'channels') {
    const channels = groups.groups.map((group) =>
      isPrunable(group) ? formula.scores(seed, group.root, group.channels) : undefined,
    );
    return { criterion, normaliser, channels };
  }
  const sums = new GroupSums(groups, formula);
  let done = 0;
  let pause = performance.now() + 50;
  for (const [parameter, uses] of sums.uses) {
    const w = weights.get(parameter);
    if (!w) throw new UserError(`${parameter} is not among the weights: nothing can be scored without it`);
    const gradient = readGradient(parameter, w.shape, options);
    const scores = rowScores(w.shape, toFloat32(w), gradient, formula.element);
    if (!scores.rows.every(Number.isFinite))
      throw new UserError(
        `the ${criterion} scores of ${parameter} are not finite: its weights or gradients have NaN or infinity`,
      );
    for (const use of uses)
      sums.add(use, use.member.axis.dimension === 0 ? scores.rows : (scores.columns as Float64Array));
    context.progress?.({ phase: 'score', done: ++done, total: sums.uses.size, message: parameter });
    throwIfAborted(context.signal);
    if (performance.now() > pause) {
      await new Promise(setImmediate);
      pause = performance.now() + 50;
    }
  }
  return { criterion, normaliser, channels: sums.finish(normalisers[normaliser]) };
}

/** The gradient of a parameter as `use` says, usually the criterion's own; undefined for none. */
export function readGradient(
  parameter: string,
  shape: readonly number[],
  { criterion, gradients }: ScoreOptions,
  use: GradientUse = CRITERIA[criterion].gradients,
): Numbers | undefined {
  if (use === 'none') return undefined;
  const found =
    gradients?.kind === 'combined' ? gradients.of(parameter) : combineGradients(gradients?.of(parameter) ?? [], use);
  const count = shape.reduce((a, b) => a * b, 1);
  if (!found) throw new UserError(`${criterion} needs the gradient of ${parameter}: give --data-path or --gradients`);
  if (found.length !== count)
    throw new UserError(`the gradient of ${parameter} has ${found.length} numbers, the parameter ${count}`);
  return found;
}

interface MemberUse {
  readonly group: Group;
  readonly member: Member;
}

/** Running sums of the groups' channels. */
class GroupSums {
  /** Members that count, by their parameter. */
  readonly uses = new Map<string, MemberUse[]>();
  readonly #sums: readonly (Float64Array | undefined)[];
  readonly #counted: Int32Array;
  readonly #groups: Groups;

  constructor(groups: Groups, formula: ElementFormula) {
    this.#groups = groups;
    this.#counted = new Int32Array(groups.groups.length);
    this.#sums = groups.groups.map((group) => (isPrunable(group) ? new Float64Array(group.channels) : undefined));
    const unscored = groups.graph.modules.filter(({ type }) => UNSCORED_MODULES.has(type));
    for (const group of groups.groups)
      for (const member of group.members) {
        if (!isPrunable(group) || !formula.counts[member.kind]) continue;
        if (unscored.some(({ path }) => member.layer.startsWith(`${path}.`))) continue;
        const uses = this.uses.get(member.axis.parameter) ?? [];
        this.uses.set(member.axis.parameter, [...uses, { group, member }]);
      }
  }

  /** Adds a member's rows onto the channels that they belong to; a member counts once, whatever it covers. */
  add({ group, member }: MemberUse, rows: Float64Array): void {
    const sums = this.#sums[group.id] as Float64Array;
    const { offsets, repeats } = channelOffsets(this.#groups, group, member.axis.leaves);
    for (let row = 0; row < rows.length; row++) {
      const offset = offsets[row];
      if (offset >= 0) for (const repeat of repeats) sums[offset + repeat] += rows[row];
    }
    this.#counted[group.id]++;
  }

  finish(normalise: (scores: Float64Array) => Float64Array): (Float64Array | undefined)[] {
    return this.#sums.map((sums, group) => {
      const counted = this.#counted[group];
      return sums && counted ? normalise(sums.map((sum) => sum / counted)) : undefined;
    });
  }
}

/**
 * Channel of the group for every row of an axis (−1: another group's), and what to add to it for the dimensions of the
 * group's space that the axis does not have: a grouped convolution's input columns count for each of its groups.
 */
function channelOffsets(
  groups: Groups,
  group: Group,
  axis: readonly number[],
): { offsets: Int32Array; repeats: Int32Array } {
  const strides = spaceStrides(group);
  let offsets: Int32Array = Int32Array.of(0);
  const missing = new Set(group.space.keys());
  for (const id of axis) {
    const leaf = groups.leaves[id];
    const entry = group.space.findIndex(({ leaves }) => leaves.includes(id));
    const steps = new Int32Array(leaf.size);
    if (entry >= 0) {
      missing.delete(entry);
      const { set } = group.space[entry];
      for (let i = 0; i < leaf.size; i++) {
        if (set === undefined) steps[i] = i * strides[entry];
        else steps[i] = groups.setOf[leaf.base + i] === set ? groups.positionOf[leaf.base + i] * strides[entry] : -1;
      }
    }
    offsets = product(offsets, steps);
  }
  let repeats: Int32Array = Int32Array.of(0);
  for (const entry of missing)
    repeats = product(
      repeats,
      Int32Array.from({ length: group.space[entry].size }, (_, i) => i * strides[entry]),
    );
  return { offsets, repeats };
}

/** Distance between neighbours of each dimension of a group's space. */
export function spaceStrides({ space }: Group): number[] {
  return space.map((_, i) => space.slice(i + 1).reduce((product, { size }) => product * size, 1));
}

/** All sums of one of each, −1 where either is. */
function product(a: Int32Array, b: Int32Array): Int32Array {
  const result = new Int32Array(a.length * b.length);
  for (let i = 0, at = 0; i < a.length; i++)
    for (let j = 0; j < b.length; j++, at++) result[at] = a[i] < 0 || b[j] < 0 ? -1 : a[i] + b[j];
  return result;
}
