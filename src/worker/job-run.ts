/**
 * A finetuning run whose training is a job's (torchrun, SLURM, SkyPilot): written, checked, handed over, and followed until it ends.
 * This process only watches: the job goes on without it, and the next one finds it by the files in its folder.
 */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { UserError } from '../common/errors.ts';
import { type FlagTable, flagDefaults } from '../common/flags.ts';
import type { RunContext } from '../common/progress.ts';
import { writeFileAtomically } from '../engine/files/atomic-write.ts';
import { parseCommands } from '../engine/jobs/torchrun/job-commands.ts';
import { type JobPlace, readStarted, startJob } from '../engine/jobs/torchrun/job-engines.ts';
import { writeJob } from '../engine/jobs/torchrun/job-folder.ts';
import { type JobEngine, jobFlags, launchFlags } from '../engine/jobs/torchrun/job-options.ts';
import { JOB_FILE } from '../engine/jobs/torchrun/job-place.ts';
import { checkEngine, checkJobFolder, type JobCheck } from '../engine/jobs/torchrun/job-preflight.ts';
import { type JobRequest, readJobHead } from '../engine/jobs/torchrun/job-request.ts';
import { type JobStatus, jobLog, jobStatus, stopJob } from '../engine/jobs/torchrun/job-status.ts';
import { BEST } from '../engine/training/run-directory.ts';
import { trainingFlags } from '../engine/training/training-options.ts';
import { ENGINE_NAMES, type FinetunePlace } from '../protocol/finetune-settings.ts';
import { RUN_FILES, type RunJob, type RunStart } from '../protocol/run-files.ts';
import type { FinetuneResult, ProgressReport } from '../protocol/values.ts';
import { inEditorWords } from './editor-words.ts';
import { jobOptionsOf, modelRequest } from './finetune-run.ts';
import type { RunControls } from './run-controls.ts';

/** How often an engine is asked: squeue and sky work for everybody on a cluster. */
const POLL_MS: { readonly [E in JobEngine]: number } = { torchrun: 1_000, slurm: 10_000, skypilot: 20_000 };
/** So often in turn an engine may not answer before the run is given up; the job itself goes on. */
const MOST_SILENCES = 60;

/** A start with a place for its job. */
export interface JobStart extends RunStart {
  readonly job: RunJob;
  readonly settings: RunStart['settings'] & { readonly place: FinetunePlace };
}

export interface JobWatch {
  readonly controls: Pick<RunControls, 'gate'>;
  readonly context: RunContext;
  /** What windows see; unlike a run's own, it says the time that is left. */
  readonly report: (progress: ProgressReport) => void;
  /** How often the engine is asked, where that is not its own pace. */
  readonly pollMs?: number;
}

export const isJobStart = (start: RunStart): start is JobStart =>
  start.job !== undefined && start.settings.place !== undefined;

/** The values of one table among those of several. */
function picked<T extends FlagTable, V extends { readonly [K in keyof T]: unknown }>(
  table: T,
  values: V,
): Pick<V, keyof T> {
  return Object.fromEntries(Object.keys(table).map((key) => [key, values[key]])) as Pick<V, keyof T>;
}

function requestOf(folder: string, { source, settings, job }: JobStart): JobRequest {
  const { engine, nodes, processes, dataPath } = settings.place;
  const values = jobOptionsOf(settings.flags);
  const { gradAccumSteps, maxRestarts } = values;
  return {
    request: {
      model: modelRequest(source),
      dataPath,
      // Where it lies and what it takes up is not for a settings file to say.
      options: { ...picked(trainingFlags, values), outputDir: folder, resume: undefined, overwrite: true },
    },
    job: { ...picked(jobFlags, values), gradAccumSteps },
    launch: {
      ...flagDefaults(launchFlags),
      engine,
      nodes,
      processes,
      maxRestarts,
      python: job.python,
      slurm: job.slurm,
      sky: job.skypilot,
    },
  };
}

/** Where the job runs is where it can be looked at: on this machine, or by the Python that the settings call there. */
const canLook = ({ settings, job }: JobStart): boolean =>
  settings.place.engine === 'torchrun' || job.commands.some((command) => command.startsWith('python='));

/** Python, packages, GPUs, images, disk and one step where it runs, and what the engine says of it. @throws UserError with all that failed */
async function check(place: JobPlace, start: JobStart, { report, context }: JobWatch): Promise<void> {
  const { engine } = start.settings.place;
  report({ phase: 'checking where it runs', done: 0, total: 0 });
  const found: JobCheck[] = canLook(start) ? [...(await checkJobFolder(place.folder, place.commands))] : [];
  if (found.length === 0)
    context.note?.(
      'Python, GPUs, images and disk where it runs were not looked at: with espalier.jobs.commands "python=srun --gpus=1 python3", or the like, they are.',
    );
  const taken = await checkEngine(place, engine);
  if (taken) found.push(taken);
  for (const { name, ok, text } of found)
    context.note?.(`${ok ? 'checked' : 'FAILED'} ${name}: ${inEditorWords(text)}`);
  const failed = found.filter(({ ok }) => !ok);
  if (failed.length)
    throw new UserError(`The job cannot run: ${failed.map(({ name, text }) => `${name}: ${text}`).join('; ')}`);
}

/** A job of this folder that was handed over and has not ended; asked of its engine. */
async function isUnderway(place: JobPlace): Promise<boolean> {
  if (!existsSync(path.join(place.folder, JOB_FILE)) || !(await readStarted(place.folder))) return false;
  const { state } = await jobStatus(place);
  return state === 'waiting' || state === 'running';
}

