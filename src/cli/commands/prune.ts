/** `espalier prune`: the paper's prune.py, with an exact FLOP target. */
import { existsSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { CRITERION_NAMES } from '../../common/criteria.ts';
import { UsageError, UserError } from '../../common/errors.ts';
import { type FlagValues, flag } from '../../common/flags.ts';
import type { RunContext } from '../../common/progress.ts';
import { type BackendChoice, createExecutor } from '../../engine/compute/backends.ts';
import type { Executor } from '../../engine/compute/executor.ts';
import { writeFileAtomically } from '../../engine/files/atomic-write.ts';
import type { Graph } from '../../engine/graph/graph.ts';
import type { Cost } from '../../engine/graph/macs.ts';
import type { Weights } from '../../engine/graph/tensor.ts';
import { dataFor, evaluateModel } from '../../engine/jobs/evaluate.ts';
import { pruneIteratively } from '../../engine/jobs/iterative.ts';
import { ALLOCATIONS, SELECTIONS } from '../../engine/jobs/make-plans.ts';
import { type Model, openModel, prepareOutput, saveModel } from '../../engine/jobs/model.ts';
import { headsOfGraph } from '../../engine/jobs/model-info.ts';
import { type PruneReport, type PruneRequest, pruneModel } from '../../engine/jobs/prune.ts';
import { recalibratedWeights } from '../../engine/jobs/recalibrate.ts';
import type { ModelRecord } from '../../engine/jobs/record.ts';
import { repairFolder } from '../../engine/jobs/repair-progress.ts';
import { scoresFolder } from '../../engine/jobs/scores.ts';
import { formatPlan } from '../../engine/pruning/planning/format-plan.ts';
import type { Plan } from '../../engine/pruning/planning/plan-types.ts';
import { type Normaliser, normalisers } from '../../engine/pruning/scoring/normalisers.ts';
import { RECIPE_NAMES } from '../../engine/training/recipes.ts';
import { runName } from '../../engine/training/run-directory.ts';
import { command, computeFlags, dataFlags, modelFlags } from '../command.ts';
import { describeOptions } from '../finetune-settings.ts';
import { iterativeHooks, trainingBetween } from '../iterative-settings.ts';
import { DEFAULT_REPAIR_IMAGES, repairJson, repairText } from '../repair-output.ts';
import { dataRequest, requireDataPath, USUAL_DATA_PATH, weightsRequest } from '../requests.ts';
import { formatCount, formatPercent, say } from '../terminal.ts';

const NORMALISER_NAMES = Object.keys(normalisers) as Normaliser[];

const flags = {
  ...modelFlags,
  ...dataFlags,
  ...computeFlags,
  pruningType: flag.choice(CRITERION_NAMES, 'taylor', 'importance'),
  taylorBatchs: flag.integer(50, 'batches of training images that taylor and hessian take', {
    aliases: ['taylor-batches'],
  }),
  trainBatchSize: flag.integer(64, 'images a batch when scoring'),
  valBatchSize: flag.integer(128, 'images a batch when evaluating'),
  gradients: flag.list('gradients in safetensors files, one a sample or batch, instead of images'),
  pruningRatio: flag.number(undefined, 'share of the channels that goes (default 0.5, or what the target needs)'),
  targetMacs: flag.string(undefined, 'largest network at or under this: 2.0G, 4200M, 50%, -30%'),
  headPruningRatio: flag.number(undefined, 'share of all attention heads that goes'),
  headDimPruningRatio: flag.number(undefined, 'share of the head dimensions that goes, ranked by themselves'),
  globalPruning: flag.boolean('rank across groups'),
  noIsomorphic: flag.boolean('rank all groups together instead of by structure'),
  normalizer: flag.choice(NORMALISER_NAMES, 'mean', "how a group's scores are brought to one scale"),
  roundTo: flag.integer(2, 'widths are multiples of this'),
  maxPruningRatio: flag.number(1, 'no group loses a larger share'),
  removeLayers: flag.integer(0, 'blocks of the second-to-last stage that go'),
  ignore: flag.list('layers that stay as they are: globs, with :out or :in for one side'),
  drop: flag.number(0, 'dropout that the pruned model is trained with'),
  dropPath: flag.number(undefined, 'drop-path rate that the pruned model is trained with'),
  stochasticDepthProb: flag.number(undefined, "accepted: the paper's script has it and does not use it"),
  seed: flag.integer(0, 'seed of random scores and of the order of images'),
  plan: flag.string(undefined, 'carry out this plan (JSON of --plan-only) instead of making one'),
  planOnly: flag.boolean('print the plan and prune nothing'),
  savePlan: flag.string(undefined, 'also write the plan here, as JSON'),
  testAccuracy: flag.boolean('evaluate before and after'),
  saveAs: flag.string(undefined, 'where the pruned model goes: .safetensors or .pth'),
  bnRecalibrate: flag.integer(0, 'average batch norm statistics anew over so many batches of training images'),
  repair: flag.optionalInteger(
    0,
    DEFAULT_REPAIR_IMAGES,
    'refit the weights that are left towards the dense network, on so many training images without labels',
  ),
  allocate: flag.choice(
    ALLOCATIONS,
    'uniform',
    'how the target is spread over the groups: the same share of each scope, or by what each group is worth (needs --repair)',
  ),
  select: flag.choice(
    SELECTIONS,
    'score',
    'which channels of a group go: the lowest scores, or those that the others make good best',
  ),
  iterativeSteps: flag.integer(1, 'prune in so many steps, with training between them'),
  recipe: flag.choice(RECIPE_NAMES, 'resnet', 'settings of the training between steps'),
  finetuneEpochs: flag.integer(undefined, "epochs of the training between steps (default: the recipe's)"),
  finetuneLr: flag.number(undefined, "its learning rate (default: the recipe's)"),
  outputDir: flag.string(undefined, 'folder of the networks between steps (default: .espalier/runs/<time>-<model>)'),
  noCache: flag.boolean('score and repair anew, and keep nothing'),
};

type Values = FlagValues<typeof flags>;

async function readPlan(file: string): Promise<Plan> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as Plan;
  } catch (error) {
    throw new UserError(`cannot read the plan ${file}: ${(error as Error).message}`);
  }
}

