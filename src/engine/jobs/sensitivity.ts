/**
 * What pruning would cost a network, measured before it is done: second moments of every layer's inputs, each group's
 * error curve from them, and how much the network's answers diverge for each unit of that error.
 */

import { type RunContext, throwIfAborted } from '../../common/progress.ts';
import type { Executor, Session } from '../compute/executor.ts';
import { inputMomentsProgram } from '../compute/programs/moments-program.ts';
import { predictProgram } from '../compute/programs/programs.ts';
import type { GraphNode } from '../graph/graph.ts';
import type { Weights } from '../graph/tensor.ts';
import type { ErrorCurve } from '../pruning/allocation/allocate.ts';
import { type Consumer, consumersOf } from '../pruning/allocation/consumers.ts';
import { type EliminationLayer, eliminationOrder } from '../pruning/allocation/elimination.ts';
import { type InputMoments, lostShares, refitWithout } from '../pruning/allocation/reconstruction.ts';
import type { Groups } from '../pruning/coupling/groups.ts';
import { rank } from '../pruning/planning/ranking.ts';
import { constantPlace, usersOf } from '../pruning/repair/repair-layers.ts';
import type { Scores } from '../pruning/scoring/importance.ts';
import { divergence, divergenceOf, type OutputValues } from '../training/divergence.ts';
import { type CalibrationBatch, type CalibrationRequest, calibrationBatches } from './repair/calibration.ts';
import { joinedOutputs } from './repair/repair-session.ts';
import { fittedTensors, layerAsFit } from './repair/repair-tensors.ts';

/** Bytes of second moments that one program brings. */
const PROGRAM_BYTES = 2 ** 28;
/** Widths at which a group's sensitivity is measured, as shares of its own. */
const PROBES = [0.75, 0.5, 0.25, 0.125];

interface GroupLayers {
  readonly group: number;
  readonly consumers: readonly Consumer[];
  readonly layers: readonly EliminationLayer[];
}

/** Splits layers so that the moments of each part fit. */
function portions(nodes: readonly Consumer[]): readonly (readonly Consumer[])[] {
  const parts: Consumer[][] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const one of nodes) {
    const size = 4 * (one.channels * one.taps) ** 2;
    if (bytes + size > PROGRAM_BYTES) {
      parts.push([]);
      bytes = 0;
    }
    parts[parts.length - 1].push(one);
    bytes += size;
  }
  return parts;
}

async function collectMoments(
  groups: Groups,
  weights: Weights,
  consumers: readonly Consumer[],
  batches: readonly CalibrationBatch[],
  executor: Executor,
  { signal, progress }: RunContext,
): Promise<ReadonlyMap<string, InputMoments>> {
  const found = new Map<string, { inputs: number; rows: number; xx: Float64Array; x: Float64Array }>();
  const fitted = batches.filter(({ held }) => !held);
  const parts = portions(consumers);
  let done = 0;
  for (const part of parts) {
    const program = inputMomentsProgram(
      groups.graph,
      part.map(({ node }) => node),
    );
    const session = await executor.open({ moments: program }, signal ? { signal } : {});
    try {
      await session.assign(weights);
      for (const { images, count } of fitted) {
        throwIfAborted(signal);
        const outputs = await session.run('moments', { images });
        for (const consumer of part) addMoments(found, consumer, outputs, count * rowsOf(program, consumer.node));
        progress?.({ phase: 'moments', done: ++done, total: parts.length * fitted.length });
      }
    } finally {
      await session.dispose();
    }
  }
  return found;
}

function addMoments(
  found: Map<string, { inputs: number; rows: number; xx: Float64Array; x: Float64Array }>,
  { node, weight, channels, taps }: Consumer,
  outputs: Readonly<Record<string, Float32Array>>,
  rows: number,
): void {
  const inputs = channels * taps;
  let sums = found.get(weight);
  if (!sums) {
    sums = { inputs, rows: 0, xx: new Float64Array(inputs * inputs), x: new Float64Array(inputs) };
    found.set(weight, sums);
  }
  const [xx, x] = [outputs[`xx ${node.id}`], outputs[`x ${node.id}`]];
  for (let i = 0; i < xx.length; i++) sums.xx[i] += xx[i];
  for (let i = 0; i < x.length; i++) sums.x[i] += x[i];
  sums.rows += rows;
}

