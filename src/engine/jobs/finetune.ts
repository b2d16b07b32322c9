/** The finetuning job: model, images, optional teacher, a run's folder; resumed from where it was stopped or killed. */
import { existsSync } from 'node:fs';
import path from 'node:path';
import type { RunContext } from '../../common/progress.ts';
import type { Executor, Session } from '../compute/executor.ts';
import type { Program } from '../compute/programs/program.ts';
import type { LabelledFolder } from '../data/class-map.ts';
import { graphCost } from '../graph/macs.ts';
import type { Weights } from '../graph/tensor.ts';
import { trainingLoader, validationLoader } from '../training/finetune-data.ts';
import { type FinetuneProgram, finetunePrograms } from '../training/finetune-programs.ts';
import { DenseNetwork, imitation, requireVariance } from '../training/imitation.ts';
import { initialiseWeights } from '../training/initialise.ts';
import { BEST, LATEST, type MetricsLine, RunDirectory, runName } from '../training/run-directory.ts';
import { type RunProgress, readRunState } from '../training/run-state.ts';
import { type FinetuneJob, type FinetuneSummary, finetune } from '../training/training-loop.ts';
import type { TrainingOptions } from '../training/training-options.ts';
import { collectGarbage } from './collect-garbage.ts';
import { dataFor, openImages } from './evaluate.ts';
import { openUnlabelledImages, requireObjective } from './finetune-images.ts';
import { type FinetuneModels, openFinetuneModels } from './finetune-models.ts';
import {
  checkOptions,
  evaluationData,
  type FinetuneRequest,
  isRunFile,
  type RunBackend,
  type RunFile,
  settledRequest,
} from './finetune-request.ts';
import { Handover } from './handover.ts';
import { type Model, modelMetadata } from './opening/model.ts';
import { withStep } from './record.ts';
import { recalibratedWeights } from './repair/recalibrate.ts';
import { executorOfRun } from './run-backend.ts';
import { type OpenTeacher, openTeacher, openTeacherModel } from './teacher.ts';

export { type FinetuneRequest, resumedRequest } from './finetune-request.ts';

export interface FinetuneReport extends FinetuneSummary {
  readonly outputDirectory: string;
  /** Checkpoint of the best epoch. */
  readonly best: string;
  readonly backend: string;
  /** How many the accuracies are shares of. */
  readonly validationImages: number;
  /** Unreadable images, with the reason. */
  readonly skipped: ReadonlyMap<string, string>;
}

export interface FinetuneHooks {
  /** Of `executorOfRun`; by default what the run was begun with, or the best that there is. */
  readonly executor?: Executor;
  /** How it was made, to be the same when the run is resumed. */
  readonly compute?: Pick<RunBackend, 'threads'>;
  readonly onMetrics?: (line: MetricsLine) => void;
  readonly gate?: FinetuneJob['gate'];
  /** Hears what the run begins with, before anything is written. */
  readonly onPrepared?: (prepared: Prepared) => void;
  /** Hears the run's folder as soon as it is there. */
  readonly onStart?: (directory: string) => void;
}

/** What a run begins with; nothing is written before all of it is there. */
export interface Prepared {
  readonly request: FinetuneRequest;
  readonly options: TrainingOptions;
  readonly models: FinetuneModels;
  readonly teacher?: Model;
  readonly train: LabelledFolder;
  readonly validation: LabelledFolder;
  /** Taken when the session is given them: the run goes on without a second copy of them. */
  readonly weights: Handover<Weights>;
  /** Where a resumed run goes on. */
  readonly progress?: RunProgress;
  /** The folder that it is resumed from. */
  readonly from?: RunDirectory;
}

interface Running extends Prepared {
  readonly run: RunDirectory;
  readonly executor: Executor;
  readonly hooks: FinetuneHooks;
}

/**
 * Trains, validates every epoch, keeps `latest` and `best` in the run's folder. `options.resume` goes on from there to the
 * same result as if the run had not been broken off.
 *
 * @throws UserError for settings, model or data that do not fit, a loss that is no number, a full disk; the signal's reason
 */
