/** Times of segments, kept by what they depend on besides the segment: machine, runtime, threads, images of a run. */
import { createHash } from 'node:crypto';
import { mkdir, readFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { UserError } from '../../../common/errors.ts';
import { formatCounted } from '../../../common/format.ts';
import type { RunContext } from '../../../common/progress.ts';
import type { Executor } from '../../compute/executor.ts';
import { writeFileAtomically } from '../../files/atomic-write.ts';
import { systemErrorCode } from '../../files/file-errors.ts';

/** Where times are kept, beside a workspace's runs. */
export const latencyFolder = (workspace: string): string => path.join(workspace, '.espalier', 'cache', 'latency');

/** What times hold for: a readable line. */
export function measuredOn(executor: Pick<Executor, 'label'>, threads: number | undefined, batch: number): string {
  const cores = os.cpus();
  const machine = `${os.hostname()}, ${cores[0]?.model.trim() ?? os.arch()}, ${formatCounted(cores.length, 'core')}, ${os.platform()} ${os.release()}`;
  return `${machine}; ${executor.label}, ${formatCounted(threads ?? os.availableParallelism(), 'thread')}, batch ${batch}`;
}

const isTimes = (value: unknown): value is Readonly<Record<string, number>> =>
  typeof value === 'object' &&
  value !== null &&
  Object.values(value).every((time) => typeof time === 'number' && Number.isFinite(time) && time > 0);

export class LatencyCache {
  /** Set since it was opened. */
  private readonly own = new Set<string>();
  private isSaved = true;

  private constructor(
    private readonly file: string | undefined,
    private readonly where: string,
    private readonly times: Map<string, number>,
    private readonly anew: boolean,
  ) {}

  /**
   * @param folder none: nothing is kept; what cannot be read is measured again
   * @param anew what was kept before is not given again, and stays until it is measured
   */
  static async open(folder: string | undefined, where: string, anew = false): Promise<LatencyCache> {
    if (folder === undefined) return new LatencyCache(undefined, where, new Map(), anew);
    const file = path.join(folder, `${hashOf(where)}.json`);
    const text = await readFile(file, 'utf8').catch(() => undefined);
    return new LatencyCache(file, where, new Map(Object.entries(timesIn(text, where))), anew);
  }

  get(key: string): number | undefined {
    return this.anew && !this.own.has(key) ? undefined : this.times.get(key);
  }

  set(key: string, milliseconds: number): void {
    this.times.set(key, milliseconds);
    this.own.add(key);
    this.isSaved = false;
  }

  /** Keeps what there is for the next time; where that cannot be, nothing is lost but that, and it is said. */
  async save(context: RunContext = {}): Promise<void> {
    if (this.file === undefined || this.isSaved) return;
    await keepTimes(this.file, { where: this.where, times: Object.fromEntries(this.times) }, context);
    this.isSaved = true;
  }
}

export const hashOf = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 40);

/** Writes what was measured; where that cannot be, it is said. */
export async function keepTimes(file: string, value: object, { note }: RunContext): Promise<void> {
  try {
    await mkdir(path.dirname(file), { recursive: true });
    await writeFileAtomically(file, JSON.stringify(value));
  } catch (error) {
    if (!systemErrorCode(error) && !(error instanceof UserError)) throw error;
    note?.(
      `The measured times could not be kept for the next time. ${error instanceof Error ? error.message : ''}`.trim(),
    );
  }
}

function timesIn(text: string | undefined, where: string): Readonly<Record<string, number>> {
  if (text === undefined) return {};
  try {
    const saved = JSON.parse(text) as { where?: unknown; times?: unknown } | null;
    return saved?.where === where && isTimes(saved.times) ? saved.times : {};
  } catch {
    return {};
  }
}
