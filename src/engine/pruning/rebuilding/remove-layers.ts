/** Removing whole blocks after channel pruning (`--remove-layers`, the paper's ConvNeXt). */

import { CRITERIA, needsGradients } from '../../../common/criteria.ts';
import { UserError } from '../../../common/errors.ts';
import { parametersByName } from '../../graph/graph.ts';
import { graphCost } from '../../graph/macs.ts';
import type { Weights } from '../../graph/tensor.ts';
import { toFloat32 } from '../../graph/tensor.ts';
import type { Groups } from '../coupling/groups.ts';
import { type Block, removalStage, removedWith } from '../planning/blocks.ts';
import type { Plan } from '../planning/plan-types.ts';
import { compilePlanner, type Planner } from '../planning/planner.ts';
import { taylor } from '../scoring/formulas/taylor.ts';
import { formulas } from '../scoring/formulas.ts';
import { readGradient, type ScoreOptions, type Scores } from '../scoring/importance.ts';
import { gatherTensor } from './gather.ts';
import { type KeptIndexTable, pruneGraph } from './prune-graph.ts';

/** What block scores are made of: the network before pruning. */
export interface BlockInputs {
  readonly groups: Groups;
  readonly weights: Weights;
  readonly scoring: ScoreOptions;
}

/**
 * The plan with the `count` lowest-scored blocks of the second-to-last stage removed. A block's score is the mean over its
 * parameters of the mean element score (Taylor: |w·g|), weights and gradients as pruned by the plan. Throws UserError
 * where the stage has not that many blocks whose input and output have one shape.
 */
export function planBlocks(inputs: BlockInputs, plan: Plan, count: number): Plan {
  if (count === 0) return plan;
  const { groups } = inputs;
  const stage = removalStage(groups.graph);
  const removable = stage.filter(({ input }) => input !== undefined);
  if (removable.length < count)
    throw new UserError(
      `${groups.graph.name} has ${removable.length} blocks that can be removed${stage.length ? ` in ${stage[0].stage}` : ''}, not ${count}`,
    );
  const { keptIndices } = pruneGraph(groups.graph, plan, groups);
  const scores = removable.map((block) => ({ block, score: blockScore(inputs, block, keptIndices) }));
  const lowest = [...scores].sort((a, b) => a.score - b.score || a.block.position - b.block.position).slice(0, count);
  const removed = new Set(lowest.map(({ block }) => block.path));
  const blocks = {
    stage: stage[0].stage,
    removed: stage.filter(({ path }) => removed.has(path)).map(({ path }) => path),
    kept: stage.filter(({ path }) => !removed.has(path)).map(({ position }) => position),
    why: `the ${count} lowest of ${stage.length}: scores up to ${lowest[count - 1].score.toPrecision(4)}`,
  };
  const planned = { ...plan, blocks };
  return { ...planned, after: graphCost(pruneGraph(groups.graph, planned, groups).graph) };
}

/**
 * A plan made with blocks gone from its cost, so that a FLOP target holds with them removed: which blocks go and what
 * the plan is depend on each other, so both are repeated until they agree; if they do not, the blocks of the last plan stay chosen.
 */
export function planWithBlocks(
  inputs: BlockInputs,
  scores: Scores,
  count: number,
  make: (planner: Planner) => Plan,
): Plan {
  const { groups } = inputs;
  let plan = planBlocks(inputs, make(compilePlanner(groups, scores)), count);
  for (let round = 0; plan.blocks && round < 4; round++) {
    const { blocks } = plan;
    const next = make(compilePlanner(groups, scores, removedWith(groups.graph, blocks.removed)));
    const planned = planBlocks(inputs, next, count);
    if (planned.blocks?.removed.join() === blocks.removed.join()) return planned;
    // The cost of `next` holds for these blocks, whatever its own scores say of them.
    plan = round === 3 ? { ...next, blocks } : planned;
  }
  return plan;
}

function blockScore({ groups, weights, scoring }: BlockInputs, block: Block, kept: KeptIndexTable): number {
  const own = formulas[scoring.criterion];
  if (own.of === 'channels') return own.scores(scoring.seed ?? 0, block.path, 1)[0];
  // The reference takes |w·g| whatever the criterion; where there is no gradient, the criterion's own score.
  const hasGradient = needsGradients(scoring.criterion) && scoring.gradients?.kind === 'samples';
  const { element } = hasGradient ? taylor : own;
  const use = CRITERIA[hasGradient ? 'taylor' : scoring.criterion].gradients;
  const { parameters } = removedWith(groups.graph, [block.path]);
  const specs = parametersByName(groups.graph);
  const means: number[] = [];
  for (const name of parameters) {
    if (!specs.get(name)?.trainable) continue;
    const tensor = weights.get(name);
    if (!tensor) throw new UserError(`${name} is not among the weights: its block cannot be scored without it`);
    const indices = kept.get(name)?.kept ?? [];
    const w = toFloat32(gatherTensor(tensor, indices));
    const gradient = readGradient(name, tensor.shape, scoring, use);
    const data = gradient && { dtype: 'float64' as const, shape: tensor.shape, data: new Float64Array(gradient) };
    const g = data && gatherTensor(data, indices).data;
    let sum = 0;
    for (let i = 0; i < w.length; i++) sum += element(w[i], g ? g[i] : 0);
    means.push(sum / w.length);
  }
  return means.reduce((a, b) => a + b, 0) / means.length;
}
