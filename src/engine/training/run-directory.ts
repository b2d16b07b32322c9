/**
 * A run on disk: `run.json` (settings and state), `metrics.jsonl` (one line a step or epoch), `latest` and `best`
 * checkpoints. Whatever moment the process is killed at, what lies there is whole.
 */
import { existsSync } from 'node:fs';
import { appendFile, copyFile, mkdir, readdir, readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { UserError } from '../../common/errors.ts';
import { removeAbandoned, writeFileAtomically } from '../files/atomic-write.ts';
import { fileError } from '../files/file-errors.ts';
import { acquireLock, type Holder, type Lock, lockAdvice } from '../files/lock.ts';
import { describeProcess } from '../files/process-id.ts';

export const LATEST = 'latest.safetensors';
export const BEST = 'best.safetensors';
const RUN_FILE = 'run.json';
const METRICS_FILE = 'metrics.jsonl';
const LOCK_FILE = '.lock';
/** A process that was stopped may still be writing its last checkpoint. */
const PATIENCE_MS = 5000;

/** One line of metrics.jsonl. Steps and epochs count from 0 over the whole run. */
export interface MetricsLine {
  readonly kind: 'step' | 'epoch';
  readonly epoch: number;
  readonly step: number;
  readonly [measure: string]: number | string | undefined;
}

/** `2026-11-22T16-47-13-resnet50`: sorts by time and is a legal name everywhere. */
export function runName(model: string, time = new Date()): string {
  return `${time.toISOString().slice(0, 19).replaceAll(':', '-')}-${model.replace(/[^\w.-]+/g, '_')}`;
}

function isMetricsLine(value: unknown): value is MetricsLine {
  if (typeof value !== 'object' || value === null) return false;
  const { kind, epoch, step } = value as Partial<Record<keyof MetricsLine, unknown>>;
  return (kind === 'step' || kind === 'epoch') && Number.isInteger(epoch) && Number.isInteger(step);
}

export function parseMetricsLine(text: string): MetricsLine | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isMetricsLine(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

export class RunDirectory {
  readonly path: string;
  #lock: Lock | undefined;

  private constructor(directory: string) {
    this.path = directory;
  }

  /**
   * Makes the folder of a new run, locked for it until `release`.
   * @param overwrite begin anew where another run has checkpoints
   * @throws UserError where it holds another run, or one is being written into it, and for what the system reports
   */
  static async create(directory: string, { overwrite = false } = {}): Promise<RunDirectory> {
    const run = new RunDirectory(path.resolve(directory));
    await mkdir(run.path, { recursive: true }).catch((error: unknown) => {
      throw fileError('prepare the folder', run.path, error);
    });
    await run.lock();
    try {
      await run.#clear(overwrite);
    } catch (error) {
      await run.release();
      throw fileError('prepare the folder', run.path, error);
    }
    return run;
  }

  async #clear(overwrite: boolean): Promise<void> {
    const taken = [LATEST, BEST].find((name) => existsSync(this.file(name)));
    if (taken && !overwrite)
      throw new UserError(
        `${this.path} holds a run already (${taken}): continue it with --resume, begin anew with --overwrite, or choose another --output-dir.`,
      );
    // Nothing of an earlier run may be taken for this one's when it is resumed.
    for (const name of [LATEST, METRICS_FILE]) await rm(this.file(name), { force: true });
  }

  /** A folder that another program writes a run into: to be read, never locked. */
  static at(directory: string): RunDirectory {
    return new RunDirectory(path.resolve(directory));
  }

  /**
   * From the folder of a run, or its `latest` checkpoint.
   * @throws UserError where there is no run
   */
  static async open(place: string): Promise<RunDirectory> {
    const isFile = place.endsWith('.safetensors');
    if (isFile && path.basename(place) !== LATEST)
      throw new UserError(`${place} cannot be resumed: only ${LATEST} has the state of the optimiser.`);
    const directory = path.resolve(isFile ? path.dirname(place) : place);
    try {
      await readFile(path.join(directory, RUN_FILE));
    } catch {
      throw new UserError(
        `${directory} holds no run: it has no ${RUN_FILE}. Give the folder that the run was started with.`,
      );
    }
    return new RunDirectory(directory);
  }

  /**
   * Keeps every other process from writing a run here, until `release` or until this process ends; does nothing when it is locked already.
   * Removes what killed processes have left half-written.
   * @throws UserError where another process writes one, or a link in it leads elsewhere
   */
  async lock(): Promise<void> {
    await this.#refuseLinks();
    const busy = (holder: Holder): Error =>
      new UserError(
        `A run is being written into ${this.path} by ${describeProcess(holder)}: wait until it has ended, stop it, or choose another --output-dir.${lockAdvice(holder)}`,
      );
    this.#lock ??= await acquireLock(this.file(LOCK_FILE), busy, PATIENCE_MS);
    await removeAbandoned(this.path);
  }

  /** A run writes into its folder and nowhere else: a link in it, which a repository can bring along, would lead out. */
  async #refuseLinks(): Promise<void> {
    const entries = await readdir(this.path, { withFileTypes: true });
    const link = entries.find((entry) => entry.isSymbolicLink());
    if (link)
      throw new UserError(
        `${this.file(link.name)} is a link, and a run writes only into its own folder: remove it, or choose another --output-dir.`,
      );
  }

  async release(): Promise<void> {
    await this.#lock?.release();
    this.#lock = undefined;
  }

  file(name: string): string {
    return path.join(this.path, name);
  }

  async writeRun(run: object): Promise<void> {
    await writeFileAtomically(this.file(RUN_FILE), `${JSON.stringify(run, null, 2)}\n`);
  }

  /**
   * @param check whether a value is what a run.json of this kind holds
   * @throws UserError when run.json is damaged
   */
  async readRun<T>(check: (value: unknown) => value is T): Promise<T> {
    let value: unknown;
    try {
      value = JSON.parse(await readFile(this.file(RUN_FILE), 'utf8'));
    } catch (error) {
      throw new UserError(`${this.file(RUN_FILE)} cannot be read: ${(error as Error).message}`);
    }
    if (!check(value))
      throw new UserError(`${this.file(RUN_FILE)} is damaged: it does not hold the settings of a run. Begin anew.`);
    return value;
  }

  async append(line: MetricsLine): Promise<void> {
    try {
      await appendFile(this.file(METRICS_FILE), `${JSON.stringify(line)}\n`);
    } catch (error) {
      throw fileError('write', this.file(METRICS_FILE), error);
    }
  }

  /** Lines that can be read: a kill may cut one off. None for a run that has not begun. @throws UserError for what the system reports */
  async metrics(): Promise<readonly MetricsLine[]> {
    return (await this.#readMetrics()).lines;
  }

  async #readMetrics(): Promise<{ readonly lines: readonly MetricsLine[]; readonly damaged: number }> {
    const text = await readFile(this.file(METRICS_FILE), 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return '';
      throw fileError('read', this.file(METRICS_FILE), error);
    });
    const read = text
      .split('\n')
      .filter((line) => line.trim() !== '')
      .map(parseMetricsLine);
    const lines = read.filter((line) => line !== undefined);
    return { lines, damaged: read.length - lines.length };
  }

  /** Drops the lines of what a run that goes on from (epoch, step) will do again. Returns how many could not be read. */
  async rewindMetrics(next: { readonly epoch: number; readonly step: number }): Promise<number> {
    const isKept = (line: MetricsLine): boolean =>
      line.kind === 'epoch' ? line.epoch < next.epoch : line.step < next.step;
    const { lines, damaged } = await this.#readMetrics();
    const kept = lines.filter(isKept);
    await writeFileAtomically(this.file(METRICS_FILE), kept.map((line) => `${JSON.stringify(line)}\n`).join(''));
    return damaged;
  }

  /** Takes over what another folder has of the run, to go on here: metrics and the best checkpoint. */
  async continueFrom(other: RunDirectory): Promise<void> {
    if (other.path === this.path) return;
    for (const name of [METRICS_FILE, BEST]) {
      if (!existsSync(other.file(name))) continue;
      await copyFile(other.file(name), this.file(name)).catch((error: unknown) => {
        throw fileError('write', this.file(name), error);
      });
    }
  }
}
