/**
 * `npm run bench:pruning [MODEL…]`: couple, scopes, plan and prune with scores at hand, against Torch-Pruning's graph build,
 * importance and prune of the same networks, in turns on the same machine.
 */
import { spawnSync } from 'node:child_process';
import os from 'node:os';
import path from 'node:path';
import { buildModel } from '../../src/engine/architectures/registry.ts';
import type { Weights } from '../../src/engine/graph/tensor.ts';
import { couple } from '../../src/engine/pruning/coupling/couple.ts';
import { compilePlanner } from '../../src/engine/pruning/planning/planner.ts';
import { planForTarget } from '../../src/engine/pruning/planning/target.ts';
import { prune } from '../../src/engine/pruning/rebuilding/apply-plan.ts';
import { scoreGroups } from '../../src/engine/pruning/scoring/importance.ts';
import { initialiseWeights } from '../../src/engine/training/initialise.ts';
import { median, Side } from './side.ts';

const MODELS = [
  'resnet50',
  'deit_base_distilled_patch16_224',
  'convnext_base',
  'swin_base_patch4_window7_224',
  'mobilenetv2_100',
  'densenet121',
];
const ROUNDS = 3;
/** Turns of ours in a round: they take milliseconds, so that one would measure a moment of the machine. */
const TURNS = 9;
/** Before anything counts: until then the functions are being compiled. */
const WARM_UP = 5;
const OPTIONS = { isomorphic: true, global: true, roundTo: 2 };

type Turn = () => { readonly ratio: number; readonly copied: number; readonly target: number };

const seconds = (work: () => void): number => {
  const start = performance.now();
  work();
  return (performance.now() - start) / 1000;
};

/** Everything that a new ratio or target costs once scores are there: coupling, scopes (of the planner's first choice), plan, pruning. */
async function turnOf(model: string): Promise<Turn> {
  const graph = buildModel(model);
  if (!graph) throw new Error(`no model ${model}`);
  const weights = initialiseWeights(graph, 0);
  const scores = await scoreGroups(couple(graph), weights, { criterion: 'l2' });
  return () => {
    let pruned: Weights = new Map();
    const ratio = seconds(() => {
      const groups = couple(graph);
      const planner = compilePlanner(groups, scores);
      const options = { ...OPTIONS, ratio: 0.26 };
      pruned = prune(graph, weights, planner.describe(planner.choose(options), options), groups).weights;
    });
    // Pruned tensors are views until their data are read: what reading all of them costs.
    const copied = seconds(() => {
      for (const tensor of pruned.values()) void tensor.data;
    });
    const target = seconds(() => {
      planForTarget(compilePlanner(couple(graph), scores), OPTIONS, { fraction: 0.5 });
    });
    return { ratio, copied: ratio + copied, target };
  };
}

const named = process.argv.slice(2);
const hasReference = spawnSync('python3', ['-c', 'import timm, torch_pruning']).status === 0;
if (!hasReference) console.error('python3 has no timm and torch_pruning: only Espalier is measured');
const reference = hasReference
  ? new Side<{ seconds: number; label: string }>('python3', [path.join(import.meta.dirname, 'torch_pruning_side.py')])
  : undefined;
console.log(
  `${os.cpus()[0].model}, ${os.availableParallelism()} cores, Node ${process.version}, medians of ${ROUNDS * TURNS} turns against ${ROUNDS}`,
);
console.log(
  '| model | couple + scopes + plan + prune | the same, all tensors copied | Torch-Pruning | ratio | ratio, copied | FLOP target of 50 % |\n|---|---|---|---|---|---|---|',
);
for (const model of named.length ? named : MODELS) {
  const turn = await turnOf(model);
  for (let i = 0; i < WARM_UP; i++) turn();
  await reference?.ask({ model });
  const ours: ReturnType<Turn>[] = [];
  const theirs: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    for (let i = 0; i < TURNS; i++) ours.push(turn());
    if (reference) theirs.push((await reference.ask({ model })).seconds);
  }
  const ratio = median(ours.map((t) => t.ratio));
  const other = theirs.length ? median(theirs) : undefined;
  const milliseconds = (s: number | undefined): string => (s === undefined ? '–' : `${(1000 * s).toFixed(1)} ms`);
  const copied = median(ours.map((t) => t.copied));
  const target = milliseconds(median(ours.map((t) => t.target)));
  const times = (s: number): string => (other ? `${(other / s).toFixed(0)} ×` : '–');
  console.log(
    `| ${model} | ${milliseconds(ratio)} | ${milliseconds(copied)} | ${milliseconds(other)} | ${times(ratio)} | ${times(copied)} | ${target} |`,
  );
}
reference?.kill();
