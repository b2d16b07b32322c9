/** The checkpoints of a run: `latest` with everything that the next step depends on, and models by themselves. */
import type { Session } from '../compute/executor.ts';
import { AVERAGE_PREFIX } from '../compute/programs/programs.ts';
import type { Graph } from '../graph/graph.ts';
import type { Weights } from '../graph/tensor.ts';
import type { FinetuneProgram } from './finetune-programs.ts';
import { LATEST, type RunDirectory } from './run-directory.ts';
import { type RunProgress, writeRunState } from './run-state.ts';

export interface SaverOptions {
  readonly graph: Graph;
  readonly session: Session<FinetuneProgram>;
  readonly run: RunDirectory;
  /** Of every checkpoint: what makes it open as a model. */
  readonly metadata: Readonly<Record<string, string>>;
  /** Milliseconds between two saves within an epoch. */
  readonly interval: number;
}

export class RunSaver {
  readonly #options: SaverOptions;
  #savedAt = performance.now();
  /** Progress is a value: the same object means that nothing has been done since. */
  #saved: RunProgress;

  constructor(options: SaverOptions, start: RunProgress) {
    this.#options = options;
    this.#saved = start;
  }

  /** Saves `latest` unless it is as far already. */
  async saveLatest(progress: RunProgress): Promise<void> {
    if (progress === this.#saved) return;
    const { session, run, metadata } = this.#options;
    await writeRunState(run.file(LATEST), await session.read(), progress, metadata);
    this.#saved = progress;
    this.#savedAt = performance.now();
  }

  /** Saves `latest` when the last save is long ago: a kill loses no more than the interval. */
  async saveIfDue(progress: RunProgress): Promise<void> {
    if (performance.now() - this.#savedAt >= this.#options.interval) await this.saveLatest(progress);
  }

  /** Saves the weights alone, or their moving average under the weights' names. */
  async saveModel(name: string, progress: RunProgress, average = false): Promise<void> {
    const { graph, session, run, metadata } = this.#options;
    // Counters have no average.
    const source = new Map(
      graph.parameters.map((p) => [average && p.dtype !== 'int64' ? `${AVERAGE_PREFIX}${p.name}` : p.name, p.name]),
    );
    const read = await session.read(source.keys());
    const weights: Weights = new Map([...read].map(([key, tensor]) => [source.get(key) ?? key, tensor]));
    await writeRunState(run.file(name), weights, progress, metadata);
  }
}
