/**
 * Exactness of a pruned network: the network whose removed entries are zero computes the same logits, as long as nothing in it
 * normalises over channels.
 */
import assert from 'node:assert/strict';
import { predictProgram } from '../../../src/engine/compute/programs/programs.ts';
import type { Graph } from '../../../src/engine/graph/graph.ts';
import type { Tensor, Weights } from '../../../src/engine/graph/tensor.ts';
import { couple } from '../../../src/engine/pruning/coupling/couple.ts';
import { type Groups, rootName } from '../../../src/engine/pruning/coupling/groups.ts';
import type { Plan, PlanOptions } from '../../../src/engine/pruning/planning/plan-types.ts';
import { compilePlanner } from '../../../src/engine/pruning/planning/planner.ts';
import { type Pruned, prune } from '../../../src/engine/pruning/rebuilding/apply-plan.ts';
import { scoreGroups } from '../../../src/engine/pruning/scoring/importance.ts';
import { fillWeights, image } from '../../support/detfill.ts';
import { interpret, type Values, values } from '../../support/interpreter.ts';

/** All outputs of the network one after the other. */
export function logitsOf(graph: Graph, weights: Weights): number[] {
  const { channels, height, width } = graph.input;
  const { data } = image([1, channels, height, width]);
  const area = height * width;
  const images = values(
    [1, height, width, channels],
    Array.from({ length: channels * area }, (_, i) => data[(i % channels) * area + Math.floor(i / channels)]),
  );
  const states = [...weights].map(([name, tensor]): [string, Values] => [
    name,
    values(tensor.shape, Array.from(tensor.data as Float32Array, Number)),
  ]);
  const { outputs } = interpret(predictProgram(graph), { images }, new Map(states));
  return Object.values(outputs).flatMap(({ data }) => Array.from(data));
}

export interface PrunedNetwork {
  readonly groups: Groups;
  readonly plan: Plan;
  readonly weights: Weights;
  readonly pruned: Pruned;
}

/** Prunes with random scores. */
export async function pruneRandomly(
  graph: Graph,
  options: PlanOptions,
  groups = couple(graph),
): Promise<PrunedNetwork> {
  const weights = fillWeights(graph);
  const scores = await scoreGroups(groups, weights, { criterion: 'random', seed: 3 });
  const plan = compilePlanner(groups, scores).plan(options);
  return { groups, plan, weights, pruned: prune(graph, weights, plan, groups) };
}

/** The dense weights with every entry zero that the pruned network lacks. */
function masked(weights: Weights, { keptIndices }: Pruned): Weights {
  const result = new Map<string, Tensor>();
  for (const [name, tensor] of weights) {
    const kept = (keptIndices.get(name)?.kept ?? []).map((indices) => indices && new Set(indices));
    const { shape } = tensor;
    const data = Float32Array.from(tensor.data as Float32Array, (value, flat) => {
      let rest = flat;
      for (let d = shape.length - 1; d >= 0; d--) {
        const stays = kept[d];
        if (stays && !stays.has(rest % shape[d])) return 0;
        rest = Math.floor(rest / shape[d]);
      }
      return Number(value);
    });
    result.set(name, { dtype: 'float32', shape, data });
  }
  return result;
}

/** Prunes at random and compares the logits with those of the masked dense network. */
export async function assertExact(graph: Graph, options: PlanOptions): Promise<PrunedNetwork> {
  const result = await pruneRandomly(graph, options);
  const { pruned, weights, plan } = result;
  assert.ok(plan.after.params < plan.before.params, 'nothing was pruned');
  const wanted = logitsOf(graph, masked(weights, pruned));
  const found = logitsOf(pruned.graph, pruned.weights);
  const scale = Math.max(...wanted.map(Math.abs), 1e-3);
  assert.ok(scale > 1e-3, 'the masked network computes nothing');
  for (const [i, value] of wanted.entries())
    assert.ok(Math.abs(found[i] - value) < 1e-9 * scale, `logit ${i} is ${found[i]}, masked ${value}`);
  return result;
}

/** Kept sizes by root. */
export const widths = ({ groups }: Plan): Record<string, number> =>
  Object.fromEntries(groups.map((group) => [rootName(group), group.kept.length]));
