/** Finetuning and evaluation. */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { UserError } from '../common/errors.ts';
import { flagName, parseFlags } from '../common/flags.ts';
import { createExecutor } from '../engine/compute/backends.ts';
import type { Split } from '../engine/data/image-folder.ts';
import { writeFileAtomically } from '../engine/files/atomic-write.ts';
import { dataFor, evaluateModel, openImages } from '../engine/jobs/evaluate.ts';
import { finetuneModel } from '../engine/jobs/finetune.ts';
import type { ModelRequest } from '../engine/jobs/model.ts';
import { RECIPES, type RecipeName } from '../engine/training/recipes.ts';
import { type MetricsLine, RunDirectory } from '../engine/training/run-directory.ts';
import { type TrainingOptions, trainingFlags } from '../engine/training/training-options.ts';
import type { ChangedVerdict, ChangedVerdicts, ModelSource, RunPoint } from '../protocol/values.ts';
import { backendOptions, processorName } from './backend.ts';
import type { Handler } from './handler.ts';
import { findModel } from './open-models.ts';
import { findControl, RunControls } from './run-controls.ts';

/** Flags that are worth a look before a run, whatever the recipe. */
const SHOWN_FLAGS: readonly (keyof TrainingOptions)[] = [
  'epochs',
  'batchSize',
  'opt',
  'lr',
  'momentum',
  'weightDecay',
  'lrScheduler',
  'lrWarmupEpochs',
  'labelSmoothing',
  'seed',
];

export const finetuneDefaults: Handler<'finetune/defaults'> = ({ recipe, dataPath }) => {
  if (!Object.hasOwn(RECIPES, recipe)) throw new UserError(`There is no recipe "${recipe}".`);
  const chosen: Partial<TrainingOptions> = RECIPES[recipe as RecipeName];
  const keys = new Set<string>([...SHOWN_FLAGS, ...Object.keys(chosen)]);
  const flags = [...keys].flatMap((key) => {
    const value = chosen[key as keyof TrainingOptions] ?? trainingFlags[key as keyof TrainingOptions].initial;
    return value === undefined ? [] : [[flagName(key), value as string | number | boolean] as const];
  });
  return { recipe, dataPath, flags: Object.fromEntries(flags) };
};

/** Flags by name as the options of a run; unknown names and impossible values are UsageErrors that name them. */
function optionsOf(flags: Readonly<Record<string, string | number | boolean>>): TrainingOptions {
  const args = Object.entries(flags).map(([name, value]) => `--${name}=${value}`);
  return parseFlags(trainingFlags, args).values;
}

const modelRequest = (source: ModelSource): ModelRequest =>
  source.kind === 'zoo' ? { model: source.name } : { model: source.path, useEma: source.useEma ?? false };

/** A line of metrics.jsonl as a point of the curves; what it does not know it leaves out. */
function pointOf(line: MetricsLine): RunPoint {
  const number = (name: string): number | undefined => {
    const value = line[name];
    return typeof value === 'number' && Number.isFinite(value) ? value : undefined;
  };
  return {
    kind: line.kind,
    step: line.step,
    epoch: line.epoch,
    loss: number('loss'),
    learningRate: number('learningRate'),
    imagesPerSecond: number('imagesPerSecond'),
    top1: number('top1'),
    top5: number('top5'),
    validationLoss: number('validationLoss'),
    images: number('images'),
  };
}

export const runFinetune: Handler<'finetune/run'> = async (request, context) => {
  const { run, source, settings, outputDirectory, resume } = request;
  const options = { ...optionsOf(settings.flags), outputDir: outputDirectory };
  const started = await RunDirectory.open(outputDirectory).then(
    () => true,
    () => false,
  );
  const controls = new RunControls(run);
  try {
    const report = await finetuneModel(
      {
        model: modelRequest(source),
        dataPath: settings.dataPath,
        // A run that was stopped before it wrote anything begins again.
        options: resume && started ? { ...options, resume: outputDirectory } : options,
      },
      {
        executor: await createExecutor(backendOptions()),
        onMetrics: (line) => context.notify('run/point', { run, point: pointOf(line) }),
        gate: controls.gate(context.signal),
      },
      context,
    );
    const { epochs, bestTop1, lastTop1, loss, imagesPerSecond, best, stopped } = report;
    return {
      epochs,
      bestTop1,
      lastTop1,
      loss,
      imagesPerSecond,
      outputDirectory: report.outputDirectory,
      best,
      stopped,
    };
  } finally {
    controls.end();
  }
};

