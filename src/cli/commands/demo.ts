/** `espalier demo`: the whole job on the sample: evaluate, score, prune to half the MACs, evaluate, finetune, evaluate. */

import path from 'node:path';
import { flag, flagDefaults } from '../../common/flags.ts';
import { formatPercent, formatPreciseCount } from '../../common/format.ts';
import type { RunContext } from '../../common/progress.ts';
import { type BackendChoice, createExecutor, type DeviceChoice } from '../../engine/compute/backends.ts';
import type { Executor } from '../../engine/compute/executor.ts';
import { generateProceduralDataset } from '../../engine/data/procedural/dataset.ts';
import { writeFileAtomically } from '../../engine/files/atomic-write.ts';
import { type EvaluationReport, evaluateModel } from '../../engine/jobs/evaluate.ts';
import { finetuneModel } from '../../engine/jobs/finetune.ts';
import { type Model, openModel, saveModel } from '../../engine/jobs/opening/model.ts';
import { pruneModel } from '../../engine/jobs/prune.ts';
import { RECIPES } from '../../engine/training/recipes.ts';
import { trainingFlags } from '../../engine/training/training-options.ts';
import { command, computeFlags } from '../command.ts';
import { formatTable, say } from '../terminal.ts';

/** Small enough for ONNX Runtime to do the job in minutes. */
const SAMPLE = { seed: 0, trainPerClass: 300, testPerClass: 100 };
const SCORING = { batches: 10, batchSize: 64, seed: 0 };
const FINETUNING = { ...RECIPES.cifar, epochs: 3, lr: 0.02, overwrite: true };

interface Row {
  readonly name: string;
  readonly report: EvaluationReport;
}

async function measure(
  name: string,
  file: string,
  dataPath: string,
  executor: Executor,
  context: RunContext,
): Promise<Row> {
  const model = await openModel({ model: file });
  const weights = await model.weights(context);
  const request = { dataPath, split: 'test' as const, batchSize: 64 };
  return {
    name,
    report: await evaluateModel({ ...model, weights }, request, { executor, benchmark: true }, context),
  };
}

async function pruneToHalf(
  model: Model,
  dataPath: string,
  output: string,
  executor: Executor,
  context: RunContext,
): Promise<string> {
  const pruned = await pruneModel(
    model,
    {
      score: { criterion: 'taylor', data: { dataPath, ...SCORING } },
      options: { isomorphic: true, global: true, roundTo: 2 },
      target: '50%',
    },
    async () => executor,
    context,
  );
  const file = path.join(output, 'pruned.safetensors');
  if (!pruned.graph || !pruned.weights) throw new Error('pruning gave no model');
  await saveModel(file, pruned.graph, pruned.weights, pruned.record, context);
  await writeFileAtomically(path.join(output, 'plan.json'), `${JSON.stringify(pruned.plan, null, 1)}\n`);
  return file;
}

async function finetuneFile(
  file: string,
  dataPath: string,
  output: string,
  executor: Executor,
  context: RunContext,
): Promise<string> {
  const options = { ...flagDefaults(trainingFlags), ...FINETUNING, outputDir: path.join(output, 'run') };
  const report = await finetuneModel({ model: { model: file }, dataPath, options }, { executor }, context);
  return report.best;
}

function resultTable(rows: readonly Row[]): string {
  const cells = rows.map(({ name, report }) => [
    name,
    formatPreciseCount(report.macs),
    formatPreciseCount(report.params),
    formatPercent(report.top1),
    `${report.latency?.p50Milliseconds.toFixed(2)} ms`,
    `${report.throughput?.imagesPerSecond.toFixed(0)}/s`,
  ]);
  return formatTable([['', 'MACs', 'params', 'top-1', 'latency', 'images'], ...cells]);
}

export const demo = command({
  summary: 'the whole job on the sample model and images, in minutes',
  usage: '[--output DIR]',
  flags: {
    ...computeFlags,
    output: flag.string('.espalier/demo', 'where images, models and the run go'),
    model: flag.string('sample/resnet20.pth', 'the trained sample model'),
  },
  run: async ({ values }, context) => {
    const output = path.resolve(values.output);
    const dataPath = path.join(output, 'images');
    const dense = path.resolve(values.model);
    const executor = await createExecutor({
      backend: values.backend as BackendChoice,
      device: values.device as DeviceChoice,
      ...(values.threads && { threads: values.threads }),
    });
    say(`computing with ${executor.label}`);
    const made = await generateProceduralDataset(dataPath, SAMPLE, context);
    say(`${made.train} training and ${made.test} test images of ${made.classes.length} classes: ${dataPath}`);
    const rows = [await measure('dense', dense, dataPath, executor, context)];
    const pruned = await pruneToHalf(await openModel({ model: dense }), dataPath, output, executor, context);
    rows.push(await measure('pruned', pruned, dataPath, executor, context));
    const finetuned = await finetuneFile(pruned, dataPath, output, executor, context);
    rows.push(await measure('finetuned', finetuned, dataPath, executor, context));
    const files = { dense, pruned, finetuned, plan: path.join(output, 'plan.json') };
    const saved = Object.entries(files).map(([name, file]) => `${name.padEnd(10)} ${file}`);
    const images = `top-1 on ${rows[0].report.images} images; latency: median at batch 1, images: batch 64; ${executor.label}`;
    return {
      json: {
        backend: executor.label,
        models: rows.map(({ name, report }) => ({
          name,
          macs: report.macs,
          params: report.params,
          top1: report.top1,
          images: report.images,
          latency: report.latency,
          throughput: report.throughput,
        })),
        files,
      },
      text: [resultTable(rows), images, '', ...saved].join('\n'),
    };
  },
});
