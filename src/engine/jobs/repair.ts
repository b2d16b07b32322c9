/**
 * The repair job: a pruned network's weights refitted layer by layer, in forward order, towards the dense network it came
 * from, on unlabelled images. What is chosen and what is reported comes from images that are held out.
 */

import type { RunContext } from '../../common/progress.ts';
import type { Executor } from '../compute/executor.ts';
import type { Graph } from '../graph/graph.ts';
import type { Weights } from '../graph/tensor.ts';
import type { KeptIndexTable } from '../pruning/rebuilding/prune-graph.ts';
import { chooseCuts } from '../pruning/repair/cuts.ts';
import { findRepairLayers, type RepairLayer } from '../pruning/repair/repair-layers.ts';
import { chooseFit } from '../pruning/repair/ridge.ts';
import { type Divergence, divergence, divergenceOf } from '../training/divergence.ts';
import { type CalibrationBatch, type CalibrationRequest, calibrationBatches } from './calibration.ts';
import { HeldOut } from './held-out.ts';
import { repairCandidates } from './repair-candidates.ts';
import { RepairSession, teacherStates } from './repair-session.ts';
import { driftScale, fittedTensors, layerAsFit, targetScale, withDenseNorms } from './repair-tensors.ts';

/** What happened to one layer; errors are shares of the targets' variation on held-out images. */
export interface LayerRepair {
  readonly layer: string;
  readonly inputs: number;
  readonly rows: number;
  readonly lambda: number;
  readonly errorBefore: number;
  readonly errorAfter: number;
  /** Distance of the network's outputs to the dense one's with all layers up to this one repaired, on `distanceImages` held-out images. */
  readonly outputDistance: number;
}

/** What the network could be left as. */
export type RepairOutcome = 'unrepaired' | 'repaired' | 'recalibrated' | 'repaired and recalibrated';

export interface RepairCandidate {
  readonly outcome: RepairOutcome;
  /** On all held-out images. */
  readonly divergence: Divergence;
}

export interface RepairReport {
  readonly weights: Weights;
  readonly layers: readonly LayerRepair[];
  /** Layers that could not be refitted, with the reason. */
  readonly left: Readonly<Record<string, string>>;
  /** All that were compared; `chosen` diverges least from the dense network. */
  readonly candidates: readonly RepairCandidate[];
  readonly chosen: RepairOutcome;
  readonly fittedImages: number;
  readonly heldImages: number;
  readonly distanceImages: number;
  readonly seconds: number;
}

export interface RepairInputs {
  readonly student: Graph;
  readonly weights: Weights;
  readonly teacher: Graph;
  readonly teacherWeights: Weights;
  /** Which entries of the teacher's parameters the student has. */
  readonly kept: KeptIndexTable;
}

export interface RepairHooks {
  /** Hears of every layer as it is done. */
  readonly onLayer?: (layer: LayerRepair) => void;
}

/** Most bytes of the values that are kept half way. */
const KEPT_BYTES = 1.5 * 2 ** 30;
/** Held-out images that the outputs' distance after every layer is taken from. */
const DISTANCE_IMAGES = 100;

const count = (batches: readonly CalibrationBatch[]): number => batches.reduce((sum, batch) => sum + batch.count, 0);

/** Refits all layers; the weights by state-dict name. */
async function repairLayers(
  inputs: RepairInputs,
  layers: readonly RepairLayer[],
  batches: readonly CalibrationBatch[],
  heldOut: HeldOut,
  executor: Executor,
  context: RunContext,
  hooks: RepairHooks,
): Promise<{ weights: Weights; done: readonly LayerRepair[] }> {
  const { student, teacher } = inputs;
  const segments = chooseCuts(student, teacher, layers, { images: count(batches), bytes: KEPT_BYTES });
  const session = new RepairSession(inputs, executor, batches, context);
  const scales = targetScale(inputs);
  const dense = teacherStates(inputs.teacherWeights);
  const weights = new Map(withDenseNorms(inputs, layers));
  const done: LayerRepair[] = [];
  try {
    for (const [i, segment] of segments.entries()) {
      await session.open(segment, layers, segments[i + 1]?.cut, new Map([...dense, ...weights]));
      for (const layer of layers.slice(segment.from, segment.to)) {
        const repaired = await repairLayer(layer, session, weights, scales);
        for (const [name, tensor] of repaired.tensors) weights.set(name, tensor);
        await session.assign(repaired.tensors);
        const outputs = await session.heldOutputs(DISTANCE_IMAGES);
        const { distance } = divergence(heldOut.teacher, outputs, student.classes);
        const report = { ...repaired.report, outputDistance: distance };
        done.push(report);
        hooks.onLayer?.(report);
        const message = `${report.layer}: error ${(100 * report.errorBefore).toFixed(1)} → ${(100 * report.errorAfter).toFixed(1)} %`;
        context.progress?.({ phase: 'repair', done: done.length, total: layers.length, message });
      }
      await session.close();
    }
  } finally {
    await session.dispose();
  }
  return { weights, done };
}

async function repairLayer(
  layer: RepairLayer,
  session: RepairSession,
  weights: Weights,
  scales: (layer: RepairLayer) => Float32Array,
): Promise<{ tensors: Weights; report: Omit<LayerRepair, 'outputDistance'> }> {
  const before = layerAsFit(layer, weights);
  const scale = scales(layer);
  const moments = await session.moments(layer, {
    targetScale: scale,
    ...(layer.sum && { driftScale: driftScale(layer.sum, scale.length, weights) }),
  });
  const fit = chooseFit(moments.fitted, moments.held, before, layer.constant !== undefined);
  const { lambda, errorBefore, errorAfter } = fit;
  const { inputs: width, rows } = moments.fitted;
  return {
    tensors: fittedTensors(layer, fit, weights),
    report: { layer: layer.node.id, inputs: width, rows, lambda, errorBefore, errorAfter },
  };
}

/**
 * Repairs a pruned network.
 *
 * @throws UserError for images that cannot be read, and where there is nothing that could be repaired
 */
export async function repairModel(
  inputs: RepairInputs,
  request: CalibrationRequest,
  executor: Executor,
  context: RunContext = {},
  hooks: RepairHooks = {},
): Promise<RepairReport> {
  const started = performance.now();
  const { layers, left } = findRepairLayers(inputs);
  const batches = await calibrationBatches(inputs.student, request, context);
  const heldOut = await HeldOut.open(inputs, batches, executor, context);
  try {
    const { weights, done } = await repairLayers(inputs, layers, batches, heldOut, executor, context, hooks);
    const candidates = await repairCandidates(inputs, weights, batches, heldOut, executor, context);
    const best = candidates.reduce((a, b) => (divergenceOf(b.divergence) < divergenceOf(a.divergence) ? b : a));
    return {
      weights: best.weights,
      layers: done,
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