export const controlRun: Handler<'run/control'> = ({ run, action }) => {
  findControl(run)[action]();
  return null;
};

export const runHistory: Handler<'run/history'> = async ({ directory }) => {
  const run = await RunDirectory.open(directory).catch(() => undefined);
  return ((await run?.metrics()) ?? []).map(pointOf);
};

/** What is kept of an evaluation to compare it with another, image by image. */
interface Predictions {
  readonly dataPath: string;
  readonly split: string;
  readonly classNames: readonly string[];
  /** Relative to dataPath. */
  readonly files: readonly string[];
  readonly labels: readonly number[];
  readonly predictions: readonly number[];
}

export const runEvaluate: Handler<'evaluate/run'> = async ({ source, settings, predictionsFile }, context) => {
  const { model } = await findModel(source);
  const { dataPath, batchSize, benchmark, limit } = settings;
  const split = settings.split as Split;
  const executor = await createExecutor(backendOptions());
  const weights = await model.weights(context);
  const data = { dataPath, split, batchSize, ...(limit && { limit }) };
  const report = await evaluateModel({ ...model, weights }, data, { executor, benchmark }, context);
  const { samples } = await openImages(model.graph, dataFor(model, data), split);
  const labels = new Map(samples.map(({ file, label }) => [file, label]));
  const kept: Predictions = {
    dataPath,
    split,
    classNames: classNames(model.graph.classes, report.classNames, samples),
    files: report.files.map((file) => path.relative(dataPath, file)),
    labels: report.files.map((file) => labels.get(file) ?? -1),
    predictions: report.predictions,
  };
  await writeFileAtomically(predictionsFile, Buffer.from(JSON.stringify(kept)));
  const { top1, top5, loss, images, macs, macsTrue, params, imagesPerSecond, latency, throughput, backend } = report;
  return {
    source,
    name: model.graph.name,
    dataPath,
    split,
    top1,
    top5,
    loss,
    images,
    macs,
    macsTrue,
    params,
    bytes: model.bytes,
    imagesPerSecond,
    backend,
    device: processorName(),
    ...(latency && { latency: { p50Milliseconds: latency.p50Milliseconds, runs: latency.runs } }),
    ...(throughput && { throughput }),
    notes: [...report.notes, ...(report.skipped.size ? [`${report.skipped.size} images could not be read`] : [])],
  };
};

/** Names by the network's class index: the folders' own, where a data set has only some of the classes. */
function classNames(
  classes: number,
  folders: readonly string[],
  samples: readonly { readonly file: string; readonly label: number }[],
): readonly string[] {
  if (folders.length === classes) return folders;
  const names = Array.from({ length: classes }, (_, i) => `class ${i}`);
  for (const { file, label } of samples) names[label] = path.basename(path.dirname(file));
  return names;
}

async function readPredictions(file: string): Promise<Predictions> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as Predictions;
  } catch {
    throw new UserError(`What the model said of each image is not there any more (${file}): evaluate it again.`);
  }
}

export const changedVerdicts: Handler<'evaluate/changed'> = async ({ before, after, limit }) => {
  const [first, second] = await Promise.all([readPredictions(before), readPredictions(after)]);
  const now = new Map(second.files.map((file, i) => [file, second.predictions[i]]));
  const changed = first.files.flatMap((file, i): ChangedVerdict[] => {
    const [was, is, label] = [first.predictions[i], now.get(file), first.labels[i]];
    if (is === undefined || was === is) return [];
    const name = (index: number): string => first.classNames[index] ?? `class ${index}`;
    const change = was === label ? 'lost' : is === label ? 'gained' : 'other';
    return [{ file: path.join(first.dataPath, file), label: name(label), before: name(was), after: name(is), change }];
  });
  const kinds = ['lost', 'gained', 'other'] as const;
  const byKind = kinds.map((kind) => changed.filter(({ change }) => change === kind));
  return {
    images: byKind.flatMap((images) => spread(images, limit)),
    totals: Object.fromEntries(kinds.map((kind, i) => [kind, byKind[i].length])) as ChangedVerdicts['totals'],
  };
};

/** At most `limit` entries, from all over the list: images come class by class. */
function spread<T>(all: readonly T[], limit: number): readonly T[] {
  if (all.length <= limit) return all;
  return Array.from({ length: limit }, (_, i) => all[Math.floor((i * all.length) / limit)]);
}
