/** `espalier prune`: the paper's prune.py, with an exact FLOP target. */

import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { type AccuracyAmong, formatAmong } from '../../common/confidence.ts';
import { UsageError } from '../../common/errors.ts';
import { formatPercent, formatPreciseCount } from '../../common/format.ts';
import type { RunContext } from '../../common/progress.ts';
import { type BackendChoice, createExecutor, type DeviceChoice } from '../../engine/compute/backends.ts';
import type { Executor } from '../../engine/compute/executor.ts';
import { writeFileAtomically } from '../../engine/files/atomic-write.ts';
import type { Graph } from '../../engine/graph/graph.ts';
import type { Cost } from '../../engine/graph/macs.ts';
import type { Weights } from '../../engine/graph/tensor.ts';
import { evaluateModel, requireClassifier } from '../../engine/jobs/evaluate.ts';
import { pruneIteratively } from '../../engine/jobs/iterative.ts';
import { type Model, openModel, prepareOutput, saveModel } from '../../engine/jobs/opening/model.ts';
import { headsByLayer } from '../../engine/jobs/opening/model-info.ts';
import { type PruneReport, pruneModel } from '../../engine/jobs/prune.ts';
import type { PruneRequest } from '../../engine/jobs/prune-request.ts';
import type { ModelRecord } from '../../engine/jobs/record.ts';
import { verificationText } from '../../engine/jobs/verify-onnx.ts';
import { formatPlan } from '../../engine/pruning/planning/format-plan.ts';
import { planText } from '../../engine/pruning/planning/plan-file.ts';
import { runName } from '../../engine/training/run-directory.ts';
import { command } from '../command.ts';
import { describeOptions } from '../finetune-settings.ts';
import { iterativeHooks, trainingBetween } from '../iterative-settings.ts';
import { latencyJson, latencyText } from '../latency-output.ts';
import { checkPruneFlags, type PruneValues, pruneFlags, pruneRequest } from '../prune-request.ts';
import { checkRecalibrated, type Recalibration, recalibrated, recalibrationLines } from '../recalibration.ts';
import { repairJson, repairText } from '../repair-output.ts';
import { dataRequest, requireDataPath, weightsRequest } from '../requests.ts';
import { say } from '../terminal.ts';

const costJson = ({ macs, macsTrue, params }: Cost) => ({ macs, macs_true: macsTrue, params });

interface Accuracy {
  /** What the person should know of the images. */
  readonly notes: readonly string[];
  readonly top1: number;
  readonly loss: number;
  readonly images: number;
  readonly among?: AccuracyAmong;
}

async function accuracyOf(
  model: { readonly graph: Graph; readonly weights: Weights; readonly record: ModelRecord },
  values: PruneValues,
  executor: Executor,
  context: RunContext,
): Promise<Accuracy> {
  const data = { ...dataRequest(values), batchSize: values.valBatchSize };
  const { top1, loss, images, among, notes } = await evaluateModel(model, data, { executor }, context);
  return { top1, loss, images, notes, ...(among && { among }) };
}

const figures = (accuracy: Accuracy | undefined): object | undefined =>
  accuracy && {
    top1: accuracy.top1,
    ...(accuracy.among && { top1_among: accuracy.among }),
    loss: accuracy.loss,
    images: accuracy.images,
  };

const total = (heads: Readonly<Record<string, number>>): number =>
  Object.values(heads).reduce((sum, count) => sum + count, 0);

interface RecalibratedReport extends PruneReport {
  readonly recalibration?: Recalibration;
}

function summaryText(
  report: RecalibratedReport,
  headsBefore: number,
  values: PruneValues,
  accuracy: { before?: Accuracy; after?: Accuracy },
): string {
  const { before, after, seconds, scored, keptBlocks } = report;
  const arrow = (a: string, b: string): string => `${a} → ${b}`;
  const percent = ((100 * after.macs) / before.macs).toFixed(2);
  return [
    `MACs   ${arrow(formatPreciseCount(before.macs), formatPreciseCount(after.macs))} (${percent} %; real widths ${formatPreciseCount(after.macsTrue)})`,
    `params ${arrow(formatPreciseCount(before.params), formatPreciseCount(after.params))}`,
    ...(headsBefore ? [`heads  ${arrow(String(headsBefore), String(total(report.heads)))}`] : []),
    ...(keptBlocks ? [`blocks of the second-to-last stage that stay: ${keptBlocks.join(', ')}`] : []),
    ...(accuracy.before && accuracy.after
      ? [
          `top-1  ${arrow(formatPercent(accuracy.before.top1), formatPercent(accuracy.after.top1))} on ${accuracy.after.images} images${formatAmong(accuracy.after.among, accuracy.after.images)}`,
        ]
      : []),
    `couple ${seconds.couple.toFixed(3)} s, score ${seconds.score.toFixed(3)} s (${scored}), plan ${seconds.plan.toFixed(3)} s, prune ${seconds.prune.toFixed(3)} s${report.repair ? `, repair ${seconds.repair.toFixed(1)} s` : ''}`,
    ...(report.latency ? [latencyText(report.latency)] : []),
    ...(report.repair ? [repairText(report.repair)] : []),
    ...(report.weighed ?? []).map(
      ({ allocate, divergence }) => `budgets ${allocate}: divergence ${divergence.toFixed(4)} after the repair`,
    ),
    ...recalibrationLines(values, report.recalibration),
    ...(values.saveAs ? [`saved ${values.saveAs}`] : []),
  ].join('\n');
}

