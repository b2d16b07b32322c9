/** Gradients for scoring: accumulated on the device over batches of training images, or read from files. */

import { CRITERIA, CRITERION_NAMES, type Criterion, type GradientUse } from '../../common/criteria.ts';
import { UserError } from '../../common/errors.ts';
import type { RunContext } from '../../common/progress.ts';
import { lazySafetensors } from '../checkpoint/safetensors/safetensors-lazy.ts';
import type { Executor, ProgramInputs, Session } from '../compute/executor.ts';
import type { Program } from '../compute/programs/program.ts';
import { gradientName, gradientProgram, type ScoringLoss } from '../compute/programs/programs.ts';
import { squaredGradientProgram } from '../compute/programs/squared-gradients.ts';
import { findImages } from '../data/list-images.ts';
import type { ImageLoader } from '../data/loader.ts';
import { type Graph, isClassifier } from '../graph/graph.ts';
import { toFloat32, type Weights } from '../graph/tensor.ts';
import type { GradientSource } from '../pruning/scoring/importance.ts';
import { DenseNetwork, requireVariance } from '../training/imitation.ts';
import { statisticsInputs } from '../training/output-statistics.ts';
import { type DataRequest, evaluationLoader, openImages } from './evaluate.ts';
import { requireImages } from './image-input.ts';

/** Images that the gradients are taken from: `batches` batches of shuffled training images, prepared as in evaluation. */
export interface GradientData extends DataRequest {
  readonly batches: number;
  readonly seed: number;
  /** Of a classifier: scores by its raw outputs, without labels. Other networks have no other. */
  readonly imitate?: boolean;
}

/** Whether a network's scores come from its outputs alone. */
const isUnlabelled = (graph: Graph, { imitate }: Pick<GradientData, 'imitate'>): boolean =>
  Boolean(imitate) || !isClassifier(graph);

const combined = (gradients: Weights): GradientSource => ({
  kind: 'combined',
  of: (parameter) => {
    const tensor = gradients.get(parameter);
    return tensor && toFloat32(tensor);
  },
});

/** A job's file says what its gradients were accumulated for: sums of batches are no squares of images. */
function requireUse(path: string, made: string | undefined, criterion: Criterion): void {
  const other = CRITERION_NAMES.find((name) => name === made);
  if (other === undefined || CRITERIA[other].gradients === CRITERIA[criterion].gradients) return;
  throw new UserError(`${path} holds gradients for ${other}, not for ${criterion}: score by ${other}.`);
}

/**
 * One file for each sample or batch, tensors named as the parameters. A gradient is read when it is scored, so that
 * memory does not grow with the files. Throws UserError when a file is none of that.
 */
export async function gradientsFromFiles(files: readonly string[], criterion: Criterion): Promise<GradientSource> {
  const samples = await Promise.all(files.map(lazySafetensors));
  for (const { path, metadata } of samples) requireUse(path, metadata['criterion'], criterion);
  return {
    kind: 'samples',
    of: (parameter) =>
      samples.map((sample) => {
        const tensor = sample.read(parameter);
        if (!tensor) throw new UserError(`${sample.path} has no gradient of ${parameter}`);
        return toFloat32(tensor);
      }),
  };
}

/** The loader of the images that scores are taken from. */
async function gradientLoader(graph: Graph, data: GradientData): Promise<ImageLoader> {
  if (isUnlabelled(graph, data)) requireImages(graph);
  const folder = isUnlabelled(graph, data)
    ? await findImages(data.dataPath, 'train')
    : await openImages(graph, data, 'train');
  return evaluationLoader(graph, folder, data, { shuffle: true, seed: data.seed });
}

/** How a criterion's gradients are accumulated over batches. */
interface Accumulation {
  readonly program: Program;
  /** Images a run of the program. */
  readonly batchSize: number;
  /** Most runs. */
  readonly runs: number;
  /** What the sums are divided by. */
  readonly divisor: (images: number) => number;
}

/** Images of a batch where nothing is said. */
const BATCH_SIZE = 64;

/** Cross-entropy where there are labels; else of the outputs, by the order of what is scored. */
const lossOf = (graph: Graph, data: Pick<GradientData, 'imitate'>, targets: 'energy' | 'probe'): ScoringLoss => ({
  targets: isUnlabelled(graph, data) ? targets : 'labels',
});

type Accumulate = (graph: Graph, data: GradientData, every: boolean) => Accumulation;

/**
 * Sums are of batch gradients; squares are of single images' gradients, all of a batch in one pass. Parameters that are no
 * layer's weight or bias have no such pass: where `every` parameter is asked for, images go one by one.
 */
