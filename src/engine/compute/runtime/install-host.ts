/** What the installation asks of the machine; tests put their own in its place. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm, statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type Environment, hostEnvironment } from './locate.ts';

export interface CommandResult {
  /** Exit code; undefined where the command does not exist. */
  readonly code: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CommandOptions {
  readonly signal?: AbortSignal;
  readonly env?: NodeJS.ProcessEnv;
  /** Ends the command after so many milliseconds. */
  readonly timeout?: number;
}

export interface Host {
  readonly environment: Environment;
  /** Runs a command to its end, in an empty folder: paths among `args` are absolute. Rejects only when aborted. */
  run(command: string, args: readonly string[], options?: CommandOptions): Promise<CommandResult>;
  fetch(
    url: string,
    options: { readonly headers?: Record<string, string>; readonly signal?: AbortSignal },
  ): Promise<Response>;
  /** Bytes that this user can still write at an existing folder. */
  freeBytes(folder: string): Promise<number>;
}

const MAX_OUTPUT = 1 << 20;

export const thisHost = (): Host => ({
  environment: hostEnvironment(),
  run: runCommand,
  fetch: (url, options) => fetch(url, options),
  freeBytes: async (folder) => {
    const { bavail, bsize } = await statfs(folder);
    return bavail * bsize;
  },
});

/**
 * Runs a command in an empty folder of its own: programs look into the folder that they are started in, and the one that
 * this program was started in is whatever the person has open.
 */
async function runCommand(
  command: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<CommandResult> {
  options.signal?.throwIfAborted();
  const folder = await mkdtemp(path.join(tmpdir(), 'espalier-run-'));
  try {
    return await runIn(folder, command, args, options);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function runIn(
  cwd: string,
  command: string,
  args: readonly string[],
  { signal, env, timeout }: CommandOptions,
): Promise<CommandResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd, env, timeout, stdio: ['ignore', 'pipe', 'pipe'], windowsHide: true });
    const abort = () => child.kill('SIGKILL');
    signal?.addEventListener('abort', abort, { once: true });
    const [stdout, stderr] = [collect(child, 'stdout'), collect(child, 'stderr')];
    const finish = (code: number | undefined, failure = '') => {
      signal?.removeEventListener('abort', abort);
      if (signal?.aborted) reject(signal.reason);
      else resolve({ code, stdout: stdout(), stderr: stderr() + failure });
    };
    child.on('error', (error) => finish(undefined, error.message));
    child.on('close', (code, killedBy) => finish(code ?? -1, killedBy ? `ended by ${killedBy}` : ''));
  });
}

/** Keeps the last megabyte of a stream. */
function collect(child: ChildProcess, stream: 'stdout' | 'stderr'): () => string {
  let text = '';
  child[stream]?.setEncoding('utf8').on('data', (chunk: string) => {
    text = (text + chunk).slice(-MAX_OUTPUT);
  });
  return () => text;
}

/** The last lines of a command's output, for a message. */
export function lastLines(text: string, count = 4): string {
  return text.trim().split(/\r?\n/).slice(-count).join('\n');
}
