/** The recalibration job: training images through a network, its batch norm statistics averaged anew. */

import type { RunContext } from '../../../common/progress.ts';
import type { Executor } from '../../compute/executor.ts';
import { findImages } from '../../data/list-images.ts';
import type { Graph } from '../../graph/graph.ts';
import { float32Tensor, toFloat32, type Weights } from '../../graph/tensor.ts';
import { averageStatistics, statisticsProgram } from '../../training/batch-norm-statistics.ts';
import { type DataRequest, evaluationLoader } from '../evaluate.ts';
import { requireImages } from '../image-input.ts';

export interface RecalibrateRequest {
  /** The training images, as evaluation sees them. */
  readonly data: DataRequest;
  readonly batches: number;
  /** Of the images' order. */
  readonly seed?: number;
  /**
   * Share of the new statistics, the rest being the old ones (default 1). Where images differ from those that a network was trained on, a mixture
   * serves better than either (Schneider et al. 2020, section 3.2).
   */
  readonly share?: number;
}

/** Old and new values of the same statistics, mixed. */
function mixed(old: Weights, found: Weights, share: number): Weights {
  if (share === 1) return found;
  return new Map(
    [...found].map(([name, { shape, data }]) => {
      const before = old.get(name);
      if (!before) throw new Error(`no statistics ${name} to mix with`);
      const values = toFloat32(before).map((value, i) => value + share * (Number(data[i]) - value));
      return [name, float32Tensor(shape, values)];
    }),
  );
}

/**
 * The weights with batch norm statistics that are the mean over `batches` batches of training images, or mixed with these.
 * @throws UserError for a network without batch norm, and for data that do not fit
 */
export async function recalibratedWeights(
  { graph, weights }: { readonly graph: Graph; readonly weights: Weights },
  { data, batches, seed = 0, share = 1 }: RecalibrateRequest,
  executor: Executor,
  context: RunContext = {},
): Promise<Weights> {
  requireImages(graph);
  const folder = await findImages(data.dataPath, 'train');
  const loader = evaluationLoader(graph, folder, data, { shuffle: true, seed });
  const session = await executor.open({ statistics: statisticsProgram(graph) }, context);
  try {
    await session.assign(weights);
    const found = await averageStatistics(session, graph, loader, batches, context);
    return new Map([...weights, ...mixed(weights, found, share)]);
  } finally {
    await loader.close();
    await session.dispose();
  }
}
