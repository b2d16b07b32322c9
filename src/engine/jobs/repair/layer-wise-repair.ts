/** A repair layer by layer, in forward order: each fitted to what the repaired ones before it bring it. */

import type { RunContext } from '../../../common/progress.ts';
import type { Executor, ProgramInputs } from '../../compute/executor.ts';
import type { Tensor, Weights } from '../../graph/tensor.ts';
import type { ChannelForm } from '../../pruning/repair/channel-form.ts';
import { chooseCuts } from '../../pruning/repair/cuts.ts';
import type { Moments } from '../../pruning/repair/moments.ts';
import { RECTIFIED_ROUNDS, type Rectified } from '../../pruning/repair/rectified.ts';
import type { RepairLayer } from '../../pruning/repair/repair-layers.ts';
import { type ChosenFit, chooseFit } from '../../pruning/repair/ridge.ts';
import { divergence } from '../../training/divergence.ts';
import type { CalibrationBatch } from './calibration.ts';
import type { FactorisedLayer } from './factorised-layers.ts';
import type { HeldOut } from './held-out.ts';
import { composedTensors, selectedChannels } from './repair-channels.ts';
import type { RepairedLayer, RepairProgress } from './repair-progress.ts';
import type { LayerRepair, RepairHooks, RepairInputs } from './repair-report.ts';
import { RepairSession, type SplitMoments, teacherStates } from './repair-session.ts';
import { backScale, fittedTensors, layerAsFit, targetScale, withDenseNorms } from './repair-tensors.ts';

/** Most bytes of the values that are kept half way. */
const KEPT_BYTES = 1.5 * 2 ** 30;
/** Held-out images that the outputs' distance after every layer is taken from. */
export const DISTANCE_IMAGES = 50;

export const count = (batches: readonly CalibrationBatch[]): number =>
  batches.reduce((sum, batch) => sum + batch.count, 0);

/** One repair under way. */
export class LayerWise {
  private readonly session: RepairSession;
  private readonly scales: (layer: RepairLayer) => Float32Array;
  readonly weights: Map<string, Tensor>;
  readonly done: LayerRepair[] = [];

  constructor(
    private readonly inputs: RepairInputs,
    private readonly layers: readonly RepairLayer[],
    private readonly factorised: ReadonlyMap<string, FactorisedLayer>,
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
    const scale = this.scales(layer);
    const factorised = this.factorised.get(layer.weight);
    const inputs: ProgramInputs = {
      ...(factorised?.map ? { targetMap: factorised.map } : { targetScale: scale }),
      ...(layer.sum && { driftScale: backScale(layer.sum, scale.length, weights) }),
    };
    const moments = await session.moments(layer, inputs);
    const before = factorised?.before ?? layerAsFit(layer, weights);
    const row = before.weight.length / scale.length;
    const isScaled = factorised?.map !== undefined;
    const prior = isScaled ? before.weight : before.weight.map((value, i) => value * scale[Math.floor(i / row)]);
    const choose = ({ fitted, held }: SplitMoments): ChosenFit =>
      chooseFit(fitted, held, before, layer.constant !== undefined, prior);
    const first = choose(moments);
    const fit = layer.rectified ? await this.rectified(layer, layer.rectified, first, moments, inputs, choose) : first;
    return this.taken(layer, fittedTensors(layer, fit, weights), fit, moments.fitted);
  }

  /**
   * Fits again to what the ReLU behind the layer passes: of what it does not pass, the last fit says what need not be changed. No round can
   * fit what is passed worse than the one before.
   */
  private async rectified(
    layer: RepairLayer,
    rectified: Rectified,
    first: ChosenFit,
    known: SplitMoments,
    inputs: ProgramInputs,
    choose: (moments: SplitMoments) => ChosenFit,
  ): Promise<ChosenFit> {
    const { session, weights } = this;
    const outputs = first.constant.length;
    const rectifiedScale = backScale(rectified, outputs, weights);
    let fit = first;
    for (let round = 0; round < RECTIFIED_ROUNDS; round++) {
      await session.assign(fittedTensors(layer, fit, weights));
      // A constant in the norm's mean is not in the layer's own outputs.
      const shift =
        layer.constant?.role === 'runningMean' ? Float32Array.from(fit.constant) : new Float32Array(outputs);
      fit = choose(await session.rectifiedMoments(layer, { ...inputs, shift, rectifiedScale }, known));
    }
    return fit;
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