async function pruneRequest(values: Values): Promise<PruneRequest> {
  const hasImages = (values.dataPath !== undefined || existsSync(USUAL_DATA_PATH)) && !values.gradients.length;
  // With a FLOP target and without --global-pruning the paper's global isomorphic ranking is meant.
  const isGlobal = values.globalPruning || values.targetMacs !== undefined;
  return {
    score: {
      criterion: values.pruningType,
      normaliser: values.normalizer,
      float64: values.float64,
      seed: values.seed,
      ...(values.gradients.length && { gradientFiles: values.gradients }),
      ...(hasImages && {
        data: {
          ...dataRequest(values),
          batchSize: values.trainBatchSize,
          batches: values.taylorBatchs,
          seed: values.seed,
        },
      }),
      ...(!values.noCache && { cache: scoresFolder(process.cwd()) }),
    },
    options: {
      isomorphic: !values.noIsomorphic,
      global: isGlobal,
      roundTo: values.roundTo,
      maxRatio: values.maxPruningRatio,
      ...(values.pruningRatio !== undefined && { ratio: values.pruningRatio }),
      ...(values.headPruningRatio !== undefined && { headRatio: values.headPruningRatio }),
      ...(values.headDimPruningRatio !== undefined && { headDimRatio: values.headDimPruningRatio }),
    },
    ignore: values.ignore,
    removeLayers: values.removeLayers,
    ...(values.targetMacs !== undefined && { target: values.targetMacs }),
    ...(values.plan !== undefined && { plan: await readPlan(values.plan) }),
    ...((values.allocate !== 'uniform' || values.select !== 'score') && {
      measured: {
        allocate: values.allocate,
        select: values.select,
        images: { ...dataRequest(values), images: values.repair || DEFAULT_REPAIR_IMAGES, seed: values.seed },
      },
    }),
    ...(values.repair > 0 && {
      repair: {
        ...dataRequest(values),
        images: values.repair,
        seed: values.seed,
        ...(!values.noCache && { cache: repairFolder(process.cwd()) }),
      },
    }),
  };
}