/** One executor for all that a command runs, started when it is first needed. */
function lazyExecutor(options: {
  backend: BackendChoice;
  device: DeviceChoice;
  threads: number | undefined;
}): () => Promise<Executor> {
  let started: Promise<Executor> | undefined;
  return () => {
    started ??= createExecutor({
      backend: options.backend,
      device: options.device,
      ...(options.threads !== undefined && { threads: options.threads }),
    });
    return started;
  };
}

async function makePruned(
  model: Model,
  request: PruneRequest,
  values: PruneValues,
  executor: () => Promise<Executor>,
  context: RunContext,
): Promise<PruneReport> {
  if (values.iterativeSteps <= 1) return pruneModel(model, request, executor, context, { planOnly: values.planOnly });
  if (values.planOnly || values.plan || values.removeLayers)
    throw new UsageError(
      '--iterative-steps makes its plans one by one: leave --plan, --plan-only and --remove-layers out',
    );
  const training = trainingBetween(values);
  const folder = values.outputDir ?? path.join('.espalier', 'runs', runName(`${model.graph.name}-iterative`));
  await mkdir(folder, { recursive: true });
  const { iterativeSteps: steps, synsets } = values;
  const dataPath = requireDataPath(values.dataPath);
  say(`training between ${steps} prunings\n${describeOptions(training)}`);
  return pruneIteratively(
    model,
    { prune: request, steps, training, dataPath, folder, ...(synsets !== undefined && { synsets }) },
    executor,
    context,
    iterativeHooks(steps, training),
  );
}

async function withStatistics(
  report: PruneReport,
  model: Model,
  { repair: request }: PruneRequest,
  values: PruneValues,
  executor: () => Promise<Executor>,
  context: RunContext,
): Promise<RecalibratedReport> {
  const { graph, weights, repair } = report;
  if (!values.bnRecalibrate || !graph || !weights) return report;
  const data = { ...dataRequest(values), batchSize: values.trainBatchSize };
  // Of several steps the last repair was towards the network of the step before, not towards the one that was given.
  const repaired = repair &&
    request &&
    values.iterativeSteps <= 1 && {
      report: repair,
      request,
      teacher: model.graph,
      teacherWeights: await model.weights(context),
    };
  return recalibrated({ ...report, graph, weights }, data, values, executor, context, repaired || undefined);
}

export const prune = command({
  summary: 'score, plan and prune; to a ratio or to a FLOP target',
  usage: '--model NAME|FILE [--ckpt FILE] [--data-path DIR] --target-macs 50% --save-as OUT',
  most: 1,
  flags: pruneFlags,
  run: async ({ values, positionals }, context) => {
    checkPruneFlags(values);
    if (values.saveAs && !values.planOnly) await prepareOutput(values.saveAs);
    const request = await pruneRequest(values);
    const model = await openModel({
      ...weightsRequest(values, positionals),
      ...(values.dropPath !== undefined && { dropPath: values.dropPath }),
      ...(values.drop > 0 && { dropout: values.drop }),
    });
    if (values.testAccuracy) requireClassifier(model.graph);
    checkRecalibrated(values, model.graph);
    for (const note of model.notes) say(note);
    const executor = lazyExecutor(values);
    const made = await makePruned(model, request, values, executor, context);
    for (const note of made.notes) say(note);
    if (made.plan.groups.some(({ stayed }) => stayed))
      say('--max-pruning-ratio 0.9 lets no group lose more than 90 %, and so prunes them too');
    const report = await withStatistics(made, model, request, values, executor, context);
    if (values.savePlan) await writeFileAtomically(values.savePlan, planText(report.plan));
    const { graph, weights, before, after, heads, seconds, keptBlocks } = report;
    const json = {
      before: costJson(before),
      after: costJson(after),
      num_heads: heads,
      ...(keptBlocks && { kept_blocks: keptBlocks }),
      seconds,
      scored: report.scored,
      ...(report.repair && { repair: repairJson(report.repair) }),
      ...(report.recalibration && { recalibration: report.recalibration }),
      ...(report.latency && { latency: latencyJson(report.latency) }),
      ...(report.weighed && { weighed: report.weighed }),
      ...(report.notes.length && { notes: report.notes }),
    };
    if (!graph || !weights) {
      const text = [formatPlan(report.plan), ...(report.latency ? [latencyText(report.latency)] : [])].join('\n');
      return { json: { ...json, plan: report.plan }, text };
    }
    const accuracy: { before?: Accuracy; after?: Accuracy } = values.testAccuracy
      ? {
          before: await accuracyOf(
            { ...model, weights: await model.weights(context) },
            values,
            await executor(),
            context,
          ),
          after: await accuracyOf({ graph, weights, record: report.record }, values, await executor(), context),
        }
      : {};
    for (const note of accuracy.before?.notes ?? []) say(note);
    if (values.saveAs) {
      const verification = await saveModel(values.saveAs, graph, weights, report.record, context);
      if (verification) say(verificationText(verification));
    } else say('nothing saved: give --save-as FILE');
    return {
      json: {
        ...json,
        ...(values.testAccuracy && { accuracy: { before: figures(accuracy.before), after: figures(accuracy.after) } }),
        saved: values.saveAs ?? null,
      },
      text: summaryText(report, total(headsByLayer(model.graph)), values, accuracy),
    };
  },
});
