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

/** `12,345`. */
export const formatInteger = (value: number): string => Math.round(value).toLocaleString('en');

/** `81.25 %`. */
export const formatPercent = (share: number, digits = 2): string => `${(share * 100).toFixed(digits)} %`;

/** Three significant digits, exponents for what is very small: learning rates and losses. */
export function formatNumber(value: number): string {
  const size = Math.abs(value);
  if (value === 0) return '0';
  if (size < 1e-3 || size >= 1e6) return value.toExponential(1).replace('e', ' e').replace('e+', 'e');
  return size >= 100 ? value.toFixed(0) : value.toPrecision(3);
}

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
