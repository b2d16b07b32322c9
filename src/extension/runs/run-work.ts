/** What each kind of run does: requests to the worker, and where their results go. */
import path from 'node:path';
import * as vscode from 'vscode';
import { formatAccuracy } from '../../common/confidence.ts';
import { formatInteger, formatMilliseconds, formatPercent } from '../../common/format.ts';
import { phaseWords } from '../../common/progress.ts';
import type { GraphEditorState } from '../../protocol/graph-editor.ts';
import type { MeasuredLatency } from '../../protocol/latency-values.ts';
import { RUN_FILES, type RunJob, type RunStart } from '../../protocol/run-files.ts';
import type {
  EvaluationResult,
  FinetuneSettings,
  ModelSource,
  PlanSettings,
  RunKind,
  RunPoint,
  ScoreSettings,
} from '../../protocol/values.ts';
import type { Comparison } from '../compare/comparison.ts';
import { costUnit, formatMacs } from '../cost-text.ts';
import type { ModelLibrary } from '../model/model-library.ts';
import type { ModelSessions } from '../model/model-sessions.ts';
import { modelTitle } from '../model/model-uri.ts';
import { setting } from '../settings.ts';
import { RequestError } from '../supervision/request-error.ts';
import type { Worker } from '../supervision/worker.ts';
import type { WorkerCommand } from '../supervision/worker-process.ts';
import { JobProgress } from './job-progress.ts';
import { measuredThere } from './measured-there.ts';
import { followRun, followScoring, startRun } from './run-process.ts';
import type { Execution, RunOutcome, RunWork } from './run-queue.ts';
import { type RunOwner, type RunRecord, type RunRequest, thisOwner } from './run-record.ts';
import type { RunStore } from './run-store.ts';

export interface RunWorkServices {
  readonly worker: Worker;
  /** Of the program that is one run's process. */
  readonly runCommand: () => WorkerCommand;
  readonly onPoints: (id: string, points: readonly RunPoint[]) => void;
  readonly sessions: ModelSessions;
  readonly library: ModelLibrary;
  readonly comparison: Comparison;
  readonly store: RunStore;
}

/** A job ends with a checkpoint, and what lies elsewhere is brought here first. */
const JOB_STOP_GRACE_MS = 300_000;

type Request<K extends RunKind> = Extract<RunRequest, { kind: K }>;
type KindOfWork<K extends RunKind> = (
  request: Request<K>,
  record: RunRecord,
  execution: Execution,
  services: RunWorkServices,
) => Promise<RunOutcome>;

