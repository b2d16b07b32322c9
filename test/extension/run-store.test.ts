/** The folders of runs: what is written and removed at once. */
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import type { RunRecord } from '../../src/extension/runs/run-record.ts';
import { RunStore } from '../../src/extension/runs/run-store.ts';

const folder = mkdtempSync(path.join(os.tmpdir(), 'run-store-'));
after(() => rmSync(folder, { recursive: true }));

test('a run that is removed while it is written has gone, and does not come back', async () => {
  const store = new RunStore(folder);
  const record = { id: 'one' } as RunRecord;
  const written = [1, 2, 3].flatMap((n) => [store.write(record), store.appendLog('one', `line ${n}`)]);
  const removed = store.remove('one');
  const late = [store.write(record), store.appendLog('one', 'too late')];
  await Promise.all([...written, removed, ...late]);
  assert.equal(existsSync(store.directory('one')), false);
  assert.equal(await store.freeId('one'), 'one-2');
});
