/** Jobs that are run in tests: with gloo on this machine's CPU. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import path from 'node:path';
import { flagDefaults } from '../../../../src/common/flags.ts';
import type { FinetuneRequest } from '../../../../src/engine/jobs/finetune.ts';
import { jobFlags, launchFlags } from '../../../../src/engine/jobs/torchrun/job-options.ts';
import type { JobRequest } from '../../../../src/engine/jobs/torchrun/job-request.ts';
import { noPythonWith, PYTHON } from '../../../support/python.ts';

/** Pass to `test` as its `skip`: jobs are run by PyTorch, and their processes are looked for in /proc. */
export const skipWithoutTorch =
  noPythonWith('torch', 'torchvision') || (process.platform !== 'linux' && 'needs /proc to find processes');

/** The request of a run as a job of processes on this machine: each takes its share of the run's batch. */
export function jobOf(
  request: FinetuneRequest,
  processes: number,
  changes: { readonly job?: Partial<JobRequest['job']>; readonly launch?: Partial<JobRequest['launch']> } = {},
): JobRequest {
  const { options } = request;
  return {
    request: { ...request, options: { ...options, batchSize: options.batchSize / processes } },
    job: { ...flagDefaults(jobFlags), distBackend: 'gloo', syncBn: true, gradAccumSteps: 1, ...changes.job },
    launch: { ...flagDefaults(launchFlags), processes, python: PYTHON, ...changes.launch },
  };
}

export interface RunningJob {
  readonly child: ChildProcess;
  /** Exit code and everything printed. */
  readonly ended: Promise<{ readonly code: number | null; readonly output: string }>;
}

/** Starts run.sh, or another command in the job's folder. */
export function startScript(folder: string, command: readonly string[] = ['sh', 'run.sh']): RunningJob {
  const env = { ...process.env, OMP_NUM_THREADS: '1', CUDA_VISIBLE_DEVICES: '' };
  const child = spawn(command[0], command.slice(1), { cwd: folder, env, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  const ended = new Promise<{ code: number | null; output: string }>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, output }));
  });
  return { child, ended };
}

/** Numbers of the processes that run a program in a folder: the ranks of a job, torchrun itself left out. */
export function ranksIn(folder: string, program = 'train.py'): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
        return readlinkSync(`/proc/${pid}/cwd`) === folder && words.includes(program) && !words.includes('-m');
      } catch {
        return false;
      }
    })
    .map(Number);
}

/** Lines of metrics.jsonl so far. */
export function metricLines(folder: string): number {
  const file = path.join(folder, 'metrics.jsonl');
  return existsSync(file) ? readFileSync(file, 'utf8').split('\n').length - 1 : 0;
}

/** Resolves when `is` holds, or with false after the time. */
export async function until(is: () => boolean, ms = 60_000): Promise<boolean> {
  for (const end = Date.now() + ms; Date.now() < end; ) {
    if (is()) return true;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return false;
}
