/** Figures as the person reads them in the side bar, status bar and quick picks. */
import { formatCount } from '../protocol/target-text.ts';
import type { ProgressReport } from '../protocol/values.ts';

export { formatCount };

/** `0.812` → `81.2 %`. */
export const formatPercent = (share: number): string => `${(share * 100).toFixed(1)} %`;

/** `34 s`, `2 min 5 s`, `1 h 12 min`. */
export function formatSeconds(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return minutes < 10 && whole % 60 ? `${minutes} min ${whole % 60} s` : `${minutes} min`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

const BYTE_UNITS = ['B', 'kB', 'MB', 'GB', 'TB'];

/** `1.2 MB`, in powers of 1000 as file managers count. */
export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < BYTE_UNITS.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${BYTE_UNITS[unit]}`;
}

/** Share that is done, or undefined while the length is unknown. */
export const shareDone = ({ done, total }: ProgressReport): number | undefined =>
  total > 0 ? Math.min(1, done / total) : undefined;

/** `Score 45 % · 412 images/s · 2 min left`. */
export function formatProgress(report: ProgressReport): string {
  const share = shareDone(report);
  const parts = [
    share === undefined ? report.phase : `${report.phase} ${Math.floor(share * 100)} %`,
    report.message ?? '',
    report.eta === undefined ? '' : `${formatSeconds(report.eta)} left`,
  ];
  return parts.filter((part) => part !== '').join(' · ');
}
