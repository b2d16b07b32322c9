/** Images that a network is calibrated by: some of the training images, without labels, and others held out. */

import { UserError } from '../../../common/errors.ts';
import type { RunContext } from '../../../common/progress.ts';
import { findImages } from '../../data/list-images.ts';
import { deriveSeed, permutation } from '../../data/random.ts';
import type { Graph } from '../../graph/graph.ts';
import { type DataRequest, evaluationLoader } from '../evaluate.ts';
import { requireImages } from '../image-input.ts';

export interface CalibrationRequest extends DataRequest {
  /**
   * How many are fitted to, of the training images in an order that the seed decides. A quarter as many are held out
   * besides; where there are not so many, the same shares of those that there are.
   */
  readonly images: number;
  readonly seed?: number;
}

/** Images of one batch, [count, H, W, C], normalised as evaluation does. */
export interface CalibrationBatch {
  readonly images: Float32Array;
  readonly count: number;
  /** Whether nothing is fitted to them. */
  readonly held: boolean;
}

/** Images of a batch: what a session computes at once at most. */
const BATCH = 50;
/** Fewer say nothing. */
const LEAST_IMAGES = 8;
/** Share of all images read that is fitted to. */
const FITTED_SHARE = 0.8;

/**
 * Reads the images into memory: those to fit to, then those that are held out.
 *
 * @param only one of both
 * @throws UserError where there are too few, and for a folder without images
 */
export async function calibrationBatches(
  graph: Graph,
  request: CalibrationRequest,
  { signal, progress }: RunContext = {},
  only?: 'fitted' | 'held',
): Promise<readonly CalibrationBatch[]> {
  requireImages(graph);
  const { samples: all } = await findImages(request.dataPath, request.split ?? 'train');
  const order = permutation(all.length, deriveSeed(request.seed ?? 0, 1));
  const chosen = Array.from(order.subarray(0, Math.ceil(request.images / FITTED_SHARE)), (i) => all[i]);
  if (chosen.length < LEAST_IMAGES)
    throw new UserError(
      `${request.dataPath} gives ${chosen.length} images to calibrate by: at least ${LEAST_IMAGES} are needed.`,
    );
  const fitted = Math.min(request.images, Math.round(chosen.length * FITTED_SHARE));
  const batches: CalibrationBatch[] = [];
  const parts = { fitted: chosen.slice(0, fitted), held: chosen.slice(fitted) };
  const wanted = only ? ([only] as const) : (['fitted', 'held'] as const);
  const total = wanted.reduce((sum, part) => sum + parts[part].length, 0);
  for (const part of wanted) {
    const loader = evaluationLoader(graph, { samples: parts[part] }, { ...request, batchSize: BATCH });
    try {
      for await (const { images, count } of loader.batches(signal ? { signal } : {})) {
        batches.push({ images: images.slice(), count, held: part === 'held' });
        const done = batches.reduce((sum, batch) => sum + batch.count, 0);
        progress?.({ phase: 'images', done, total });
      }
    } finally {
      await loader.close();
    }
  }
  return batches;
}
