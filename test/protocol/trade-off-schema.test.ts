import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseTradeOff } from '../../src/protocol/trade-off-schema.ts';
import { tradeOff } from '../webview/harness/panel-samples.ts';

test('a trade-off from disk: plans lie in its own folder, shares are shares', () => {
  const parse = (value: unknown): unknown => parseTradeOff(JSON.stringify(value));
  assert.deepEqual(parse(tradeOff), tradeOff);
  const [, point] = tradeOff.points;
  for (const wrong of [
    { plan: '../../secrets.json' },
    { plan: '/etc/passwd.json' },
    { plan: 'plans/../../x.json' },
    { plan: 'plans/a/b.json' },
    { top1: 78 },
    { mode: 'best' },
    { latency: -1 },
    { macs: '5' },
  ])
    assert.equal(parse({ ...tradeOff, points: [{ ...point, ...wrong }] }), undefined, JSON.stringify(wrong));
  assert.equal(parseTradeOff('{"points": ['), undefined);
  assert.equal(parseTradeOff(''), undefined);
});
