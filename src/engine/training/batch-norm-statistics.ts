/**
 * Batch norm statistics averaged anew over some batches, nothing else changed: what a pruned network needs most, without training
 * (PyTorch: reset_running_stats, momentum None, forward passes in training mode).
 */

import { UserError } from '../../common/errors.ts';
import { type RunContext, throwIfAborted } from '../../common/progress.ts';
import type { Session } from '../compute/executor.ts';
import { emitForward } from '../compute/programs/forward.ts';
import type { Program } from '../compute/programs/program.ts';
import { ProgramBuilder } from '../compute/programs/program-builder.ts';
import type { Graph, GraphNode } from '../graph/graph.ts';
import { float32Tensor, type Weights } from '../graph/tensor.ts';
import { leastTrainingBatch } from './batch-limits.ts';

/** Where the images come from: a loader, or batches in memory. */
export interface BatchSource {
  readonly batchesPerEpoch: number;
  batches(options: {
    readonly maxBatches: number;
    readonly signal?: AbortSignal;
  }): AsyncIterable<{ readonly index: number; readonly images: Float32Array; readonly count: number }>;
}

/** Names of the running means and variances. */
export const runningStatistics = (graph: Graph): readonly string[] =>
  graph.nodes.flatMap(({ kind, parameters }) =>
    kind === 'batchNorm' ? [parameters.runningMean ?? '', parameters.runningVar ?? ''] : [],
  );

/** The same. @throws UserError where there are none */
export function requireStatistics(graph: Graph): readonly string[] {
  const names = runningStatistics(graph);
  if (!names.length) throw new UserError(`${graph.name} has no batch norm: there are no statistics to recalibrate.`);
  return names;
}

/** Running statistics become those of the batch alone; nothing is dropped at random, as in evaluation. */
function takingOver(node: GraphNode): GraphNode {
  if (node.kind === 'batchNorm') return { ...node, attributes: { ...node.attributes, momentum: 1 } };
  if (node.kind === 'dropout' || node.kind === 'dropPath') return { ...node, attributes: { probability: 0 } };
  return node;
}

/** `images` → `logits` in training mode, leaving every running statistic at the batch's own. */
export function statisticsProgram(graph: Graph): Program {
  const b = new ProgramBuilder();
  const wanted = graph.outputs.map(({ value }) => value);
  const values = emitForward(b, { ...graph, nodes: graph.nodes.map(takingOver) }, wanted, { training: true });
  graph.outputs.forEach(({ name }, i) => {
    b.output(name, values[i]);
  });
  return b.finish();
}

/**
 * Mean over batches of each batch's mean and (unbiased) variance.
 *
 * @param session of `statisticsProgram`, with the weights assigned
 * @param batches how many of the loader's, all counting the same
 * @returns the running statistics by name; the session's are those of the last batch
 * @throws UserError when the network has no batch norm
 */
export async function averageStatistics(
  session: Session<'statistics'>,
  graph: Graph,
  loader: BatchSource,
  batches: number,
  { signal, progress }: RunContext = {},
): Promise<Weights> {
  const names = requireStatistics(graph);
  const least = leastTrainingBatch(graph);
  const sums = new Map<string, Float64Array>();
  const total = Math.min(batches, loader.batchesPerEpoch);
  let count = 0;
  for await (const batch of loader.batches({ maxBatches: total, ...(signal && { signal }) })) {
    throwIfAborted(signal);
    if (batch.count < least) continue;
    await session.run('statistics', { images: batch.images });
    for (const [name, { data }] of await session.read(names)) {
      const sum = sums.get(name) ?? new Float64Array(data.length);
      for (let i = 0; i < sum.length; i++) sum[i] += Number(data[i]);
      sums.set(name, sum);
    }
    count++;
    progress?.({ phase: 'recalibrate', done: batch.index + 1, total });
  }
  if (!count) throw new UserError(`recalibrating needs batches of at least ${least} images.`);
  return new Map(
    [...sums].map(([name, sum]) => [
      name,
      float32Tensor(
        [sum.length],
        Float32Array.from(sum, (value) => value / count),
      ),
    ]),
  );
}