export async function finetuneModel(
  request: FinetuneRequest,
  hooks: FinetuneHooks = {},
  context: RunContext = {},
): Promise<FinetuneReport> {
  const settled = settledRequest(request);
  const { resume } = settled.options;
  const from = resume === undefined ? undefined : await RunDirectory.open(resume);
  const executor = hooks.executor ?? (await executorOfRun({}, resume, context));
  // A run that is continued in its folder is locked before its state is read.
  if (from && isPlaceOf(from, settled.options)) await from.lock();
  try {
    const prepared = await prepare(settled, from, context);
    hooks.onPrepared?.(prepared);
    return await runPrepared(prepared, executor, hooks, context);
  } finally {
    await from?.release();
  }
}

const isPlaceOf = (run: RunDirectory, { outputDir }: TrainingOptions): boolean =>
  outputDir !== undefined && path.resolve(outputDir) === run.path;

async function runPrepared(
  prepared: Prepared,
  executor: Executor,
  hooks: FinetuneHooks,
  context: RunContext,
): Promise<FinetuneReport> {
  const run = await openRun(prepared, context);
  try {
    hooks.onStart?.(run.path);
    const file = await runFile(prepared, run, executor, hooks.compute);
    await run.writeRun(file);
    return await trainAndRecord({ ...prepared, run, executor, hooks }, file, context);
  } finally {
    await run.release();
  }
}

/** run.json says what became of the run, whatever that is. */
async function trainAndRecord(setup: Running, file: RunFile, context: RunContext): Promise<FinetuneReport> {
  const { run, executor } = setup;
  try {
    const { skipped, validationImages, ...summary } = await trainModel(setup, context);
    await run.writeRun({ ...file, state: summary.stopped === 'finished' ? 'done' : 'stopped', summary });
    return {
      ...summary,
      outputDirectory: run.path,
      best: run.file(BEST),
      backend: executor.label,
      validationImages,
      skipped,
    };
  } catch (error) {
    const state = context.signal?.aborted ? 'stopped' : 'failed';
    const message = error instanceof Error ? error.message : String(error);
    // Where the disk is full, that is what the person should hear of.
    await run.writeRun({ ...file, state, error: message }).catch(() => undefined);
    throw error;
  }
}

async function prepare(
  request: FinetuneRequest,
  from: RunDirectory | undefined,
  context: RunContext,
): Promise<Prepared> {
  const { options } = request;
  checkOptions(options);
  const models = await openFinetuneModels(request.model, options);
  const { graph } = models.model;
  requireObjective(graph, options);
  const [train, validation] = options.imitate
    ? await openUnlabelledImages(graph, request.dataPath, options.seed)
    : await Promise.all(
        (['train', 'val'] as const).map((split) =>
          openImages(graph, dataFor(models.model, evaluationData(request)), split),
        ),
      );
  const teacher = await openTeacherModel(options, models.training);
  const common = { request, options, models, train, validation, ...(teacher && { teacher }) };
  const fresh = async (): Promise<Handover<Weights>> =>
    new Handover(await startingWeights(models.model, options.seed, context));
  if (!from) return { ...common, weights: await fresh() };
  // Killed before the first checkpoint: the run begins again.
  if (!existsSync(from.file(LATEST))) return { ...common, from, weights: await fresh() };
  const { tensors, progress } = await readRunState(from.file(LATEST));
  return { ...common, from, weights: new Handover(tensors), progress };
}

/** Weights of the model, or random ones for a zoo model, which is then trained from nothing. */
async function startingWeights(model: Model, seed: number, context: RunContext): Promise<Weights> {
  return model.hasWeights ? model.weights(context) : initialiseWeights(model.graph, seed);
}

/** The run's folder, locked: the one that is resumed, or a new one with what there was of a resumed run. */
async function openRun({ options, models, from, progress }: Prepared, { note }: RunContext): Promise<RunDirectory> {
  const place = options.outputDir ?? path.join('.espalier', 'runs', runName(models.model.graph.name));
  const run = from && isPlaceOf(from, options) ? from : await RunDirectory.create(place, options);
  if (!from) return run;
  try {
    await run.continueFrom(from);
    const damaged = await run.rewindMetrics(progress ?? { epoch: 0, step: 0 });
    const lines = damaged === 1 ? 'a line' : `${damaged} lines`;
    if (damaged) note?.(`${lines} of the run's metrics.jsonl could not be read and went`);
    return run;
  } catch (error) {
    await run.release();
    throw error;
  }
}

