/** How a job goes: what its engine says, and what its files say. */
import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { UserError } from '../../../common/errors.ts';
import type { MetricsLine } from '../../training/run-directory.ts';
import { type EngineState, engineOf, type JobPlace, readStarted, type StartedJob } from './job-engines.ts';
import { JobMetrics } from './job-metrics.ts';
import { readJob, readJobHead } from './job-request.ts';

export interface JobStatus {
  /** `lost`: it ended without saying so, killed or crashed; started again, it goes on. */
  readonly state: 'not started' | 'waiting' | 'running' | 'stopped' | 'failed' | 'done' | 'lost';
  readonly started?: StartedJob;
  /** The engine's own word. */
  readonly word?: string;
  /** Epochs that are done, of how many. */
  readonly epoch: number;
  readonly epochs: number;
  readonly step?: number;
  /** Of a scoring job: batches that are done, of how many. */
  readonly batches?: { readonly done: number; readonly total: number };
  readonly loss?: number;
  readonly imagesPerSecond?: number;
  /** Of the last epoch, and the best. */
  readonly top1?: number;
  readonly bestTop1?: number;
  /** Seconds to the end, at the speed of the last step. */
  readonly remaining?: number;
  readonly error?: string;
  readonly notes: readonly string[];
}

/** What a scoring job writes at its end. */
export const GRADIENTS = 'gradients.safetensors';
/** How far a scoring job is. */
const SCORING = 'scoring.json';
/** Why a process failed that was the first to. */
const FAILURE = 'failure.txt';
const RUN_FILES = ['metrics.jsonl', 'run.json', FAILURE];
const RESULTS = [...RUN_FILES, 'best.safetensors', 'latest.safetensors'];

interface ScoringJson {
  readonly done: number;
  readonly total: number;
  readonly imagesPerSecond: number;
  readonly remaining: number;
}

interface RunJson {
  readonly state?: string;
  readonly error?: string;
  readonly stepsPerEpoch?: number;
  readonly request?: { readonly options?: { readonly batchSize?: number } };
}

/** What a file of the job says; nothing where there is none, or half of one. */
async function readFields<T extends object>(folder: string, name: string): Promise<Partial<T>> {
  try {
    return JSON.parse(await readFile(path.join(folder, name), 'utf8')) as T;
  } catch {
    return {};
  }
}

/** Why it failed, by the process that was the first to; undefined for what was killed from outside. */
async function readFailure(folder: string): Promise<string | undefined> {
  const text = await readFile(path.join(folder, FAILURE), 'utf8').catch(() => '');
  return text.trim() || undefined;
}

function combined(engine: EngineState | undefined, run: RunJson): JobStatus['state'] {
  const said = run.state;
  if (engine?.state === 'waiting') return 'waiting';
  if (engine?.state === 'running') return said === 'done' ? 'done' : 'running';
  if (said === 'stopped' || said === 'failed' || said === 'done') return said;
  if (engine) return 'lost';
  return said === 'running' ? 'running' : 'not started';
}

function secondsLeft(run: RunJson, epochs: number, last: MetricsLine | undefined): number | undefined {
  const batch = run.request?.options?.batchSize;
  if (!last || !batch || !run.stepsPerEpoch) return undefined;
  const left = epochs * run.stepsPerEpoch - last.step - 1;
  const rate = Number(last['imagesPerSecond']);
  return rate > 0 ? (left * batch) / rate : undefined;
}

/** Brings what the engine keeps elsewhere; where that fails, what is here stands. */
async function fetched(place: JobPlace, started: StartedJob | undefined, names: readonly string[]): Promise<string[]> {
  try {
    if (started && names.length > 0) await engineOf(started).fetch?.(place, started.id, names);
    return [];
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return [`its files could not be brought here: ${error.message}`];
  }
}

