/** A process that wants locks: for each message, takes the lock that it names, once, and says how that went. */
import { open, rm } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { acquireLock, type Lock } from '../../../src/engine/files/lock.ts';

export type Outcome = 'held' | 'busy' | 'not alone';

const HELD_MS = 3;

/** The file of the one that works is made by one process at a time, or the lock has been held twice. */
async function workAlone(file: string): Promise<Outcome> {
  const place = `${file}-work`;
  try {
    await (await open(place, 'wx')).close();
  } catch {
    return 'not alone';
  }
  await sleep(HELD_MS);
  await rm(place);
  return 'held';
}

async function attempt(file: string): Promise<Outcome> {
  let lock: Lock;
  try {
    lock = await acquireLock(file, () => new Error('busy'));
  } catch (error) {
    if ((error as Error).message === 'busy') return 'busy';
    throw error;
  }
  const outcome = await workAlone(file);
  // `kill` leaves the claim of a process that was killed.
  if (file.endsWith('.kill')) process.kill(process.pid, 'SIGKILL');
  await lock.release();
  return outcome;
}

process.on('message', (file: string) => {
  void attempt(file).then((outcome) => process.send?.(outcome));
});
process.send?.('ready');