const work: { readonly [K in RunKind]: KindOfWork<K> } = {
  score: async ({ source, settings: asked }, record, execution, services) => {
    const { worker, sessions } = services;
    const settings = asked.place ? await gradientsThere(source, asked, record, execution, services) : asked;
    if (!settings) return { summary: vscode.l10n.t('the job’s folder is written: its README says how to start it') };
    const blocks = (sessions.find(source)?.state.settings.removeLayers ?? 0) > 0;
    const { signal, onProgress } = execution;
    const view = await worker.request('score/run', { source, settings, blocks }, { signal, onProgress });
    await sessions.keepScores(source, settings, view);
    return { summary: view.label };
  },

  sensitivity: async ({ source, scores, settings, spread }, _, { signal, onProgress }, { worker, sessions }) => {
    const view = await worker.request('sensitivity/run', { source, scores, settings }, { signal, onProgress });
    await sessions.find(source)?.applySensitivity(scores, view, spread);
    return { summary: view.label };
  },

  latency: async ({ source, scores, plan, anew, target }, _, { signal, onProgress, log }, { worker, sessions }) => {
    const view = await worker.request('latency/run', { source, scores, plan, anew }, { signal, onProgress });
    log(view.where);
    // It is measured, whether what was asked for can be reached or not.
    await sessions
      .find(source)
      ?.target.takeTimes(view, target)
      .catch((error: unknown) => {
        void vscode.window.showWarningMessage(error instanceof Error ? error.message : String(error));
      });
    return {
      summary: vscode.l10n.t(
        '{0} as it is; predictions within {1} on {2} networks held out',
        formatMilliseconds(view.dense),
        formatPercent(view.error, 1),
        view.heldOut,
      ),
    };
  },

  prune: async (request, _, { signal, onProgress, log }, services) => {
    const { kind: _kind, source, ...asked } = request;
    const result = await services.worker.request('prune/run', { source, ...asked }, { signal, onProgress });
    await noteModel(result.saved, services);
    const session = services.sessions.find(source);
    await session?.showPruned(result.saved, plannedMacs(session.state, request.plan));
    const { before, after, agreement, latency } = result;
    const macs = vscode.l10n.t('{0} of {1} {2}', formatMacs(after.macs), formatMacs(before.macs), costUnit());
    if (latency) log(measuredText(latency));
    const repaired =
      agreement === undefined
        ? macs
        : vscode.l10n.t('{0}; repaired, agrees with the dense model on {1}', macs, formatPercent(agreement, 1));
    return { summary: latency ? `${repaired}; ${measuredText(latency)}` : repaired, output: result.saved };
  },

  finetune: async ({ source, settings }, record, execution, services) => {
    const folder = services.store.directory(record.id);
    const owner =
      execution.following ??
      (await startOwn(folder, { source, ...trainingStart(settings), resume: execution.resume }, execution, services));
    const { signal, onProgress } = execution;
    const { place } = settings;
    const result = await followRun(folder, owner, {
      signal,
      onProgress,
      onPoints: (points) => services.onPoints(record.id, points),
      onNote: execution.log,
      wasFollowed: execution.following !== undefined,
      ...(place && { metrics: path.join(RUN_FILES.job, RUN_FILES.metrics), stopGraceMs: JOB_STOP_GRACE_MS }),
    });
    if (place?.onlyWrite)
      return { summary: vscode.l10n.t('the job’s folder is written: its README says how to start it') };
    await noteModel(result.best, services);
    return {
      summary:
        place && result.bestTop1 !== undefined
          ? vscode.l10n.t(
              'best top-1 {0} after {1} epochs, measured where it ran',
              formatPercent(result.bestTop1, 1),
              result.epochs,
            )
          : result.bestTop1 === undefined
            ? vscode.l10n.t('distance {0} after {1} epochs', result.bestDistance?.toPrecision(3) ?? '', result.epochs)
            : vscode.l10n.t('best top-1 {0} after {1} epochs', formatPercent(result.bestTop1, 1), result.epochs),
      output: result.best,
      top1: result.bestTop1,
      stoppedEarly: result.stopped === 'afterEpoch',
    };
  },

  explore: async ({ source, settings, plan }, record, { signal, onProgress }, { worker, store }) => {
    const folder = store.directory(record.id);
    const result = await worker.request('explore/run', { source, settings, plan, folder }, { signal, onProgress });
    return { summary: vscode.l10n.t('{0} networks measured', result.networks), output: result.saved };
  },

  evaluate: async ({ sources, settings }, record, { signal, onProgress, log }, services) => {
    const summaries: string[] = [];
    const progress = new JobProgress('evaluate', sources.length);
    for (const [index, source] of sources.entries()) {
      if (index > 0) progress.nextPart();
      const prefix = sources.length > 1 ? `${modelTitle(source)} (${index + 1}/${sources.length}): ` : '';
      const predictionsFile = path.join(services.store.directory(record.id), `predictions-${index}.json`);
      const result = await services.worker.request(
        'evaluate/run',
        { source, settings, predictionsFile },
        {
          signal,
          onProgress: (report) => {
            const shown = progress.of(report);
            onProgress({ ...shown, phase: prefix + phaseWords(shown.phase) });
          },
        },
      );
      const there = await noteOfJob(result, settings.limit, services.store);
      await services.comparison.add({ ...result, notes: [...result.notes, ...there] }, predictionsFile);
      summaries.push(
        vscode.l10n.t(
          'top-1 {0} on {1} images',
          formatAccuracy(result.top1, result.images),
          formatInteger(result.images),
        ),
      );
      log(`${modelTitle(source)}: ${[summaries.at(-1), ...there].join('; ')}`);
    }
    return { summary: summaries.length === 1 ? summaries[0] : vscode.l10n.t('{0} models', summaries.length) };
  },

  export: async ({ source, format, output, overwrite }, _, { signal, onProgress }, { worker }) => {
    const { saved } = await worker.request('export/run', { source, format, output, overwrite }, { signal, onProgress });
    return { summary: saved, output: saved };
  },

  install: async (_request, _record, { signal, onProgress }, { worker, sessions }) => {
    const status = await worker.request('runtime/install', {}, { signal, onProgress });
    sessions.renewTimes();
    return { summary: status.backend };
  },
};

