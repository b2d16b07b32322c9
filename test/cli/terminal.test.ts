import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ProgressBar } from '../../src/cli/terminal.ts';
import type { Phase } from '../../src/common/progress.ts';

test('the time that is left follows from what was done since the phase began', (t) => {
  let now = 0;
  t.mock.method(performance, 'now', () => now);
  const lines: string[] = [];
  const out = { isTTY: false, write: (line: string) => lines.push(line) } as unknown as NodeJS.WriteStream;
  const bar = new ProgressBar(out);
  const report = (seconds: number, phase: Phase, done: number, total: number): void => {
    now = seconds * 1000;
    bar.report({ phase, done, total });
  };
  report(0, 'finetune', 0, 400);
  report(100, 'finetune', 100, 400);
  report(101, 'validate', 0, 0);
  report(110, 'validate', 7, 0);
  // A second epoch, and a resumed run, go on from what was done before, which took none of this phase's time.
  report(120, 'finetune', 101, 400);
  report(170, 'finetune', 151, 400);
  const times = lines.map((line) => /^(\w+) .*?(ETA )?(\S+)$/.exec(line.trim())?.slice(1));
  assert.deepEqual(times, [
    ['Finetuning', 'ETA ', '5m00s'],
    ['Validating', undefined, '9s'],
    ['Finetuning', 'ETA ', '4m09s'],
  ]);
});
