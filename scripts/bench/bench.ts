/**
 * `npm run bench [WORD…] [--rounds N] [--embedded]`: Espalier against PyTorch eager on the same cores, interleaved: both
 * stay loaded and take turns, so that a machine's drift hits both. Prints medians and the ratio of the medians.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { buildModel } from '../../src/architectures/registry.ts';
import { pytorchSource } from '../../src/export/pytorch.ts';
import { flag, parseFlags } from '../../src/support/flags.ts';
import { median, Side } from './side.ts';
import { type Task, tasks } from './tasks.ts';

const here = import.meta.dirname;
/** A turn lasts about this long. */
const TURN_SECONDS = 2;

interface Answer {
  readonly label?: string;
  readonly first?: number;
  readonly seconds?: number;
  readonly peak?: number;
}

async function timeTurns(sides: readonly Side<Answer>[], rounds: number): Promise<number[][]> {
  const runs: number[] = [];
  for (const side of sides) {
    const { seconds = 1 } = await side.ask({ run: 1 });
    runs.push(Math.max(1, Math.round(TURN_SECONDS / seconds)));
  }
  const times: number[][] = sides.map(() => []);
  for (let round = 0; round < rounds; round++)
    for (const [i, side] of sides.entries()) {
      const { seconds = Number.NaN } = await side.ask({ run: runs[i] });
      times[i].push(seconds / runs[i]);
    }
  return times;
}

async function bench(task: Task, folder: string, hasTorch: boolean, rounds: number): Promise<string[]> {
  const python = path.join(folder, 'model.py');
  const graph = buildModel(task.model, { classes: task.classes, inputSize: task.size });
  if (graph) writeFileSync(python, pytorchSource(graph, 'none.pth'));
  const espalier = new Side<Answer>(process.execPath, ['--import', 'tsx', path.join(here, 'espalier-side.ts')]);
  const sides = hasTorch ? [espalier, new Side<Answer>('python3', [path.join(here, 'torch_side.py')])] : [espalier];
  try {
    const opened: Answer[] = [];
    for (const side of sides) opened.push(await side.ask({ open: { ...task, python } }));
    const times = (await timeTurns(sides, rounds)).map(median);
    const peaks: (number | undefined)[] = [];
    for (const side of sides) peaks.push((await side.ask({ close: true })).peak);
    const rate = (seconds: number | undefined): string => (seconds ? `${(task.batch / seconds).toFixed(1)}/s` : '–');
    const mebibytes = (bytes: number | undefined): string => (bytes ? `${(bytes / 2 ** 20).toFixed(0)} MiB` : '–');
    return [
      task.name,
      rate(times[0]),
      rate(times[1]),
      times[1] ? `${(times[1] / times[0]).toFixed(2)} ×` : '–',
      `${opened[0].first?.toFixed(1)} s`,
      mebibytes(peaks[0]),
      mebibytes(peaks[1]),
      opened.map((o) => o.label).join(' | '),
    ];
  } finally {
    for (const side of sides) side.kill();
  }
}

const { values, positionals } = parseFlags(
  {
    rounds: flag.integer(5, 'turns of each side'),
    embedded: flag.boolean('the embedded kernels instead of TensorFlow'),
    threads: flag.integer(os.availableParallelism(), 'threads of each side'),
  },
  process.argv.slice(2),
);
const hasTorch = spawnSync('python3', ['-c', 'import torch']).status === 0;
if (!hasTorch) console.error('python3 has no torch: only Espalier is measured');
const folder = mkdtempSync(path.join(os.tmpdir(), 'espalier-bench-'));
try {
  console.log(
    `${os.cpus()[0].model}, ${values.threads} threads, Node ${process.version}, ${values.rounds} turns of ${TURN_SECONDS} s`,
  );
  console.log(
    '| task | Espalier | PyTorch | ratio | start | peak | peak PyTorch | versions |\n|---|---|---|---|---|---|---|---|',
  );
  for (const task of tasks(positionals, values.threads, values.embedded ? 'embedded' : 'tensorflow')) {
    const row = await bench(task, folder, hasTorch, values.rounds).catch((error: Error) => [task.name, error.message]);
    console.log(`| ${row.join(' | ')} |`);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
