/** What a finetuning run is asked to do, as it is kept in run.json, and taking a request up again. */
import { existsSync } from 'node:fs';
import path from 'node:path';
import * as v from 'valibot';
import { UserError } from '../../common/errors.ts';
import { flagDefaults, wrongValue } from '../../common/flags.ts';
import type { BackendName } from '../compute/executor.ts';
import type { Cost } from '../graph/macs.ts';
import { withScaledRate } from '../training/recipes.ts';
import { RunDirectory } from '../training/run-directory.ts';
import type { FinetuneSummary } from '../training/training-loop.ts';
import { type TrainingOptions, trainingFlags } from '../training/training-options.ts';
import type { DataRequest } from './evaluate.ts';
import type { ModelRequest } from './opening/model.ts';

export interface FinetuneRequest {
  readonly model: ModelRequest;
  readonly dataPath: string;
  readonly synsets?: string;
  readonly options: TrainingOptions;
  /** The teacher's outputs from here where they fit; never written. */
  readonly readTeacherCache?: string;
}

/** What a run computes with: it changes the run's numbers, so it is one of its settings. */
export interface RunBackend {
  readonly backend: BackendName;
  /** Version, device and precision, for the person: `TensorFlow 2.21, CPU`. */
  readonly label: string;
  /** Where they were chosen: sums depend on how they are split. */
  readonly threads?: number;
}

/** `run.json`: enough to start the run again, and what became of it. */
export interface RunFile {
  readonly version: 1;
  readonly state: 'running' | 'stopped' | 'failed' | 'done';
  readonly request: FinetuneRequest;
  readonly model: string;
  /** What it is computed with, for the person. */
  readonly backend: string;
  /** The same as settings; runs of earlier versions lack it. */
  readonly compute?: Omit<RunBackend, 'label'>;
  /** When it was started first. ISO 8601. */
  readonly started: string;
  readonly cost: Cost;
  readonly summary?: FinetuneSummary;
  readonly error?: string;
}

const runFileSchema = v.looseObject({
  version: v.literal(1),
  state: v.picklist(['running', 'stopped', 'failed', 'done']),
  request: v.looseObject({
    model: v.looseObject({ model: v.string(), ckpt: v.optional(v.string()) }),
    dataPath: v.string(),
    synsets: v.optional(v.string()),
    options: v.pipe(
      v.record(v.string(), v.unknown()),
      v.check((options) => wrongValue(trainingFlags, options) === undefined),
    ),
  }),
  model: v.string(),
  backend: v.string(),
  compute: v.optional(
    v.looseObject({
      backend: v.picklist(['tensorflow', 'embedded']),
      threads: v.optional(v.pipe(v.number(), v.safeInteger(), v.minValue(1))),
    }),
  ),
  started: v.string(),
});

/** Whether a value is what a run's run.json holds, as far as a run is resumed from it. */
export const isRunFile = (value: unknown): value is RunFile => v.is(runFileSchema, value);

/** A file's name made absolute, so that a run can be resumed from another folder; names of the zoo stay. */
const absolute = (place: string): string => (existsSync(place) ? path.resolve(place) : place);

/** The request with absolute places and the learning rate that it comes to: what the run is to be resumed with. */
export function settledRequest(request: FinetuneRequest): FinetuneRequest {
  const { model, dataPath, synsets } = request;
  const options = withScaledRate(request.options);
  const { teacherModel, teacherCkpt, teacherCache } = options;
  return {
    ...request,
    model: { ...model, model: absolute(model.model), ...(model.ckpt !== undefined && { ckpt: absolute(model.ckpt) }) },
    dataPath: path.resolve(dataPath),
    ...(synsets !== undefined && { synsets: path.resolve(synsets) }),
    options: {
      ...options,
      ...(teacherModel !== undefined && { teacherModel: absolute(teacherModel) }),
      ...(teacherCkpt !== undefined && { teacherCkpt: absolute(teacherCkpt) }),
      ...(teacherCache !== undefined && { teacherCache: path.resolve(teacherCache) }),
    },
  };
}

