/** From what a window asks of a run to the job that it becomes. */
import { type FlagTable, flagDefaults } from '../common/flags.ts';
import type { RunContext } from '../common/progress.ts';
import { writeJob } from '../engine/jobs/torchrun/job-folder.ts';
import { jobFlags, type LaunchOptions, launchFlags } from '../engine/jobs/torchrun/job-options.ts';
import type { JobRequest } from '../engine/jobs/torchrun/job-request.ts';
import { type ScoreJobRequest, writeScoreJob } from '../engine/jobs/torchrun/job-score.ts';
import { trainingFlags } from '../engine/training/training-options.ts';
import type { FinetuneStart, RunJob, RunStart, ScoreStart } from '../protocol/run-files.ts';
import type { RunPlace } from '../protocol/run-place.ts';
import { jobOptionsOf, modelRequest } from './finetune-run.ts';

/** A training with a place for its job. */
interface TrainingJobStart extends FinetuneStart {
  readonly job: RunJob;
  readonly settings: FinetuneStart['settings'] & { readonly place: RunPlace };
}

export type JobStart = TrainingJobStart | ScoreStart;

export const isScoring = (start: RunStart): start is ScoreStart => 'scores' in start;

export const isJobStart = (start: RunStart): start is JobStart =>
  isScoring(start) || (start.job !== undefined && start.settings.place !== undefined);

export const placeOfStart = (start: JobStart): RunPlace =>
  isScoring(start) ? start.scores.place : start.settings.place;

/** The values of one table among those of several. */
function picked<T extends FlagTable, V extends { readonly [K in keyof T]: unknown }>(
  table: T,
  values: V,
): Pick<V, keyof T> {
  return Object.fromEntries(Object.keys(table).map((key) => [key, values[key]])) as Pick<V, keyof T>;
}

function launchOf({ engine, nodes, processes }: RunPlace, { python, slurm, skypilot }: RunJob): LaunchOptions {
  return { ...flagDefaults(launchFlags), engine, nodes, processes, python, slurm, sky: skypilot };
}

function trainingJob(folder: string, { source, settings, job }: TrainingJobStart): JobRequest {
  const { place, flags } = settings;
  const values = jobOptionsOf(flags);
  const { gradAccumSteps, maxRestarts } = values;
  return {
    request: {
      model: modelRequest(source),
      dataPath: place.dataPath,
      // Where it lies and what it takes up is not for a settings file to say.
      options: { ...picked(trainingFlags, values), outputDir: folder, resume: undefined, overwrite: true },
    },
    job: { ...picked(jobFlags, values), gradAccumSteps },
    launch: { ...launchOf(place, job), maxRestarts },
  };
}

function scoringJob(folder: string, { source, scores, job }: ScoreStart): ScoreJobRequest {
  const { place, criterion, batches, batchSize, seed } = scores;
  return {
    model: modelRequest(source),
    data: { dataPath: place.dataPath, batches, batchSize, seed },
    criterion,
    job: { ...flagDefaults(jobFlags), gradAccumSteps: 1 },
    launch: launchOf(place, job),
    outputDir: folder,
    overwrite: true,
  };
}

/** Writes the job into its folder. Returns what the person should know. @throws UserError where it cannot be one */
export async function writeJobOf(start: JobStart, folder: string, context: RunContext): Promise<readonly string[]> {
  const { notes } = isScoring(start)
    ? await writeScoreJob(scoringJob(folder, start), context)
    : await writeJob(trainingJob(folder, start), context);
  return notes;
}
