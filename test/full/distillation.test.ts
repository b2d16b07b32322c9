/**
 * Twenty steps of the paper's DeiT recipe with a teacher on fixed images, by the command line and by PyTorch: the same losses, in
 * under 6 GB. The student is a DeiT-T pruned to 0.6 G, pickled by timm; the teacher a smaller RegNetY than the paper's, with random
 * weights and the statistics of these images, so that it tells them apart.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { open, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { parseFlags } from '../../src/common/flags.ts';
import { buildModel } from '../../src/engine/architectures/registry.ts';
import { writeSafetensors } from '../../src/engine/checkpoint/safetensors/safetensors-write.ts';
import type { Graph } from '../../src/engine/graph/graph.ts';
import { openImages } from '../../src/engine/jobs/evaluate.ts';
import { openModel } from '../../src/engine/jobs/opening/model.ts';
import { recalibratedWeights } from '../../src/engine/jobs/repair/recalibrate.ts';
import { trainingLoader } from '../../src/engine/training/finetune-data.ts';
import { initialiseWeights } from '../../src/engine/training/initialise.ts';
import { RunDirectory } from '../../src/engine/training/run-directory.ts';
import { trainingFlags } from '../../src/engine/training/training-options.ts';
import { type Ended, start } from '../cli/cli.ts';
import { sharedPath, skipWithoutShared } from '../engine/data/shared.ts';
import { executor, workFolder } from '../engine/training/tiny.ts';
import { noTensorFlow } from '../support/logits.ts';
import { noPythonWith, runPython } from '../support/python.ts';

const STEPS = 20;
const BATCH = 16;
const STEPS_PER_EPOCH = 2;
const EPOCHS = STEPS / STEPS_PER_EPOCH;
const TEACHER = 'regnety_016';
const SHARE = 0.005;
const MOST_BYTES = 6e9;
/** scripts/finetuning/deit_0.6G.sh, without augmentation and in float32. */
const FLAGS =
  `--epochs ${EPOCHS} --batch-size ${BATCH} --opt adamw --lr 0.0005 --wd 0.05 --lr-scheduler cosineannealinglr --lr-warmup-method linear ` +
  '--lr-warmup-epochs 0 --lr-warmup-decay 0.033 --label-smoothing 0.1 --interpolation bicubic ' +
  `--no-augment --max-steps ${STEPS_PER_EPOCH} --workers 1`;

const folder = workFolder();
const student = path.join(sharedPath, 'data', 'checkpoints', 'deit_0.6G.module.pth');
const dataPath = path.join(sharedPath, 'data', 'imagenet-sample');

async function writeTeacher(file: string): Promise<void> {
  const graph = buildModel(TEACHER) as Graph;
  const weights = initialiseWeights(graph, 1);
  const request = { data: { dataPath, batchSize: 20 }, batches: 2 };
  await writeSafetensors(file, await recalibratedWeights({ graph, weights }, request, executor()), {});
}

interface Step {
  readonly images: readonly number[];
  readonly labels: readonly number[];
}

/** The steps of the run as PyTorch takes them; the pixels go into a file, every image once. */
async function writeSteps(graph: Graph, file: string): Promise<Step[][]> {
  const { samples } = await openImages(graph, { dataPath }, 'train');
  const loader = trainingLoader(graph, samples, parseFlags(trainingFlags, FLAGS.split(' ')).values);
  const numbers = new Map<string, number>();
  const pixels = await open(file, 'w');
  const numberOf = async (name: string, image: Float32Array): Promise<number> => {
    const known = numbers.get(name);
    if (known !== undefined) return known;
    await pixels.write(new Uint8Array(image.buffer, image.byteOffset, image.byteLength));
    numbers.set(name, numbers.size);
    return numbers.size - 1;
  };
  try {
    const epochs: Step[][] = [];
    for (let epoch = 0; epoch < EPOCHS; epoch++) {
      const steps: Step[] = [];
      for await (const { files, images, labels, count } of loader.batches({ epoch, maxBatches: STEPS_PER_EPOCH })) {
        assert.equal(count, BATCH);
        const stride = images.length / count;
        const chosen: number[] = [];
        for (const [i, name] of files.entries())
          chosen.push(await numberOf(name, images.subarray(i * stride, (i + 1) * stride)));
        steps.push({ images: chosen, labels: [...labels] });
      }
      epochs.push(steps);
    }
    return epochs;
  } finally {
    await pixels.close();
    await loader.close();
  }
}

/** Runs the command line and watches the high-water mark of its memory; 0 where the system does not tell. */
async function watched(args: readonly string[]): Promise<Ended & { readonly peak: number }> {
  const { child, ended } = await start(args, { alone: true });
  let peak = 0;
  let isOver = false;
  void ended.then(() => {
    isOver = true;
  });
  while (!isOver) {
    try {
      const status = readFileSync(`/proc/${child.pid}/status`, 'utf8');
      peak = Math.max(peak, 1024 * Number(/VmHWM:\s*(\d+) kB/.exec(status)?.[1] ?? 0));
    } catch {
      // It has just ended, or there is no /proc here.
    }
    await delay(50);
  }
  return { ...(await ended), peak };
}

const gigabytes = (bytes: number): string => `${(bytes / 1e9).toFixed(2)} GB`;

test('a pruned DeiT-T learns from a teacher as in PyTorch', {
  skip: skipWithoutShared || noTensorFlow || noPythonWith('torch', 'timm', 'safetensors'),
}, async (t) => {
  const teacherCkpt = path.join(folder, 'teacher.safetensors');
  await writeTeacher(teacherCkpt);
  const run = path.join(folder, 'run');
  const { code, stderr, peak } = await watched([
    ...`finetune --model ${student} --teacher-model ${TEACHER} --teacher-ckpt ${teacherCkpt}`.split(' '),
    ...`--data-path ${dataPath} --output-dir ${run} ${FLAGS}`.split(' '),
  ]);
  assert.equal(code, 0, stderr);
  const lines = await (await RunDirectory.open(run)).metrics();
  const losses = lines.flatMap(({ kind, loss }) => (kind === 'step' ? [Number(loss)] : []));

  const images = path.join(folder, 'images.f32');
  const { graph } = await openModel({ model: student });
  const settings = {
    student,
    teacher: TEACHER,
    teacher_ckpt: teacherCkpt,
    images,
    size: graph.input.height,
    label_smoothing: 0.1,
    lr: 5e-4,
    weight_decay: 0.05,
    epochs: await writeSteps(graph, images),
  };
  const file = path.join(folder, 'settings.json');
  await writeFile(file, JSON.stringify(settings));
  const torch = runPython<{ losses: number[]; taught: number[][]; peak: number }>('full/distillation_torch.py', file);

  assert.equal(losses.length, STEPS);
  const apart = losses.map((loss, i) => Math.abs(loss / torch.losses[i] - 1));
  t.diagnostic(
    `losses ${losses[0].toFixed(4)} … ${losses[STEPS - 1].toFixed(4)}, apart by ${Math.max(...apart)} at most`,
  );
  t.diagnostic(`peak ${gigabytes(peak)}, PyTorch ${gigabytes(torch.peak)}`);
  assert.ok(new Set(torch.taught.flat()).size > 3, 'a teacher that says the same of all images teaches nothing');
  assert.ok(losses[STEPS - 1] < losses[0], 'nothing was learnt');
  assert.ok(Math.max(...apart) < SHARE, `${losses.join()} against PyTorch's ${torch.losses.join()}`);
  assert.ok(peak < MOST_BYTES, gigabytes(peak));
});
