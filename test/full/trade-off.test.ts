/** The trade-off as the editor asks for it: a network for each way and target, measured, and a report with its picture. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { planFromJson } from '../../src/engine/pruning/planning/plan-schema.ts';
import { parseTradeOff } from '../../src/protocol/trade-off-schema.ts';
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
  assert.deepEqual([...readFileSync(path.join(folder, 'frontier.png')).subarray(1, 4)], [...Buffer.from('PNG')]);
  const tradeOff = parseTradeOff(readFileSync(path.join(folder, 'frontier.json'), 'utf8'));
  assert.deepEqual(
    tradeOff?.points.map(({ mode, macs: cost }) => [mode, cost]),
    [['dense', dense], ...['pruned', 'repaired', 'sensitivity', 'reconstruction'].map((mode, i) => [mode, pruned[i]])],
  );
  for (const { plan, macs: cost } of tradeOff?.points.slice(1) ?? [])
    assert.equal(planFromJson(readFileSync(path.join(folder, plan ?? ''), 'utf8')).after.macs, cost);
  const steps = reports.filter(({ phase }) => phase === 'explore');
  assert.deepEqual(steps.at(-1), { phase: 'explore', done: 5, total: 5, message: '5 of 5 networks' });
});
