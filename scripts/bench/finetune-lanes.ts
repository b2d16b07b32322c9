/** The DeiT recipe: how fast its augmentation makes batches, and finetuning from files against finetuning from memory. */
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { flagDefaults } from '../../src/common/flags.ts';
import { buildModel } from '../../src/engine/architectures/registry.ts';
import { createExecutor } from '../../src/engine/compute/backends.ts';
import { mixBatch, mixingRandom } from '../../src/engine/data/augment/mixing.ts';
import type { ImageLoader, LoaderOptions } from '../../src/engine/data/loader.ts';
import type { Graph } from '../../src/engine/graph/graph.ts';
import { trainingLoader, trainingTransform, validationLoader } from '../../src/engine/training/finetune-data.ts';
import { finetunePrograms } from '../../src/engine/training/finetune-programs.ts';
import { initialiseWeights } from '../../src/engine/training/initialise.ts';
import { RECIPES } from '../../src/engine/training/recipes.ts';
import { RunDirectory } from '../../src/engine/training/run-directory.ts';
import { finetune } from '../../src/engine/training/training-loop.ts';
import { type TrainingOptions, trainingFlags } from '../../src/engine/training/training-options.ts';
import type { FinetuneTask } from './file-tasks.ts';
import { endless, MemoryLoader } from './loaders.ts';
import type { Common, Opened } from './protocol.ts';

/** Batches that the lane from memory goes round. */
const KEPT_BATCHES = 4;

/** The recipe without its teacher, whose share would hide what is compared. */
const recipeOptions = (batchSize: number): TrainingOptions => ({
  ...flagDefaults(trainingFlags),
  ...RECIPES.deit,
  teacherModel: undefined,
  batchSize,
  epochs: 1,
  checkpointInterval: 0,
});

const loaderOptions = (graph: Graph, files: readonly string[], options: TrainingOptions): LoaderOptions => ({
  samples: endless(files, graph.classes),
  transform: trainingTransform(graph, options),
  batchSize: options.batchSize,
});

/** Batches from files through crop, flip, RandAugment, erasing, then mixup or cutmix. */
const augmenting = (loader: ImageLoader, graph: Graph, options: TrainingOptions) => async (runs: number) => {
  for await (const batch of loader.batches({ maxBatches: runs }))
    mixBatch(options, batch, graph.classes, mixingRandom(options.seed, 0, batch.index));
  return undefined;
};

export async function openFinetune(task: FinetuneTask & Common): Promise<Opened> {
  const graph = buildModel(task.model);
  if (!graph) throw new Error(`no model ${task.model}`);
  const options = recipeOptions(task.batch);
  const kept = loaderOptions(graph, task.files, options);
  const withWorkers = (workers?: number) => trainingLoader(graph, kept.samples, { ...options, workers });
  const [one, two, usual] = [withWorkers(1), withWorkers(2), withWorkers()];
  const memory = await MemoryLoader.of(kept, usual, KEPT_BATCHES);
  const validation = validationLoader(graph, kept.samples.slice(0, 1), { ...options, workers: 0 });
  const executor = await createExecutor({ backend: 'tensorflow', threads: task.threads });
  const session = await executor.open(finetunePrograms({ training: graph, evaluation: graph }, options, false));
  await session.assign(initialiseWeights(graph, 0));
  const folder = await mkdtemp(path.join(os.tmpdir(), 'espalier-bench-run-'));

  /** `steps` steps of a run of its own; saving and validating at its end are not counted. */
  const training = (loader: ImageLoader) => async (steps: number) => {
    const run = await RunDirectory.create(folder, { overwrite: true });
    const start = performance.now();
    let last = start;
    const onMetrics = ({ kind }: { readonly kind: string }) => {
      if (kind === 'step') last = performance.now();
    };
    const settings = { ...options, maxSteps: steps };
    await finetune({ graph, session, options: settings, training: loader, validation, run, metadata: {}, onMetrics });
    await run.release();
    return (last - start) / 1000;
  };
  return {
    label: executor.label,
    lanes: {
      'one worker': augmenting(one, graph, options),
      'two workers': augmenting(two, graph, options),
      files: training(usual),
      memory: training(memory),
    },
    close: async () => {
      for (const loader of [one, two, usual, validation]) await loader.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
