/** Opens a file and reads its weights in a process of its own, and prints how much its memory grew: `open-memory.ts FILE`. */
import { readFileSync } from 'node:fs';
import { openModel } from '../../src/engine/jobs/opening/model.ts';

const peak = (): number => 1024 * Number(/VmHWM:\s*(\d+) kB/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]);
const atFirst = peak();
const model = await openModel({ model: process.argv[2] });
const opened = peak() - atFirst;
const weights = await model.weights();
process.stdout.write(`${JSON.stringify({ opened, read: peak() - atFirst, tensors: weights.size })}\n`);
