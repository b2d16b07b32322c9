/** The command line as a program of its own, built from the sources as they are. */
import { type ChildProcess, spawn } from 'node:child_process';
import { SUPERVISED } from '../../src/cli/supervise.ts';
import { builtProgram, programsFolder } from '../support/built-programs.ts';

/** Builds once for a file of tests; the bundle goes with them. */
export const commandLine = (): Promise<string> => builtProgram('espalier');

export interface Ended {
  /** null when a signal ended it. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface StartOptions {
  readonly cwd?: string;
  /** Without the process that watches over it: killing it kills the one that computes. */
  readonly alone?: boolean;
}

export interface Started {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  /** Resolves when stderr has this text; rejects when the process ends before. */
  said(text: string): Promise<void>;
}

export async function start(
  args: readonly string[],
  { cwd = programsFolder, alone }: StartOptions = {},
): Promise<Started> {
  const program = await commandLine();
  const env = { ...process.env, ...(alone && { [SUPERVISED]: '1' }) };
  const child = spawn(process.execPath, [program, ...args], { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const ended = new Promise<Ended>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, stdout, stderr }));
  });
  const said = (text: string): Promise<void> =>
    new Promise((resolve, reject) => {
      const look = (): void => {
        if (stderr.includes(text)) resolve();
      };
      child.stderr.on('data', look);
      child.once('close', () => reject(new Error(`ended without "${text}":\n${stderr}`)));
      look();
    });
  return { child, ended, said };
}

/** Runs a command to its end. */
export async function espalier(args: readonly string[], options: StartOptions = {}): Promise<Ended> {
  return (await start(args, options)).ended;
}

/** The object that `--json` prints as the last line of stdout. */
export function lastLine({ stdout }: Ended): Record<string, unknown> {
  return JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '') as Record<string, unknown>;
}
