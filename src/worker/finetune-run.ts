/** Finetuning as the editor asks for it: flags by name, the run's folder as the only place it writes to. */

import { UserError } from '../common/errors.ts';
import { type FlagTable, type FlagValues, flagName, parseFlags } from '../common/flags.ts';
import type { RunContext } from '../common/progress.ts';
import { finetuneModel } from '../engine/jobs/finetune.ts';
import { writingOnlyInto } from '../engine/jobs/finetune-request.ts';
import type { ModelRequest } from '../engine/jobs/opening/model.ts';
import { executorOfRun } from '../engine/jobs/run-backend.ts';
import { jobRunFlags } from '../engine/jobs/torchrun/job-options.ts';
import { RECIPES, type RecipeName } from '../engine/training/recipes.ts';
import { RunDirectory } from '../engine/training/run-directory.ts';
import { type TrainingOptions, trainingFlags } from '../engine/training/training-options.ts';
import type { FinetuneStart } from '../protocol/run-files.ts';
import type { FinetuneResult, ModelSource } from '../protocol/values.ts';
import { backendOptions } from './backend.ts';
import { inEditorWords } from './editor-words.ts';
import type { Handler } from './handler.ts';
import { pixelsOfHost } from './pixels.ts';

/** Flags that are worth a look before a run, whatever the recipe. */
const SHOWN_FLAGS: readonly (keyof TrainingOptions)[] = [
  'epochs',
  'batchSize',
  'opt',
  'lr',
  'momentum',
  'weightDecay',
  'lrScheduler',
  'lrWarmupEpochs',
  'labelSmoothing',
  'seed',
];

export const finetuneDefaults: Handler<'finetune/defaults'> = ({ recipe, dataPath }) => {
  if (!Object.hasOwn(RECIPES, recipe)) throw new UserError(`There is no recipe "${recipe}".`);
  const chosen: Partial<TrainingOptions> = RECIPES[recipe as RecipeName];
  const keys = new Set<string>([...SHOWN_FLAGS, ...Object.keys(chosen)]);
  const flags = [...keys].flatMap((key) => {
    const value = chosen[key as keyof TrainingOptions] ?? trainingFlags[key as keyof TrainingOptions].initial;
    return value === undefined ? [] : [[flagName(key), value as string | number | boolean] as const];
  });
  return { recipe, dataPath, flags: Object.fromEntries(flags) };
};

type NamedFlags = FinetuneStart['settings']['flags'];

const argumentsOf = (flags: NamedFlags): string[] => Object.entries(flags).map(([name, value]) => `--${name}=${value}`);

const parsed = <T extends FlagTable>(table: T, flags: NamedFlags): FlagValues<T> =>
  parseFlags(table, argumentsOf(flags)).values;

/** Flags by name as the options of a run; unknown names and impossible values are UsageErrors that name them. */
const optionsOf = (flags: NamedFlags): TrainingOptions => parsed(trainingFlags, flags);

const JOB_FLAGS = { ...trainingFlags, ...jobRunFlags };

/** The same of a run that is a job, which has settings of its own beside them. */
export const jobOptionsOf = (flags: NamedFlags): FlagValues<typeof JOB_FLAGS> => parsed(JOB_FLAGS, flags);

/** Each flag by itself, so that all that is wrong is said at once. */
export const checkFinetune: Handler<'finetune/check'> = ({ flags, isJob = false }) =>
  Object.entries(flags).flatMap(([name, value]) => {
    try {
      parsed(isJob ? JOB_FLAGS : trainingFlags, { [name]: value });
      return [];
    } catch (error) {
      return [inEditorWords(error instanceof Error ? error.message : String(error))];
    }
  });

export const modelRequest = (source: ModelSource): ModelRequest =>
  source.kind === 'zoo'
    ? { model: source.name }
    : { model: source.path, useEma: source.useEma ?? false, ...pixelsOfHost() };

/** @param directory the run's folder; `gate`: awaited before every step */
export async function runFinetune(
  directory: string,
  { source, settings, resume }: FinetuneStart,
  gate: () => Promise<'stop' | undefined>,
  context: RunContext,
): Promise<FinetuneResult> {
  // Where it lies and what it takes up is not for a settings file to say.
  const options = { ...optionsOf(settings.flags), outputDir: directory, resume: undefined };
  const started = await RunDirectory.open(directory).then(
    () => true,
    () => false,
  );
  const request = {
    model: modelRequest(source),
    dataPath: settings.dataPath,
    // A run that was stopped before it wrote anything begins again.
    options: resume && started ? { ...options, resume: directory } : options,
  };
  const report = await finetuneModel(
    // What is taken up may have come with a repository.
    resume ? writingOnlyInto(directory, request) : request,
    { executor: await executorOfRun(backendOptions(), resume && started ? directory : undefined, context), gate },
    context,
  );
  const { epochs, bestTop1, bestDistance, loss, imagesPerSecond, best, stopped, outputDirectory } = report;
  return {
    epochs,
    ...(bestTop1 !== undefined && { bestTop1 }),
    ...(bestDistance !== undefined && { bestDistance }),
    loss,
    imagesPerSecond,
    outputDirectory,
    best,
    stopped,
  };
}
