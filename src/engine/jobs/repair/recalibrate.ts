/** The recalibration job: training images through a network, its batch norm statistics averaged anew. */

import type { RunContext } from '../../../common/progress.ts';
import type { Executor } from '../../compute/executor.ts';
import { findImages } from '../../data/list-images.ts';
import type { Graph } from '../../graph/graph.ts';
import type { Weights } from '../../graph/tensor.ts';
import { averageStatistics, statisticsProgram } from '../../training/batch-norm-statistics.ts';
import { type DataRequest, evaluationLoader } from '../evaluate.ts';
import { requireImages } from '../image-input.ts';

export interface RecalibrateRequest {
  /** The training images, as evaluation sees them. */
  readonly data: DataRequest;
  readonly batches: number;
  /** Of the images' order. */
  readonly seed?: number;
}

/**
 * The weights with batch norm statistics that are the mean over `batches` batches of training images.
 * @throws UserError for a network without batch norm, and for data that do not fit
 */
export async function recalibratedWeights(
  { graph, weights }: { readonly graph: Graph; readonly weights: Weights },
  { data, batches, seed = 0 }: RecalibrateRequest,
  executor: Executor,
  context: RunContext = {},
): Promise<Weights> {
  requireImages(graph);
  const folder = await findImages(data.dataPath, 'train');
  const loader = evaluationLoader(graph, folder, data, { shuffle: true, seed });
  const session = await executor.open({ statistics: statisticsProgram(graph) }, context);
  try {
    await session.assign(weights);
    return new Map([...weights, ...(await averageStatistics(session, graph, loader, batches, context))]);
  } finally {
    await loader.close();
    await session.dispose();
  }
}
