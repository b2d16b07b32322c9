/** Espalier's side of the benchmark: the same commands as torch_side.py, over the engine's own programs. */
import { createInterface } from 'node:readline';
import { buildModel } from '../../src/architectures/registry.ts';
import { createExecutor } from '../../src/compute/backends.ts';
import type { ProgramInputs, Session } from '../../src/compute/executor.ts';
import { type OptimizerOptions, optimizerInputs } from '../../src/compute/optimizers.ts';
import type { Program } from '../../src/compute/program.ts';
import { gradientProgram, predictProgram, trainProgram } from '../../src/compute/programs.ts';
import type { Graph } from '../../src/graph/graph.ts';
import { initialiseWeights } from '../../src/training/initialise.ts';
import type { Task } from './tasks.ts';

const SGD: OptimizerOptions = { kind: 'sgd', momentum: 0.9 };

const programs: { readonly [K in Task['kind']]: (graph: Graph) => Program } = {
  predict: (graph) => predictProgram(graph),
  train: (graph) => trainProgram(graph, { optimizer: SGD, loss: { targets: 'labels' }, weightDecay: () => 0 }),
  score: (graph) => gradientProgram(graph, { targets: 'labels', accumulate: 'sum' }),
};

type Step = () => Promise<unknown>;

async function open(task: Task): Promise<{ step: Step; label: string; first: number }> {
  const graph = buildModel(task.model, { classes: task.classes, inputSize: task.size });
  if (!graph) throw new Error(`no model ${task.model}`);
  const executor = await createExecutor({ backend: task.backend, threads: task.threads });
  const start = performance.now();
  const session: Session<'run'> = await executor.open({ run: programs[task.kind](graph) });
  await session.assign(initialiseWeights(graph, 0));
  const count = task.batch * task.size * task.size * 3;
  const inputs: ProgramInputs = {
    images: Float32Array.from({ length: count }, (_, i) => ((i * 2654435761) % 1000) / 500 - 1),
    labels: Int32Array.from({ length: task.batch }, (_, i) => i % task.classes),
    seed: Int32Array.of(0, 0),
    ...optimizerInputs(SGD, 0.001, 1),
  };
  const step: Step = () => session.run('run', inputs, task.batch);
  await step();
  const first = (performance.now() - start) / 1000;
  await step();
  return { step, label: executor.label, first };
}

let step: Step | undefined;
for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line) as { open?: Task; run?: number };
  let answer: object;
  if (command.open) {
    const opened = await open(command.open);
    step = opened.step;
    answer = { label: opened.label, first: opened.first };
  } else if (command.run) {
    const start = performance.now();
    for (let i = 0; i < command.run; i++) await step?.();
    answer = { seconds: (performance.now() - start) / 1000 };
  } else {
    process.stdout.write(`${JSON.stringify({ peak: process.resourceUsage().maxRSS * 1024 })}\n`);
    process.exit(0);
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
