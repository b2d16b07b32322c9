/** Figures as a person reads them, in views, in the terminal and in reports: thin units, a constant number of digits. */

const COUNT_UNITS = [
  ['T', 1e12],
  ['G', 1e9],
  ['M', 1e6],
  ['k', 1e3],
] as const;

/** `2.05 G`, `231.2 M`: as figures in the paper. `digits` after the point below 10; one fewer above. */
export function formatCount(count: number, digits = 2): string {
  for (const [unit, size] of COUNT_UNITS)
    if (Math.abs(count) >= size) {
      const value = count / size;
      return `${value.toFixed(Math.abs(value) >= 10 ? digits - 1 : digits)} ${unit}`;
    }
  return String(Math.round(count));
}

/** `2.053 G`: with a digit more, where figures are compared with a paper's. */
export const formatPreciseCount = (count: number): string => formatCount(count, 3);

/** `12,345`. */
export const formatInteger = (value: number): string => Math.round(value).toLocaleString('en');

/** `1 group`, `1,024 groups`. */
export const formatCounted = (count: number, one: string): string =>
  `${formatInteger(count)} ${one}${count === 1 ? '' : 's'}`;

/** The same in the person's own way of writing. */
export const formatLocalInteger = (value: number): string => Math.round(value).toLocaleString();

/** `81.25 %`. */
export const formatPercent = (share: number, digits = 2): string => `${(share * 100).toFixed(digits)} %`;

/** `50 %`, `3.2 %`, `<0.1 %`: where the size is what is asked for. */
export function formatRoughPercent(share: number): string {
  const value = share * 100;
  if (value > 0 && value < 0.05) return '<0.1 %';
  return `${value.toFixed(value >= 10 || value === 0 ? 0 : 1)} %`;
}

/** A score or a weight in four significant digits. */
export function formatFigure(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-3 || size >= 1e5)) return value.toExponential(2);
  return String(Number(value.toPrecision(4)));
}

/** Three significant digits, exponents for what is very small: learning rates and losses. */
export function formatNumber(value: number): string {
  const size = Math.abs(value);
  if (value === 0) return '0';
  if (size < 1e-3 || size >= 1e6) return value.toExponential(1).replace('e', ' e').replace('e+', 'e');
  return size >= 100 ? value.toFixed(0) : value.toPrecision(3);
}

/** `6.12 ms`, `0.421 ms`, `1.25 s`: what a network takes. */
export const formatMilliseconds = (milliseconds: number): string =>
  milliseconds >= 999.5 ? `${(milliseconds / 1000).toPrecision(3)} s` : `${milliseconds.toPrecision(3)} ms`;

/** `34 s`, `2 min 5 s`, `1 h 12 min`. */
export function formatSeconds(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return minutes < 10 && whole % 60 ? `${minutes} min ${whole % 60} s` : `${minutes} min`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** `34s`, `2m05s`, `1h12m`: of one width, beside a bar that moves. Begun seconds count. */
export const formatClock = (seconds: number): string =>
  seconds < 60
    ? `${Math.ceil(seconds)}s`
    : seconds < 3600
      ? `${Math.floor(seconds / 60)}m${String(Math.round(seconds % 60)).padStart(2, '0')}s`
      : `${Math.floor(seconds / 3600)}h${String(Math.floor((seconds % 3600) / 60)).padStart(2, '0')}m`;

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
