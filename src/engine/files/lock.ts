/**
 * Locks between processes, by files.
 *
 * Who wants the lock puts a claim beside it, a file whose name nobody else uses and says whose it is, then looks for other claims, and
 * withdraws where a living process has one. Of two processes, the one that looks last has put its claim before it looks, and so has the
 * other: it sees the other's claim. So two never both hold the lock, and there is no taking over that could go wrong: the claim of a
 * process that has ended is only no longer counted. (Libraries renew a time stamp instead, which a process that computes for a minute
 * without a turn of its event loop does not do.)
 */
import { randomBytes } from 'node:crypto';
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileError } from './file-errors.ts';
import { isAlive, ownProcessId, type ProcessId, parseProcessId } from './process-id.ts';

/** Claims that are put at the same moment are all withdrawn, and put again after another while each. */
const MOST_ATTEMPTS = 12;
/** A claim that is seen so often in a row is held, not being tried. */
const SIGHTINGS = 4;
const FIRST_PAUSE_MS = 10;
const LONGEST_PAUSE_MS = 250;

export interface Lock {
  release(): Promise<void>;
}

/** Who has the lock, and the file that says so. */
export interface Holder extends ProcessId {
  readonly claim: string;
}

/** Claims of living processes on `file`. Removes those of processes that have ended. */
async function livingClaims(file: string): Promise<Holder[]> {
  const [folder, prefix] = [path.dirname(file), `${path.basename(file)}.`];
  const living: Holder[] = [];
  for (const name of await readdir(folder)) {
    if (!name.startsWith(prefix)) continue;
    const owner = parseProcessId(name.slice(prefix.length).split('.')[0]);
    if (!owner) continue;
    const claim = path.join(folder, name);
    if (isAlive(owner)) living.push({ ...owner, claim });
    else await rm(claim, { force: true });
  }
  return living;
}

/**
 * Takes the lock that `file` names, in a folder that is made where it is missing; `file` itself is never written.
 * @param busy the error for a lock that a living process holds
 * @param patience milliseconds to wait for a holder that may be about to end
 * @throws what `busy` gives; UserError for what the system reports
 */
export async function acquireLock(file: string, busy: (holder: Holder) => Error, patience = 0): Promise<Lock> {
  const place = path.resolve(file);
  const deadline = performance.now() + patience;
  const seen = new Map<string, number>();
  for (let attempt = 1; ; attempt++) {
    const { claim, others } = await tryClaim(place).catch((error: unknown) => {
      throw fileError('put a lock into', path.dirname(place), error);
    });
    if (others.length === 0) return { release: () => rm(claim, { force: true }) };
    await rm(claim, { force: true });
    for (const other of others) seen.set(other.claim, (seen.get(other.claim) ?? 0) + 1);
    const holder = others.find((other) => (seen.get(other.claim) ?? 0) >= SIGHTINGS);
    if ((holder || attempt >= MOST_ATTEMPTS) && performance.now() >= deadline) throw busy(holder ?? others[0]);
    await sleep(Math.random() * Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** attempt));
  }
}

async function tryClaim(file: string): Promise<{ claim: string; others: readonly Holder[] }> {
  await mkdir(path.dirname(file), { recursive: true });
  const claim = `${file}.${ownProcessId()}.${randomBytes(6).toString('hex')}`;
  await writeFile(claim, '', { flag: 'wx' });
  try {
    return { claim, others: (await livingClaims(file)).filter((other) => other.claim !== claim) };
  } catch (error) {
    await rm(claim, { force: true });
    throw error;
  }
}

/** Runs `work` while holding the lock that `file` names. */
export async function withLock<R>(file: string, busy: (holder: Holder) => Error, work: () => Promise<R>): Promise<R> {
  const lock = await acquireLock(file, busy);
  try {
    return await work();
  } finally {
    await lock.release();
  }
}

/** What to do about a lock, after a sentence that says what is locked and by whom. */
export const lockAdvice = ({ claim, host }: Holder): string =>
  host === os.hostname() ? '' : ` If that process is gone, delete ${claim}.`;
