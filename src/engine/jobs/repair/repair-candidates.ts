/** What a repair is compared with before it is handed over: the network as it was, and new batch norm statistics alone. */

import type { RunContext } from '../../../common/progress.ts';
import type { Executor } from '../../compute/executor.ts';
import type { Graph } from '../../graph/graph.ts';
import type { Weights } from '../../graph/tensor.ts';
import {
  averageStatistics,
  type BatchSource,
  runningStatistics,
  statisticsProgram,
} from '../../training/batch-norm-statistics.ts';
import type { CalibrationBatch } from './calibration.ts';
import type { HeldOut } from './held-out.ts';
import type { RepairCandidate, RepairInputs } from './repair-report.ts';

export interface WeighedCandidate extends RepairCandidate {
  readonly weights: Weights;
}

/** The images that may be fitted to, as a loader gives them. */
function fittedSource(batches: readonly CalibrationBatch[]): BatchSource {
  const fitted = batches.filter(({ held }) => !held);
  return {
    batchesPerEpoch: fitted.length,
    async *batches() {
      for (const [index, { images, count }] of fitted.entries()) yield { index, images, count };
    },
  };
}

async function recalibrated(
  graph: Graph,
  weights: Weights,
  batches: readonly CalibrationBatch[],
  executor: Executor,
  context: RunContext,
): Promise<Weights> {
  const session = await executor.open({ statistics: statisticsProgram(graph) }, context);
  try {
    await session.assign(weights);
    const source = fittedSource(batches);
    return new Map([...weights, ...(await averageStatistics(session, graph, source, source.batchesPerEpoch, context))]);
  } finally {
    await session.dispose();
  }
}

/** Every way to leave the network, with its divergence from the dense one on the held-out images. */
export async function repairCandidates(
  { student, weights }: RepairInputs,
  repaired: Weights,
  batches: readonly CalibrationBatch[],
  heldOut: HeldOut,
  executor: Executor,
  context: RunContext,
): Promise<readonly WeighedCandidate[]> {
  const candidates = new Map<RepairCandidate['outcome'], Weights>([
    ['unrepaired', weights],
    ['repaired', repaired],
  ]);
  if (runningStatistics(student).length) {
    candidates.set('recalibrated', await recalibrated(student, weights, batches, executor, context));
    candidates.set('repaired and recalibrated', await recalibrated(student, repaired, batches, executor, context));
  }
  const weighed: WeighedCandidate[] = [];
  for (const [outcome, each] of candidates) weighed.push(await weigh(outcome, each, heldOut));
  return weighed;
}

/** A way to leave the network, with its divergence. */
export async function weigh(
  outcome: RepairCandidate['outcome'],
  weights: Weights,
  heldOut: HeldOut,
): Promise<WeighedCandidate> {
  return { outcome, weights, divergence: await heldOut.divergence(weights) };
}
