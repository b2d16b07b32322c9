/** What each kind of run does: requests to the worker, and where their results go. */
import path from 'node:path';
import * as vscode from 'vscode';
import { formatCount, formatInteger, formatPercent } from '../../common/format.ts';
import type { RunKind } from '../../protocol/values.ts';
import type { Comparison } from '../compare/comparison.ts';
import type { ModelLibrary } from '../model/model-library.ts';
import type { ModelSessions } from '../model/model-sessions.ts';
import { modelTitle } from '../model/model-uri.ts';
import type { Worker } from '../supervision/worker.ts';
import type { Execution, Executor, RunOutcome } from './run-queue.ts';
import type { RunRecord, RunRequest } from './run-record.ts';
import type { RunStore } from './run-store.ts';

export interface ExecutorServices {
  readonly worker: Worker;
  readonly sessions: ModelSessions;
  readonly library: ModelLibrary;
  readonly comparison: Comparison;
  readonly store: RunStore;
}

type Request<K extends RunKind> = Extract<RunRequest, { kind: K }>;
type KindExecutor<K extends RunKind> = (
  request: Request<K>,
  record: RunRecord,
  execution: Execution,
  services: ExecutorServices,
) => Promise<RunOutcome>;

const executors: { readonly [K in RunKind]: KindExecutor<K> } = {
  score: async ({ source, settings }, _, { signal, onProgress }, { worker, sessions }) => {
    const blocks = (sessions.find(source)?.state.settings.removeLayers ?? 0) > 0;
    const view = await worker.request('score/run', { source, settings, blocks }, { signal, onProgress });
    await sessions.find(source)?.applyScores(settings, view);
    return { summary: view.label };
  },

  prune: async (request, _, { signal, onProgress }, services) => {
    const { source, scores, plan, output, overwrite } = request;
    const result = await services.worker.request(
      'prune/run',
      { source, scores, plan, output, overwrite },
      { signal, onProgress },
    );
    await noteModel(result.saved, services);
    await services.sessions.find(source)?.showPruned(result.saved);
    const { before, after } = result;
    return {
      summary: vscode.l10n.t('{0} of {1} MACs', formatCount(after.macs), formatCount(before.macs)),
      output: result.saved,
    };
  },

  finetune: async ({ source, settings }, record, { signal, resume, onProgress }, services) => {
    const result = await services.worker.request(
      'finetune/run',
      { run: record.id, source, settings, outputDirectory: services.store.directory(record.id), resume },
      { signal, onProgress },
    );
    await noteModel(result.best, services);
    return {
      summary: vscode.l10n.t('best top-1 {0} after {1} epochs', formatPercent(result.bestTop1, 1), result.epochs),
      output: result.best,
      stoppedEarly: result.stopped === 'afterEpoch',
    };
  },

  evaluate: async ({ sources, settings }, record, { signal, onProgress, log }, services) => {
    const summaries: string[] = [];
    for (const [index, source] of sources.entries()) {
      const prefix = sources.length > 1 ? `${modelTitle(source)} (${index + 1}/${sources.length}): ` : '';
      const predictionsFile = path.join(services.store.directory(record.id), `predictions-${index}.json`);
      const result = await services.worker.request(
        'evaluate/run',
        { source, settings, predictionsFile },
        { signal, onProgress: (report) => onProgress({ ...report, phase: prefix + report.phase }) },
      );
      await services.comparison.add(result, predictionsFile);
      summaries.push(
        vscode.l10n.t('top-1 {0} on {1} images', formatPercent(result.top1, 1), formatInteger(result.images)),
      );
      log(`${modelTitle(source)}: ${summaries.at(-1)}`);
    }
    return { summary: summaries.length === 1 ? summaries[0] : vscode.l10n.t('{0} models', summaries.length) };
  },

  export: async ({ source, format, output, overwrite }, _, { signal, onProgress }, { worker }) => {
    const { saved } = await worker.request('export/run', { source, format, output, overwrite }, { signal, onProgress });
    return { summary: saved, output: saved };
  },

  install: async (_request, _record, { signal, onProgress }, { worker }) => {
    const status = await worker.request('runtime/install', {}, { signal, onProgress });
    return { summary: status.backend };
  },
};

/** Reads a file that a run has written, so that the Models view has its figures. */
async function noteModel(file: string, { worker, library }: ExecutorServices): Promise<void> {
  const opened = await worker.request('model/open', { source: { kind: 'file', path: file } });
  if (opened.kind === 'model') await library.add(opened.model);
}

export const executorFor =
  (services: ExecutorServices): Executor =>
  (record, execution) => {
    const { request } = record;
    const executor = executors[request.kind] as KindExecutor<typeof request.kind>;
    return executor(request as never, record, execution, services);
  };
