/** Error curves of a model's groups, cached on disk by weights, scores and images: a new target needs no new measurement. */
import { createHash } from 'node:crypto';
import path from 'node:path';
import type { RunContext } from '../../common/progress.ts';
import type { Executor } from '../compute/executor.ts';
import { findImages } from '../data/list-images.ts';
import { stampHash } from '../files/content-hash.ts';
import { graphToJson } from '../graph/serialize.ts';
import type { Weights } from '../graph/tensor.ts';
import type { ErrorCurve } from '../pruning/allocation/allocate.ts';
import type { Groups } from '../pruning/coupling/groups.ts';
import type { Scores } from '../pruning/scoring/importance.ts';
import type { CalibrationRequest } from './repair/calibration.ts';
import { errorCurves, measureInputs } from './sensitivity.ts';
import { hashWeights, keepCached, readCached } from './tensor-cache.ts';

/** Of what a measurement is made. */
export interface SensitivityInputs {
  readonly groups: Groups;
  readonly weights: Weights;
  readonly scores: Scores;
  readonly images: CalibrationRequest;
}

/** Everything that the curves depend on, as a file name. */
async function cacheKey({ groups, weights, scores, images }: SensitivityInputs): Promise<string> {
  const hash = createHash('sha256');
  hash.update(graphToJson(groups.graph));
  hashWeights(hash, weights);
  for (const [id, channels] of scores.channels.entries())
    if (channels)
      hash.update(`${id}\n`).update(new Uint8Array(channels.buffer, channels.byteOffset, channels.byteLength));
  hash.update(JSON.stringify(images));
  const { samples } = await findImages(images.dataPath, images.split ?? 'train');
  hash.update(await stampHash(samples.map(({ file }) => file)));
  return `sensitivity-${hash.digest('hex').slice(0, 40)}`;
}

/** The curves of every group whose consumers say what is lost. `executor` is asked for only when they must be measured. */
export async function measureSensitivity(
  inputs: SensitivityInputs,
  executor: () => Promise<Executor>,
  context: RunContext = {},
  folder?: string,
): Promise<readonly ErrorCurve[]> {
  const file = folder && path.join(folder, `${await cacheKey(inputs)}.safetensors`);
  const cached = file && (await readCached(file));
  if (cached) return [...cached].map(([group, errors]) => ({ group: Number(group), errors }));
  const { groups, weights, scores, images } = inputs;
  const running = await executor();
  const measured = await measureInputs(groups, weights, scores, images, running, context);
  const curves = await errorCurves(groups, scores, measured, running, context);
  if (file) {
    const arrays = new Map(curves.map(({ group, errors }) => [String(group), errors]));
    await keepCached(file, arrays, 'The measured sensitivity', context);
  }
  return curves;
}
