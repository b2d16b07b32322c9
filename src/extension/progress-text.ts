/** Progress of a run in one line, for the side bar and the status bar. */
import { formatSeconds } from '../common/format.ts';
import { phaseWords } from '../common/progress.ts';
import type { ProgressReport } from '../protocol/values.ts';

/** Share that is done, or undefined while the length is unknown. */
export const shareDone = ({ done, total }: ProgressReport): number | undefined =>
  total > 0 ? Math.min(1, done / total) : undefined;

/** `Scoring 45 % · 412 images/s · 2 min left`. */
export function formatProgress(report: ProgressReport): string {
  const share = shareDone(report);
  const words = phaseWords(report.phase);
  const parts = [
    share === undefined ? words : `${words} ${Math.floor(share * 100)} %`,
    report.message ?? '',
    report.eta === undefined ? '' : `${formatSeconds(report.eta)} left`,
  ];
  return parts.filter((part) => part !== '').join(' · ');
}
