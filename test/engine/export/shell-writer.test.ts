/** Values in shell programs: whatever they hold, the shell takes them as one word and runs nothing of them. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { ShellCode, sh } from '../../../src/engine/export/shell-writer.ts';
import { HOSTILE } from '../jobs/torchrun/hostile-names.ts';

test('hostile values come out of the shell as they went in', { skip: process.platform === 'win32' && 'no sh' }, () => {
  const words = ShellCode.join(HOSTILE, ' ');
  const program = sh`printf '%s\\0' ${words}`.toString();
  const printed = execFileSync('sh', ['-c', program], { encoding: 'utf8' });
  assert.deepEqual(printed.split('\0').slice(0, -1), HOSTILE);
});

test('numbers and code stand as they are', () => {
  assert.equal(sh`run ${sh`--n=${3}`} ${'a b'}`.toString(), "run --n=3 'a b'");
});

test('a NUL is refused: no argument can hold one', () => {
  assert.throws(() => sh`${'a\0b'}`, /NUL/);
});
