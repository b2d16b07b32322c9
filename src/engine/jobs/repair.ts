/**
 * The repair job: a pruned network's weights refitted layer by layer, in forward order, towards the dense network it came
 * from, on unlabelled images. What is chosen and what is reported comes from images that are held out.
 */

import type { RunContext } from '../../common/progress.ts';
import type { Executor } from '../compute/executor.ts';
import type { Graph } from '../graph/graph.ts';
import type { Tensor, Weights } from '../graph/tensor.ts';
import type { KeptIndexTable } from '../pruning/rebuilding/prune-graph.ts';
import type { ChannelForm } from '../pruning/repair/channel-form.ts';
import { chooseCuts } from '../pruning/repair/cuts.ts';
import type { Moments } from '../pruning/repair/moments.ts';
import { findRepairLayers, type RepairLayer } from '../pruning/repair/repair-layers.ts';
import { type ChosenFit, chooseFit } from '../pruning/repair/ridge.ts';
import { type Divergence, divergence, divergenceOf } from '../training/divergence.ts';
import { type CalibrationBatch, type CalibrationRequest, calibrationBatches } from './calibration.ts';
import { HeldOut } from './held-out.ts';
import { repairCandidates } from './repair-candidates.ts';
import { composedTensors, selectedChannels } from './repair-channels.ts';
import { type RepairedLayer, RepairProgress } from './repair-progress.ts';
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
type RepairOutcome = 'unrepaired' | 'repaired' | 'recalibrated' | 'repaired and recalibrated';

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

export interface RepairRequest extends CalibrationRequest {
  /** Folder that layers which are done are kept in until all are, so that a repair that was stopped goes on; none: from the start. */
  readonly cache?: string;
  /** Most bytes of one layer's second moments (default 512 MB); larger ones are fitted channel by channel. */
  readonly momentBytes?: number;
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

/** One repair under way. */
class LayerWise {
  private readonly session: RepairSession;
  private readonly scales: (layer: RepairLayer) => Float32Array;
  readonly weights: Map<string, Tensor>;
  readonly done: LayerRepair[] = [];

  constructor(
    private readonly inputs: RepairInputs,
    private readonly layers: readonly RepairLayer[],
    private readonly batches: readonly CalibrationBatch[],
    private readonly heldOut: HeldOut,
    private readonly progress: RepairProgress | undefined,
    executor: Executor,
    private readonly context: RunContext,
  ) {
    this.session = new RepairSession(inputs, executor, batches, context);
    this.scales = targetScale(inputs);
    this.weights = new Map(withDenseNorms(inputs, layers));
  }

  /** Refits all layers in order. */
  async run({ onLayer }: RepairHooks): Promise<void> {
    const { inputs, layers, batches, context } = this;
    const bounds = { images: count(batches), bytes: KEPT_BYTES };
    const segments = chooseCuts(inputs.student, inputs.teacher, layers, bounds);
    const dense = teacherStates(inputs.teacherWeights);
    try {
      for (const [i, segment] of segments.entries()) {
        await this.session.open(segment, layers, segments[i + 1]?.cut, new Map([...dense, ...this.weights]));
        for (let index = segment.from; index < segment.to; index++) {
          const report = await this.next(index);
          onLayer?.(report);
          const message = `${report.layer}: error ${(100 * report.errorBefore).toFixed(1)} → ${(100 * report.errorAfter).toFixed(1)} %`;
          context.progress?.({ phase: 'repair', done: this.done.length, total: layers.length, message });
        }
        await this.session.close();
      }
    } finally {
      await this.session.dispose();
    }
  }

  /** One layer: as it was done before, or fitted now. */
  private async next(index: number): Promise<LayerRepair> {
    const layer = this.layers[index];
    const saved = await this.progress?.read(index, layer.node.id);
    const { tensors, report } = saved ?? (await this.fit(layer));
    for (const [name, tensor] of tensors) this.weights.set(name, tensor);
    if (saved) await this.session.assign(tensors);
    else await this.progress?.write(index, { tensors, report });
    this.done.push(report);
    return report;
  }

  private fit(layer: RepairLayer): Promise<RepairedLayer> {
    return layer.channels ? this.fitChannels(layer, layer.channels) : this.fitLayer(layer);
  }

  private async fitLayer(layer: RepairLayer): Promise<RepairedLayer> {
    const { session, weights } = this;
    const before = layerAsFit(layer, weights);
    const scale = this.scales(layer);
    const moments = await session.moments(layer, {
      targetScale: scale,
      ...(layer.sum && { driftScale: driftScale(layer.sum, scale.length, weights) }),
    });
    const row = before.weight.length / scale.length;
    const prior = before.weight.map((value, i) => value * scale[Math.floor(i / row)]);
    const fit = chooseFit(moments.fitted, moments.held, before, layer.constant !== undefined, prior);
    return this.taken(layer, fittedTensors(layer, fit, weights), fit, moments.fitted);
  }

  /** The dense layer's input channels from those left; its errors are the channels'. */
  private async fitChannels(layer: RepairLayer, form: ChannelForm): Promise<RepairedLayer> {
    const moments = await this.session.moments(layer, {});
    const before = selectedChannels(layer, form, this.inputs, moments.fitted.outputs);
    const mix = chooseFit(moments.fitted, moments.held, before, layer.constant !== undefined);
    return this.taken(layer, composedTensors(layer, form, mix, this.inputs, this.weights), mix, moments.fitted);
  }

  /** Gives the session a layer's new tensors, and measures how far the outputs are then. */
  private async taken(
    layer: RepairLayer,
    tensors: Weights,
    { lambda, errorBefore, errorAfter }: ChosenFit,
    { inputs: width, rows }: Moments,
  ): Promise<RepairedLayer> {
    const { session, heldOut, inputs } = this;
    await session.assign(tensors);
    const outputs = await session.heldOutputs(DISTANCE_IMAGES);
    const { distance: outputDistance } = divergence(heldOut.teacher, outputs, inputs.student.classes);
    const report = { layer: layer.node.id, inputs: width, rows, lambda, errorBefore, errorAfter, outputDistance };
    return { tensors, report };
  }
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
  const progress = request.cache === undefined ? undefined : await RepairProgress.open(request.cache, inputs, batches);
  const heldOut = await HeldOut.open(inputs, batches, executor, context);
  try {
    const layerWise = new LayerWise(inputs, layers, batches, heldOut, progress, executor, context);
    await layerWise.run(hooks);
    const { weights, done } = layerWise;
    const candidates = await repairCandidates(inputs, weights, batches, heldOut, executor, context);
    const best = candidates.reduce((a, b) => (divergenceOf(b.divergence) < divergenceOf(a.divergence) ? b : a));
    await progress?.end();
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