const costJson = ({ macs, macsTrue, params }: Cost) => ({ macs, macs_true: macsTrue, params });

interface Accuracy {
  /** What the person should know of the images. */
  readonly notes: readonly string[];
  readonly top1: number;
  readonly loss: number;
  readonly images: number;
}

async function accuracyOf(
  model: { readonly graph: Graph; readonly weights: Weights; readonly record: ModelRecord },
  values: Values,
  executor: Executor,
  context: RunContext,
): Promise<Accuracy> {
  const data = { ...dataRequest(values), batchSize: values.valBatchSize };
  const { top1, loss, images, notes } = await evaluateModel(model, data, { executor }, context);
  return { top1, loss, images, notes };
}

const figures = (accuracy: Accuracy | undefined): object | undefined =>
  accuracy && { top1: accuracy.top1, loss: accuracy.loss, images: accuracy.images };

const total = (heads: Readonly<Record<string, number>>): number =>
  Object.values(heads).reduce((sum, count) => sum + count, 0);

function summaryText(
  report: PruneReport,
  headsBefore: number,
  saved: string | undefined,
  accuracy: { before?: Accuracy; after?: Accuracy },
): string {
  const { before, after, seconds, scored, keptBlocks } = report;
  const arrow = (a: string, b: string): string => `${a} → ${b}`;
  const percent = ((100 * after.macs) / before.macs).toFixed(2);
  return [
    `MACs   ${arrow(formatCount(before.macs), formatCount(after.macs))} (${percent} %; real widths ${formatCount(after.macsTrue)})`,
    `params ${arrow(formatCount(before.params), formatCount(after.params))}`,
    ...(headsBefore ? [`heads  ${arrow(String(headsBefore), String(total(report.heads)))}`] : []),
    ...(keptBlocks ? [`blocks of the second-to-last stage that stay: ${keptBlocks.join(', ')}`] : []),
    ...(accuracy.before && accuracy.after
      ? [
          `top-1  ${arrow(formatPercent(accuracy.before.top1), formatPercent(accuracy.after.top1))} on ${accuracy.after.images} images`,
        ]
      : []),
    `couple ${seconds.couple.toFixed(3)} s, score ${seconds.score.toFixed(3)} s (${scored}), plan ${seconds.plan.toFixed(3)} s, prune ${seconds.prune.toFixed(3)} s${report.repair ? `, repair ${seconds.repair.toFixed(1)} s` : ''}`,
    ...(report.repair ? [repairText(report.repair)] : []),
    ...(report.weighed ?? []).map(
      ({ allocate, divergence }) => `budgets ${allocate}: divergence ${divergence.toFixed(4)} after the repair`,
    ),
    ...(saved ? [`saved ${saved}`] : []),
  ].join('\n');
}

/** One executor for all that a command runs, started when it is first needed. */
function lazyExecutor(options: {
  backend: BackendChoice;
  threads: number | undefined;
  float64: boolean;
}): () => Promise<Executor> {
  let started: Promise<Executor> | undefined;
  return () => {
    started ??= createExecutor({
      backend: options.backend,
      float64: options.float64,
      ...(options.threads !== undefined && { threads: options.threads }),
    });
    return started;
  };
}

async function makePruned(
  model: Model,
  request: PruneRequest,
  values: Values,
  executor: () => Promise<Executor>,
  context: RunContext,
): Promise<PruneReport> {
  if (values.iterativeSteps <= 1) return pruneModel(model, request, executor, context, { planOnly: values.planOnly });
  if (values.planOnly || values.plan || values.removeLayers)
    throw new UsageError(
      '--iterative-steps makes its plans one by one: leave --plan, --plan-only and --remove-layers out',
    );
  const training = trainingBetween(values);
  const folder = values.outputDir ?? path.join('.espalier', 'runs', runName(`${model.graph.name}-iterative`));
  await mkdir(folder, { recursive: true });
  const { iterativeSteps: steps, synsets } = values;
  const dataPath = requireDataPath(values.dataPath);
  say(`training between ${steps} prunings\n${describeOptions(training)}`);
  return pruneIteratively(
    model,
    { prune: request, steps, training, dataPath, folder, ...(synsets !== undefined && { synsets }) },
    executor,
    context,
    iterativeHooks(steps, training),
  );
}