async function runFile(
  { request, options, models, from }: Prepared,
  run: RunDirectory,
  executor: Executor,
  compute: FinetuneHooks['compute'],
): Promise<RunFile> {
  const { graph } = models.model;
  const earlier = await from?.readRun(isRunFile);
  return {
    version: 1,
    state: 'running',
    request: { ...request, options: { ...options, outputDir: run.path } },
    model: graph.name,
    backend: executor.label,
    compute: { ...compute, backend: executor.backend },
    started: earlier?.started ?? new Date().toISOString(),
    cost: graphCost(graph),
  };
}

type TrainingResult = FinetuneSummary & Pick<FinetuneReport, 'skipped' | 'validationImages'>;

async function trainModel(setup: Running, context: RunContext): Promise<TrainingResult> {
  const { options, models, teacher: teacherModel, executor, progress, train, validation } = setup;
  const { graph } = models.model;
  const loaders = {
    training: trainingLoader(models.training, train.samples, options),
    validation: validationLoader(graph, validation.samples, options),
  };
  let teacher: OpenTeacher | undefined;
  let dense: DenseNetwork | undefined;
  let session: Session<FinetuneProgram> | undefined;
  try {
    if (teacherModel && options.imitate) {
      const network = { graph: teacherModel.graph, weights: await teacherModel.weights(context) };
      dense = await DenseNetwork.open(network, loaders.training, executor, context);
      requireVariance(dense, teacherModel.graph.name);
    } else if (teacherModel) {
      const readCache = setup.request.readTeacherCache;
      const lessons = { teacher: teacherModel, student: models.training, samples: train.samples, readCache };
      teacher = await openTeacher(options, lessons, executor, context);
    }
    const programs: Readonly<Record<string, Program>> = finetunePrograms(
      { training: models.training, evaluation: graph },
      options,
      teacher !== undefined,
    );
    session = (await executor.open(programs, context)) as Session<FinetuneProgram>;
    await session.assign(await firstWeights(setup, context));
    collectGarbage();
    const summary = await finetune(
      {
        graph: models.training,
        session,
        options,
        ...loaders,
        run: setup.run,
        metadata: modelMetadata(graph, finetunedRecord(setup)),
        ...(teacher && { teacher: teacher.logits }),
        ...(dense && { objective: imitation({ session, dense, validation: loaders.validation }) }),
        ...(progress && { progress }),
        ...(setup.hooks.onMetrics && { onMetrics: setup.hooks.onMetrics }),
        ...(setup.hooks.gate && { gate: setup.hooks.gate }),
      },
      context,
    );
    return {
      ...summary,
      validationImages: validation.samples.length - loaders.validation.skipped.size,
      skipped: new Map([...loaders.training.skipped, ...loaders.validation.skipped]),
    };
  } finally {
    await Promise.all([loaders.training.close(), loaders.validation.close()]);
    await session?.dispose();
    await teacher?.close();
    await dense?.close();
  }
}

/** What the first step begins with; a run that is resumed after it has recalibrated already. */
async function firstWeights(setup: Running, context: RunContext): Promise<Weights> {
  const { options, progress, models, request, executor } = setup;
  const { bnRecalibrate: batches, seed } = options;
  const weights = setup.weights.take();
  if (batches < 1 || progress) return weights;
  const data = dataFor(models.model, evaluationData(request));
  return recalibratedWeights({ graph: models.training, weights }, { data, batches, seed }, executor, context);
}

function finetunedRecord({ models: { model }, options, train }: Running): ReturnType<typeof withStep> {
  const { epochs, opt, lr, batchSize, imitate, teacherModel } = options;
  const teacher = teacherModel ? `, ${imitate ? 'imitating' : 'teacher'} ${path.basename(teacherModel)}` : '';
  const record = imitate ? model.record : { ...model.record, classNames: train.outputNames };
  return withStep(record, graphCost(model.graph), {
    step: 'finetuned',
    summary: `${epochs} epochs, ${opt}, lr ${lr}, batch ${batchSize}${teacher}`,
    ...(model.file && { parent: model.file }),
  });
}
