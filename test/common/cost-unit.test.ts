import assert from 'node:assert/strict';
import test from 'node:test';
import { formatCost } from '../../src/common/cost-unit.ts';
import { macsOfText } from '../../src/common/flop-target.ts';

test('a MAC is two FLOPs', () => {
  assert.equal(formatCost(2.05e9, 'MACs'), '2.05 G');
  assert.equal(formatCost(2.05e9, 'FLOPs'), '4.10 G');
});

test('targets are typed in the unit that is shown; shares are shares in both', () => {
  const dense = 4e9;
  assert.equal(macsOfText('2G', dense, 'FLOPs'), 1e9);
  assert.equal(macsOfText('2G', dense), 2e9);
  assert.equal(macsOfText('-2G', dense, 'FLOPs'), 3e9);
  for (const text of ['50%', '-50%']) assert.equal(macsOfText(text, dense, 'FLOPs'), 2e9);
});
