/** Iterative pruning: a part of the way, finetuning, the next part. */
import path from 'node:path';
import { UserError } from '../../common/errors.ts';
import { targetMacs } from '../../common/flop-target.ts';
import type { RunContext } from '../../common/progress.ts';
import type { Executor } from '../compute/executor.ts';
import { type Holder, lockAdvice, withLock } from '../files/lock.ts';
import { describeProcess } from '../files/process-id.ts';
import { graphCost } from '../graph/macs.ts';
import { parseTarget } from '../pruning/planning/target.ts';
import type { TrainingOptions } from '../training/training-options.ts';
import { type FinetuneHooks, finetuneModel } from './finetune.ts';
import { type Model, openModel, saveModel } from './opening/model.ts';
import { type PruneReport, pruneModel } from './prune.ts';
import type { PruneRequest } from './prune-request.ts';

export interface IterativeRequest {
  readonly prune: PruneRequest;
  /** Prunings in all; training happens between them. */
  readonly steps: number;
  /** Settings of every training in between. */
  readonly training: TrainingOptions;
  readonly dataPath: string;
  readonly synsets?: string;
  /** Folder of the networks in between and of their runs. */
  readonly folder: string;
}

export interface IterativeHooks extends Pick<FinetuneHooks, 'onPrepared' | 'onStart' | 'onMetrics'> {
  /** Hears of every pruning, counted from 1. */
  readonly onPruned?: (step: number, report: PruneReport) => void;
}

/**
 * The request of one step, counted from 1. Every step leaves the same share of what the one before it left, so that the
 * last reaches the target, or the ratio asked for.
 */
export function requestOfStep({ prune, steps }: IterativeRequest, baseMacs: number, step: number): PruneRequest {
  if (prune.target === undefined) {
    const each = (ratio: number): number => 1 - (1 - ratio) ** (1 / steps);
    const { ratio = 0.5, headRatio, headDimRatio } = prune.options;
    const options = {
      ...prune.options,
      ratio: each(ratio),
      ...(headRatio !== undefined && { headRatio: each(headRatio) }),
      ...(headDimRatio !== undefined && { headDimRatio: each(headDimRatio) }),
    };
    return { ...prune, options };
  }
  const last = targetMacs(parseTarget(prune.target), baseMacs);
  const macs = step === steps ? last : baseMacs * (last / baseMacs) ** (step / steps);
  return { ...prune, target: String(Math.floor(macs)) };
}

/**
 * Prunes `steps` times with a training between; the last network is pruned and not trained. Removed blocks and a ready
 * plan belong to one step only: they are refused by the command line.
 */
export async function pruneIteratively(
  model: Model,
  request: IterativeRequest,
  executor: () => Promise<Executor>,
  context: RunContext = {},
  { onPruned, ...hooks }: IterativeHooks = {},
): Promise<PruneReport> {
  // A second one into this folder would put its networks in the place of the first one's.
  return withLock(path.join(request.folder, '.lock'), busyFolder(request.folder), () =>
    pruneStepByStep(model, request, executor, context, { onPruned, ...hooks }),
  );
}

const busyFolder =
  (folder: string) =>
  (holder: Holder): Error =>
    new UserError(
      `${describeProcess(holder)} prunes into ${folder}: wait until it has ended, or choose another folder.${lockAdvice(holder)}`,
    );

async function pruneStepByStep(
  model: Model,
  request: IterativeRequest,
  executor: () => Promise<Executor>,
  context: RunContext,
  { onPruned, ...hooks }: IterativeHooks,
): Promise<PruneReport> {
  const base = graphCost(model.graph);
  let current = model;
  for (let step = 1; ; step++) {
    const report = await pruneModel(current, requestOfStep(request, base.macs, step), executor, context);
    onPruned?.(step, report);
    if (step === request.steps || !report.graph || !report.weights) return { ...report, before: base };
    const file = path.join(request.folder, `step-${step}.safetensors`);
    await saveModel(file, report.graph, report.weights, report.record, context);
    const trained = await finetuneModel(
      {
        model: { model: file },
        dataPath: request.dataPath,
        options: { ...request.training, outputDir: path.join(request.folder, `step-${step}`) },
        ...(request.synsets !== undefined && { synsets: request.synsets }),
      },
      { executor: await executor(), ...hooks },
      context,
    );
    current = await openModel({ model: trained.best });
  }
}
