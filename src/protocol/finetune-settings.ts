/** What a finetuning run is asked to do, and where. */

export interface FinetuneSettings {
  readonly recipe: string;
  readonly dataPath: string;
  readonly flags: Readonly<Record<string, string | number | boolean>>;
  /** Where it trains; without, on this machine, with what computes everything else. */
  readonly place?: FinetunePlace;
}

export const JOB_ENGINES = ['torchrun', 'slurm', 'skypilot'] as const;
export type JobEngine = (typeof JOB_ENGINES)[number];

/** As people write them. */
export const ENGINE_NAMES: { readonly [E in JobEngine]: string } = {
  torchrun: 'torchrun',
  slurm: 'SLURM',
  skypilot: 'SkyPilot',
};

/** A finetuning run as a job of PyTorch's. */
export interface FinetunePlace {
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
export const isElsewhere = ({ engine, onlyWrite = false }: FinetunePlace): boolean =>
  engine !== 'torchrun' || onlyWrite;
