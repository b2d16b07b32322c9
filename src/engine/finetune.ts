/** The finetuning job: model, images, optional teacher, a run's folder; resumed from where it was killed. */
import path from 'node:path';
import { createExecutor } from '../compute/backends.ts';
import type { Executor, Session } from '../compute/executor.ts';
import type { Program } from '../compute/program.ts';
import { evaluate } from '../evaluation/evaluate.ts';
import type { Graph } from '../graph/graph.ts';
import { type Cost, graphCost } from '../graph/macs.ts';
import type { Weights } from '../graph/tensor.ts';
import { UserError } from '../support/errors.ts';
import type { RunContext } from '../support/progress.ts';
import { type FinetuneJob, type FinetuneSummary, finetune } from '../training/finetune.ts';
import { trainingLoader, validationLoader } from '../training/finetune-data.ts';
import { type FinetuneProgram, finetunePrograms } from '../training/finetune-programs.ts';
import { initialiseWeights } from '../training/initialise.ts';
import type { TrainingOptions } from '../training/options.ts';
import { BEST, LATEST, type MetricsLine, RunDirectory, runName } from '../training/run-directory.ts';
import { readRunState } from '../training/run-state.ts';
import { openImages } from './evaluate.ts';
import { type Model, type ModelRequest, modelMetadata, openModel } from './model.ts';
import { withStep } from './record.ts';
import { openTeacher } from './teacher.ts';

export interface FinetuneRequest {
  readonly model: ModelRequest;
  readonly dataPath: string;
  readonly synsets?: string;
  readonly options: TrainingOptions;
}

/** `run.json`: enough to start the run again, and what became of it. */
export interface RunFile {
  readonly version: 1;
  readonly state: 'running' | 'stopped' | 'failed' | 'done';
  readonly request: FinetuneRequest;
  readonly model: string;
  readonly backend: string;
  readonly started: string;
  readonly cost: Cost;
  readonly summary?: FinetuneSummary;
  readonly error?: string;
}

export interface FinetuneReport extends FinetuneSummary {
  readonly outputDirectory: string;
  /** Checkpoint of the best epoch. */
  readonly best: string;
  readonly backend: string;
}

export interface FinetuneHooks {
  readonly executor?: Executor;
  readonly onMetrics?: (line: MetricsLine) => void;
  readonly gate?: FinetuneJob['gate'];
  /** Hears the run's folder as soon as it is there. */
  readonly onStart?: (directory: string) => void;
}

/** What a `--resume` run was started with: its own settings, unless the command line sets others. */
export async function resumedRequest(place: string): Promise<FinetuneRequest> {
  const run = await RunDirectory.open(place);
  const { request } = await run.readRun<RunFile>();
  return { ...request, options: { ...request.options, resume: run.path, outputDir: run.path } };
}

/** Weights of the model, or random ones for a zoo model, which is then trained from nothing. */
async function startingWeights(model: Model, seed: number, context: RunContext): Promise<Weights> {
  return model.hasWeights ? model.weights(context) : initialiseWeights(model.graph, seed);
}

function checkOptions(options: TrainingOptions, graph: Graph): void {
  if (options.epochs < 1) throw new UserError(`--epochs must be at least 1, not ${options.epochs}`);
  const side = options.trainCropSize ?? graph.input.height;
  if (side !== graph.input.height || (options.valCropSize ?? side) !== side)
    throw new UserError(
      `${graph.name} takes ${graph.input.height} pixels: open it with --input-size ${side} to train at ${side}`,
    );
}

/** The linear learning-rate rule, where it is asked for (Goyal et al. 2017). */
export function scaledOptions(options: TrainingOptions): TrainingOptions {
  return options.scaleLr
    ? { ...options, lr: (options.lr * options.batchSize) / options.lrBatchSize, scaleLr: false }
    : options;
}

