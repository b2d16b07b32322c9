/** What a job is asked to be, as job.json keeps it, and what a job cannot be. */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import * as v from 'valibot';
import { UserError } from '../../../common/errors.ts';
import { type FlagTable, flagDefaults, flagName, wrongValue } from '../../../common/flags.ts';
import { fileError } from '../../files/file-errors.ts';
import { type TrainingOptions, trainingFlags } from '../../training/training-options.ts';
import { checkOptions, type FinetuneRequest, settledRequest } from '../finetune-request.ts';
import { type JobOptions, jobFlags, type LaunchOptions, launchFlags } from './job-options.ts';
import { JOB_FILE } from './job-place.ts';

export interface JobRequest {
  readonly request: FinetuneRequest;
  readonly job: JobOptions;
  readonly launch: LaunchOptions;
}

/** Images of one step of all processes together. */
export const globalBatch = ({ request, job, launch }: JobRequest): number =>
  request.options.batchSize * job.gradAccumSteps * launch.processes * launch.nodes;

/** Absolute places, and the learning rate that `--scale-lr` comes to for all processes together. */
export function settledJob(asked: JobRequest): JobRequest {
  const { options } = asked.request;
  const { batchSize } = options;
  const settled = settledRequest({ ...asked.request, options: { ...options, batchSize: globalBatch(asked) } });
  return { ...asked, request: { ...settled, options: { ...settled.options, batchSize } } };
}

type Refusals = { readonly [K in keyof TrainingOptions]?: string };

/** Settings of a run that a job has not, with the reason. */
const REFUSED: Refusals = {
  teacherCache: "a job's processes compute the teacher's outputs at every step; leave it out",
  resume:
    'a job goes on from its own folder when it is started again; a run that was begun here goes on with `espalier finetune --resume`',
  testOnly: '`espalier evaluate` measures a model',
};

/** @throws UserError naming the setting that a job cannot have, and why */
export function refuseSettings(options: TrainingOptions): void {
  for (const [key, reason] of Object.entries(REFUSED) as [keyof TrainingOptions, string][])
    if (options[key] !== undefined && options[key] !== false)
      throw new UserError(`--${flagName(key)}: a job cannot do that: ${reason}.`);
}

/** @throws UserError for settings that a job cannot have, or that do not go together */
export function checkJob({ request: { options }, job, launch }: JobRequest): void {
  refuseSettings(options);
  checkOptions(options);
  for (const [name, value] of [
    ['nodes', launch.nodes],
    ['processes', launch.processes],
    ['grad-accum-steps', job.gradAccumSteps],
  ] as const)
    if (value < 1) throw new UserError(`--${name} must be at least 1, not ${value}`);
  if (launch.maxRestarts < 0) throw new UserError(`--max-restarts must be at least 0, not ${launch.maxRestarts}`);
  if (options.opt === 'sgd_nesterov' && options.momentum <= 0)
    throw new UserError(`--opt sgd_nesterov needs a --momentum above 0, not ${options.momentum}`);
  if (options.workers !== undefined && options.workers < 0)
    throw new UserError(`--workers must be at least 0, not ${options.workers}`);
}

const optional = <T extends v.GenericSchema>(schema: T) => v.nullish(schema);
const flagValues = (table: FlagTable) =>
  v.pipe(
    v.record(v.string(), v.unknown()),
    v.transform((values) => Object.fromEntries(Object.entries(values).filter(([, value]) => value !== null))),
    v.check((values) => wrongValue(table, values) === undefined),
  );

const jobFileSchema = v.looseObject({
  version: v.literal(1),
  kind: v.literal('train'),
  request: v.looseObject({
    model: v.looseObject({ model: v.string(), inputSize: optional(v.pipe(v.number(), v.safeInteger())) }),
    dataPath: v.string(),
    synsets: optional(v.string()),
    options: flagValues(trainingFlags),
  }),
  job: v.pipe(flagValues(jobFlags), v.looseObject({ gradAccumSteps: v.pipe(v.number(), v.safeInteger()) })),
  launch: flagValues(launchFlags),
  network: v.looseObject({ weights: v.string(), parent: optional(v.string()) }),
  teacher: optional(v.looseObject({ weights: v.string() })),
  images: v.looseObject({ classNames: optional(v.array(v.string())) }),
});

/** A job as its folder keeps it. */
export interface KeptJob extends JobRequest {
  readonly folder: string;
  /** The model's and the teacher's files in the folder. */
  readonly weights: string;
  readonly teacherWeights?: string;
  /** Where the model came from first. */
  readonly parent?: string;
  readonly classNames?: readonly string[];
}

/** What is in a job.json, and the file's place. @throws UserError where it cannot be read */
async function readJson(place: string): Promise<{ file: string; value: unknown }> {
  const file = path.resolve(place.endsWith('.json') ? place : path.join(place, JOB_FILE));
  try {
    return { file, value: JSON.parse(await readFile(file, 'utf8')) };
  } catch (error) {
    if (error instanceof SyntaxError) throw new UserError(`${file} is damaged: ${error.message}`);
    throw fileError('read', file, error);
  }
}

const headSchema = v.looseObject({
  version: v.literal(1),
  kind: v.picklist(['train', 'score']),
  network: v.looseObject({ name: v.string() }),
  launch: flagValues(launchFlags),
});

/** What every job's job.json says. */
export interface JobHead {
  readonly folder: string;
  readonly kind: 'train' | 'score';
  readonly model: string;
  readonly launch: LaunchOptions;
}

/** @throws UserError where there is no job, or its job.json is damaged */
export async function readJobHead(place: string): Promise<JobHead> {
  const { file, value } = await readJson(place);
  const found = v.safeParse(headSchema, value, { abortEarly: true });
  if (!found.success) throw new UserError(`${file} is no job's: make the job anew.`);
  const { kind, network, launch } = found.output;
  const all = { ...flagDefaults(launchFlags), ...launch } as LaunchOptions;
  return { folder: path.dirname(file), kind, model: network.name, launch: all };
}

/**
 * Reads a job.json, given by its place or its folder's.
 * @throws UserError where there is none, or it is damaged, or of a scoring job
 */
export async function readJob(place: string): Promise<KeptJob> {
  const { file, value } = await readJson(place);
  const found = v.safeParse(jobFileSchema, value, { abortEarly: true });
  if (!found.success)
    throw new UserError(
      `${file} is no job's: ${v.getDotPath(found.issues[0]) ?? ''} ${found.issues[0].message}. Make the job anew.`,
    );
  const { request, job, launch, network, teacher, images } = found.output;
  const folder = path.dirname(file);
  // Names of files in the folder, and nothing beyond it.
  const beside = (name: string): string => path.join(folder, path.basename(name));
  const { inputSize } = request.model;
  return {
    folder,
    request: {
      model: { model: request.model.model, ...(inputSize != null && { inputSize }) },
      dataPath: request.dataPath,
      ...(request.synsets != null && { synsets: request.synsets }),
      options: { ...flagDefaults(trainingFlags), ...request.options } as TrainingOptions,
    },
    job: { ...flagDefaults(jobFlags), ...job } as JobOptions,
    launch: { ...flagDefaults(launchFlags), ...launch } as LaunchOptions,
    weights: beside(network.weights),
    ...(teacher && { teacherWeights: beside(teacher.weights) }),
    ...(network.parent != null && { parent: network.parent }),
    ...(images.classNames && { classNames: images.classNames }),
  };
}
