/** Evaluation, and what runs have left behind. */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import * as v from 'valibot';
import { formatAmong } from '../common/confidence.ts';
import { UserError } from '../common/errors.ts';
import { createExecutor } from '../engine/compute/backends.ts';
import type { Split } from '../engine/data/image-folder.ts';
import { writeFileAtomically } from '../engine/files/atomic-write.ts';
import { dataFor, evaluateModel, openImages } from '../engine/jobs/evaluate.ts';
import { RunDirectory } from '../engine/training/run-directory.ts';
import { RUN_FILES, runPoint } from '../protocol/run-files.ts';
import type { ChangedVerdict, ChangedVerdicts } from '../protocol/values.ts';
import { backendOptions, processorName } from './backend.ts';
import type { Handler } from './handler.ts';
import { findModel } from './open-models.ts';

export const runHistory: Handler<'run/history'> = async ({ directory }) => {
  const open = (place: string): Promise<RunDirectory | undefined> => RunDirectory.open(place).catch(() => undefined);
  const run = (await open(directory)) ?? (await open(path.join(directory, RUN_FILES.job)));
  return ((await run?.metrics()) ?? []).flatMap((line) => runPoint(line) ?? []);
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
  const among = report.among && `top-1${formatAmong(report.among, report.images).slice(1)}`;
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
    ...(latency && { latency }),
    ...(throughput && { throughput }),
    notes: [
      ...report.notes,
      ...(among ? [among] : []),
      ...(report.skipped.size ? [`${report.skipped.size} images could not be read`] : []),
    ],
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

const index = v.pipe(v.number(), v.integer());
const predictionsSchema: v.GenericSchema<unknown, Predictions> = v.object({
  dataPath: v.string(),
  split: v.string(),
  classNames: v.array(v.string()),
  files: v.array(v.string()),
  labels: v.array(index),
  predictions: v.array(index),
});

async function readPredictions(file: string): Promise<Predictions> {
  try {
    return v.parse(predictionsSchema, JSON.parse(await readFile(file, 'utf8')));
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
