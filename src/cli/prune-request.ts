/** The flags of `prune`, and the engine's request that they make. */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { CRITERION_NAMES } from '../common/criteria.ts';
import { UsageError, UserError } from '../common/errors.ts';
import { type FlagValues, flag } from '../common/flags.ts';
import { parseLatencyTarget } from '../common/latency-target.ts';
import { latencyFolder } from '../engine/jobs/latency/latency-cache.ts';
import type { LatencyRequest } from '../engine/jobs/latency/latency-plans.ts';
import type { PruneRequest } from '../engine/jobs/prune-request.ts';
import { ALLOCATIONS, SELECTIONS } from '../engine/jobs/prune-request.ts';
import { repairFolder } from '../engine/jobs/repair/repair-progress.ts';
import { scoresFolder } from '../engine/jobs/scores.ts';
import { planFromJson } from '../engine/pruning/planning/plan-schema.ts';
import type { Plan } from '../engine/pruning/planning/plan-types.ts';
import { type Normaliser, normalisers } from '../engine/pruning/scoring/normalisers.ts';
import { RECIPE_NAMES } from '../engine/training/recipes.ts';
import { computeFlags, dataFlags, modelFlags } from './command.ts';
import { checkRecalibrationFlags, recalibrationFlags } from './recalibration.ts';
import { attentionRepairFlags, DEFAULT_REPAIR_IMAGES } from './repair-output.ts';
import { dataRequest, USUAL_DATA_PATH } from './requests.ts';

const NORMALISER_NAMES = Object.keys(normalisers) as Normaliser[];

