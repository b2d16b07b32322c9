/** Settings of a job besides those of a finetuning run: what only several processes have, and how they are started. */
import { type FlagValues, flag } from '../../../common/flags.ts';

const JOB_ENGINES = ['torchrun', 'slurm', 'skypilot'] as const;
export type JobEngine = (typeof JOB_ENGINES)[number];

/** What train.py reads beside the settings of the run. */
export const jobFlags = {
  ampType: flag.choice(['bfloat16', 'float16'], 'bfloat16', "--amp's numbers; float16 scales its losses"),
  syncBn: flag.boolean('batch norm over the images of all processes'),
  distBackend: flag.choice(['auto', 'nccl', 'gloo'], 'auto', 'how processes talk (auto: nccl on GPUs, else gloo)'),
};

/** How a job is started. */
export const launchFlags = {
  engine: flag.choice(JOB_ENGINES, 'torchrun', 'what `--start` hands the job to; the folder has the files of all'),
  nodes: flag.integer(1, 'machines'),
  processes: flag.integer(1, 'processes a machine, one a GPU; --batch-size is for one of them'),
  maxRestarts: flag.integer(3, 'how often torchrun starts all processes again when one has died'),
  python: flag.string('python3', 'Python with the packages of requirements.txt, where the job runs'),
  slurm: flag.list('options of sbatch, such as partition=gpu time=24:00:00'),
  sky: flag.list('resources of SkyPilot, such as accelerators=H100:8 use_spot=true'),
  dataSource: flag.string(undefined, 'SkyPilot: bucket that is mounted at --data-path, such as s3://name'),
};

/** Settings of a job that may stand among those of a run, where both are given by name. */
export const jobRunFlags = {
  ...jobFlags,
  gradAccumSteps: flag.integer(1, 'batches of every process whose gradients make one step'),
  maxRestarts: launchFlags.maxRestarts,
};

export type LaunchOptions = FlagValues<typeof launchFlags>;

/** `gradAccumSteps`: batches of every process whose gradients make one step. */
export interface JobOptions extends FlagValues<typeof jobFlags> {
  readonly gradAccumSteps: number;
}
