/** Espalier's side of the benchmark: reads one command a line, answers with one JSON line (protocol.ts). */
import { createInterface } from 'node:readline';
import { openCompute } from './compute-lanes.ts';
import { openDecode, openEvaluate } from './file-lanes.ts';
import { openFinetune } from './finetune-lanes.ts';
import type { Answer, Command, Common, Opened, Task } from './protocol.ts';

type Open<T extends Task> = (task: T & Common) => Promise<Opened>;

const openers: { readonly [K in Task['kind']]: Open<Extract<Task, { kind: K }>> } = {
  predict: openCompute,
  train: openCompute,
  score: openCompute,
  decode: openDecode,
  evaluate: openEvaluate,
  finetune: openFinetune,
};

/** TensorFlow runs synchronously: the clock must be read before the work is called. */
async function timed(work: () => Promise<number | undefined>): Promise<Answer> {
  const start = performance.now();
  const before = process.cpuUsage();
  const own = await work();
  const { user, system } = process.cpuUsage(before);
  return { seconds: own ?? (performance.now() - start) / 1000, cpu: (user + system) / 1e6 };
}

const answer = (message: Answer): void => {
  process.stdout.write(`${JSON.stringify(message)}\n`);
};

let opened: Opened | undefined;
for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line) as Command;
  if ('open' in command) {
    opened = await (openers[command.open.kind] as Open<Task>)(command.open);
    answer({ label: opened.label, first: opened.first });
  } else if ('run' in command) {
    const lane = opened?.lanes[command.lane];
    if (!lane) throw new Error(`no lane ${command.lane}`);
    answer(await timed(() => lane(command.run)));
  } else {
    // The remark may need more memory than the work did.
    const peak = process.resourceUsage().maxRSS * 1024;
    const remark = await opened?.remark?.();
    await opened?.close?.();
    answer({ peak, remark });
    process.exit(0);
  }
}
