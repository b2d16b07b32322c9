/** From the command line of `espalier job` to a job's request. */
import { UsageError } from '../common/errors.ts';
import { type FlagValues, flag, flagName } from '../common/flags.ts';
import { jobFlags, launchFlags } from '../engine/jobs/torchrun/job-options.ts';
import {
  globalBatch,
  type JobRequest,
  type KeptJob,
  readJob,
  refuseSettings,
} from '../engine/jobs/torchrun/job-request.ts';
import type { ScoreJobRequest } from '../engine/jobs/torchrun/job-score.ts';
import { trainingFlags } from '../engine/training/training-options.ts';
import { computeFlags, modelFlags } from './command.ts';
import { describeRequest, finetuneFlags, finetuneRequest, remarks } from './finetune-settings.ts';
import { pruneFlags } from './prune-request.ts';
import { dataRequest, weightsRequest } from './requests.ts';

/** Flags of `espalier job`: those of `finetune`, and what only several processes have. */
export const jobCommandFlags = {
  ...finetuneFlags,
  ...jobFlags,
  ...launchFlags,
  from: flag.string(undefined, "make a job's folder again from its job.json; flags beside it change single settings"),
  score: flag.boolean('write a folder that computes gradients for `prune --gradients` instead of training'),
  pruningType: pruneFlags.pruningType,
  taylorBatchs: pruneFlags.taylorBatchs,
  check: flag.string(undefined, "of a job's folder: whether it can run here, one step included"),
  start: flag.string(undefined, "hand a job's folder to its engine"),
  status: flag.string(undefined, "of a job's folder: how it goes"),
  logs: flag.string(undefined, "of a job's folder: what it printed last"),
  stop: flag.string(undefined, 'end the job of a folder; it saves first'),
  commands: flag.list(
    'how programs are called here, such as sbatch="ssh login sbatch": sh, python, sbatch, squeue, sacct, scancel, sky, rsync',
  ),
};

export type JobValues = FlagValues<typeof jobCommandFlags>;
export type JobGiven = ReadonlySet<keyof JobValues>;

const keysOf = <T extends object>(table: T): readonly (keyof T)[] => Object.keys(table) as (keyof T)[];

function picked<T extends object>(table: T, values: JobValues, isWanted: (key: keyof JobValues) => boolean) {
  const keys = keysOf(table) as readonly (keyof JobValues)[];
  return Object.fromEntries(keys.filter(isWanted).map((key) => [key, values[key]]));
}

/** The settings of a job, and the job that it is made from again. */
export interface AskedJob {
  readonly asked: JobRequest;
  readonly kept?: KeptJob;
}

async function newJob(values: JobValues, given: JobGiven, positionals: readonly string[]): Promise<AskedJob> {
  const { gradAccumSteps } = values;
  if (gradAccumSteps < 1) throw new UsageError(`--grad-accum-steps must be at least 1, not ${gradAccumSteps}`);
  // Batches stay apart: a process adds up their gradients.
  const request = await finetuneRequest({ ...values, gradAccumSteps: 1 }, given as never, positionals);
  const all = (): boolean => true;
  return {
    asked: {
      request,
      job: { ...picked(jobFlags, values, all), gradAccumSteps } as JobRequest['job'],
      launch: picked(launchFlags, values, all) as JobRequest['launch'],
    },
  };
}

async function madeAgain(place: string, values: JobValues, given: JobGiven): Promise<AskedJob> {
  const kept = await readJob(place);
  if (given.has('model') || given.has('prunedModel'))
    throw new UsageError('--model: the model of --from is the one in its folder; make a new job for another');
  if (values.scaleLr && !given.has('lr'))
    throw new UsageError('--scale-lr with --from needs --lr: the rate in job.json may have been scaled already');
  const isGiven = (key: keyof JobValues): boolean => given.has(key);
  const { outputDir, overwrite } = values;
  const { teacherWeights, ...rest } = kept;
  const job = { ...kept.job, ...picked(jobFlags, values, isGiven) };
  return {
    kept: given.has('teacherModel') || teacherWeights === undefined ? rest : kept,
    asked: {
      request: {
        ...kept.request,
        ...(given.has('dataPath') && { dataPath: values.dataPath }),
        options: { ...kept.request.options, ...picked(trainingFlags, values, isGiven), outputDir, overwrite },
      },
      job: { ...job, ...(given.has('gradAccumSteps') && { gradAccumSteps: values.gradAccumSteps }) },
      launch: { ...kept.launch, ...picked(launchFlags, values, isGiven) },
    },
  };
}

