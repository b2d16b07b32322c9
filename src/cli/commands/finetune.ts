/** `espalier finetune`: train a (pruned) model; the flags are those of the paper's train.py. */
import { createExecutor } from '../../compute/backends.ts';
import { type FinetuneRequest, finetuneModel, resumedRequest } from '../../engine/finetune.ts';
import { type FlagValues, flag, flagName } from '../../support/flags.ts';
import { RECIPE_NAMES, RECIPES, trainingFlags } from '../../training/options.ts';
import { command, computeFlags, modelFlags } from '../command.ts';
import { modelRequest, requireDataPath } from '../requests.ts';
import { formatPercent, say } from '../terminal.ts';

const flags = {
  ...modelFlags,
  ...computeFlags,
  dataPath: flag.string(undefined, 'folder with train/ and val/ (or test/), one folder a class'),
  inputSize: flag.integer(undefined, "side of the images (default: the model's)"),
  synsets: flag.string(undefined, 'file with one class folder name a line, in the order of the logits'),
  recipe: flag.choice(RECIPE_NAMES, undefined, 'settings of the paper for a family; other flags change single ones'),
  ...trainingFlags,
};

type Values = FlagValues<typeof flags>;

/** Recipe first, then what the command line says. */
function settings(values: Values, given: ReadonlySet<keyof Values>): Values {
  if (!values.recipe) return values;
  const recipe = Object.entries(RECIPES[values.recipe]).filter(([key]) => !given.has(key as keyof Values));
  return { ...values, ...Object.fromEntries(recipe) };
}

async function requestOf(
  values: Values,
  given: ReadonlySet<keyof Values>,
  positionals: readonly string[],
): Promise<FinetuneRequest> {
  if (values.resume) {
    const earlier = await resumedRequest(values.resume);
    const changed = [...given].filter((key) => key in trainingFlags).map((key) => [key, values[key]]);
    return {
      ...earlier,
      options: { ...earlier.options, ...Object.fromEntries(changed), resume: earlier.options.resume },
    };
  }
  const chosen = settings(values, given);
  const keys = Object.keys(trainingFlags) as (keyof typeof trainingFlags)[];
  return {
    model: modelRequest(values, positionals),
    dataPath: requireDataPath(values.dataPath),
    options: Object.fromEntries(keys.map((key) => [key, chosen[key]])) as FinetuneRequest['options'],
    ...(values.synsets !== undefined && { synsets: values.synsets }),
  };
}

/** Every setting that is on, before the run starts. */
function describe({ options, model }: FinetuneRequest): string {
  const shown = Object.entries(options).filter(([, value]) => value !== undefined && value !== false);
  return [`finetune ${model.model}`, ...shown.map(([key, value]) => `  --${flagName(key)} ${value}`)].join('\n');
}

export const finetune = command({
  summary: 'finetune a model; resumable, with checkpoints and metrics in a folder of the run',
  usage: '--model FILE --data-path DIR --output-dir DIR',
  flags,
  run: async ({ values, given, positionals }, context) => {
    const request = await requestOf(values, given, positionals);
    say(describe(request));
    const executor = await createExecutor(values);
    const onStart = (directory: string): void => say(`run: ${directory} (${executor.label})`);
    const report = await finetuneModel(request, { executor, onStart }, context);
    const { epochs, bestTop1, lastTop1, loss, imagesPerSecond, outputDirectory, best } = report;
    return {
      json: {
        epochs,
        best_top1: bestTop1,
        last_top1: lastTop1,
        loss,
        images_per_second: imagesPerSecond,
        output_dir: outputDirectory,
        best,
      },
      text: `top-1 ${formatPercent(lastTop1)} after ${epochs} epochs, best ${formatPercent(bestTop1)}: ${best}`,
    };
  },
});
