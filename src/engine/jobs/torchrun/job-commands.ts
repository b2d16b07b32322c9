/** The programs of others that start, follow and stop jobs, each as the words of a command, so that a cluster can have its own. */
import { spawn } from 'node:child_process';
import { UserError } from '../../../common/errors.ts';

const DEFAULTS = {
  sh: ['sh'],
  python: ['python3'],
  sbatch: ['sbatch'],
  squeue: ['squeue'],
  sacct: ['sacct'],
  scancel: ['scancel'],
  sky: ['sky'],
  rsync: ['rsync'],
} as const satisfies Readonly<Record<string, readonly string[]>>;

export type JobCommandName = keyof typeof DEFAULTS;
export type JobCommands = Readonly<Partial<Record<JobCommandName, readonly string[]>>>;

/**
 * Commands given as `sbatch=ssh login sbatch`: words are parted by spaces.
 * @throws UserError for what is no command of a job
 */
export function parseCommands(given: readonly string[]): JobCommands {
  return Object.fromEntries(
    given.map((text) => {
      const at = text.indexOf('=');
      const [name, words] = [
        text.slice(0, at),
        text
          .slice(at + 1)
          .trim()
          .split(/\s+/),
      ];
      if (at < 0 || !Object.hasOwn(DEFAULTS, name) || words[0] === '')
        throw new UserError(
          `--commands ${JSON.stringify(text)}: commands are given as name=words, such as sbatch="ssh login sbatch"; names are ${Object.keys(DEFAULTS).join(', ')}.`,
        );
      return [name, words];
    }),
  );
}

export interface Said {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

interface Called {
  readonly cwd: string;
  readonly commands: JobCommands;
}

/** Runs a command to its end, whatever its exit code. @throws UserError where there is no such program */
export function call(name: JobCommandName, args: readonly string[], { cwd, commands }: Called): Promise<Said> {
  const [program, ...words] = commands[name] ?? DEFAULTS[name];
  return new Promise((resolve, reject) => {
    const child = spawn(program, [...words, ...args], { cwd, stdio: ['ignore', 'pipe', 'pipe'] });
    let [stdout, stderr] = ['', ''];
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    child.once('error', (error: NodeJS.ErrnoException) => {
      const problem = error.code === 'ENOENT' ? 'was not found' : `cannot be run (${error.message})`;
      reject(
        new UserError(`${program} ${problem}: install it, or say with --commands ${name}=… how it is called here.`),
      );
    });
    child.once('close', (code) => resolve({ code: code ?? 1, stdout, stderr }));
  });
}

/** The same for a command that has to go well. @throws UserError with what it said */
export async function callWell(name: JobCommandName, args: readonly string[], called: Called): Promise<string> {
  const { code, stdout, stderr } = await call(name, args, called);
  if (code === 0) return stdout;
  const words = (stderr.trim() || stdout.trim()).split('\n').slice(-5).join('\n');
  throw new UserError(`${name} failed with exit code ${code}${words ? `: ${words}` : ''}`);
}