/**
 * The job that a command line asks for: a new one, or one that is made again.
 * @throws UsageError for flags that do not go together; UserError for what a job cannot do
 */
export async function jobRequest(
  values: JobValues,
  given: JobGiven,
  positionals: readonly string[],
): Promise<AskedJob> {
  const compute = keysOf(computeFlags).find((key) => given.has(key));
  if (compute)
    throw new UsageError(`--${flagName(compute)} says what computes here; a job computes with PyTorch where it runs`);
  for (const key of SCORING)
    if (given.has(key)) throw new UsageError(`--${flagName(key)} is for --score: a job that trains takes no gradients`);
  refuseSettings(values);
  return values.from === undefined ? newJob(values, given, positionals) : madeAgain(values.from, values, given);
}

const SCORING = ['pruningType', 'taylorBatchs'] as const;

/** What a scoring job takes of all the flags. */
const OF_SCORING: ReadonlySet<string> = new Set<keyof JobValues>([
  ...keysOf(modelFlags),
  ...keysOf(launchFlags),
  ...SCORING,
  ...(['score', 'dataPath', 'synsets', 'inputSize', 'interpolation', 'valResizeSize', 'noImagenetMeanStd'] as const),
  ...(['batchSize', 'workers', 'seed', 'outputDir', 'overwrite', 'distBackend'] as const),
]);

/**
 * The scoring job of a command line, with the defaults of `prune`.
 * @throws UsageError for a flag that scoring does not take
 */
export function scoreJobRequest(values: JobValues, given: JobGiven, positionals: readonly string[]): ScoreJobRequest {
  const stray = [...given].find((key) => !OF_SCORING.has(key));
  if (stray) throw new UsageError(`--${flagName(stray)}: gradients for pruning have no such setting`);
  const { outputDir, overwrite, taylorBatchs, pruningType, valResizeSize, seed } = values;
  const batchSize = given.has('batchSize') ? values.batchSize : pruneFlags.trainBatchSize.initial;
  const data = dataRequest({ ...values, valResize: valResizeSize, batchSize });
  return {
    model: weightsRequest(values, positionals),
    data: { ...data, batches: taylorBatchs, seed },
    criterion: pruningType,
    job: { ...picked(jobFlags, values, () => true), gradAccumSteps: 1 } as JobRequest['job'],
    launch: picked(launchFlags, values, () => true) as JobRequest['launch'],
    ...(outputDir !== undefined && { outputDir }),
    overwrite,
  };
}

/** Every setting, as the flags that would give it, and what the person should know of them. */
export function describeJob({ asked, kept }: AskedJob, values: JobValues, given: JobGiven): string[] {
  const { request, job, launch } = asked;
  const batch = globalBatch(asked);
  const shown = Object.entries({ ...job, ...launch }).filter(
    ([, value]) => value !== undefined && value !== false && !(Array.isArray(value) && value.length === 0),
  );
  const own = shown.map(
    ([key, value]) => `  --${flagName(key)}${value === true ? '' : ` ${[value].flat().join(' ')}`}`,
  );
  const changed = kept && globalBatch(kept) !== batch && !given.has('lr');
  return [
    describeRequest(request).replace(/^finetune/, 'job: finetune'),
    ...own,
    `${batch} images a step of all processes together`,
    ...(kept
      ? []
      : remarks({ ...values, gradAccumSteps: 1 }, given as never, { ...request.options, batchSize: batch })),
    ...(changed
      ? [`the learning rate of ${request.options.lr} was for ${globalBatch(kept)} images a step: --lr changes it`]
      : []),
  ];
}