const accumulations: { readonly [U in Exclude<GradientUse, 'none'>]: Accumulate } = {
  sum: (graph, { batchSize = BATCH_SIZE, batches, ...data }) => ({
    program: gradientProgram(graph, { ...lossOf(graph, data, 'energy'), accumulate: 'sum' }),
    batchSize,
    runs: batches,
    divisor: () => 1,
  }),
  meanSquare: (graph, { batchSize = BATCH_SIZE, batches, ...data }, every) => ({
    program: every
      ? gradientProgram(graph, { ...lossOf(graph, data, 'probe'), accumulate: 'squares' })
      : squaredGradientProgram(graph, lossOf(graph, data, 'probe')),
    batchSize: every ? 1 : batchSize,
    runs: every ? batches * batchSize : batches,
    divisor: (images) => images,
  }),
};

/**
 * Gradients of the mean cross-entropy, or of a loss over the outputs where there are no labels, with frozen norm statistics, in
 * evaluation mode.
 *
 * @param every also of parameters that no channel is scored by: tokens, embeddings, layer scales
 * @returns what the criterion reads: the sum over batches, or the mean over images of the squares
 */
export async function gradientsFromData(
  graph: Graph,
  weights: Weights,
  use: Exclude<GradientUse, 'none'>,
  data: GradientData,
  executor: Executor,
  context: RunContext = {},
  every = false,
): Promise<GradientSource> {
  const { program, batchSize, runs, divisor } = accumulations[use](graph, data, every);
  const loader = await gradientLoader(graph, { ...data, batchSize });
  const total = Math.min(runs, loader.batchesPerEpoch);
  const statistics = isUnlabelled(graph, data)
    ? await outputStatistics({ graph, weights }, loader, executor, context).catch(async (error) => {
        await loader.close();
        throw error;
      })
    : {};
  const session = await executor.open({ gradients: program }, context);
  try {
    await session.assign(weights);
    await session.reset();
    const inputs = (step: number): ProgramInputs => ({ ...statistics, seed: Int32Array.of(data.seed, step) });
    const images = await accumulate(session, loader, total, inputs, context);
    const accumulated = program.states.map(({ name }) => name).filter((name) => name.startsWith(gradientName('')));
    const sums = await session.read(accumulated);
    requireNumbers(graph, sums);
    return combined(divideInPlace(sums, divisor(images)));
  } finally {
    await loader.close();
    await session.dispose();
  }
}

/** The network's own statistics of its outputs, as programs take them. */
async function outputStatistics(
  network: { readonly graph: Graph; readonly weights: Weights },
  loader: ImageLoader,
  executor: Executor,
  context: RunContext,
): Promise<ProgramInputs> {
  const dense = await DenseNetwork.open(network, loader, executor, context);
  try {
    requireVariance(dense, network.graph.name);
    return statisticsInputs(dense.statistics);
  } finally {
    await dense.close();
  }
}

/** Scores of gradients that are no numbers would rank channels by chance. */
function requireNumbers({ name }: Graph, sums: Weights): void {
  for (const [parameter, { data }] of sums) {
    const wrong = (data as Float32Array).find((value) => !Number.isFinite(value));
    if (wrong === undefined) continue;
    throw new UserError(
      `The gradient of ${parameter.slice(gradientName('').length)} is ${wrong}: the outputs of ${name} overflow on these images, ` +
        'so that they give no scores. Its weights are damaged or were trained to divergence, or they belong to another network or input.',
    );
  }
}

/** The sums belong to us: dividing them where they lie needs no second copy. */
function divideInPlace(sums: Weights, divisor: number): Weights {
  if (divisor !== 1)
    for (const tensor of sums.values()) {
      const numbers = tensor.data as Float32Array;
      for (let i = 0; i < numbers.length; i++) numbers[i] /= divisor;
    }
  return new Map([...sums].map(([name, tensor]) => [name.slice(gradientName('').length), tensor]));
}

/** Runs the program over the batches; how many images there were. */
async function accumulate(
  session: Session<'gradients'>,
  loader: ImageLoader,
  total: number,
  inputs: (step: number) => ProgramInputs,
  { signal, progress }: RunContext,
): Promise<number> {
  let done = 0;
  let images = 0;
  const started = performance.now();
  for await (const batch of loader.batches({ maxBatches: total, ...(signal && { signal }) })) {
    await session.run('gradients', { ...inputs(done), images: batch.images, labels: batch.labels });
    done++;
    images += batch.count;
    const rate = images / ((performance.now() - started) / 1000);
    progress?.({ phase: 'score', done, total, message: `${rate.toFixed(0)} images/s` });
  }
  return images;
}

/** Files that the gradients of a request are taken from, in order: their contents are part of the key of cached scores. */
export async function gradientFilesOf(graph: Graph, data: GradientData): Promise<readonly string[]> {
  const { batchSize = BATCH_SIZE, batches } = data;
  return (await gradientLoader(graph, { ...data, batchSize })).files(batches);
}
