/** Whether a job can run where it is to run: its folder's check.py, with the Python that it names. */
import { UserError } from '../../../common/errors.ts';
import { call, type JobCommandName, type JobCommands } from './job-commands.ts';
import type { JobPlace } from './job-engines.ts';
import type { JobEngine } from './job-options.ts';
import { readJobHead } from './job-request.ts';

export interface JobCheck {
  readonly name: string;
  readonly ok: boolean;
  /** What was found, or what is wrong and what to do. */
  readonly text: string;
}

function parseLine(line: string): JobCheck | undefined {
  try {
    const { name, ok, text } = JSON.parse(line) as Partial<JobCheck>;
    return typeof name === 'string' && typeof ok === 'boolean' && typeof text === 'string'
      ? { name, ok, text }
      : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Python, packages, GPUs, data, disk and one step, in this order; those after one that everything else needs are left out.
 * @param commands `python` says how Python is called where the job runs: `srun --gpus=8 python3`
 */
export async function checkJobFolder(folder: string, commands: JobCommands = {}): Promise<readonly JobCheck[]> {
  const { folder: cwd, launch } = await readJobHead(folder);
  const python = commands.python ?? [launch.python];
  const failed = (text: string): JobCheck[] => [{ name: 'python', ok: false, text }];
  try {
    const { code, stdout, stderr } = await call('python', ['check.py'], { cwd, commands: { ...commands, python } });
    const checks = stdout.split('\n').flatMap((line) => parseLine(line) ?? []);
    if (checks.length && (code === 0 || checks.some(({ ok }) => !ok))) return checks;
    const last = stderr.trim().split('\n').slice(-3).join('\n') || `exit code ${code}`;
    return [...checks, ...failed(`${python.join(' ')} check.py broke off: ${last}`)];
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return failed(`${error.message} Or make the job with another --python.`);
  }
}

/** What an engine does with a job that it is only to look at; torchrun has no such thing. */
const DRY_RUNS: {
  readonly [E in JobEngine]?: readonly [
    command: JobCommandName,
    args: (folder: string) => readonly string[],
    advice: string,
  ];
} = {
  slurm: [
    'sbatch',
    (folder) => ['--test-only', `--chdir=${folder}`, 'job.sbatch'],
    'correct the options of sbatch (--slurm)',
  ],
  skypilot: [
    'sky',
    () => ['launch', '--dryrun', '--yes', 'job.sky.yaml'],
    "correct SkyPilot's resources (--sky), or look at `sky check`",
  ],
};

/**
 * Whether the engine would take a job: `sbatch --test-only`, `sky launch --dryrun`; nothing is handed over.
 * @returns undefined for an engine that cannot be asked
 */
export async function checkEngine({ folder, commands }: JobPlace, engine: JobEngine): Promise<JobCheck | undefined> {
  const dryRun = DRY_RUNS[engine];
  if (!dryRun) return undefined;
  const [command, args, advice] = dryRun;
  const name = engine === 'slurm' ? 'SLURM' : 'SkyPilot';
  try {
    const { code, stdout, stderr } = await call(command, args(folder), { cwd: folder, commands });
    // sbatch says when the job would begin on stderr.
    const said = [stdout, stderr]
      .map((text) => text.trim())
      .filter(Boolean)
      .join('\n')
      .split('\n')
      .slice(-5)
      .join('\n');
    if (code === 0) return { name, ok: true, text: said || 'takes the job' };
    return { name, ok: false, text: `${command} would not take the job (${said || `exit code ${code}`}): ${advice}` };
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return { name, ok: false, text: error.message };
  }
}
