/** `--bn-recalibrate` and `--bn-share`: batch norm statistics of the images at hand, as the last thing that is done to a network. */
import { UsageError } from '../common/errors.ts';
import { type FlagValues, flag } from '../common/flags.ts';
import type { RunContext } from '../common/progress.ts';
import type { Executor } from '../engine/compute/executor.ts';
import type { Graph } from '../engine/graph/graph.ts';
import type { Weights } from '../engine/graph/tensor.ts';
import { type DataRequest, dataFor } from '../engine/jobs/evaluate.ts';
import { type ModelRecord, withRemark } from '../engine/jobs/record.ts';
import { recalibratedWeights } from '../engine/jobs/repair/recalibrate.ts';

export const recalibrationFlags = {
  bnRecalibrate: flag.integer(0, 'average batch norm statistics anew over so many batches of training images'),
  bnShare: flag.number(1, 'with --bn-recalibrate: share of the new statistics, the rest being the old ones'),
};

type RecalibrationValues = FlagValues<typeof recalibrationFlags>;

export function checkRecalibrationFlags({ bnRecalibrate, bnShare }: RecalibrationValues): void {
  if (bnShare !== 1 && !bnRecalibrate)
    throw new UsageError('--bn-share mixes the statistics that --bn-recalibrate takes: give --bn-recalibrate too');
  if (!(bnShare > 0 && bnShare <= 1))
    throw new UsageError(`--bn-share needs a number above 0, up to 1, got ${bnShare}`);
}

export const recalibrationText = ({ bnRecalibrate: batches, bnShare: share }: RecalibrationValues): string =>
  `batch norm statistics of up to ${batches} batches of training images${share < 1 ? `, mixed with the old ones (share ${share})` : ''}`;

/** The network with new statistics, and its history saying so; as it is where none were asked for. */
export async function recalibrated<N extends { graph: Graph; weights: Weights; record: ModelRecord }>(
  network: N,
  data: DataRequest,
  values: RecalibrationValues & { readonly seed: number },
  executor: () => Promise<Executor>,
  context: RunContext,
): Promise<N> {
  const { bnRecalibrate: batches, bnShare: share, seed } = values;
  if (!batches) return network;
  const { record } = network;
  const request = { data: dataFor({ record }, data), batches, share, seed };
  const weights = await recalibratedWeights(network, request, await executor(), context);
  return { ...network, weights, record: withRemark(record, recalibrationText(values)) };
}