/** A scoring job has no epochs: it is done when its gradients are there. */
async function scoringStatus(place: JobPlace): Promise<JobStatus> {
  const started = await readStarted(place.folder);
  const engine = started && (await engineOf(started).state(place, started.id));
  const wanted = engine?.state === 'ended' ? [GRADIENTS, FAILURE] : [SCORING];
  const notes = await fetched(place, started, wanted);
  const { done, total, imagesPerSecond, remaining } = await readFields<ScoringJson>(place.folder, SCORING);
  const common = {
    epoch: 0,
    epochs: 0,
    notes,
    ...(started && { started }),
    ...(engine && { word: engine.word }),
    ...(done !== undefined && total !== undefined && { batches: { done, total } }),
    ...(imagesPerSecond !== undefined && { imagesPerSecond }),
  };
  if (engine && engine.state !== 'ended')
    return { ...common, state: engine.state, ...(remaining !== undefined && { remaining }) };
  const found = await stat(path.join(place.folder, GRADIENTS)).catch(() => undefined);
  if (found !== undefined && (!started || found.mtime >= new Date(started.time))) return { ...common, state: 'done' };
  const error = engine && (await readFailure(place.folder));
  return { ...common, state: error ? 'failed' : engine ? 'lost' : 'not started', ...(error && { error }) };
}

/** Of a training job, by what its engine says and its files. */
async function trainingStatus(place: JobPlace, metrics: JobMetrics): Promise<JobStatus> {
  const { request } = await readJob(place.folder);
  const started = await readStarted(place.folder);
  const engine = started && (await engineOf(started).state(place, started.id));
  const notes = await fetched(place, started, engine?.state === 'ended' ? RESULTS : RUN_FILES);
  const run: RunJson = await readFields<RunJson>(place.folder, 'run.json');
  const { lastStep: last, lastEpoch: end, bestTop1 } = await metrics.read();
  const { epochs } = request.options;
  const state = combined(engine, run);
  const error = state === 'failed' || state === 'lost' ? ((await readFailure(place.folder)) ?? run.error) : undefined;
  const remaining = state === 'running' ? secondsLeft(run, epochs, last) : undefined;
  return {
    state: state === 'lost' && error ? 'failed' : state,
    ...(started && { started }),
    ...(engine && { word: engine.word }),
    epoch: end ? end.epoch + 1 : 0,
    epochs,
    ...(last && {
      step: last.step + 1,
      loss: Number(last['loss']),
      imagesPerSecond: Number(last['imagesPerSecond']),
    }),
    ...(end && { top1: Number(end['top1']), bestTop1: bestTop1 ?? 0 }),
    ...(remaining !== undefined && { remaining }),
    ...(error && { error }),
    notes,
  };
}

/** What is kept of a job's metrics from one look to the next. */
export const jobMetrics = ({ folder }: Pick<JobPlace, 'folder'>): JobMetrics =>
  new JobMetrics(path.join(folder, 'metrics.jsonl'));

/** @throws UserError where there is no job, or its engine does not answer */
export async function jobStatus(place: JobPlace, metrics = jobMetrics(place)): Promise<JobStatus> {
  const { kind } = await readJobHead(place.folder);
  return kind === 'score' ? scoringStatus(place) : trainingStatus(place, metrics);
}

/** What still costs after a job has ended: SkyPilot keeps its machines until they are given back. */
export function leftRunning({ state, started }: Pick<JobStatus, 'state' | 'started'>): string | undefined {
  const isOver = state === 'done' || state === 'stopped' || state === 'failed' || state === 'lost';
  if (!isOver || started?.engine !== 'skypilot') return undefined;
  return `The machines of ${started.id} are not given back by themselves: \`sky down ${started.id}\` does it.`;
}

async function requireStarted(folder: string): Promise<StartedJob> {
  const started = await readStarted(folder);
  if (started) return started;
  throw new UserError(`The job in ${folder} was not started by \`espalier job --start\`: ask the engine that runs it.`);
}

/** Stops the job, its results brought here first. @throws UserError where it was not started, or cannot be stopped */
export async function stopJob(place: JobPlace): Promise<readonly string[]> {
  const started = await requireStarted(place.folder);
  const { kind } = await readJobHead(place.folder);
  const notes = await fetched(place, started, kind === 'train' ? RESULTS : []);
  await engineOf(started).stop(place, started.id, kind === 'train');
  return notes;
}

/** The last lines that the job printed. */
export async function jobLog(place: JobPlace, lines = 40): Promise<string> {
  const started = await requireStarted(place.folder);
  const text = await engineOf(started).log(place, started.id);
  return text.trimEnd().split('\n').slice(-lines).join('\n');
}
