/** Accuracy of a model on a data set. */

import { UserError } from '../../common/errors.ts';
import type { RunContext } from '../../common/progress.ts';
import type { Session } from '../compute/executor.ts';
import type { ImageLoader } from '../data/loader.ts';
import { argMax, type Metrics, MetricsSum } from './metrics.ts';

export interface Evaluation extends Metrics {
  readonly imagesPerSecond: number;
  /** Class predicted for each image, in the loader's order. */
  readonly predictions: readonly number[];
  /** The images that the predictions are for. */
  readonly files: readonly string[];
}

/** Refuses outputs that are no numbers: a share of right answers among them would mean nothing. */
function requireNumbers(logits: Float32Array, files: readonly string[]): void {
  const at = logits.findIndex((value) => !Number.isFinite(value));
  if (at < 0) return;
  const classes = logits.length / files.length;
  throw new UserError(
    `The network gives ${logits[at]} for ${files[Math.floor(at / classes)]}: its numbers overflow, so it has no accuracy. ` +
      'Its weights are damaged or were trained to divergence, or they belong to another network or input.',
  );
}

/**
 * Runs `program` (images → logits) over all images of the loader.
 *
 * @param among the classes that images are of, where not of all
 * @throws UserError where an output is no number; the signal's reason when it is aborted, between two batches
 */
export async function evaluate<Name extends string>(
  session: Session<Name>,
  program: Name,
  loader: Pick<ImageLoader, 'entries' | 'batches'>,
  { signal, progress }: RunContext = {},
  among?: readonly number[],
): Promise<Evaluation> {
  const sum = new MetricsSum(among);
  const predictions: number[] = [];
  const files: string[] = [];
  const total = loader.entries;
  let started = performance.now();
  let timed = 0;
  let first = true;
  for await (const batch of loader.batches(signal ? { signal } : {})) {
    const { logits } = await session.run(program, { images: batch.images });
    requireNumbers(logits, batch.files);
    sum.add(logits, batch.labels);
    const classes = logits.length / batch.count;
    for (let i = 0; i < batch.count; i++) predictions.push(argMax(logits, i * classes, classes));
    files.push(...batch.files);
    // The first batch also waits for the graph to be compiled; the rate leaves it out where there are more.
    if (first) {
      first = false;
      if (batch.count < total) started = performance.now();
      else timed = batch.count;
    } else timed += batch.count;
    const rate = timed / ((performance.now() - started) / 1000);
    progress?.({
      phase: 'evaluate',
      done: predictions.length,
      total,
      message: `top-1 ${(100 * sum.result.top1).toFixed(1)} %${timed ? `, ${rate.toFixed(0)} images/s` : ''}`,
    });
  }
  const imagesPerSecond = timed / ((performance.now() - started) / 1000);
  return { ...sum.result, imagesPerSecond, predictions, files };
}
