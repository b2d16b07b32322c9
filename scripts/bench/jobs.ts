/**
 * `npm run bench:jobs`: what DistributedDataParallel costs in a job. The same training step of a ResNet-20, with the same images a
 * step, by two processes of one thread (gloo) and by one process of two threads, in turns; prints a markdown table.
 */
import { execFileSync } from 'node:child_process';
import { copyFile, mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { flag, flagDefaults, formatFlags, parseFlags } from '../../src/common/flags.ts';
import { generateProceduralDataset } from '../../src/engine/data/procedural/dataset.ts';
import { writeJob } from '../../src/engine/jobs/torchrun/job-folder.ts';
import { jobFlags, launchFlags } from '../../src/engine/jobs/torchrun/job-options.ts';
import { trainingFlags } from '../../src/engine/training/training-options.ts';

const FLAGS = {
  model: flag.string('resnet20', 'network, untrained'),
  images: flag.integer(128, 'images a step, of all processes together'),
  steps: flag.integer(60, 'steps of a turn'),
  turns: flag.integer(7, 'turns of each side'),
  python: flag.string('python3', 'Python with PyTorch and torchvision'),
  help: flag.boolean('print this help'),
} as const;

const PROGRAM = 'ddp_side.py';
const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1];

/** A folder whose processes share the images of a step. */
async function makeJob(folder: string, data: string, processes: number, { model, images, python }: Settings) {
  const outputDir = path.join(folder, `${processes}`);
  const options = { ...flagDefaults(trainingFlags), outputDir, batchSize: images / processes, workers: 0, lr: 0.01 };
  await writeJob({
    request: { model: { model }, dataPath: data, options },
    job: { ...flagDefaults(jobFlags), distBackend: 'gloo', gradAccumSteps: 1 },
    launch: { ...flagDefaults(launchFlags), processes, python },
  });
  await copyFile(path.join(import.meta.dirname, PROGRAM), path.join(outputDir, PROGRAM));
  return outputDir;
}

type Settings = ReturnType<typeof parseFlags<typeof FLAGS>>['values'];

/** Images per second of one turn. */
function turn(cwd: string, processes: number, threads: number, { python, steps }: Settings): number {
  const torchrun = ['-m', 'torch.distributed.run', '--standalone', `--nproc-per-node=${processes}`];
  const args = [...(processes > 1 ? torchrun : []), PROGRAM, String(steps)];
  const env = { ...process.env, OMP_NUM_THREADS: String(threads), CUDA_VISIBLE_DEVICES: '' };
  const printed = execFileSync(python, args, { cwd, env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  return (JSON.parse(printed.trim().split('\n').at(-1) ?? '') as { imagesPerSecond: number }).imagesPerSecond;
}

async function main(): Promise<void> {
  const { values: settings } = parseFlags(FLAGS, process.argv.slice(2));
  if (settings.help) return console.log(`npm run bench:jobs\n\n${formatFlags(FLAGS)}`);
  const folder = await mkdtemp(path.join(os.tmpdir(), 'espalier-ddp-'));
  try {
    const data = path.join(folder, 'images');
    const perClass = Math.ceil(settings.images / 10);
    await generateProceduralDataset(data, { seed: 0, trainPerClass: perClass, testPerClass: 1 });
    const two = await makeJob(folder, data, 2, settings);
    const one = await makeJob(folder, data, 1, settings);
    const pairs: (readonly [number, number])[] = [];
    console.log(
      '| turn | 2 processes × 1 thread, images/s | 1 process × 2 threads, images/s | ratio |\n|---|---|---|---|',
    );
    const row = (name: string, of: readonly [number, number], ratio: number): void =>
      console.log(`| ${name} | ${of[0].toFixed(0)} | ${of[1].toFixed(0)} | ${ratio.toFixed(2)} |`);
    for (let at = 1; at <= settings.turns; at++) {
      const pair = [turn(two, 2, 1, settings), turn(one, 1, 2, settings)] as const;
      pairs.push(pair);
      row(String(at), pair, pair[0] / pair[1]);
    }
    const side = (i: 0 | 1): number => median(pairs.map((pair) => pair[i]));
    row('median', [side(0), side(1)], median(pairs.map(([a, b]) => a / b)));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

await main();
