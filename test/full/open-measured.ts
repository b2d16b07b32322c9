/**
 * Opens a file in a process of its own and prints what it took: `open-measured.ts FILE`. A line of JSON: growth of the peak of memory in
 * bytes, processor seconds, and what opening said.
 */
import { readFileSync } from 'node:fs';
import { UserError } from '../../src/common/errors.ts';
import { openModel } from '../../src/engine/jobs/opening/model.ts';
import { graphInfo } from '../../src/engine/jobs/opening/model-info.ts';

const [file] = process.argv.slice(2);
/** High-water mark of this process in bytes. */
const peak = (): number => 1024 * Number(/VmHWM:\s*(\d+) kB/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]);

async function open(): Promise<string> {
  try {
    const model = await openModel({ model: file });
    return `opens with ${graphInfo(model.graph).layers.length} layers`;
  } catch (error) {
    if (error instanceof UserError) return error.message;
    throw error;
  }
}

const [memory, processor] = [peak(), process.cpuUsage()];
const said = await open();
const { user, system } = process.cpuUsage(processor);
process.stdout.write(`${JSON.stringify({ bytes: peak() - memory, seconds: (user + system) / 1e6, said })}\n`);
