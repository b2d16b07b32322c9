/**
 * A run on disk: `run.json` (settings and state), `metrics.jsonl` (one line a step or epoch), `latest` and `best`
 * checkpoints. Whatever moment the process is killed at, what lies there is whole.
 */
import { appendFile, mkdir, readFile, truncate } from 'node:fs/promises';
import path from 'node:path';
import { writeFileAtomically } from '../support/atomic-write.ts';
import { UserError } from '../support/errors.ts';

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

  static async create(directory: string): Promise<RunDirectory> {
    const absolute = path.resolve(directory);
    await mkdir(absolute, { recursive: true });
    return new RunDirectory(absolute);
  }

  /** From the folder of a run, or the path of one of its checkpoints. */
  static async open(place: string): Promise<RunDirectory> {
    const directory = path.resolve(place.endsWith('.safetensors') ? path.dirname(place) : place);
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
    await writeFileAtomically(this.file(RUN_FILE), Buffer.from(`${JSON.stringify(run, null, 2)}\n`));
  }

  async readRun<T>(): Promise<T> {
    return JSON.parse(await readFile(this.file(RUN_FILE), 'utf8')) as T;
  }

  async append(line: MetricsLine): Promise<void> {
    await appendFile(this.file(METRICS_FILE), `${JSON.stringify(line)}\n`);
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

  /** Drops the lines at and after a step: a resumed run writes them again. */
  async rewindMetrics(step: number): Promise<void> {
    const kept = (await this.metrics()).filter((line) => line.step < step);
    if (!kept.length) {
      await truncate(this.file(METRICS_FILE), 0).catch(() => undefined);
      return;
    }
    const text = kept.map((line) => JSON.stringify(line)).join('\n');
    await writeFileAtomically(this.file(METRICS_FILE), Buffer.from(`${text}\n`));
  }
}
