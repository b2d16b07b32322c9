/**
 * The repair job: a pruned network's weights refitted layer by layer, in forward order, towards the dense network it came
 * from, on unlabelled images. What is chosen and what is reported comes from images that are held out.
 */

import path from 'node:path';
import type { RunContext } from '../../../common/progress.ts';
import type { Executor } from '../../compute/executor.ts';
import type { Weights } from '../../graph/tensor.ts';
import { findRepairLayers, type RepairLayer } from '../../pruning/repair/repair-layers.ts';
import { divergenceOf } from '../../training/divergence.ts';
import { type CalibrationBatch, calibrationBatches } from './calibration.ts';
import { factoriseAttention, lostHeadDims } from './factorised-attention.ts';
import { type FactorisedLayer, factorisedLayers } from './factorised-layers.ts';
import { HeldOut } from './held-out.ts';
import { count, DISTANCE_IMAGES, LayerWise } from './layer-wise-repair.ts';
import { repairCandidates, weigh } from './repair-candidates.ts';
import { RepairProgress } from './repair-progress.ts';
import type { LayerRepair, RepairHooks, RepairInputs, RepairReport, RepairRequest } from './repair-report.ts';

interface Work {
  readonly inputs: RepairInputs;
  readonly layers: readonly RepairLayer[];
  readonly batches: readonly CalibrationBatch[];
  readonly heldOut: HeldOut;
  readonly executor: Executor;
  readonly context: RunContext;
  readonly hooks: RepairHooks;
}

interface Repaired {
  readonly weights: Weights;
  readonly done: readonly LayerRepair[];
  readonly progress: RepairProgress | undefined;
}

/** All layers once, those of factorised attention by their own targets. */
async function repairLayers(
  { inputs, layers, batches, heldOut, executor, context, hooks }: Work,
  factorised: ReadonlyMap<string, FactorisedLayer>,
  cache: string | undefined,
): Promise<Repaired> {
  const progress = cache === undefined ? undefined : await RepairProgress.open(cache, inputs, batches);
  const layerWise = new LayerWise(inputs, layers, factorised, batches, heldOut, progress, executor, context);
  await layerWise.run(hooks);
  const { weights, done } = layerWise;
  return { weights, done, progress };
}

const FACTORISED = 'repaired, attention factorised';

/** The same with attention whose heads lost dims factorised. */
async function repairFactorised(work: Work, cache: string | undefined): Promise<Repaired> {
  const { inputs, layers, batches, executor, context } = work;
  const factors = await factoriseAttention(inputs, batches, executor, context);
  const factorised = factorisedLayers(layers, factors, inputs);
  const mapped = layers.map((layer): RepairLayer => {
    const found = factorised.get(layer.weight);
    return found?.map ? { ...layer, mapped: found.before.constant.length } : layer;
  });
  // A phase of its own: what is done never becomes less.
  const progress: RunContext['progress'] = (report) => context.progress?.({ ...report, phase: 'factorise' });
  const apart = { ...work, layers: mapped, context: { ...context, progress } };
  return repairLayers(apart, factorised, cache && path.join(cache, 'factorised'));
}

/**
 * Repairs a pruned network.
 *
 * @throws UserError for images that cannot be read, and where there is nothing that could be repaired
 */
export async function repairModel(
  inputs: RepairInputs,
  request: RepairRequest,
  executor: Executor,
  context: RunContext = {},
  hooks: RepairHooks = {},
): Promise<RepairReport> {
  const started = performance.now();
  const { layers, left } = findRepairLayers(inputs, request.momentBytes);
  const batches = await calibrationBatches(inputs.student, request, context);
  const heldOut = await HeldOut.open(inputs, batches, executor, context);
  const work: Work = { inputs, layers, batches, heldOut, executor, context, hooks };
  try {
    const selected = await repairLayers(work, new Map(), request.cache);
    const factorised =
      request.attention !== 'selected' && lostHeadDims(inputs)
        ? await repairFactorised(work, request.cache)
        : undefined;
    const candidates = [
      ...(await repairCandidates(inputs, selected.weights, batches, heldOut, executor, context)),
      ...(factorised ? [await weigh(FACTORISED, factorised.weights, heldOut)] : []),
    ];
    const given = factorised && request.attention === 'factorised';
    const eligible = given ? candidates.filter(({ outcome }) => outcome === FACTORISED) : candidates;
    const best = eligible.reduce((a, b) => (divergenceOf(b.divergence) < divergenceOf(a.divergence) ? b : a));
    await selected.progress?.end();
    await factorised?.progress?.end();
    const isFactorised = best.outcome === FACTORISED;
    return {
      weights: best.weights,
      layers: (isFactorised && factorised ? factorised : selected).done,
      left: Object.fromEntries(left),
      candidates: candidates.map(({ outcome, divergence: found }) => ({ outcome, divergence: found })),
      chosen: best.outcome,
      fittedImages: count(batches.filter(({ held }) => !held)),
      heldImages: count(batches.filter(({ held }) => held)),
      distanceImages: Math.min(DISTANCE_IMAGES, count(batches.filter(({ held }) => held))),
      seconds: (performance.now() - started) / 1000,
    };
  } finally {
    await heldOut.close();
  }
}
