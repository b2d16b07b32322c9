import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ScopeView } from '../../src/protocol/graph-view.ts';
import { DEFAULT_PLAN, type PlanSettings } from '../../src/protocol/values.ts';
import type { GroupIndex } from '../../webview/graph/model/group-lookup.ts';
import { fixedRatio, withRatio } from '../../webview/graph/model/scope-shares.ts';

const index = { view: { groups: [{ name: 'conv1' }, { name: 'layer1.0.conv1' }] } } as unknown as GroupIndex;
const scope = (kind: ScopeView['kind'], ...groups: number[]): ScopeView => ({
  name: 'x',
  label: 'x',
  kind,
  groups,
  channels: 8,
});
const settings = (change: Partial<PlanSettings>): PlanSettings => ({ ...DEFAULT_PLAN, ...change });

test('a share is kept under the name of the scope’s first group, beside those of others, and taken back alone', () => {
  const first = withRatio(index, scope('channels', 0), settings({}), 0.25);
  assert.deepEqual(first, { scopeRatios: { conv1: 0.25 } });
  const both = withRatio(index, scope('channels', 1), settings({ scopeRatios: { conv1: 0.25 } }), 0);
  assert.deepEqual(both, { scopeRatios: { conv1: 0.25, 'layer1.0.conv1': 0 } });
  const now = settings({ scopeRatios: { conv1: 0.25, 'layer1.0.conv1': 0 } });
  assert.equal(fixedRatio(index, scope('channels', 1), now), 0);
  assert.deepEqual(withRatio(index, scope('channels', 1), now, undefined), { scopeRatios: { conv1: 0.25 } });
  assert.equal(fixedRatio(index, scope('channels', 1), settings({})), undefined);
});

test('heads have one share in all, which is the setting of the plan options', () => {
  assert.deepEqual(withRatio(index, scope('heads', 0), settings({}), 0.5), { headRatio: 0.5 });
  assert.deepEqual(withRatio(index, scope('heads', 0), settings({ headRatio: 0.5 }), undefined), { headRatio: null });
  assert.equal(fixedRatio(index, scope('heads', 0), settings({ headRatio: 0.5 })), 0.5);
});
