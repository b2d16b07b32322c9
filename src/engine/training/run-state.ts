/** What a run needs to go on after a kill: progress in words, tensors in `latest`. */

import * as v from 'valibot';
import { UserError } from '../../common/errors.ts';
import { openCheckpoint } from '../checkpoint/checkpoint.ts';
import { writeSafetensors } from '../checkpoint/safetensors/safetensors-write.ts';
import { firstIssue } from '../graph/graph-schema.ts';
import type { Weights } from '../graph/tensor.ts';

/** Where a run stands: everything besides tensors that the next step depends on. */
export interface RunProgress {
  /** Epoch and step in it of the next step. */
  readonly epoch: number;
  readonly stepInEpoch: number;
  /** Steps done since the beginning of the run. */
  readonly step: number;
  readonly averageUpdates: number;
  /** Of the epochs so far, what the run is judged by: top-1, or the negative distance; undefined before the first validation. */
  readonly bestScore?: number;
  readonly lastScore?: number;
  /** Mean training loss of the last whole epoch. */
  readonly lastLoss?: number;
  /** Sum of the losses of this epoch so far, and of how many images. */
  readonly lossSum: number;
  readonly imageCount: number;
}

/** Before the first step of an epoch that earlier ones were left out before (`--start-epoch`). */
export const startAt = (epoch: number, stepsPerEpoch: number): RunProgress => ({
  epoch,
  stepInEpoch: 0,
  step: epoch * stepsPerEpoch,
  averageUpdates: 0,
  lossSum: 0,
  imageCount: 0,
});

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
/** A figure that was no number is null in JSON. */
const figure = v.exactOptional(v.nullable(v.number()));
const progressSchema = v.strictObject({
  epoch: count,
  stepInEpoch: count,
  step: count,
  averageUpdates: count,
  bestScore: figure,
  lastScore: figure,
  bestTop1: figure,
  lastTop1: figure,
  lastLoss: figure,
  lossSum: v.pipe(v.number(), v.finite()),
  imageCount: count,
  // Of a job (train.py), whose steps may be of several batches; a run here counts both as one.
  optimizerSteps: v.optional(count),
}) as unknown as v.GenericSchema<
  unknown,
  RunProgress & Partial<Record<'bestTop1' | 'lastTop1' | 'optimizerSteps', number>>
>;

const PROGRESS_KEY = 'espalier.progress';

/** Writes weights, optimiser slots, averages and progress as one file, atomically: `latest` opens as a model too. */
export async function writeRunState(
  file: string,
  tensors: Weights,
  progress: RunProgress,
  metadata: Readonly<Record<string, string>>,
): Promise<void> {
  await writeSafetensors(file, tensors, { ...metadata, [PROGRESS_KEY]: JSON.stringify(progress) });
}

/**
 * Reads what `writeRunState` wrote.
 * @throws UserError for a file that is no checkpoint of a run, or is damaged
 */
export async function readRunState(file: string): Promise<{ tensors: Weights; progress: RunProgress }> {
  const checkpoint = await openCheckpoint(file);
  try {
    const text = checkpoint.metadata[PROGRESS_KEY];
    if (!text) throw new UserError(`${file} is no checkpoint of a run: it says nothing of the run's progress.`);
    return { tensors: await checkpoint.readAll(), progress: parseProgress(text, file) };
  } finally {
    await checkpoint.close();
  }
}

function parseProgress(text: string, file: string): RunProgress {
  let problem: string;
  try {
    const result = v.safeParse(progressSchema, JSON.parse(text), { abortEarly: true });
    if (result.success) {
      // Runs of earlier versions, which were all judged by top-1.
      const { bestTop1, lastTop1, optimizerSteps: _, ...progress } = result.output;
      return {
        ...progress,
        ...(bestTop1 !== undefined && { bestScore: bestTop1 }),
        ...(lastTop1 !== undefined && { lastScore: lastTop1 }),
      };
    }
    problem = firstIssue(result.issues);
  } catch (error) {
    problem = (error as Error).message;
  }
  throw new UserError(`${file}: its record of the run's progress is damaged (${problem}).`);
}
