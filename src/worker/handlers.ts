/** What the worker answers to each request. */
import type { WorkerMethod } from '../protocol/messages.ts';
import { checkFinetune, finetuneDefaults } from './finetune-run.ts';
import { checkDataset, validateDataset } from './handle-dataset.ts';
import { runExplore } from './handle-explore.ts';
import { cachedLatency, runLatency } from './handle-latency.ts';
import { closeModel, listModels, modelDetails, openModel } from './handle-model.ts';
import {
  cachedScores,
  computePlan,
  diffPlan,
  exportPlan,
  planChanges,
  planRange,
  runExport,
  runPrune,
  runScore,
} from './handle-plan.ts';
import { changedVerdicts, runEvaluate, runHistory } from './handle-runs.ts';
import { runInstall, showRuntime } from './handle-runtime.ts';
import { createSample } from './handle-sample.ts';
import { cachedSensitivity, runSensitivity } from './handle-sensitivity.ts';
import { runTrace, showTraceScript } from './handle-trace.ts';
import type { Handler } from './handler.ts';

export type Handlers = { readonly [M in WorkerMethod]: Handler<M> };

export const handlers: Handlers = {
  'models/list': listModels,
  'model/open': openModel,
  'model/details': modelDetails,
  'model/close': closeModel,
  'dataset/validate': validateDataset,
  'dataset/check': checkDataset,
  'score/run': runScore,
  'score/cached': cachedScores,
  'sensitivity/run': runSensitivity,
  'sensitivity/cached': cachedSensitivity,
  'latency/run': runLatency,
  'latency/cached': cachedLatency,
  'plan/range': planRange,
  'plan/compute': computePlan,
  'plan/export': exportPlan,
  'plan/diff': diffPlan,
  'plan/changes': planChanges,
  'prune/run': runPrune,
  'explore/run': runExplore,
  'finetune/defaults': finetuneDefaults,
  'finetune/check': checkFinetune,
  'run/history': runHistory,
  'evaluate/run': runEvaluate,
  'evaluate/changed': changedVerdicts,
  'export/run': runExport,
  'trace/script': showTraceScript,
  'trace/run': runTrace,
  'sample/create': createSample,
  'runtime/status': showRuntime,
  'runtime/install': runInstall,
};