async function stepsPerEpoch(folder: string): Promise<number> {
  const text = await readFile(path.join(folder, 'run.json'), 'utf8').catch(() => '{}');
  try {
    return Number((JSON.parse(text) as { stepsPerEpoch?: number }).stepsPerEpoch ?? 0);
  } catch {
    return 0; // half a file: it is whole the next time
  }
}

/** What windows show of a state. */
async function progressOf(folder: string, engine: JobEngine, status: JobStatus): Promise<ProgressReport> {
  const { state, word, started, epoch, epochs, step = 0, remaining } = status;
  const where = `${ENGINE_NAMES[engine]} ${engine === 'torchrun' ? '' : (started?.id ?? '')}`.trim();
  if (state !== 'running') return { phase: state, message: `${where}${word ? `: ${word}` : ''}`, done: 0, total: 0 };
  const total = epochs * (await stepsPerEpoch(folder));
  const message = `${where} · epoch ${Math.min(epoch + 1, epochs)} of ${epochs}`;
  return {
    phase: 'finetune',
    message,
    done: Math.min(step, total),
    total,
    ...(remaining !== undefined && { eta: remaining }),
  };
}

/** The state, or undefined where the engine did not answer. */
async function ask(place: JobPlace, report: JobWatch['report']): Promise<JobStatus | undefined> {
  try {
    return await jobStatus(place);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    report({ phase: 'finetune', message: error.message, done: 0, total: 0 });
    return undefined;
  }
}

/** Follows the job until it has ended. */
async function follow(place: JobPlace, engine: JobEngine, watch: JobWatch): Promise<JobStatus> {
  const { controls, context, report, pollMs = POLL_MS[engine] } = watch;
  let silences = 0;
  let ordered = false;
  for (;;) {
    if (context.signal?.aborted) {
      report({ phase: 'stopping', message: `${ENGINE_NAMES[engine]} saves and ends it`, done: 0, total: 0 });
      for (const note of await stopJob(place)) context.note?.(note);
      context.signal.throwIfAborted();
    }
    if (!ordered && (await controls.gate()) === 'stop') {
      ordered = true;
      const order = { action: 'stopAfterEpoch', time: new Date().toISOString() };
      await writeFileAtomically(path.join(place.folder, RUN_FILES.order), Buffer.from(JSON.stringify(order)));
    }
    const status = await ask(place, report);
    if (status) {
      silences = 0;
      report(await progressOf(place.folder, engine, status));
      if (status.state !== 'waiting' && status.state !== 'running') return status;
    } else if (++silences > MOST_SILENCES) {
      throw new UserError(
        `${ENGINE_NAMES[engine]} has not answered ${MOST_SILENCES} times in turn: resume the run to follow the job again.`,
      );
    }
    await sleep(pollMs, undefined, { signal: context.signal }).catch(() => undefined);
  }
}

/** How it ended. @throws UserError where it did not reach its end, with its last words */
async function resultOf(place: JobPlace, directory: string, status: JobStatus): Promise<FinetuneResult> {
  const { state, epoch, epochs, bestTop1, loss = 0, imagesPerSecond = 0 } = status;
  const best = path.join(place.folder, BEST);
  const isOver = state === 'done' || (state === 'stopped' && epoch > 0);
  if (isOver && existsSync(best))
    return {
      epochs: epoch,
      ...(bestTop1 !== undefined && { bestTop1 }),
      loss,
      imagesPerSecond,
      outputDirectory: directory,
      best,
      stopped: epoch < epochs ? 'afterEpoch' : 'finished',
    };
  const words = await jobLog(place, 20).catch((error: Error) => error.message);
  const what = status.error ?? (state === 'lost' ? 'it ended without saying why' : `it is ${state}`);
  throw new UserError(
    `The job did not reach its end: ${what}. Resuming the run starts it again from its last checkpoint.${words ? ` It said last:\n${words}` : ''}`,
  );
}

/** A job that is the person's own to start. */
const written = (folder: string, outputDirectory: string): FinetuneResult => ({
  epochs: 0,
  loss: 0,
  imagesPerSecond: 0,
  outputDirectory,
  best: folder,
  stopped: 'finished',
});

/**
 * Writes the job into `directory`/job where it is not there yet, hands it over where it does not run yet, and follows it.
 * @throws UserError where it cannot be written, checked, handed over, or does not reach its end
 */
export async function runJob(directory: string, start: JobStart, watch: JobWatch): Promise<FinetuneResult> {
  const { settings, job, resume } = start;
  const { engine } = settings.place;
  const place: JobPlace = { folder: path.join(directory, RUN_FILES.job), commands: parseCommands(job.commands) };
  const isThere = resume && existsSync(path.join(place.folder, JOB_FILE));
  if (!(isThere && (await isUnderway(place)))) {
    if (!isThere) {
      watch.report({ phase: 'writing the job', done: 0, total: 0 });
      const { notes } = await writeJob(requestOf(place.folder, start), watch.context);
      for (const note of notes) watch.context.note?.(inEditorWords(note));
    }
    if (settings.place.onlyWrite) return written(place.folder, directory);
    await check(place, start, watch);
    watch.context.signal?.throwIfAborted();
    watch.report({ phase: `handing it to ${ENGINE_NAMES[engine]}`, done: 0, total: 0 });
    const { id } = await startJob(place, engine, (await readJobHead(place.folder)).model);
    watch.context.note?.(`handed to ${ENGINE_NAMES[engine]}: ${id}`);
  }
  return resultOf(place, directory, await follow(place, engine, watch));
}