/** Rows that one image gives a layer. */
function rowsOf(program: ReturnType<typeof inputMomentsProgram>, { id }: GraphNode): number {
  const { inputs } = program.nodes[program.outputs[`xx ${id}`].node];
  return Math.abs(program.nodes[inputs[0].node].shapes[inputs[0].output].at(-2) as number);
}

export interface Sensitivity {
  /** Of every group whose consumers say what is lost. */
  readonly groups: readonly GroupLayers[];
  readonly weights: Weights;
  readonly batches: readonly CalibrationBatch[];
}

/** Collects what error curves, selection and sensitivities are made of. */
export async function measureInputs(
  groups: Groups,
  weights: Weights,
  scores: Scores,
  request: CalibrationRequest,
  executor: Executor,
  context: RunContext = {},
): Promise<Sensitivity> {
  const batches = await calibrationBatches(groups.graph, request, context);
  const ranking = rank(groups, scores);
  const candidates = groups.groups.flatMap((group) => {
    const consumers = ranking.dims[group.id] && consumersOf(groups, group);
    return consumers ? [{ group: group.id, consumers }] : [];
  });
  const all = new Map(candidates.flatMap(({ consumers }) => consumers.map((one) => [one.weight, one] as const)));
  const moments = await collectMoments(groups, weights, [...all.values()], batches, executor, context);
  const users = usersOf(groups.graph);
  const layerOf = (consumer: Consumer, width: number): EliminationLayer => {
    const { node, weight, channels, taps, entryOf } = consumer;
    const { weight: dense, constant } = layerAsFit({ node, weight, constant: constantPlace(node, users) }, weights);
    const inputsOf = Array.from({ length: width }, (): number[] => []);
    for (let tap = 0; tap < taps; tap++)
      entryOf.forEach((entry, channel) => {
        if (entry >= 0) inputsOf[entry].push(tap * channels + channel);
      });
    return {
      ...(moments.get(weight) as InputMoments),
      weight: dense,
      outputs: constant.length,
      constant: constantPlace(node, users) !== undefined,
      inputsOf: inputsOf.map((list) => Int32Array.from(list)),
    };
  };
  return {
    groups: candidates.map(({ group, consumers }) => ({
      group,
      consumers,
      layers: consumers.map((consumer) => layerOf(consumer, groups.groups[group].width)),
    })),
    weights,
    batches,
  };
}

/** Entries of a group, highest score first. */
function byRank(groups: Groups, scores: Scores, group: number): Int32Array {
  const ranked = rank(groups, scores).dims[group];
  const list = [...(ranked?.scores ?? [])].map((score, entry) => ({ score, entry }));
  // Of equal scores the earlier goes first, as in a plan.
  return Int32Array.from(list.sort((a, b) => b.score - a.score || b.entry - a.entry).map(({ entry }) => entry));
}

/**
 * Scores whose order within each group is that in which its channels can go with least loss. The values are those there
 * were: only who has them changes, so that every group's share of a scope stays.
 */
export function reconstructionScores(groups: Groups, scores: Scores, { groups: measured }: Sensitivity): Scores {
  const channels = [...scores.channels];
  for (const { group, layers } of measured) {
    const own = channels[group];
    const { width } = groups.groups[group];
    if (!own || own.length !== width) continue;
    const sorted = own.slice().sort();
    const changed = new Float64Array(width);
    eliminationOrder(layers, width).forEach((channel, place) => {
      changed[channel] = sorted[place];
    });
    channels[group] = changed;
  }
  return { ...scores, channels };
}

/** Share of the consumers' output energy that is lost at every width, summed over the consumers: e(k). */
function lossCurve({ layers }: Pick<GroupLayers, 'layers'>, order: Int32Array): Float64Array {
  const lost = new Float64Array(order.length + 1);
  for (const layer of layers) {
    const mine = new Set(layer.inputsOf.flatMap((list) => [...list]));
    const others = [...Array(layer.inputs).keys()].filter((i) => !mine.has(i));
    const inputs = Int32Array.from([...others, ...[...order].flatMap((entry) => [...layer.inputsOf[entry]])]);
    const shares = lostShares(layer, inputs);
    let at = others.length;
    lost[0] += shares[at];
    order.forEach((entry, k) => {
      at += layer.inputsOf[entry].length;
      lost[k + 1] += shares[at];
    });
  }
  return lost;
}

