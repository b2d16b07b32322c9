/**
 * `node --import tsx scripts/bench/models.ts [MODEL…]`: for every model known by name the time to build its Graph without
 * weights, and to plan a FLOP target once its groups are scored.
 */
import os from 'node:os';
import { variants } from '../../src/engine/architectures/registry.ts';
import { couple } from '../../src/engine/pruning/coupling/couple.ts';
import { compilePlanner } from '../../src/engine/pruning/planning/planner.ts';
import { planForTarget } from '../../src/engine/pruning/planning/target.ts';
import { scoreGroups } from '../../src/engine/pruning/scoring/importance.ts';
import { median } from './side.ts';

const TURNS = 7;
/** Shares of the MACs that stay. */
const TARGETS = [0.3, 0.5, 0.75];

function milliseconds(work: () => void): number {
  const start = performance.now();
  work();
  return performance.now() - start;
}

const named = process.argv.slice(2);
console.log(`${os.cpus()[0].model}, ${os.availableParallelism()} cores, Node ${process.version}, of ${TURNS} turns`);
console.log(
  '| model | first build | build, median | FLOP target, median | FLOP target, longest |\n|---|---|---|---|---|',
);
for (const { name, build } of variants) {
  if (named.length && !named.includes(name)) continue;
  const builds = Array.from({ length: TURNS }, () => milliseconds(() => build()));
  const groups = couple(build());
  const scores = await scoreGroups(groups, new Map(), { criterion: 'random', seed: 3 });
  const targets = Array.from({ length: TURNS }, () =>
    TARGETS.map((fraction) =>
      milliseconds(() => planForTarget(compilePlanner(groups, scores), { roundTo: 2 }, { fraction })),
    ),
  ).flat();
  const cells = [builds[0], median(builds), median(targets), Math.max(...targets)].map((ms) => `${ms.toFixed(1)} ms`);
  console.log(`| ${[name, ...cells].join(' | ')} |`);
}
