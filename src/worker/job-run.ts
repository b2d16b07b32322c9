/**
 * A finetuning or scoring run that is a job (torchrun, SLURM, SkyPilot): written, checked, handed over, and followed until it ends.
 * This process only watches: the job goes on without it, and the next one finds it by the files in its folder.
 */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { UserError } from '../common/errors.ts';
import type { RunContext } from '../common/progress.ts';
import { writeFileAtomically } from '../engine/files/atomic-write.ts';
import { parseCommands } from '../engine/jobs/torchrun/job-commands.ts';
import { type JobPlace, readStarted, startJob } from '../engine/jobs/torchrun/job-engines.ts';
import type { JobMetrics } from '../engine/jobs/torchrun/job-metrics.ts';
import type { JobEngine } from '../engine/jobs/torchrun/job-options.ts';
import { JOB_FILE } from '../engine/jobs/torchrun/job-place.ts';
import { checkEngine, checkJobFolder, type JobCheck } from '../engine/jobs/torchrun/job-preflight.ts';
import { readJobHead } from '../engine/jobs/torchrun/job-request.ts';
import {
  GRADIENTS,
  type JobStatus,
  jobLog,
  jobMetrics,
  jobStatus,
  leftRunning,
  stopJob,
} from '../engine/jobs/torchrun/job-status.ts';
import { BEST } from '../engine/training/run-directory.ts';
import { RUN_FILES, type RunEnd } from '../protocol/run-files.ts';
import { ENGINE_NAMES } from '../protocol/run-place.ts';
import type { FinetuneResult, ProgressReport } from '../protocol/values.ts';
import { inEditorWords } from './editor-words.ts';
import { isScoring, type JobStart, placeOfStart, writeJobOf } from './job-start.ts';
import type { RunControls } from './run-controls.ts';

/** How often an engine is asked: squeue and sky work for everybody on a cluster. */
const POLL_MS: { readonly [E in JobEngine]: number } = { torchrun: 1_000, slurm: 10_000, skypilot: 20_000 };
/** So often in turn an engine may not answer before the run is given up; the job itself goes on. */
const MOST_SILENCES = 60;

export interface JobWatch {
  readonly controls: Pick<RunControls, 'gate'>;
  readonly context: RunContext;
  /** What windows see; unlike a run's own, it says the time that is left. */
  readonly report: (progress: ProgressReport) => void;
  /** How often the engine is asked, where that is not its own pace. */
  readonly pollMs?: number;
}

/** Where the job runs is where it can be looked at: on this machine, or by the Python that the settings call there. */
const canLook = (start: JobStart): boolean =>
  placeOfStart(start).engine === 'torchrun' || start.job.commands.some((command) => command.startsWith('python='));

/** Python, packages, GPUs, images, disk and one step where it runs, and what the engine says of it. @throws UserError with all that failed */
async function check(place: JobPlace, start: JobStart, { report, context }: JobWatch): Promise<void> {
  const { engine } = placeOfStart(start);
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
  const { state, word, started, epoch, epochs, step = 0, remaining, batches } = status;
  const where = `${ENGINE_NAMES[engine]} ${engine === 'torchrun' ? '' : (started?.id ?? '')}`.trim();
  if (state !== 'running') return { phase: state, message: `${where}${word ? `: ${word}` : ''}`, done: 0, total: 0 };
  const eta = remaining === undefined ? {} : { eta: remaining };
  if (epochs === 0) return { phase: 'score', message: where, ...(batches ?? { done: 0, total: 0 }), ...eta };
  const total = epochs * (await stepsPerEpoch(folder));
  const message = `${where} · epoch ${Math.min(epoch + 1, epochs)} of ${epochs}`;
  return {
    phase: 'finetune',
    message,
    done: Math.min(step, total),
    total,
    ...eta,
  };
}

/** The state, or undefined where the engine did not answer. */
async function ask(place: JobPlace, metrics: JobMetrics, report: JobWatch['report']): Promise<JobStatus | undefined> {
  try {
    return await jobStatus(place, metrics);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    report({ phase: 'finetune', message: error.message, done: 0, total: 0 });
    return undefined;
  }
}

