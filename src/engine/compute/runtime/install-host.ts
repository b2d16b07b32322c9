/** What the installation asks of the machine; tests put their own in its place. */
import { type ChildProcess, spawn } from 'node:child_process';
import { statfs } from 'node:fs/promises';
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
  /** Runs a command to its end; rejects only when aborted. */
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

function runCommand(
  command: string,
  args: readonly string[],
  { signal, env, timeout }: CommandOptions = {},
): Promise<CommandResult> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const child = spawn(command, args, { env, timeout, stdio: ['ignore', 'pipe', 'pipe'], windowsHide: true });
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
