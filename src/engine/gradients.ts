/** Gradients for scoring: accumulated on the device over batches of training images, or read from files. */
import { readSafetensors } from '../checkpoint/safetensors.ts';
import type { Executor } from '../compute/executor.ts';
import { gradientName, gradientProgram, trainableParameters } from '../compute/programs.ts';
import { openImageFolder } from '../data/image-folder.ts';
import type { ImageLoader } from '../data/loader.ts';
import type { Graph } from '../graph/graph.ts';
import { toFloat32, type Weights } from '../graph/tensor.ts';
import type { Criterion, GradientSource } from '../pruning/importance.ts';
import { UserError } from '../support/errors.ts';
import type { RunContext } from '../support/progress.ts';
import { type DataRequest, evaluationLoader, openImages } from './evaluate.ts';

/** Images that the gradients are taken from: `batches` batches of shuffled training images, prepared as in evaluation. */
export interface GradientData extends DataRequest {
  readonly batches: number;
  readonly seed: number;
}

const combined = (gradients: Weights): GradientSource => ({
  kind: 'combined',
  of: (parameter) => {
    const tensor = gradients.get(parameter);
    return tensor && toFloat32(tensor);
  },
});

/** One file for each sample or batch, tensors named as the parameters. Throws UserError when a file is none of that. */
export async function gradientsFromFiles(files: readonly string[], context: RunContext = {}): Promise<GradientSource> {
  const samples: Weights[] = [];
  for (const file of files) samples.push((await readSafetensors(file, context)).weights);
  return {
    kind: 'samples',
    of: (parameter) =>
      samples.map((sample, i) => {
        const tensor = sample.get(parameter);
        if (!tensor) throw new UserError(`${files[i]} has no gradient of ${parameter}`);
        return toFloat32(tensor);
      }),
  };
}

/** The loader of the images that scores are taken from. */
export async function gradientLoader(graph: Graph, data: GradientData): Promise<ImageLoader> {
  const folder = await openImages(graph, data, 'train');
  return evaluationLoader(graph, folder, data, { shuffle: true, seed: data.seed });
}

interface Accumulation {
  /** Images a run of the program. */
  readonly batchSize: number;
  /** Most runs; undefined for all. */
  readonly runs: number;
  /** What the sums are divided by. */
  readonly divisor: (runs: number) => number;
}

/** Taylor sums batch gradients; Hessian averages squared gradients of single images. */
const accumulations: { readonly [K in 'taylor' | 'hessian']: (data: GradientData) => Accumulation } = {
  taylor: ({ batchSize = 64, batches }) => ({ batchSize, runs: batches, divisor: () => 1 }),
  hessian: ({ batchSize = 64, batches }) => ({ batchSize: 1, runs: batches * batchSize, divisor: (runs) => runs }),
};

/**
 * Gradients of the mean cross-entropy with frozen norm statistics, in evaluation mode.
 *
 * @returns for taylor the sum over batches; for hessian the mean over images of the squares
 */
export async function gradientsFromData(
  graph: Graph,
  weights: Weights,
  criterion: 'taylor' | 'hessian',
  data: GradientData,
  executor: Executor,
  context: RunContext = {},
): Promise<GradientSource> {
  const { batchSize, runs, divisor } = accumulations[criterion](data);
  const loader = await gradientLoader(graph, { ...data, batchSize });
  const program = gradientProgram(graph, {
    targets: 'labels',
    accumulate: criterion === 'hessian' ? 'squares' : 'sum',
  });
  const session = await executor.open({ gradients: program }, context);
  try {
    await session.assign(weights);
    await session.reset();
    const total = Math.min(runs, loader.batchesPerEpoch);
    const done = await accumulate(session, loader, total, context);
    const names = trainableParameters(graph).map((p) => p.name);
    const sums = await session.read(names.map(gradientName));
    const scale = 1 / divisor(done);
    const gradients: Weights = new Map(
      names.map((name) => {
        const tensor = sums.get(gradientName(name));
        if (!tensor) throw new Error(`the gradient program has no sum for ${name}`);
        const numbers = toFloat32(tensor);
        if (scale !== 1) for (let i = 0; i < numbers.length; i++) numbers[i] *= scale;
        return [name, { dtype: 'float32', shape: tensor.shape, data: numbers }];
      }),
    );
    return combined(gradients);
  } finally {
    await loader.close();
    await session.dispose();
  }
}

async function accumulate(
  session: { run(program: 'gradients', inputs: { images: Float32Array; labels: Int32Array }): Promise<unknown> },
  loader: ImageLoader,
  total: number,
  { signal, progress }: RunContext,
): Promise<number> {
  let done = 0;
  let images = 0;
  const started = performance.now();
  for await (const batch of loader.batches({ maxBatches: total, ...(signal && { signal }) })) {
    await session.run('gradients', { images: batch.images, labels: batch.labels });
    done++;
    images += batch.count;
    const rate = images / ((performance.now() - started) / 1000);
    progress?.({ phase: 'score', done, total, message: `${rate.toFixed(0)} images/s` });
  }
  return done;
}

/** Whether a criterion takes its gradients from images. */
export const takesImages = (criterion: Criterion): criterion is 'taylor' | 'hessian' =>
  criterion === 'taylor' || criterion === 'hessian';

/** Files that the gradients of a request would be taken from: part of the key of cached scores. */
export async function trainingFiles(data: GradientData): Promise<readonly string[]> {
  return (await openImageFolder(data.dataPath, 'train')).samples.map((sample) => sample.file);
}
