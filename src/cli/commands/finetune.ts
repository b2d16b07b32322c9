/** `espalier finetune`: train a (pruned) model; the flags are those of the paper's train.py. */
import { createExecutor } from '../../compute/backends.ts';
import type { Executor } from '../../compute/executor.ts';
import { type FinetuneRequest, finetuneModel, resumedRequest } from '../../engine/finetune.ts';
import { testModel } from '../../engine/finetune-test.ts';
import { type FlagValues, flag, flagName } from '../../support/flags.ts';
import type { RunContext } from '../../support/progress.ts';
import { type TrainingOptions, trainingFlags } from '../../training/options.ts';
import { linearRate, RECIPE_NAMES, RECIPES } from '../../training/recipes.ts';
import type { MetricsLine } from '../../training/run-directory.ts';
import { type CommandResult, command, computeFlags, modelFlags } from '../command.ts';
import { modelRequest, requireDataPath } from '../requests.ts';
import { formatPercent, say } from '../terminal.ts';
import { fromTimmFlags, timmFlags } from '../timm-flags.ts';

const flags = {
  ...modelFlags,
  ...computeFlags,
  dataPath: flag.string(undefined, 'folder with train/ and val/ (or test/), one folder a class', {
    aliases: ['data-dir'],
  }),
  inputSize: flag.integer(undefined, "side of the images (default: the model's)"),
  synsets: flag.string(undefined, 'file with one class folder name a line, in the order of the logits'),
  recipe: flag.choice(RECIPE_NAMES, undefined, 'settings of the paper for a family; other flags change single ones'),
  ...trainingFlags,
  ...timmFlags,
};

type Values = FlagValues<typeof flags>;
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

async function newRequest(values: Values, given: Given, positionals: readonly string[]): Promise<FinetuneRequest> {
  const { prunedModel, synsets } = values;
  return {
    model: modelRequest({ ...values, ...(prunedModel !== undefined && { model: prunedModel }) }, positionals),
    dataPath: requireDataPath(values.dataPath),
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
    ...(values.dataPath !== undefined && { dataPath: values.dataPath }),
    ...(values.synsets !== undefined && { synsets: values.synsets }),
    options: { ...earlier.options, ...Object.fromEntries(changed) },
  };
}

/** Every setting, as the flags that would give it. */
function describe({ options, model, dataPath }: FinetuneRequest): string {
  const shown = Object.entries(options).filter(([, value]) => value !== undefined && value !== false);
  const lines = shown.map(([key, value]) => `  --${flagName(key)}${value === true ? '' : ` ${value}`}`);
  return [`finetune ${model.model} on ${dataPath}`, ...lines].join('\n');
}

/** What the person should know of the settings before the run. */
function remarks(values: Values, options: TrainingOptions): string[] {
  const { lr, batchSize, lrBatchSize, scaleLr, amp } = options;
  const scaled = `${lr} × ${batchSize} / ${lrBatchSize} = ${Number(linearRate(options).toPrecision(6))}`;
  return [
    ...(scaleLr ? [`learning rate by the linear rule: ${scaled}`] : []),
    ...(!scaleLr && values.recipe && batchSize !== lrBatchSize
      ? [`the recipe's learning rate is for ${lrBatchSize} images a step; --scale-lr would make it ${scaled}`]
      : []),
    ...(values.gradAccumSteps > 1
      ? [`--grad-accum-steps: steps of ${batchSize} images at once, which is the same for networks without batch norm`]
      : []),
    ...(amp ? ['--amp: bfloat16 products are not available here, training is in float32'] : []),
  ];
}

/** A line every `--print-freq` steps and one for every epoch. */
function metricsPrinter(printFreq: number): (line: MetricsLine) => void {
  const number = (value: MetricsLine[string], digits: number): string => Number(value).toPrecision(digits);
  return (line) => {
    if (line.kind === 'step') {
      if (printFreq < 1 || line.step % printFreq !== 0) return;
      const rates = `lr ${number(line.learningRate, 4)}, ${Number(line.imagesPerSecond).toFixed(0)} images/s`;
      say(`epoch ${line.epoch + 1}, step ${line.step}: loss ${number(line.loss, 5)}, ${rates}`);
      return;
    }
    const average = line.averageTop1 === undefined ? '' : `, its average ${formatPercent(Number(line.averageTop1))}`;
    const top1 = `top-1 ${formatPercent(Number(line.top1))}${average} on ${line.images} images`;
    say(`epoch ${line.epoch + 1}: ${top1}, loss ${number(line.validationLoss, 5)} (training ${number(line.loss, 5)})`);
  };
}

async function testOnly(request: FinetuneRequest, executor: Executor, context: RunContext): Promise<CommandResult> {
  const { top1, top5, loss, images, imagesPerSecond } = await testModel(request, executor, context);
  return {
    json: {
      epochs: 0,
      best_top1: top1,
      last_top1: top1,
      top5,
      loss,
      images,
      images_per_second: imagesPerSecond,
      output_dir: null,
    },
    text: `top-1 ${formatPercent(top1)}, top-5 ${formatPercent(top5)}, loss ${loss.toFixed(5)} on ${images} images`,
  };
}

export const finetune = command({
  summary: 'finetune a model; resumable, with checkpoints and metrics in a folder of the run',
  usage: '--model FILE --data-path DIR --output-dir DIR',
  flags,
  run: async ({ values, given, positionals }, context) => {
    const request = await (values.resume
      ? resumed(values.resume, values, given)
      : newRequest(values, given, positionals));
    const { options } = request;
    say(describe(request));
    for (const remark of remarks(values, options)) say(remark);
    const executor = await createExecutor(values);
    if (options.testOnly) return testOnly(request, executor, context);
    const onStart = (directory: string): void => say(`run: ${directory} (${executor.label})`);
    const onMetrics = metricsPrinter(options.printFreq);
    const report = await finetuneModel(request, { executor, onStart, onMetrics }, context);
    for (const [file, reason] of report.skipped) say(`skipped ${file}: ${reason}`);
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
