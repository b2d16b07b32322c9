/** Scores as histograms: one for each scope, and each group's in the same bins. */
import path from 'node:path';
import { CRITERIA, needsGradients } from '../common/criteria.ts';
import type { Groups } from '../engine/pruning/coupling/groups.ts';
import { mergeSorted, rank } from '../engine/pruning/planning/ranking.ts';
import type { Scores } from '../engine/pruning/scoring/importance.ts';
import type { GroupsView, ScopeScores, ScoresView } from '../protocol/graph-view.ts';
import type { ScoreSettings } from '../protocol/values.ts';

const BINS = 48;
/** Scores that spread wider than this, largest over median, are binned by their logarithm. */
const LINEAR_SPREAD = 12;
/** The smallest scores of a logarithmic histogram share its first bin. */
const FIRST_BIN_SHARE = 0.005;

/** Ascending edges of the bins for ascending scores. */
export function binEdges(sorted: Float64Array): number[] {
  if (!sorted.length) return [];
  const [least, most] = [sorted[0], sorted[sorted.length - 1]];
  const steps = Array.from({ length: BINS + 1 }, (_, i) => i / BINS);
  const start = sorted[Math.floor(sorted.length * FIRST_BIN_SHARE)];
  const median = sorted[sorted.length >> 1];
  if (start > 0 && most / median > LINEAR_SPREAD) {
    const [from, to] = [Math.log(start), Math.log(most)];
    return steps.map((step, i) => (i === 0 ? least : i === BINS ? most : Math.exp(from + step * (to - from))));
  }
  return steps.map((step) => least + step * (most - least));
}

/** How many scores lie in each bin: above its lower edge and up to its upper; the first takes its lower edge too. */
export function countBins(edges: readonly number[], scores: Float64Array): number[] {
  const counts = new Array<number>(Math.max(0, edges.length - 1)).fill(0);
  for (const score of scores) {
    let low = 0;
    let high = counts.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (score <= edges[middle + 1]) high = middle;
      else low = middle + 1;
    }
    if (counts.length) counts[low]++;
  }
  return counts;
}

/** How they were made, for a person: `Taylor, 50 batches of 64 images`. */
function labelOf({ criterion, batches, batchSize, gradients }: ScoreSettings): string {
  const { label } = CRITERIA[criterion];
  if (gradients !== undefined && batches === 0) return `${label}, ${path.basename(gradients)}`;
  return needsGradients(criterion) ? `${label}, ${batches} batches of ${batchSize} images` : label;
}

/** Histograms for the scopes and groups of the view. */
export function scoresViewOf(groups: Groups, view: GroupsView, scores: Scores, settings: ScoreSettings): ScoresView {
  const { dims, heads } = rank(groups, scores);
  const own = groups.groups.length;
  const scoresOf = (group: number): Float64Array | undefined =>
    group < own ? dims[group]?.scores : heads[group - own]?.scores;
  const scopes = view.scopes.map(({ groups: members }): ScopeScores => {
    const all = mergeSorted(members.flatMap((group) => scoresOf(group) ?? []));
    const edges = binEdges(all);
    return { edges, counts: countBins(edges, all) };
  });
  const byGroup = view.groups.map(({ scope }, group) => {
    const found = scope >= 0 ? scoresOf(group) : undefined;
    return found ? countBins(scopes[scope].edges, found) : [];
  });
  return { criterion: settings.criterion, label: labelOf(settings), scopes, groups: byGroup };
}
