/** What the worker answers to each request. */
import type { ParamsOf, ResultOf, WorkerMethod, WorkerNotifications } from '../protocol/messages.ts';
import type { RunContext } from '../support/progress.ts';
import { validateDataset } from './handle-dataset.ts';
import { closeModel, listModels, modelDetails, openModel } from './handle-model.ts';
import { cachedScores, computePlan, exportPlan, planRange, runExport, runPrune, runScore } from './handle-plan.ts';
import { changedVerdicts, controlRun, finetuneDefaults, runEvaluate, runFinetune, runHistory } from './handle-runs.ts';
import { runInstall, showRuntime } from './handle-runtime.ts';
import { createSample } from './handle-sample.ts';

/** Besides its parameters, what a handler has: the run's signal and progress, and the way to notify. */
export interface HandlerContext extends Required<RunContext> {
  notify<K extends keyof WorkerNotifications>(name: K, value: WorkerNotifications[K]): void;
}

export type Handler<M extends WorkerMethod> = (
  params: ParamsOf<M>,
  context: HandlerContext,
) => ResultOf<M> | Promise<ResultOf<M>>;

export type Handlers = { readonly [M in WorkerMethod]: Handler<M> };

export const handlers: Handlers = {
  'models/list': listModels,
  'model/open': openModel,
  'model/details': modelDetails,
  'model/close': closeModel,
  'dataset/validate': validateDataset,
  'score/run': runScore,
  'score/cached': cachedScores,
  'plan/range': planRange,
  'plan/compute': computePlan,
  'plan/export': exportPlan,
  'prune/run': runPrune,
  'finetune/defaults': finetuneDefaults,
  'finetune/run': runFinetune,
  'run/control': controlRun,
  'run/history': runHistory,
  'evaluate/run': runEvaluate,
  'evaluate/changed': changedVerdicts,
  'export/run': runExport,
  'sample/create': createSample,
  'runtime/status': showRuntime,
  'runtime/install': runInstall,
};
