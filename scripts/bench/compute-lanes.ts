/** A network's programs on random pixels: what is measured against PyTorch. */
import { buildModel } from '../../src/engine/architectures/registry.ts';
import { createExecutor } from '../../src/engine/compute/backends.ts';
import type { ProgramInputs, ProgramOutputs, Session } from '../../src/engine/compute/executor.ts';
import { type OptimizerOptions, optimizerInputs } from '../../src/engine/compute/programs/optimizers.ts';
import type { Program } from '../../src/engine/compute/programs/program.ts';
import { gradientProgram, predictProgram, trainProgram } from '../../src/engine/compute/programs/programs.ts';
import type { Graph } from '../../src/engine/graph/graph.ts';
import type { Weights } from '../../src/engine/graph/tensor.ts';
import { collectGarbage } from '../../src/engine/jobs/collect-garbage.ts';
import { Handover } from '../../src/engine/jobs/handover.ts';
import { initialiseWeights } from '../../src/engine/training/initialise.ts';
import type { Common, Opened } from './protocol.ts';
import type { ComputeTask } from './tasks.ts';

const SGD: OptimizerOptions = { kind: 'sgd', momentum: 0.9 };

const programs: { readonly [K in ComputeTask['kind']]: (graph: Graph) => Program } = {
  predict: (graph) => predictProgram(graph),
  train: (graph) => trainProgram(graph, { optimizer: SGD, loss: { targets: 'labels' }, weightDecay: () => 0 }),
  score: (graph) => gradientProgram(graph, { targets: 'labels', accumulate: 'sum' }),
};

const inputsOf = ({ batch, size, classes }: ComputeTask): ProgramInputs => ({
  images: Float32Array.from({ length: batch * size * size * 3 }, (_, i) => ((i * 2654435761) % 1000) / 500 - 1),
  labels: Int32Array.from({ length: batch }, (_, i) => i % classes),
  seed: Int32Array.of(0, 0),
  ...optimizerInputs(SGD, 0.001, 1),
});

const largest = (values: Float32Array): number => values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);

/** How far a rounded result is from float32's. */
const deviations: { readonly [K in 'predict' | 'train']: (rounded: ProgramOutputs, exact: ProgramOutputs) => string } =
  {
    predict: ({ logits }, { logits: exact }) =>
      `logits differ from float32 by at most ${largest(logits.map((v, i) => v - exact[i])).toPrecision(2)} (largest ${largest(exact).toPrecision(3)})`,
    train: ({ loss }, { loss: exact }) =>
      `loss of the first step ${loss[0].toFixed(5)}, in float32 ${exact[0].toFixed(5)}`,
  };

/** Both runs begin with the same weights and take the same input. */
async function deviation(
  task: ComputeTask,
  first: () => Promise<ProgramOutputs>,
  exact: () => Promise<ProgramOutputs>,
): Promise<string | undefined> {
  if (task.products === 'float32' || task.kind === 'score') return undefined;
  return deviations[task.kind](await first(), await exact());
}

export async function openCompute(task: ComputeTask & Common): Promise<Opened> {
  const graph = buildModel(task.model, { classes: task.classes, inputSize: task.size });
  if (!graph) throw new Error(`no model ${task.model}`);
  const prepared = new Handover(initialiseWeights(graph, 0));
  const inputs = inputsOf(task);
  const { backend, threads, products } = task;
  const begin = async (precision: ComputeTask['products'], weights: Weights) => {
    const executor = await createExecutor({ backend, threads, products: precision });
    const session: Session<'run'> = await executor.open({ run: programs[task.kind](graph) });
    await session.assign(weights);
    return { label: executor.label, session, first: () => session.run('run', inputs, task.batch) };
  };
  const start = performance.now();
  const { label, session, first } = await begin(products, prepared.take());
  collectGarbage(); // as before a finetuning run
  await first();
  const firstSeconds = (performance.now() - start) / 1000;
  return {
    label,
    first: firstSeconds,
    lanes: {
      run: async (runs) => {
        for (let i = 0; i < runs; i++) await session.run('run', inputs, task.batch);
        return undefined;
      },
    },
    remark: () =>
      deviation(
        task,
        async () => {
          await session.assign(initialiseWeights(graph, 0));
          await session.reset();
          return first();
        },
        async () => (await begin('float32', initialiseWeights(graph, 0))).first(),
      ),
  };
}
