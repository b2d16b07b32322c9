/** How much of the machine something else takes while a turn lasts. */
import { readFileSync } from 'node:fs';
import os from 'node:os';

/** Of /proc/stat's columns: idle and waiting for disks. Guests are counted in user time already. */
const IDLE = [3, 4];
const COLUMNS = 8;
const TICKS_PER_SECOND = 100;

/** Seconds that all processors together have been busy, undefined where the system does not say. */
export function busySeconds(stat: string | undefined = readStat()): number | undefined {
  const line = stat?.split('\n').find((text) => text.startsWith('cpu '));
  if (!line) return undefined;
  const ticks = line
    .trim()
    .split(/\s+/)
    .slice(1, 1 + COLUMNS)
    .map(Number);
  const busy = ticks.reduce((sum, value, i) => (IDLE.includes(i) ? sum : sum + value), 0);
  return busy / TICKS_PER_SECOND;
}

function readStat(): string | undefined {
  try {
    return readFileSync('/proc/stat', 'utf8');
  } catch {
    return undefined;
  }
}

/**
 * Share of the processors that went to others, 0 to 1.
 * @param busy seconds that the processors were busy
 * @param own seconds of that which are ours
 */
export const foreignShare = (busy: number, own: number, wall: number, cores = os.cpus().length): number =>
  Math.min(1, Math.max(0, (busy - own) / (wall * cores)));
