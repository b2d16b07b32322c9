/** The process of a finetuning run, or of a scoring that is a job, from outside: started so that it outlives this window, followed and directed by files in its folder. */
import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { mkdir, open, readFile, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import {
  RUN_FILES,
  type RunControl,
  type RunEnd,
  type RunLive,
  type RunOrder,
  type RunStart,
  runPoint,
} from '../../protocol/run-files.ts';
import { parseRunFile } from '../../protocol/run-files-schema.ts';
import type { FinetuneResult, ProgressReport, RunPoint } from '../../protocol/values.ts';
import { RequestError } from '../supervision/request-error.ts';
import type { WorkerCommand } from '../supervision/worker-process.ts';
import { isAlive, type RunOwner, thisOwner } from './run-record.ts';

const POLL_MS = 250;
/** A run that was told to stop ends within this time after its step, or is ended. */
const STOP_GRACE_MS = 20_000;
const LAST_LINES = 20;

export interface RunFollower {
  readonly signal: AbortSignal;
  readonly onProgress: (report: ProgressReport) => void;
  readonly onPoints: (points: readonly RunPoint[]) => void;
  /** Hears what the run's process wants the person to know. */
  readonly onNote?: (text: string) => void;
  /** Another window heard what it had to say until now. */
  readonly wasFollowed?: boolean;
  /** Where its metrics.jsonl grows, in its folder. */
  readonly metrics?: string;
  /** How long it may take to end after it was told to. */
  readonly stopGraceMs?: number;
}

/** Undefined for a file that is not there yet, or no longer, or is none of a run's. */
async function read(kind: 'live', folder: string): Promise<RunLive | undefined>;
async function read(kind: 'end', folder: string): Promise<RunEnd | undefined>;
async function read(kind: 'live' | 'end', folder: string): Promise<RunLive | RunEnd | undefined> {
  try {
    return parseRunFile(kind, await readFile(path.join(folder, RUN_FILES[kind]), 'utf8'));
  } catch {
    return undefined;
  }
}

async function writeJson(file: string, value: object): Promise<void> {
  const temporary = `${file}.${process.pid}.tmp`;
  await writeFile(temporary, `${JSON.stringify(value)}\n`);
  await rename(temporary, file);
}

/** Starts the run's process. It has a session of its own, and its words go into its folder. Gives its process id. */
export async function startRun(folder: string, start: RunStart, command: WorkerCommand): Promise<number> {
  await mkdir(folder, { recursive: true });
  for (const name of [RUN_FILES.live, RUN_FILES.order, RUN_FILES.end])
    await rm(path.join(folder, name), { force: true });
  await writeJson(path.join(folder, RUN_FILES.start), start);
  const log = openSync(path.join(folder, RUN_FILES.output), 'a');
  try {
    const child = spawn(command.node ?? process.execPath, [...(command.execArgv ?? []), command.entry, folder], {
      detached: true,
      windowsHide: true,
      cwd: folder,
      stdio: ['ignore', log, log],
      env: { ...process.env, ...command.env },
    });
    const failed = new Promise<never>((_, reject) => child.once('error', reject));
    const started = new Promise<void>((resolve) => child.once('spawn', resolve));
    await Promise.race([started, failed]);
    child.unref();
    return child.pid as number;
  } catch (error) {
    throw new RequestError('worker', `The run's process could not be started: ${(error as Error).message}.`);
  } finally {
    closeSync(log);
  }
}

/** Tells a run what is wanted of it; it looks several times a second. */
export const directRun = (folder: string, action: RunControl): Promise<void> =>
  writeJson(path.join(folder, RUN_FILES.order), { action, time: new Date().toISOString() } satisfies RunOrder);

/** Whether a run has ended by itself and has said how. */
export const hasEnded = async (folder: string): Promise<boolean> => (await read('end', folder)) !== undefined;

/** What was added to a growing file of lines since it was last asked: whole lines only. */
class LineTail {
  private offset = 0;
  private rest = '';

  constructor(private readonly file: string) {}

  async more(): Promise<readonly string[]> {
    const handle = await open(this.file).catch(() => undefined);
    if (!handle) return [];
    try {
      const { size } = await handle.stat();
      // A resumed run cuts off what it does again.
      if (size < this.offset) [this.offset, this.rest] = [0, ''];
      if (size === this.offset) return [];
      const bytes = Buffer.alloc(size - this.offset);
      const { bytesRead } = await handle.read(bytes, 0, bytes.length, this.offset);
      this.offset += bytesRead;
      const lines = (this.rest + bytes.toString('utf8', 0, bytesRead)).split('\n');
      this.rest = lines.pop() ?? '';
      return lines;
    } finally {
      await handle.close();
    }
  }
}

function pointOfLine(line: string): readonly RunPoint[] {
  try {
    const point = runPoint(JSON.parse(line));
    return point ? [point] : [];
  } catch {
    return []; // damaged: the curve has one point less
  }
}

/** How a run ended that went well. */
type GoodEnd = Exclude<RunEnd, { readonly kind: 'failed' }>;

/** Follows a finetuning run until it ends. @throws RequestError as `followToEnd` does */
export async function followRun(folder: string, owner: RunOwner, follower: RunFollower): Promise<FinetuneResult> {
  const end = await followToEnd(folder, owner, follower);
  if (end.kind !== 'ended') throw new Error(`a finetuning run ended as ${end.kind}`);
  return end.result;
}

/** Follows a scoring job. Gives its file of gradients; undefined where it was only written. @throws RequestError as `followToEnd` does */
export async function followScoring(
  folder: string,
  owner: RunOwner,
  follower: RunFollower,
): Promise<string | undefined> {
  const end = await followToEnd(folder, owner, follower);
  if (end.kind !== 'scored') throw new Error(`a scoring ended as ${end.kind}`);
  return end.gradients;
}

/**
 * Follows a run until it ends; what its metrics.jsonl held before is not told again.
 * @throws RequestError as the run's own error, or of kind `worker` when its process died without a word
 */
async function followToEnd(folder: string, owner: RunOwner, follower: RunFollower): Promise<GoodEnd> {
  const { signal, onProgress, onPoints, metrics: growing = RUN_FILES.metrics } = follower;
  const metrics = new LineTail(path.join(folder, growing));
  await metrics.more();
  const stop = (): void => void stopRun(folder, owner, follower.stopGraceMs);
  signal.addEventListener('abort', stop, { once: true });
  if (signal.aborted) stop();
  let shown = '';
  const tellNotes = newNotes(follower);
  try {
    for (;;) {
      // Looked at before the files: a process that is gone has written all that it will.
      const alive = isAlive(owner);
      const live = await read('live', folder);
      const text = JSON.stringify(live?.progress);
      if (live && text !== shown) {
        shown = text;
        onProgress(live.progress);
      }
      if (live) tellNotes(live);
      const points = (await metrics.more()).flatMap(pointOfLine);
      if (points.length > 0) onPoints(points);
      const end = await read('end', folder);
      if (end) return resultOf(end);
      if (!alive && signal.aborted) throw new RequestError('cancelled', 'Cancelled.');
      if (!alive) throw new RequestError('worker', await lastWords(folder), undefined, true);
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  } finally {
    signal.removeEventListener('abort', stop);
    await rm(path.join(folder, RUN_FILES.live), { force: true });
  }
}

/** Tells each note once. */
function newNotes({ onNote, wasFollowed = false }: RunFollower): (live: RunLive) => void {
  let told = wasFollowed ? undefined : 0;
  return ({ notes = [] }) => {
    for (const note of notes.slice(told ?? notes.length)) onNote?.(note);
    told = notes.length;
  };
}

function resultOf(end: RunEnd): GoodEnd {
  if (end.kind !== 'failed') return end;
  throw new RequestError(end.error.kind, end.error.message, end.error.stack);
}

/** Asks it to end between two steps; ends it when it has not. */
async function stopRun(folder: string, owner: RunOwner, graceMs = STOP_GRACE_MS): Promise<void> {
  await directRun(folder, 'stop').catch(() => undefined);
  for (const deadline = Date.now() + graceMs; Date.now() < deadline; ) {
    if (!isAlive(owner)) return;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  // A number of another machine's process is another process here.
  if (isAlive(owner) && owner.host === thisOwner().host) process.kill(owner.pid, 'SIGKILL');
}

async function lastWords(folder: string): Promise<string> {
  const text = await readFile(path.join(folder, RUN_FILES.output), 'utf8').catch(() => '');
  const lines = text.trim().split('\n').slice(-LAST_LINES).join('\n');
  const how = 'The process of the run was killed.';
  return lines ? `${how} It said last:\n${lines}` : how;
}
