/** A job measures its best epoch where it runs; measured here again, the same model must give the same. */
import type { EvaluationResult } from '../../protocol/values.ts';
import { placeOf, type RunRecord } from './run-record.ts';

/** Top-1 may differ by so much: arithmetic of another device, images decoded by another library. */
const TOLERANCE = 0.005;

export interface MeasuredThere {
  readonly top1: number;
  readonly agrees: boolean;
}

/**
 * What the job said of the model that was evaluated here on all of its validation images.
 * @param records the workspace's runs
 * @returns undefined where the model is no job's, or other images were measured
 */
export function measuredThere(
  { source, split, top1, images, dataPath }: EvaluationResult,
  limit: number | undefined,
  records: readonly RunRecord[],
): MeasuredThere | undefined {
  if (source.kind !== 'file' || source.useEma || split !== 'val' || limit) return undefined;
  const job = records.find((record) => placeOf(record) !== undefined && record.output === source.path);
  if (job?.top1 === undefined || job.request.kind !== 'finetune') return undefined;
  const { settings } = job.request;
  if (![settings.dataPath, settings.place?.dataPath].includes(dataPath)) return undefined;
  return { top1: job.top1, agrees: Math.abs(job.top1 - top1) <= Math.max(TOLERANCE, 1 / images) + 1e-9 };
}