/** @throws UserError for settings that do not go together */
export function checkOptions(options: TrainingOptions): void {
  const { epochs, batchSize, startEpoch, resume, testOnly, noAugment, mixupAlpha, cutmixAlpha } = options;
  const { teacherModel, teacherCkpt, teacherCache } = options;
  if (testOnly) throw new UserError('--test-only trains nothing: evaluate the model instead.');
  if (batchSize < 1) throw new UserError(`--batch-size must be at least 1, not ${batchSize}`);
  if (epochs < 1) throw new UserError(`--epochs must be at least 1, not ${epochs}`);
  if (resume === undefined && (startEpoch < 0 || startEpoch >= epochs))
    throw new UserError(`--start-epoch ${startEpoch} leaves nothing of ${epochs} epochs`);
  if (teacherModel === undefined && (teacherCkpt ?? teacherCache) !== undefined)
    throw new UserError(
      `--${teacherCkpt !== undefined ? 'teacher-ckpt' : 'teacher-cache'} teaches nothing by itself: name the teacher with --teacher-model.`,
    );
  checkImitation(options);
  if (teacherCache !== undefined && (!noAugment || mixupAlpha > 0 || cutmixAlpha > 0))
    throw new UserError(
      '--teacher-cache is right only where an image always looks the same: it needs --no-augment, without mixup and cutmix.',
    );
}

function checkImitation({
  imitate,
  teacherModel,
  teacherCache,
  mixupAlpha,
  cutmixAlpha,
  labelSmoothing,
}: TrainingOptions): void {
  if (!imitate) return;
  if (teacherModel === undefined)
    throw new UserError('--imitate needs the network to imitate: name the dense one with --teacher.');
  if (teacherCache !== undefined)
    throw new UserError('--teacher-cache keeps the logits of classifiers: leave it out with --imitate.');
  if (mixupAlpha > 0 || cutmixAlpha > 0 || labelSmoothing > 0)
    throw new UserError('--imitate uses no labels: leave mixup, cutmix and label smoothing out.');
}

/** The run's images as evaluation sees them. */
export function evaluationData({ dataPath, synsets, options }: FinetuneRequest): DataRequest {
  const { interpolation, valResizeSize, noImagenetMeanStd, workers, batchSize } = options;
  return {
    dataPath,
    noImagenetMeanStd,
    batchSize,
    ...(synsets !== undefined && { synsets }),
    ...(interpolation && { interpolation }),
    ...(valResizeSize !== undefined && { valResize: valResizeSize }),
    ...(workers !== undefined && { workers }),
  };
}

/**
 * What the run in a folder was started with, to be continued.
 * @throws UserError where there is no run, or its run.json is damaged
 */
export async function resumedRequest(place: string): Promise<FinetuneRequest> {
  const run = await RunDirectory.open(place);
  const { request } = await run.readRun(isRunFile);
  const options = { ...flagDefaults(trainingFlags), ...request.options };
  return writingOnlyInto(run.path, {
    ...request,
    options: { ...options, resume: run.path, outputDir: run.path, overwrite: false },
  });
}

/** The teacher's outputs, in the folder of a run that may write nowhere else. */
const OWN_TEACHER_CACHE = 'teacher.safetensors';

/**
 * The request of a run whose record may have come from anybody: a cache of the teacher's outputs that it names elsewhere is
 * read, and what has to be computed anew is kept in the run's folder.
 */
export function writingOnlyInto(folder: string, request: FinetuneRequest): FinetuneRequest {
  const { teacherCache } = request.options;
  if (teacherCache === undefined || path.dirname(path.resolve(teacherCache)) === path.resolve(folder)) return request;
  const own = path.join(folder, OWN_TEACHER_CACHE);
  return { ...request, readTeacherCache: teacherCache, options: { ...request.options, teacherCache: own } };
}
