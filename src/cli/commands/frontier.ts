/** `espalier frontier`: accuracy over MACs and latency, for several criteria and ways of pruning. */

import { mkdir } from 'node:fs/promises';
import { CRITERION_NAMES, type Criterion } from '../../common/criteria.ts';
import { UsageError } from '../../common/errors.ts';
import { flag } from '../../common/flags.ts';
import { formatPercent, formatPreciseCount } from '../../common/format.ts';
import { createExecutor } from '../../engine/compute/backends.ts';
import { exploreFrontier, FRONTIER_MODES, type FrontierMode, type FrontierPoint } from '../../engine/jobs/frontier.ts';
import { writeFrontier } from '../../engine/jobs/frontier-files.ts';
import { openModel } from '../../engine/jobs/opening/model.ts';
import { scoresFolder } from '../../engine/jobs/scores.ts';
import { command, computeFlags, dataFlags, modelFlags } from '../command.ts';
import { checkRecalibrated, checkRecalibrationFlags, recalibrationFlags } from '../recalibration.ts';
import { DEFAULT_REPAIR_IMAGES } from '../repair-output.ts';
import { dataRequest, weightsRequest } from '../requests.ts';
import { say } from '../terminal.ts';

const DEFAULT_TARGETS = ['90%', '80%', '70%', '60%', '50%', '40%'];

/** Names of a list, each of which must be known. */
function known<T extends string>(
  flagName: string,
  given: readonly string[],
  all: readonly T[],
  initial: readonly T[],
): readonly T[] {
  const wrong = given.find((name) => !(all as readonly string[]).includes(name));
  if (wrong !== undefined) throw new UsageError(`${flagName} takes ${all.join(', ')}, got "${wrong}"`);
  return given.length ? (given as readonly T[]) : initial;
}

const line = ({ criterion, mode, target, macs, top1, agreement, latency }: FrontierPoint): string =>
  [
    [criterion, mode, target].filter(Boolean).join(', ').padEnd(34),
    `MACs ${formatPreciseCount(macs)}`,
    ...(top1 === undefined ? [] : [`top-1 ${formatPercent(top1)}`]),
    ...(agreement === undefined ? [] : [`agreement ${formatPercent(agreement)}`]),
    `${latency.toFixed(2)} ms`,
  ].join('  ');

export const frontier = command({
  summary: 'prune and repair at several targets, evaluate each and draw accuracy over cost',
  usage: '--model NAME|FILE [--ckpt FILE] --data-path DIR --output DIR',
  flags: {
    ...modelFlags,
    ...dataFlags,
    ...computeFlags,
    targets: flag.list(`MACs to prune to (default ${DEFAULT_TARGETS.join(' ')})`),
    criteria: flag.list('importance, one or several (default taylor)'),
    modes: flag.list(`ways, of ${FRONTIER_MODES.join(', ')} (default all)`),
    images: flag.integer(DEFAULT_REPAIR_IMAGES, 'training images that are repaired and measured with'),
    taylorBatchs: flag.integer(50, 'batches of training images that taylor and hessian take', {
      aliases: ['taylor-batches'],
    }),
    trainBatchSize: flag.integer(64, 'images a batch when scoring'),
    ...recalibrationFlags,
    roundTo: flag.integer(2, 'widths are multiples of this'),
    ignore: flag.list('layers that stay as they are: globs, with :out or :in for one side'),
    limit: flag.integer(undefined, 'evaluate on the first so many images only'),
    unlabelled: flag.boolean('evaluate nothing: agreement with the dense network alone'),
    seed: flag.integer(0, 'which images'),
    output: flag.string(undefined, 'folder of frontier.csv, .md, .svg and .png, and a plan for each point'),
  },
  run: async ({ values, positionals }, context) => {
    const { output } = values;
    if (output === undefined) throw new UsageError('no folder for the results: give --output DIR');
    checkRecalibrationFlags(values);
    const criteria = known<Criterion>('--criteria', values.criteria, CRITERION_NAMES, ['taylor']);
    const modes = known<FrontierMode>('--modes', values.modes, FRONTIER_MODES, FRONTIER_MODES);
    const model = await openModel(weightsRequest(values, positionals));
    for (const note of model.notes) say(note);
    checkRecalibrated(values, model.graph);
    const data = dataRequest(values);
    const { seed, limit, taylorBatchs: batches, trainBatchSize: batchSize, roundTo, ignore } = values;
    const request = {
      criteria,
      modes,
      targets: values.targets.length ? values.targets : DEFAULT_TARGETS,
      score: { seed, data: { ...data, batches, batchSize, seed }, cache: scoresFolder(process.cwd()) },
      options: { isomorphic: true, global: true, roundTo },
      ignore,
      images: { ...data, images: values.images, seed },
      ...(values.bnRecalibrate > 0 && {
        recalibrate: { data: { ...data, batchSize }, batches: values.bnRecalibrate, share: values.bnShare, seed },
      }),
      ...(!values.unlabelled && { evaluation: { ...data, ...(limit !== undefined && { limit }) } }),
    };
    // Before minutes of work: whether it can be written to.
    await mkdir(output, { recursive: true });
    const executor = await createExecutor(values);
    const report = await exploreFrontier(model, request, executor, context, (point) => say(line(point)));
    const markdown = await writeFrontier(output, report, model.graph.name);
    const points = report.points.map(({ plan: _, ...point }) => point);
    return { json: { points, backend: report.backend, output }, text: markdown };
  },
});
