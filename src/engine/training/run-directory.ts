/**
 * A run on disk: `run.json` (settings and state), `metrics.jsonl` (one line a step or epoch), `latest` and `best`
 * checkpoints. Whatever moment the process is killed at, what lies there is whole.
 */
import { existsSync } from 'node:fs';
import { appendFile, copyFile, mkdir, readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { UserError } from '../../common/errors.ts';
import { writeFileAtomically } from '../files/atomic-write.ts';
import { fileError } from '../files/file-errors.ts';

export const LATEST = 'latest.safetensors';
export const BEST = 'best.safetensors';
const RUN_FILE = 'run.json';
const METRICS_FILE = 'metrics.jsonl';

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

export class RunDirectory {
  readonly path: string;

  private constructor(directory: string) {
    this.path = directory;
  }

  /**
   * Makes the folder of a new run.
   * @param overwrite begin anew where another run has checkpoints
   * @throws UserError where it holds another run, and for what the system reports
   */
  static async create(directory: string, { overwrite = false } = {}): Promise<RunDirectory> {
    const run = new RunDirectory(path.resolve(directory));
    const taken = [LATEST, BEST].find((name) => existsSync(run.file(name)));
    if (taken && !overwrite)
      throw new UserError(
        `${run.path} holds a run already (${taken}): continue it with --resume, begin anew with --overwrite, or choose another --output-dir.`,
      );
    try {
      await mkdir(run.path, { recursive: true });
      // Nothing of an earlier run may be taken for this one's when it is resumed.
      for (const name of [LATEST, METRICS_FILE]) await rm(run.file(name), { force: true });
    } catch (error) {
      throw fileError('prepare the folder', run.path, error);
    }
    return run;
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

  file(name: string): string {
    return path.join(this.path, name);
  }

  async writeRun(run: object): Promise<void> {
    await writeFileAtomically(this.file(RUN_FILE), `${JSON.stringify(run, null, 2)}\n`);
  }

  /** @throws UserError when run.json is damaged */
  async readRun<T>(): Promise<T> {
    try {
      return JSON.parse(await readFile(this.file(RUN_FILE), 'utf8')) as T;
    } catch (error) {
      throw new UserError(`${this.file(RUN_FILE)} cannot be read: ${(error as Error).message}`);
    }
  }

  async append(line: MetricsLine): Promise<void> {
    try {
      await appendFile(this.file(METRICS_FILE), `${JSON.stringify(line)}\n`);
    } catch (error) {
      throw fileError('write', this.file(METRICS_FILE), error);
    }
  }

  async metrics(): Promise<readonly MetricsLine[]> {
    const text = await readFile(this.file(METRICS_FILE), 'utf8').catch(() => '');
    return text.split('\n').flatMap((line) => {
      try {
        return line ? [JSON.parse(line) as MetricsLine] : [];
      } catch {
        return []; // the line that was being written when the process was killed
      }
    });
  }

  /** Drops the lines of what a run that goes on from (epoch, step) will do again. */
  async rewindMetrics(next: { readonly epoch: number; readonly step: number }): Promise<void> {
    const isKept = (line: MetricsLine): boolean =>
      line.kind === 'epoch' ? line.epoch < next.epoch : line.step < next.step;
    const kept = (await this.metrics()).filter(isKept);
    await writeFileAtomically(this.file(METRICS_FILE), kept.map((line) => `${JSON.stringify(line)}\n`).join(''));
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