async function outputsOf(session: Session<'predict'>, batches: readonly CalibrationBatch[]): Promise<OutputValues> {
  const parts: Readonly<Record<string, Float32Array>>[] = [];
  for (const { images, held } of batches) if (held) parts.push(await session.run('predict', { images }));
  return joinedOutputs(parts);
}

/** The consumers' tensors with a group's first channels only, refitted to the dense outputs. */
function narrowed(groups: Groups, { consumers, layers }: GroupLayers, kept: Int32Array, weights: Weights): Weights {
  const users = usersOf(groups.graph);
  const changed = new Map<string, never>() as Map<string, Weights extends ReadonlyMap<string, infer T> ? T : never>;
  consumers.forEach(({ node, weight }, i) => {
    const layer = layers[i];
    const stays = new Uint8Array(layer.inputs).fill(1);
    for (const list of layer.inputsOf) for (const input of list) stays[input] = 0;
    for (const entry of kept) for (const input of layer.inputsOf[entry]) stays[input] = 1;
    const refit = refitWithout(layer, stays);
    const place = { node, weight, constant: constantPlace(node, users) };
    const before = layerAsFit(place, weights).constant;
    const fit = { weight: refit.weight, constant: refit.constant.map((value, o) => value + before[o]) };
    for (const [name, tensor] of fittedTensors(place, fit, weights)) changed.set(name, tensor);
  });
  return changed;
}

interface Probe {
  readonly lost: number;
  readonly divergence: number;
}

/**
 * Divergence for a share that is lost, by what was measured: between two probes in proportion, below the first and above
 * the last along a line through zero. Where more is lost the estimate is never smaller.
 */
export function divergenceAt(probes: readonly Probe[], lost: number): number {
  const known: Probe[] = [{ lost: 0, divergence: 0 }];
  for (const probe of [...probes].sort((a, b) => a.lost - b.lost)) {
    const last = known[known.length - 1];
    if (probe.lost > last.lost)
      known.push({ lost: probe.lost, divergence: Math.max(probe.divergence, last.divergence) });
  }
  const above = known.findIndex((probe) => probe.lost >= lost);
  const last = known[known.length - 1];
  if (above < 0) return last.lost > 0 ? (last.divergence * lost) / last.lost : 0;
  if (above === 0) return 0;
  const [a, b] = [known[above - 1], known[above]];
  return a.divergence + ((b.divergence - a.divergence) * (lost - a.lost)) / (b.lost - a.lost);
}

/** Estimated divergence of every group at every width: its loss times what a unit of it costs the whole network. */
export async function errorCurves(
  groups: Groups,
  scores: Scores,
  measured: Sensitivity,
  executor: Executor,
  { signal, progress }: RunContext = {},
): Promise<readonly ErrorCurve[]> {
  const { weights, batches } = measured;
  const session = await executor.open({ predict: predictProgram(groups.graph) }, signal ? { signal } : {});
  try {
    await session.assign(weights);
    const dense = await outputsOf(session, batches);
    const curves: ErrorCurve[] = [];
    for (const one of measured.groups) {
      const order = byRank(groups, scores, one.group);
      const lost = lossCurve(one, order);
      const probes: Probe[] = [];
      for (const share of PROBES) {
        throwIfAborted(signal);
        const width = Math.max(1, Math.min(order.length - 1, Math.round(share * order.length)));
        const changed = narrowed(groups, one, order.subarray(0, width), weights);
        await session.assign(changed);
        const found = divergenceOf(divergence(dense, await outputsOf(session, batches), groups.graph.classes));
        await session.assign(new Map([...changed.keys()].map((name) => [name, weights.get(name) as never])));
        probes.push({ lost: lost[width], divergence: found });
      }
      curves.push({ group: one.group, errors: lost.map((share) => divergenceAt(probes, share)) });
      progress?.({ phase: 'sensitive', done: curves.length, total: measured.groups.length });
    }
    return curves;
  } finally {
    await session.dispose();
  }
}
