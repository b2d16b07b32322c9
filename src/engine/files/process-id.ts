/** Names of processes that say, also after a restart of the machine and on another one, whether the process still lives. */
import { readFileSync } from 'node:fs';
import os from 'node:os';

export interface ProcessId {
  readonly pid: number;
  /** When it was started, in the system's ticks; undefined where the system does not tell. Numbers of processes are used again. */
  readonly started: string | undefined;
  readonly host: string;
}

/** Fields 3 and 22 of Linux's /proc/PID/stat; the name of the program, in brackets, may hold spaces. */
function statOf(pid: number): { readonly state: string; readonly started: string } | undefined {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ');
    return { state: fields[0], started: fields[19] };
  } catch {
    return undefined;
  }
}

let own: string | undefined;

/** A process of this machine as a part of a file's name: no dots, no separators. */
export const processIdOf = (pid: number): string =>
  `${pid}-${statOf(pid)?.started ?? ''}-${Buffer.from(os.hostname()).toString('base64url')}`;

/** This process in the same way. */
export function ownProcessId(): string {
  own ??= processIdOf(process.pid);
  return own;
}

/** Reads what `ownProcessId` wrote; undefined for anything else. */
export function parseProcessId(text: string): ProcessId | undefined {
  const found = /^(\d+)-(\d*)-([\w-]*)$/.exec(text);
  if (!found) return undefined;
  const [, pid, started, host] = found;
  return { pid: Number(pid), started: started || undefined, host: Buffer.from(host, 'base64url').toString() };
}

/** Whether the process still runs. On another machine (a shared folder) nobody can tell, so it counts as alive. */
export function isAlive({ pid, started, host }: ProcessId): boolean {
  if (host !== os.hostname()) return true;
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false;
  }
  const now = statOf(pid);
  if (!now) return true;
  // A zombie has ended; only its parent has not asked for it yet.
  return now.state !== 'Z' && (started === undefined || started === now.started);
}

export const describeProcess = ({ pid, host }: ProcessId): string => `process ${pid} on ${host}`;
