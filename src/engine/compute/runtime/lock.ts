/** One installation at a time: a lock file with the process that holds it. */
import { type FileHandle, mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { UserError } from '../../../common/errors.ts';

interface Owner {
  readonly pid: number;
  readonly host: string;
}

/** Runs `work` while holding `file`. Throws a UserError where a living process holds it; a dead one's lock is taken over. */
export async function withLock<R>(file: string, work: () => Promise<R>): Promise<R> {
  await mkdir(path.dirname(file), { recursive: true });
  const handle = (await tryCreate(file)) ?? (await takeOver(file));
  try {
    await handle.writeFile(JSON.stringify({ pid: process.pid, host: os.hostname() } satisfies Owner));
    await handle.close();
    return await work();
  } finally {
    await rm(file, { force: true });
  }
}

async function tryCreate(file: string): Promise<FileHandle | undefined> {
  try {
    return await open(file, 'wx');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return undefined;
    throw error;
  }
}

async function takeOver(file: string): Promise<FileHandle> {
  const owner = await readOwner(file);
  if (!owner || isAlive(owner)) throw new UserError(busyMessage(file, owner));
  // Moving it away succeeds for one process only, so that two do not both take over.
  const stale = `${file}.${process.pid}.stale`;
  await rename(file, stale).catch(() => undefined);
  await rm(stale, { force: true });
  const handle = await tryCreate(file);
  if (!handle) throw new UserError(busyMessage(file, await readOwner(file)));
  return handle;
}

function busyMessage(file: string, owner: Owner | undefined): string {
  const who = owner ? `process ${owner.pid} on ${owner.host}` : 'another process';
  return `The TensorFlow runtime is being installed by ${who}. Wait for it to finish; if it is gone, delete ${file}.`;
}

async function readOwner(file: string): Promise<Owner | undefined> {
  try {
    const { pid, host } = JSON.parse(await readFile(file, 'utf8')) as Partial<Owner>;
    return typeof pid === 'number' && typeof host === 'string' ? { pid, host } : undefined;
  } catch {
    return undefined;
  }
}

/** On another machine (a shared home folder) nobody can tell, so it counts as alive. */
function isAlive({ pid, host }: Owner): boolean {
  if (host !== os.hostname()) return true;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
