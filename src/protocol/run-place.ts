/** Where a run computes: this machine, or a job of PyTorch's. */

export const JOB_ENGINES = ['torchrun', 'slurm', 'skypilot'] as const;
export type JobEngine = (typeof JOB_ENGINES)[number];

/** As people write them. */
export const ENGINE_NAMES: { readonly [E in JobEngine]: string } = {
  torchrun: 'torchrun',
  slurm: 'SLURM',
  skypilot: 'SkyPilot',
};

/** A run as a job of PyTorch's. */
export interface RunPlace {
  readonly engine: JobEngine;
  /** Machines, and processes on each: one a GPU. */
  readonly nodes: number;
  readonly processes: number;
  /** The images, where the job runs. */
  readonly dataPath: string;
  /** Write the job's folder, and leave it to the person to start it. */
  readonly onlyWrite?: boolean;
}

/** Whether a job may run on another machine than this one, with other folders. */
export const isElsewhere = ({ engine, onlyWrite = false }: RunPlace): boolean => engine !== 'torchrun' || onlyWrite;
