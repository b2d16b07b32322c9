/**
 * `npm run bench:latency -- [MODEL…]`: targets in milliseconds, asked and measured. Prints a markdown table: error of the
 * predictions on networks that were held out, and for each target the measured median of the plan that is taken. Weights
 * are made up: no time depends on them.
 */
import os from 'node:os';
import { UsageError } from '../../src/common/errors.ts';
import { type FlagValues, flag, formatFlags, parseFlags } from '../../src/common/flags.ts';
import { buildModel } from '../../src/engine/architectures/registry.ts';
import { createExecutor } from '../../src/engine/compute/backends.ts';
import type { Executor } from '../../src/engine/compute/executor.ts';
import { LatencyPlanning } from '../../src/engine/jobs/latency/latency-plans.ts';
import { couple } from '../../src/engine/pruning/coupling/couple.ts';
import { planWithin } from '../../src/engine/pruning/planning/target.ts';
import { scoreGroups } from '../../src/engine/pruning/scoring/importance.ts';

const FLAGS = {
  targets: flag.list('shares of the time that the network takes now (default 80% 65% 50%)'),
  backend: flag.choice(['tensorflow', 'embedded'], 'tensorflow', 'what computes'),
  threads: flag.integer(os.availableParallelism(), 'threads of the backend'),
  batch: flag.integer(1, 'images of a run'),
  roundTo: flag.string('auto', 'widths are multiples of this; auto: of what this machine runs well'),
  cache: flag.string(undefined, 'folder that measured times are kept in (default: none)'),
  help: flag.boolean('print this help'),
} as const;

type Settings = FlagValues<typeof FLAGS>;

const MODELS = ['resnet50', 'mobilenetv2_100'];
const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

function shareOf(text: string): number {
  const share = Number(text.replace('%', '')) / 100;
  if (share > 0 && share < 1) return share;
  throw new UsageError(`--targets takes shares such as 65%, got "${text}"`);
}

async function measure(name: string, executor: Executor, settings: Settings): Promise<void> {
  const graph = buildModel(name);
  if (!graph) throw new UsageError(`unknown model ${name}`);
  const groups = couple(graph);
  const scores = await scoreGroups(groups, new Map(), { criterion: 'random', seed: 0 });
  const { threads, batch, cache, roundTo } = settings;
  const start = performance.now();
  for (const text of settings.targets.length ? settings.targets : ['80%', '65%', '50%']) {
    const request = {
      target: { fraction: shareOf(text) },
      ...(roundTo === 'auto' && { roundTo: 'auto' as const }),
      batch,
      threads,
      ...(cache !== undefined && { cache }),
    };
    const planning = await LatencyPlanning.open(request, executor, {});
    const rounding = roundTo === 'auto' ? {} : { roundTo: Number(roundTo) };
    const options = await planning.options(groups, { isomorphic: true, global: true, ...rounding });
    const { planner, milliseconds } = await planning.planner(groups, scores, options);
    const { chosen } = await planning.choose(planner, (most) => planWithin(planner, options, most));
    const { model } = planning.report;
    if (!model) throw new Error('no model of the times');
    const errors = model.heldOut.map(({ predicted, measured }) => Math.abs(predicted / measured - 1));
    const mean = errors.reduce((sum, error) => sum + error, 0) / errors.length;
    const cells = [
      name,
      `${model.dense.toFixed(2)} ms`,
      `${milliseconds.toFixed(2)} ms`,
      `${chosen.predicted.toFixed(2)} ms`,
      `${chosen.measured.toFixed(2)} ms`,
      percent(chosen.macs / planner.before.macs),
      String(options.roundTo),
      `${percent(mean)}, ${percent(Math.max(...errors))}`,
      `${((performance.now() - start) / 1000).toFixed(0)} s`,
    ];
    console.log(`| ${cells.join(' | ')} |`);
  }
}

const { values, positionals } = parseFlags(FLAGS, process.argv.slice(2));
if (values.help) console.log(`npm run bench:latency -- [MODEL…] [options]\n${formatFlags(FLAGS)}`);
else {
  const executor = await createExecutor({ backend: values.backend, threads: values.threads });
  console.log(`${executor.label}, ${values.threads} threads, batch ${values.batch}\n`);
  console.log(
    '| network | dense | asked | predicted | measured | MACs | multiples of | error held out: mean, largest | since the start |',
  );
  console.log('|---|---|---|---|---|---|---|---|---|');
  for (const name of positionals.length ? positionals : MODELS) await measure(name, executor, values);
}