/** Trains, validates every epoch, keeps `latest` and `best` in the run's folder. */
export async function finetuneModel(
  request: FinetuneRequest,
  hooks: FinetuneHooks = {},
  context: RunContext = {},
): Promise<FinetuneReport> {
  const options = scaledOptions(request.options);
  const model = await openModel({
    ...request.model,
    ...(options.stochasticDepth !== undefined && { dropPath: options.stochasticDepth }),
    ...(options.drop > 0 && { dropout: options.drop }),
  });
  checkOptions(options, model.graph);
  const executor = hooks.executor ?? (await createExecutor());
  const place = options.outputDir ?? path.join('.espalier', 'runs', runName(model.graph.name));
  const run = await RunDirectory.create(place);
  hooks.onStart?.(run.path);
  const file: RunFile = {
    version: 1,
    state: 'running',
    request: { ...request, options: { ...options, outputDir: run.path } },
    model: model.graph.name,
    backend: executor.label,
    started: new Date().toISOString(),
    cost: graphCost(model.graph),
  };
  await run.writeRun(file);
  try {
    const summary = await trainModel({ model, options, request, run, executor, hooks }, context);
    await run.writeRun({ ...file, state: summary.stopped === 'finished' ? 'done' : 'stopped', summary });
    return { ...summary, outputDirectory: run.path, best: run.file(BEST), backend: executor.label };
  } catch (error) {
    const state = context.signal?.aborted ? 'stopped' : 'failed';
    await run.writeRun({ ...file, state, error: error instanceof Error ? error.message : String(error) });
    throw error;
  }
}

interface TrainingSetup {
  readonly model: Model;
  readonly options: TrainingOptions;
  readonly request: FinetuneRequest;
  readonly run: RunDirectory;
  readonly executor: Executor;
  readonly hooks: FinetuneHooks;
}

async function trainModel(setup: TrainingSetup, context: RunContext): Promise<FinetuneSummary> {
  const { model, options, request, run, executor, hooks } = setup;
  const { graph } = model;
  const teacher = options.teacherModel
    ? await openTeacher(teacherRequest(options, options.teacherModel), graph, executor, context)
    : undefined;
  const folders = await Promise.all(
    (['train', 'val'] as const).map((split) => openImages(graph, { ...request, batchSize: options.batchSize }, split)),
  );
  const training = trainingLoader(graph, folders[0].samples, options);
  const validation = validationLoader(graph, folders[1].samples, options);
  const programs: Readonly<Record<string, Program>> = finetunePrograms(graph, options, teacher !== undefined);
  const session = (await executor.open(programs, context)) as Session<FinetuneProgram>;
  try {
    const progress = await assignStart(setup, session, context);
    if (options.testOnly) return await testOnly(session, validation, context);
    return await finetune(
      {
        graph,
        session,
        options,
        training,
        validation,
        run,
        metadata: modelMetadata(graph, finetunedRecord(setup)),
        ...(teacher && { teacher: teacher.logits }),
        ...(progress && { progress }),
        ...(hooks.onMetrics && { onMetrics: hooks.onMetrics }),
        ...(hooks.gate && { gate: hooks.gate }),
      },
      context,
    );
  } finally {
    await Promise.all([training.close(), validation.close()]);
    await session.dispose();
    await teacher?.close();
  }
}

const teacherRequest = (options: TrainingOptions, model: string) => ({
  model,
  ...(options.teacherCkpt !== undefined && { ckpt: options.teacherCkpt }),
  ...(options.teacherCache !== undefined && { cache: options.teacherCache }),
});

/** Assigns the tensors to begin with, and says where to go on from when the run is resumed. */
async function assignStart(
  { model, options, run }: TrainingSetup,
  session: Session<FinetuneProgram>,
  context: RunContext,
): Promise<FinetuneJob['progress']> {
  if (!options.resume) {
    await session.assign(await startingWeights(model, options.seed, context));
    return undefined;
  }
  const from = await RunDirectory.open(options.resume);
  const { tensors, progress } = await readRunState(from.file(LATEST)).catch((error: unknown) => {
    // Killed before the first checkpoint: the run starts again from its beginning.
    if (error instanceof UserError && /no such file|does not exist/i.test(error.message))
      return { tensors: undefined, progress: undefined };
    throw error;
  });
  await session.assign(tensors ?? (await startingWeights(model, options.seed, context)));
  await run.rewindMetrics(progress?.step ?? 0);
  return progress;
}

async function testOnly(
  session: Session<FinetuneProgram>,
  validation: Parameters<typeof evaluate>[2],
  context: RunContext,
): Promise<FinetuneSummary> {
  const { top1, loss, imagesPerSecond } = await evaluate(session, 'predict', validation, context);
  return { epochs: 0, bestTop1: top1, lastTop1: top1, loss, imagesPerSecond, stopped: 'finished' };
}

function finetunedRecord({ model, options }: TrainingSetup): ReturnType<typeof withStep> {
  const { epochs, opt, lr, batchSize } = options;
  return withStep(model.record, graphCost(model.graph), {
    step: 'finetuned',
    summary: `${epochs} epochs, ${opt}, lr ${lr}, batch ${batchSize}${options.teacherModel ? `, teacher ${path.basename(options.teacherModel)}` : ''}`,
    ...(model.file && { parent: model.file }),
  });
}
