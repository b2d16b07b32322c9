/** Files that are made to take a machine: none takes more memory than three times its size and a bit, and small ones take seconds. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { testFolder } from '../engine/checkpoint/files.ts';
import { bigFiles, writeBigFile } from './big-files.ts';

const BYTES = 200 * 2 ** 20;
const TIMES = 3;
const noStatus = !existsSync('/proc/self/status') && 'no /proc here';
const folder = testFolder();

for (const [name, { make, says }] of Object.entries(bigFiles))
  test(name, { skip: noStatus }, (t) => {
    const file = path.join(folder.path, name);
    writeBigFile(file, make());
    const { size } = statSync(file);
    const script = path.join(import.meta.dirname, 'open-measured.ts');
    const output = execFileSync(process.execPath, ['--import', 'tsx', script, file], { encoding: 'utf8' });
    const { bytes, seconds, said } = JSON.parse(output) as { bytes: number; seconds: number; said: string };
    const megabytes = (count: number): string => `${(count / 2 ** 20).toFixed(1)} MB`;
    t.diagnostic(
      `${megabytes(size)}: ${megabytes(bytes)} of memory, ${seconds.toFixed(1)} s of the processor; ${said}`,
    );
    assert.match(said, says);
    assert.ok(bytes < TIMES * size + BYTES, `${megabytes(bytes)} for a file of ${megabytes(size)}`);
  });