/** MACs of the plan that is shown, where it is the one of these settings. */
const plannedMacs = ({ plan, settings }: GraphEditorState, asked: PlanSettings): number | undefined =>
  plan && JSON.stringify(settings) === JSON.stringify(asked) ? plan.after.macs : undefined;

/** What was asked for, predicted and measured, and where. */
const measuredText = ({ asked, predicted, measured, plans, where }: MeasuredLatency): string =>
  vscode.l10n.t(
    '{0} measured ({1} asked, {2} predicted; the largest of {3} plans that kept it) on {4}',
    formatMilliseconds(measured),
    formatMilliseconds(asked),
    formatMilliseconds(predicted),
    plans,
    where,
  );

/** What a job measured of the same model where it ran, and whether both agree. */
async function noteOfJob(
  result: EvaluationResult,
  limit: number | undefined,
  store: RunStore,
): Promise<readonly string[]> {
  const there = measuredThere(result, limit, await store.list());
  if (!there) return [];
  const figure = formatPercent(there.top1, 2);
  return [
    there.agrees
      ? vscode.l10n.t('the job measured {0} where it ran, which agrees', figure)
      : vscode.l10n.t('the job measured {0} where it ran, which does not agree: are these the same images?', figure),
  ];
}

/** How jobs are started is for this machine's settings to say. */
function jobOfHere(): RunJob {
  if (!vscode.workspace.isTrusted)
    throw new RequestError('user', vscode.l10n.t('Jobs are started in trusted workspaces only.'));
  return {
    python: setting('espalier.jobs.python'),
    slurm: setting('espalier.jobs.slurm'),
    skypilot: setting('espalier.jobs.skypilot'),
    commands: setting('espalier.jobs.commands'),
  };
}

const trainingStart = (settings: FinetuneSettings) => ({ settings, ...(settings.place && { job: jobOfHere() }) });

/** Has a job compute the gradients. Gives the settings of scores by them; undefined where its folder was only written. */
async function gradientsThere(
  source: ModelSource,
  { place, ...settings }: ScoreSettings,
  record: RunRecord,
  execution: Execution,
  services: RunWorkServices,
): Promise<ScoreSettings | undefined> {
  if (!place) return settings;
  const folder = services.store.directory(record.id);
  const { criterion, batches, batchSize, seed } = settings;
  const scores = { criterion, batches, batchSize, seed, place };
  const start = { source, scores, job: jobOfHere(), resume: execution.resume };
  const owner = execution.following ?? (await startOwn(folder, start, execution, services));
  const gradients = await followScoring(folder, owner, {
    signal: execution.signal,
    onProgress: execution.onProgress,
    onPoints: () => undefined,
    onNote: execution.log,
    wasFollowed: execution.following !== undefined,
    stopGraceMs: JOB_STOP_GRACE_MS,
  });
  return gradients === undefined ? undefined : { ...settings, gradients };
}

async function startOwn(
  folder: string,
  start: RunStart,
  { runsIn }: Execution,
  { runCommand }: RunWorkServices,
): Promise<RunOwner> {
  const owner = { host: thisOwner().host, pid: await startRun(folder, start, runCommand()) };
  await runsIn(owner);
  return owner;
}

/** Reads a file that a run has written, so that the Models view has its figures. */
async function noteModel(file: string, { worker, library }: RunWorkServices): Promise<void> {
  const opened = await worker.request('model/open', { source: { kind: 'file', path: file } });
  if (opened.kind === 'model') await library.add(opened.model);
}

export const runWorkFor =
  (services: RunWorkServices): RunWork =>
  (record, execution) => {
    const { request } = record;
    const doIt = work[request.kind] as KindOfWork<typeof request.kind>;
    if (request.kind === 'evaluate') return doIt(request as never, record, execution, services);
    const progress = new JobProgress(request.kind);
    const onProgress: Execution['onProgress'] = (report) => execution.onProgress(progress.of(report));
    return doIt(request as never, record, { ...execution, onProgress }, services);
  };