async function recalibrated(
  report: PruneReport,
  values: Values,
  executor: () => Promise<Executor>,
  context: RunContext,
): Promise<PruneReport> {
  const { graph, weights, record } = report;
  if (!values.bnRecalibrate || !graph || !weights) return report;
  const data = dataFor({ record }, { ...dataRequest(values), batchSize: values.trainBatchSize });
  const request = { data, batches: values.bnRecalibrate, seed: values.seed };
  return { ...report, weights: await recalibratedWeights({ graph, weights }, request, await executor(), context) };
}

export const prune = command({
  summary: 'score, plan and prune; to a ratio or to a FLOP target',
  usage: '--model NAME|FILE [--ckpt FILE] [--data-path DIR] --target-macs 50% --save-as OUT',
  flags,
  run: async ({ values, positionals }, context) => {
    if (values.pruningRatio !== undefined && values.plan)
      throw new UsageError('--plan has its own ratios: leave --pruning-ratio out');
    if (values.allocate === 'sensitivity' && values.repair === 0 && !values.planOnly)
      throw new UsageError('--allocate sensitivity reckons with a repair: give --repair too');
    if ((values.allocate !== 'uniform' || values.select !== 'score') && (values.plan || values.removeLayers > 0))
      throw new UsageError('--allocate and --select make the plan by themselves: leave --plan and --remove-layers out');
    if (values.repair > 0 && values.bnRecalibrate > 0)
      throw new UsageError('--repair weighs new batch norm statistics against its own: leave --bn-recalibrate out');
    if (values.saveAs && !values.planOnly) await prepareOutput(values.saveAs);
    const request = await pruneRequest(values);
    const model = await openModel({
      ...weightsRequest(values, positionals),
      ...(values.dropPath !== undefined && { dropPath: values.dropPath }),
      ...(values.drop > 0 && { dropout: values.drop }),
    });
    for (const note of model.notes) say(note);
    const executor = lazyExecutor(values);
    const made = await makePruned(model, request, values, executor, context);
    const report = await recalibrated(made, values, executor, context);
    if (values.savePlan) await writeFileAtomically(values.savePlan, `${JSON.stringify(report.plan, null, 1)}\n`);
    const { graph, weights, before, after, heads, seconds, keptBlocks } = report;
    const json = {
      before: costJson(before),
      after: costJson(after),
      num_heads: heads,
      ...(keptBlocks && { kept_blocks: keptBlocks }),
      seconds,
      scored: report.scored,
      ...(report.repair && { repair: repairJson(report.repair) }),
      ...(report.weighed && { weighed: report.weighed }),
    };
    if (!graph || !weights) return { json: { ...json, plan: report.plan }, text: formatPlan(report.plan) };
    const accuracy: { before?: Accuracy; after?: Accuracy } = values.testAccuracy
      ? {
          before: await accuracyOf(
            { ...model, weights: await model.weights(context) },
            values,
            await executor(),
            context,
          ),
          after: await accuracyOf({ graph, weights, record: report.record }, values, await executor(), context),
        }
      : {};
    for (const note of accuracy.before?.notes ?? []) say(note);
    if (values.saveAs) await saveModel(values.saveAs, graph, weights, report.record, context);
    else say('nothing saved: give --save-as FILE');
    return {
      json: {
        ...json,
        ...(values.testAccuracy && { accuracy: { before: figures(accuracy.before), after: figures(accuracy.after) } }),
        saved: values.saveAs ?? null,
      },
      text: summaryText(report, total(headsOfGraph(model.graph)), values.saveAs, accuracy),
    };
  },
});