/** Follows the job until it has ended. */
async function follow(place: JobPlace, engine: JobEngine, watch: JobWatch): Promise<JobStatus> {
  const { controls, context, report, pollMs = POLL_MS[engine] } = watch;
  const metrics = jobMetrics(place);
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
    const status = await ask(place, metrics, report);
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

/** @throws UserError with why the job did not reach its end, and its last words */
async function sayWhy(place: JobPlace, { state, error }: JobStatus, goesOn: string): Promise<never> {
  const words = await jobLog(place, 20).catch((reason: Error) => reason.message);
  const what = error ?? (state === 'lost' ? 'it ended without saying why' : `it is ${state}`);
  throw new UserError(
    `The job did not reach its end: ${inEditorWords(what)}. ${goesOn}${words ? ` It said last:\n${words}` : ''}`,
  );
}

/** How it ended. @throws UserError where it did not reach its end, with its last words */
async function resultOf(place: JobPlace, directory: string, status: JobStatus): Promise<RunEnd> {
  const { state, epoch, epochs, bestTop1, loss = 0, imagesPerSecond = 0 } = status;
  const best = path.join(place.folder, BEST);
  const isOver = state === 'done' || (state === 'stopped' && epoch > 0);
  if (!isOver || !existsSync(best))
    return sayWhy(place, status, 'Resuming the run starts it again from its last checkpoint.');
  const result: FinetuneResult = {
    epochs: epoch,
    ...(bestTop1 !== undefined && { bestTop1 }),
    loss,
    imagesPerSecond,
    outputDirectory: directory,
    best,
    stopped: epoch < epochs ? 'afterEpoch' : 'finished',
  };
  return { kind: 'ended', result };
}

/** The gradients of a scoring job. @throws UserError where it wrote none */
async function gradientsOf(place: JobPlace, status: JobStatus): Promise<RunEnd> {
  if (status.state !== 'done') return sayWhy(place, status, 'Resuming the run starts it again.');
  return { kind: 'scored', gradients: path.join(place.folder, GRADIENTS) };
}

/** A job that is the person's own to start. */
function written(start: JobStart, folder: string, outputDirectory: string): RunEnd {
  if (isScoring(start)) return { kind: 'scored' };
  const nothing = { epochs: 0, loss: 0, imagesPerSecond: 0 };
  return { kind: 'ended', result: { ...nothing, outputDirectory, best: folder, stopped: 'finished' } };
}

/**
 * Writes the job into `directory`/job where it is not there yet, hands it over where it does not run yet, and follows it.
 * @throws UserError where it cannot be written, checked, handed over, or does not reach its end
 */
export async function runJob(directory: string, start: JobStart, watch: JobWatch): Promise<RunEnd> {
  const { job, resume } = start;
  const { engine, onlyWrite = false } = placeOfStart(start);
  const place: JobPlace = { folder: path.join(directory, RUN_FILES.job), commands: parseCommands(job.commands) };
  const isThere = resume && existsSync(path.join(place.folder, JOB_FILE));
  if (!(isThere && (await isUnderway(place)))) {
    if (!isThere) {
      watch.report({ phase: 'writing the job', done: 0, total: 0 });
      const notes = await writeJobOf(start, place.folder, watch.context);
      for (const note of notes) watch.context.note?.(inEditorWords(note));
    }
    if (onlyWrite) return written(start, place.folder, directory);
    await check(place, start, watch);
    watch.context.signal?.throwIfAborted();
    watch.report({ phase: `handing it to ${ENGINE_NAMES[engine]}`, done: 0, total: 0 });
    const { id } = await startJob(place, engine, (await readJobHead(place.folder)).model);
    watch.context.note?.(`handed to ${ENGINE_NAMES[engine]}: ${id}`);
  }
  const status = await follow(place, engine, watch);
  const left = leftRunning(status);
  if (left) watch.context.note?.(left);
  return isScoring(start) ? gradientsOf(place, status) : resultOf(place, directory, status);
}
