/** The evaluation job: model, images, accuracy and, if asked for, latency. */

import { UserError } from '../../common/errors.ts';
import type { RunContext } from '../../common/progress.ts';
import { createExecutor } from '../compute/backends.ts';
import type { Executor } from '../compute/executor.ts';
import { predictProgram } from '../compute/programs/programs.ts';
import { type LabelledFolder, labelForModel, readSynsets } from '../data/class-map.ts';
import { type ImageFolder, openImageFolder, type Split, trainClasses } from '../data/image-folder.ts';
import { ImageLoader } from '../data/loader.ts';
import { type Graph, isClassifier } from '../graph/graph.ts';
import { type Cost, graphCost } from '../graph/macs.ts';
import type { Weights } from '../graph/tensor.ts';
import { type Evaluation, evaluate } from '../training/evaluation.ts';
import { evaluationTransform } from '../training/finetune-data.ts';
import { type Latency, measureLatency, measureThroughput, type Throughput } from '../training/latency.ts';
import type { TrainingOptions } from '../training/training-options.ts';
import { requireImages } from './image-input.ts';
import type { ModelRecord } from './record.ts';

/** Which images, and how they are prepared; what is left out is the model's own. */
export interface DataRequest {
  readonly dataPath: string;
  readonly split?: Split;
  readonly interpolation?: TrainingOptions['interpolation'];
  readonly valResize?: number;
  readonly noImagenetMeanStd?: boolean;
  readonly synsets?: string;
  /** Names of the model's outputs, as its record has them. */
  readonly classNames?: readonly string[] | undefined;
  readonly workers?: number;
  readonly batchSize?: number;
  /** Only the first so many images. */
  readonly limit?: number;
}

export interface EvaluationReport extends Evaluation, Cost {
  readonly backend: string;
  readonly classNames: readonly string[];
  /** What the person should know of the images. */
  readonly notes: readonly string[];
  /** Unreadable images, with the reason. */
  readonly skipped: ReadonlyMap<string, string>;
  readonly latency?: Latency;
  readonly throughput?: Throughput;
}

/** @throws UserError for a network that has no top-1, saying what else there is */
export function requireClassifier(graph: Graph): void {
  if (isClassifier(graph)) return;
  const outputs = graph.outputs.map(({ name }) => name).join(', ');
  throw new UserError(
    `${graph.name} is not a classifier: it gives ${outputs}, so that it has no top-1. On the command line \`espalier evaluate\` tells the ` +
      'average precision of boxes, the overlap of masks and, with --teacher DENSE, the agreement with the dense network.',
  );
}

/**
 * Opens a split and numbers its classes by the model's outputs.
 * @throws UserError where the network takes no images that can be made of files, or the classes are not the model's
 */
export async function openImages(graph: Graph, request: DataRequest, split: Split): Promise<LabelledFolder> {
  requireClassifier(graph);
  requireImages(graph);
  const folder = await openImageFolder(request.dataPath, split);
  const train = await trainClasses(request.dataPath);
  return labelForModel(folder, graph.classes, {
    ...(request.synsets !== undefined && { synsets: readSynsets(request.synsets) }),
    ...(request.classNames && { classNames: request.classNames }),
    ...(train && { trainClasses: train }),
  });
}

/** The request for a model that may know the names of its classes. */
export const dataFor = <T extends DataRequest>({ record }: { readonly record: ModelRecord }, data: T): T =>
  record.classNames ? { ...data, classNames: record.classNames } : data;

/** Images as evaluation sees them, in order. */
export function evaluationLoader(
  graph: Graph,
  folder: Pick<ImageFolder, 'samples'>,
  request: Omit<DataRequest, 'dataPath'>,
  order: { readonly shuffle?: boolean; readonly seed?: number } = {},
): ImageLoader {
  const { interpolation, valResize, noImagenetMeanStd = false, limit } = request;
  return new ImageLoader({
    samples: limit ? folder.samples.slice(0, limit) : folder.samples,
    transform: evaluationTransform(graph, {
      interpolation,
      noImagenetMeanStd,
      ...(valResize !== undefined && { valResizeSize: valResize }),
    }),
    batchSize: request.batchSize ?? 64,
    ...order,
    ...(request.workers !== undefined && { workers: request.workers }),
  });
}

/** Accuracy of a network on a data set. `benchmark` also measures latency at batch 1 and throughput. */
export async function evaluateModel(
  model: { readonly graph: Graph; readonly weights: Weights; readonly record: ModelRecord },
  request: DataRequest,
  options: { readonly executor?: Executor; readonly benchmark?: boolean } = {},
  context: RunContext = {},
): Promise<EvaluationReport> {
  const { graph, weights } = model;
  const folder = await openImages(graph, dataFor(model, request), request.split ?? 'val');
  const executor = options.executor ?? (await createExecutor());
  const loader = evaluationLoader(graph, folder, request);
  const session = await executor.open({ predict: predictProgram(graph) }, context);
  try {
    await session.assign(weights);
    const evaluation = await evaluate(session, 'predict', loader, context, folder.among);
    const measured = options.benchmark && {
      latency: await measureLatency(session, 'predict', graph, context),
      throughput: await measureThroughput(session, 'predict', graph, request.batchSize ?? 64, context),
    };
    return {
      ...evaluation,
      ...graphCost(graph),
      backend: executor.label,
      classNames: folder.classes,
      notes: folder.notes,
      skipped: loader.skipped,
      ...measured,
    };
  } finally {
    await loader.close();
    await session.dispose();
  }
}
