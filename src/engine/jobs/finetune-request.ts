/** What a finetuning run is asked to do, as it is kept in run.json, and taking a request up again. */
import { existsSync } from 'node:fs';
import path from 'node:path';
import { UserError } from '../../common/errors.ts';
import { flagDefaults } from '../../common/flags.ts';
import type { Cost } from '../graph/macs.ts';
import { withScaledRate } from '../training/recipes.ts';
import { RunDirectory } from '../training/run-directory.ts';
import type { FinetuneSummary } from '../training/training-loop.ts';
import { type TrainingOptions, trainingFlags } from '../training/training-options.ts';
import type { DataRequest } from './evaluate.ts';
import type { ModelRequest } from './model.ts';

export interface FinetuneRequest {
  readonly model: ModelRequest;
  readonly dataPath: string;
  readonly synsets?: string;
  readonly options: TrainingOptions;
}

/** `run.json`: enough to start the run again, and what became of it. */
export interface RunFile {
  readonly version: 1;
  readonly state: 'running' | 'stopped' | 'failed' | 'done';
  readonly request: FinetuneRequest;
  readonly model: string;
  readonly backend: string;
  /** When it was started first. ISO 8601. */
  readonly started: string;
  readonly cost: Cost;
  readonly summary?: FinetuneSummary;
  readonly error?: string;
}

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
  const { request } = await run.readRun<RunFile>();
  if (!request?.options) throw new UserError(`${run.path} cannot be resumed: its run.json names no settings.`);
  const options = { ...flagDefaults(trainingFlags), ...request.options };
  return { ...request, options: { ...options, resume: run.path, outputDir: run.path, overwrite: false } };
}
