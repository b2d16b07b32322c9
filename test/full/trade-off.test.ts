/** The trade-off as the editor asks for it: a network for each way and target, measured, and a report with its picture. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { DEFAULT_PLAN } from '../../src/protocol/values.ts';
import { explore } from '../worker/exploring.ts';

test('the dense network and four ways to the target, each measured; the report shows its picture', async () => {
  const { reports, folder, result } = await explore(DEFAULT_PLAN);
  assert.equal(result.networks, 5);
  assert.equal(result.saved, path.join(folder, 'frontier.md'));
  const text = readFileSync(result.saved, 'utf8');
  assert.match(text, /^# .+\n\n!\[[^\]]+\]\(frontier\.svg\)\n/);
  for (const way of ['dense', 'l1, pruned', 'l1, repaired', 'l1, sensitivity', 'l1, reconstruction'])
    assert.ok(text.includes(`| ${way} |`), way);
  const [heading, ...rows] = readFileSync(path.join(folder, 'frontier.csv'), 'utf8').trim().split('\n');
  const macs = heading.split(',').indexOf('macs');
  const [dense, ...pruned] = rows.map((row) => Number(row.split(',')[macs]));
  assert.equal(pruned.length, 4);
  for (const cost of pruned) assert.ok(cost <= 0.6 * dense && cost > 0.5 * dense, `${cost} of ${dense}`);
  assert.match(readFileSync(path.join(folder, 'frontier.svg'), 'utf8'), /^<svg/);
  const steps = reports.filter(({ phase }) => phase === 'explore');
  assert.deepEqual(steps.at(-1), { phase: 'explore', done: 5, total: 5, message: '5 of 5 networks' });
});
