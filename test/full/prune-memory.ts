/** Prunes in a process of its own and prints how much its memory grew: `prune-memory.ts NAME CHECKPOINT GRADIENTS OUTPUT`. */
import { readFileSync } from 'node:fs';
import { openModel, saveModel } from '../../src/engine/jobs/opening/model.ts';
import { pruneModel } from '../../src/engine/jobs/prune.ts';

const [model, ckpt, gradients, output] = process.argv.slice(2);
/** High-water mark of this process in bytes; getrusage's would begin with that of the process that started it. */
const peak = (): number => 1024 * Number(/VmHWM:\s*(\d+) kB/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]);

const atFirst = peak();
const report = await pruneModel(
  await openModel({ model, ckpt }),
  { score: { criterion: 'taylor', gradientFiles: [gradients] }, options: { ratio: 0.5, headRatio: 0.5, roundTo: 2 } },
  () => Promise.reject(new Error('nothing is computed here')),
);
if (report.graph && report.weights) await saveModel(output, report.graph, report.weights, report.record);
process.stdout.write(`${JSON.stringify({ bytes: peak() - atFirst, params: report.after.params })}\n`);
