/** `--bn-recalibrate` and `--bn-share`: batch norm statistics of the images at hand, as the last thing that is done to a network. */
import { UsageError } from '../common/errors.ts';
import { type FlagValues, flag } from '../common/flags.ts';
import type { RunContext } from '../common/progress.ts';
import type { Executor } from '../engine/compute/executor.ts';
import type { Graph } from '../engine/graph/graph.ts';
import type { Weights } from '../engine/graph/tensor.ts';
import { type DataRequest, dataFor } from '../engine/jobs/evaluate.ts';
import { type ModelRecord, withRemark } from '../engine/jobs/record.ts';
import { heldOutDivergence } from '../engine/jobs/repair/held-out.ts';
import { recalibratedWeights } from '../engine/jobs/repair/recalibrate.ts';
import type { RepairReport, RepairRequest } from '../engine/jobs/repair/repair-report.ts';
import { requireStatistics } from '../engine/training/batch-norm-statistics.ts';
import type { Divergence } from '../engine/training/divergence.ts';
import { divergenceText } from './repair-output.ts';

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

/** Before minutes of work that end with it: whether the network has such statistics. */
export function checkRecalibrated({ bnRecalibrate }: RecalibrationValues, graph: Graph): void {
  if (bnRecalibrate) requireStatistics(graph);
}

const recalibrationText = ({ bnRecalibrate: batches, bnShare: share }: RecalibrationValues): string =>
  `batch norm statistics of up to ${batches} batches of training images${share < 1 ? `, mixed with the old ones (share ${share})` : ''}`;

/** What was done to the statistics; how far the network was from the dense one before and after, where a repair compared them. */
export interface Recalibration {
  readonly batches: number;
  readonly share: number;
  readonly divergence?: { readonly before: Divergence; readonly after: Divergence; readonly images: number };
}

/** What a repaired network is compared with once more. */
interface Repaired {
  readonly report: RepairReport;
  readonly request: RepairRequest;
  readonly teacher: Graph;
  readonly teacherWeights: Weights;
}

/** The network with new statistics, and its history saying so; as it is where none were asked for. */
export async function recalibrated<N extends { graph: Graph; weights: Weights; record: ModelRecord }>(
  network: N,
  data: DataRequest,
  values: RecalibrationValues & { readonly seed: number },
  executor: () => Promise<Executor>,
  context: RunContext,
  repaired?: Repaired,
): Promise<N & { readonly recalibration?: Recalibration }> {
  const { bnRecalibrate: batches, bnShare: share, seed } = values;
  if (!batches) return network;
  const { graph, record } = network;
  const request = { data: dataFor({ record }, data), batches, share, seed };
  const weights = await recalibratedWeights(network, request, await executor(), context);
  const made = { ...network, weights, record: withRemark(record, recalibrationText(values)) };
  const before = repaired?.report.candidates.find(({ outcome }) => outcome === repaired.report.chosen)?.divergence;
  if (!repaired || !before) return { ...made, recalibration: { batches, share } };
  const after = await heldOutDivergence(
    { ...repaired, student: graph, weights },
    repaired.request,
    await executor(),
    context,
  );
  const divergence = { before, after, images: repaired.report.heldImages };
  return { ...made, recalibration: { batches, share, divergence } };
}

/** What the result says of it, a line each. */
export function recalibrationLines(values: RecalibrationValues, done: Recalibration | undefined): readonly string[] {
  if (!done) return [];
  const { divergence } = done;
  return [
    `at the end: ${recalibrationText(values)}`,
    ...(divergence
      ? [
          `  before it ${divergenceText(divergence.before)}; after it ${divergenceText(divergence.after)} (${divergence.images} held-out images)`,
        ]
      : []),
  ];
}
