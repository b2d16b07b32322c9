/** From the command line of `espalier finetune` to a run's request, and what is said of it before it starts. */

import { UsageError } from '../common/errors.ts';
import { type FlagValues, flag, flagName } from '../common/flags.ts';
import { type FinetuneRequest, resumedRequest } from '../engine/jobs/finetune-request.ts';
import { linearRate, RECIPE_NAMES, RECIPES } from '../engine/training/recipes.ts';
import { type TrainingOptions, trainingFlags } from '../engine/training/training-options.ts';
import { computeFlags, modelFlags } from './command.ts';
import { modelRequest } from './requests.ts';
import { fromTimmFlags, timmFlags } from './timm-flags.ts';

/** Flags of `espalier finetune`. */
export const finetuneFlags = {
  ...modelFlags,
  ...computeFlags,
  // The paper's default, which its MobileNet script relies on.
  dataPath: flag.string('data/imagenet', 'folder with train/ and val/ (or test/), one folder a class', {
    aliases: ['data-dir'],
  }),
  inputSize: flag.integer(undefined, "side of the images (default: the model's)"),
  synsets: flag.string(undefined, 'file with one class folder name a line, in the order of the logits'),
  recipe: flag.choice(RECIPE_NAMES, undefined, 'settings of the paper for a family; other flags change single ones'),
  ...trainingFlags,
  ...timmFlags,
};

type Values = FlagValues<typeof finetuneFlags>;
type Given = ReadonlySet<keyof Values>;

const OPTION_KEYS = Object.keys(trainingFlags) as (keyof TrainingOptions)[];

/** Recipe first, then what the command line says. */
function chosenOptions(values: Values, given: Given): TrainingOptions {
  const recipe = values.recipe ? RECIPES[values.recipe] : {};
  const fromRecipe = Object.fromEntries(Object.entries(recipe).filter(([key]) => !given.has(key as keyof Values)));
  const chosen = { ...values, ...fromRecipe };
  const all = { ...chosen, ...fromTimmFlags(chosen) };
  return Object.fromEntries(OPTION_KEYS.map((key) => [key, all[key]])) as unknown as TrainingOptions;
}

function newRequest(values: Values, given: Given, positionals: readonly string[]): FinetuneRequest {
  const { prunedModel, synsets } = values;
  return {
    model: modelRequest({ ...values, ...(prunedModel !== undefined && { model: prunedModel }) }, positionals),
    dataPath: values.dataPath,
    options: chosenOptions(values, given),
    ...(synsets !== undefined && { synsets }),
  };
}

/** The settings of the run, but for what the command line says anew. */
async function resumed(place: string, values: Values, given: Given): Promise<FinetuneRequest> {
  const earlier = await resumedRequest(place);
  const changed = OPTION_KEYS.filter((key) => given.has(key) && key !== 'resume').map((key) => [key, values[key]]);
  return {
    ...earlier,
    ...(given.has('dataPath') && { dataPath: values.dataPath }),
    ...(values.synsets !== undefined && { synsets: values.synsets }),
    options: { ...earlier.options, ...Object.fromEntries(changed) },
  };
}

/**
 * The run that a command line asks for: a new one, or one that goes on.
 * @throws UsageError for flags that do not go together; UserError where there is no run to resume
 */
export async function finetuneRequest(
  values: Values,
  given: Given,
  positionals: readonly string[],
): Promise<FinetuneRequest> {
  if (values.resume === undefined) return newRequest(values, given, positionals);
  if (positionals.length > 0)
    throw new UsageError(`unexpected argument "${positionals[0]}": the model is that of the run in --resume`);
  return resumed(values.resume, values, given);
}

/** Every setting, as the flags that would give it, one a line. */
export function describeOptions(options: TrainingOptions): string {
  const shown = Object.entries(options).filter(([, value]) => value !== undefined && value !== false);
  return shown.map(([key, value]) => `  --${flagName(key)}${value === true ? '' : ` ${value}`}`).join('\n');
}

export const describeRequest = ({ options, model, dataPath }: FinetuneRequest): string =>
  `finetune ${model.model} on ${dataPath}\n${describeOptions(options)}`;

/** What the person should know of the settings before the run. */
export function remarks(values: Values, given: Given, options: TrainingOptions): string[] {
  const { lr, batchSize, lrBatchSize, scaleLr } = options;
  const scaled = `${lr} × ${batchSize} / ${lrBatchSize} = ${Number(linearRate(options).toPrecision(6))}`;
  const isRecipesRate = values.recipe !== undefined && !given.has('lr');
  return [
    ...(scaleLr ? [`learning rate by the linear rule: ${scaled}`] : []),
    ...(!scaleLr && isRecipesRate && batchSize !== lrBatchSize
      ? [`the recipe's learning rate is for ${lrBatchSize} images a step; --scale-lr would make it ${scaled}`]
      : []),
    ...(values.gradAccumSteps > 1
      ? [`--grad-accum-steps: steps of ${batchSize} images at once, which is the same for networks without batch norm`]
      : []),
  ];
}
