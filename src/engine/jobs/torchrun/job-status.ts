/** How a job goes: what its engine says, and what its files say. */
import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { UserError } from '../../../common/errors.ts';
import { type MetricsLine, RunDirectory } from '../../training/run-directory.ts';
import { type EngineState, engineOf, type JobPlace, readStarted, type StartedJob } from './job-engines.ts';
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

const GRADIENTS = 'gradients.safetensors';
const RUN_FILES = ['metrics.jsonl', 'run.json'];
const RESULTS = [...RUN_FILES, 'best.safetensors', 'latest.safetensors'];

interface RunJson {
  readonly state?: string;
  readonly error?: string;
  readonly stepsPerEpoch?: number;
  readonly request?: { readonly options?: { readonly batchSize?: number } };
}

async function readRunJson(folder: string): Promise<RunJson> {
  try {
    return JSON.parse(await readFile(path.join(folder, 'run.json'), 'utf8')) as RunJson;
  } catch {
    return {};
  }
}

function combined(engine: EngineState | undefined, run: RunJson): JobStatus['state'] {
  const said = run.state;
  if (engine?.state === 'waiting') return 'waiting';
  if (engine?.state === 'running') return said === 'done' ? 'done' : 'running';
  if (said === 'stopped' || said === 'failed' || said === 'done') return said;
  if (engine) return 'lost';
  return said === 'running' ? 'running' : 'not started';
}

function secondsLeft(run: RunJson, epochs: number, steps: readonly MetricsLine[]): number | undefined {
  const last = steps.at(-1);
  const batch = run.request?.options?.batchSize;
  if (!last || !batch || !run.stepsPerEpoch) return undefined;
  const left = epochs * run.stepsPerEpoch - last.step - 1;
  const rate = Number(last['imagesPerSecond']);
  return rate > 0 ? (left * batch) / rate : undefined;
}

/** Brings what the engine keeps elsewhere; where that fails, what is here stands. */
async function fetched(place: JobPlace, started: StartedJob | undefined, names: readonly string[]): Promise<string[]> {
  try {
    if (started) await engineOf(started).fetch?.(place, started.id, names);
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
  const notes = engine?.state === 'ended' ? await fetched(place, started, [GRADIENTS]) : [];
  const found = await stat(path.join(place.folder, GRADIENTS)).catch(() => undefined);
  const isNew = found !== undefined && (!started || found.mtime >= new Date(started.time));
  const common = { epoch: 0, epochs: 0, notes, ...(started && { started }), ...(engine && { word: engine.word }) };
  if (engine && engine.state !== 'ended') return { ...common, state: engine.state };
  return { ...common, state: isNew ? 'done' : engine ? 'lost' : 'not started' };
}

/** @throws UserError where there is no job, or its engine does not answer */
export async function jobStatus(place: JobPlace): Promise<JobStatus> {
  if ((await readJobHead(place.folder)).kind === 'score') return scoringStatus(place);
  const { request } = await readJob(place.folder);
  const started = await readStarted(place.folder);
  const engine = started && (await engineOf(started).state(place, started.id));
  const notes = await fetched(place, started, engine?.state === 'ended' ? RESULTS : RUN_FILES);
  const run = await readRunJson(place.folder);
  const lines = await RunDirectory.at(place.folder).metrics();
  const [steps, ends] = (['step', 'epoch'] as const).map((kind) => lines.filter((line) => line.kind === kind));
  const { epochs } = request.options;
  const state = combined(engine, run);
  const [last, end] = [steps.at(-1), ends.at(-1)];
  const remaining = state === 'running' ? secondsLeft(run, epochs, steps) : undefined;
  const best = Math.max(...ends.map((line) => Math.max(Number(line['top1']), Number(line['averageTop1'] ?? 0))));
  return {
    state,
    ...(started && { started }),
    ...(engine && { word: engine.word }),
    epoch: end ? end.epoch + 1 : 0,
    epochs,
    ...(last && {
      step: last.step + 1,
      loss: Number(last['loss']),
      imagesPerSecond: Number(last['imagesPerSecond']),
    }),
    ...(end && { top1: Number(end['top1']), bestTop1: best }),
    ...(remaining !== undefined && { remaining }),
    ...(run.error && { error: run.error }),
    notes,
  };
}

async function requireStarted(folder: string): Promise<StartedJob> {
  const started = await readStarted(folder);
  if (started) return started;
  throw new UserError(`The job in ${folder} was not started by \`espalier job --start\`: ask the engine that runs it.`);
}

/** Stops the job, its results brought here first. @throws UserError where it was not started, or cannot be stopped */
export async function stopJob(place: JobPlace): Promise<readonly string[]> {
  const started = await requireStarted(place.folder);
  const notes = await fetched(place, started, RESULTS);
  await engineOf(started).stop(place, started.id);
  return notes;
}

/** The last lines that the job printed. */
export async function jobLog(place: JobPlace, lines = 40): Promise<string> {
  const started = await requireStarted(place.folder);
  const text = await engineOf(started).log(place, started.id);
  return text.trimEnd().split('\n').slice(-lines).join('\n');
}