export const pruneFlags = {
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
  targetLatency: flag.string(
    undefined,
    'largest network whose measured median on this machine is at or under this: 12ms, 0.5s, 60% of what it takes now',
  ),
  latencyBatch: flag.integer(1, 'images of the runs that are timed'),
  headPruningRatio: flag.number(undefined, 'share of all attention heads that goes'),
  headDimPruningRatio: flag.number(undefined, 'share of the head dimensions that goes, ranked by themselves'),
  globalPruning: flag.boolean('rank across groups'),
  noIsomorphic: flag.boolean('rank all groups together instead of by structure'),
  normalizer: flag.choice(NORMALISER_NAMES, 'mean', "how a group's scores are brought to one scale"),
  roundTo: flag.string('2', 'widths are multiples of this; auto: of what this machine runs well'),
  maxPruningRatio: flag.number(1, 'no group loses a larger share'),
  removeLayers: flag.integer(0, 'blocks of the second-to-last stage that go'),
  ignore: flag.list('layers that stay as they are: globs, with :out or :in for one side'),
  drop: flag.number(0, 'dropout that the pruned model is trained with'),
  dropPath: flag.number(undefined, 'drop-path rate that the pruned model is trained with'),
  stochasticDepthProb: flag.number(undefined, "accepted: the paper's script has it and does not use it"),
  imitate: flag.boolean('score a classifier by its raw outputs, on images without labels (other networks always are)'),
  seed: flag.integer(0, 'seed of random scores and of the order of images'),
  plan: flag.string(undefined, 'carry out this plan (JSON of --plan-only) instead of making one'),
  planOnly: flag.boolean('print the plan and prune nothing'),
  savePlan: flag.string(undefined, 'also write the plan here, as JSON'),
  testAccuracy: flag.boolean('evaluate before and after'),
  saveAs: flag.string(undefined, 'where the pruned model goes: .safetensors, .pth, .pt2 or .onnx'),
  ...recalibrationFlags,
  repair: flag.optionalInteger(
    0,
    DEFAULT_REPAIR_IMAGES,
    'refit the weights that are left towards the dense network, on so many training images without labels',
  ),
  ...attentionRepairFlags,
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

export type PruneValues = FlagValues<typeof pruneFlags>;

async function readPlan(file: string): Promise<Plan> {
  try {
    return planFromJson(await readFile(file, 'utf8'));
  } catch (error) {
    throw new UserError(`cannot read the plan ${file}: ${(error as Error).message}`);
  }
}

/** The multiple of `--round-to`; undefined for auto. */
function multipleOf(text: string): number | undefined {
  if (text === 'auto') return undefined;
  const multiple = Number(text);
  if (!/^\d+$/.test(text) || !(multiple >= 1) || !Number.isSafeInteger(multiple))
    throw new UsageError(`--round-to needs an integer of at least 1, or auto, got "${text}"`);
  return multiple;
}

/** What is to be measured of this machine. */
function latencyRequest(values: PruneValues): LatencyRequest | undefined {
  const { targetLatency, latencyBatch: batch, roundTo, threads, noCache } = values;
  if (targetLatency === undefined && roundTo !== 'auto') return undefined;
  const target = targetLatency === undefined ? undefined : parseLatencyTarget(targetLatency);
  if (targetLatency !== undefined && !target)
    throw new UsageError(`--target-latency takes 12ms, 0.5s or 60%, got "${targetLatency}"`);
  return {
    ...(target && { target }),
    ...(roundTo === 'auto' && { roundTo }),
    batch,
    ...(threads !== undefined && { threads }),
    ...(!noCache && { cache: latencyFolder(process.cwd()) }),
  };
}

/** What a command line asks for. */
export async function pruneRequest(values: PruneValues): Promise<PruneRequest> {
  const hasImages = (values.dataPath !== undefined || existsSync(USUAL_DATA_PATH)) && !values.gradients.length;
  // With a target and without --global-pruning the paper's global isomorphic ranking is meant.
  const isGlobal = values.globalPruning || values.targetMacs !== undefined || values.targetLatency !== undefined;
  const roundTo = multipleOf(values.roundTo);
  const latency = latencyRequest(values);
  return {
    score: {
      criterion: values.pruningType,
      normaliser: values.normalizer,
      seed: values.seed,
      ...(values.gradients.length && { gradientFiles: values.gradients }),
      ...(hasImages && {
        data: {
          ...dataRequest(values),
          batchSize: values.trainBatchSize,
          batches: values.taylorBatchs,
          seed: values.seed,
          ...(values.imitate && { imitate: true }),
        },
      }),
      ...(!values.noCache && { cache: scoresFolder(process.cwd()) }),
    },
    options: {
      isomorphic: !values.noIsomorphic,
      global: isGlobal,
      ...(roundTo !== undefined && { roundTo }),
      maxRatio: values.maxPruningRatio,
      ...(values.pruningRatio !== undefined && { ratio: values.pruningRatio }),
      ...(values.headPruningRatio !== undefined && { headRatio: values.headPruningRatio }),
      ...(values.headDimPruningRatio !== undefined && { headDimRatio: values.headDimPruningRatio }),
    },
    ...(latency && { latency }),
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
        attention: values.repairAttention,
        ...(!values.noCache && { cache: repairFolder(process.cwd()) }),
      },
    }),
  };
}

/** Throws UsageError for flags that contradict each other. */
export function checkPruneFlags(values: PruneValues): void {
  if (values.pruningRatio !== undefined && values.plan)
    throw new UsageError('--plan has its own ratios: leave --pruning-ratio out');
  if (values.allocate === 'sensitivity' && values.repair === 0 && !values.planOnly)
    throw new UsageError('--allocate sensitivity reckons with a repair: give --repair too');
  if ((values.allocate !== 'uniform' || values.select !== 'score') && (values.plan || values.removeLayers > 0))
    throw new UsageError('--allocate and --select make the plan by themselves: leave --plan and --remove-layers out');
  checkLatencyFlags(values);
  checkRecalibrationFlags(values);
}

function checkLatencyFlags(values: PruneValues): void {
  const { targetLatency, targetMacs, pruningRatio, plan, removeLayers, iterativeSteps, latencyBatch } = values;
  if (latencyBatch < 1) throw new UsageError(`--latency-batch needs at least 1 image, got ${latencyBatch}`);
  if (values.roundTo === 'auto' && plan) throw new UsageError('--plan has its own widths: leave --round-to auto out');
  if (targetLatency === undefined) return;
  if (targetMacs !== undefined || pruningRatio !== undefined)
    throw new UsageError('--target-latency decides how much goes: leave --target-macs and --pruning-ratio out');
  if (plan || removeLayers > 0 || iterativeSteps > 1)
    throw new UsageError(
      '--target-latency measures plans of its own: leave --plan, --remove-layers and --iterative-steps out',
    );
}
