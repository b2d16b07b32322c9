import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { withLock } from '../../../../src/engine/compute/runtime/lock.ts';
import { temporaryFolder } from './fakes.ts';

const lockFile = () => path.join(temporaryFolder(), 'runtime.lock');

test('the lock is held during the work and gone afterwards, also when the work fails', async () => {
  const file = lockFile();
  assert.equal(await withLock(file, async () => existsSync(file)), true);
  assert.equal(existsSync(file), false);
  await assert.rejects(
    withLock(file, () => Promise.reject(new Error('it broke'))),
    /it broke/,
  );
  assert.equal(existsSync(file), false);
});

test('a living process keeps its lock', async () => {
  const file = lockFile();
  await withLock(file, async () => {
    await assert.rejects(
      withLock(file, async () => assert.fail('two at once')),
      new RegExp(`being installed by process ${process.pid}`),
    );
  });
});

test('a dead process’s lock is taken over, another machine’s is not', async () => {
  const file = lockFile();
  const { pid } = spawnSync(process.execPath, ['-e', '']);
  writeFileSync(file, JSON.stringify({ pid, host: os.hostname() }));
  assert.equal(await withLock(file, async () => 'done'), 'done');
  writeFileSync(file, JSON.stringify({ pid, host: 'another-machine' }));
  await assert.rejects(
    withLock(file, async () => 'done'),
    /on another-machine.*delete/,
  );
});
