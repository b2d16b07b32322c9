import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Graph } from '../../../src/engine/graph/graph.ts';
import { couple } from '../../../src/engine/pruning/coupling/couple.ts';
import { formatGroups, type Groups } from '../../../src/engine/pruning/coupling/groups.ts';
import { limitRemoval, previousStep, removedOf } from '../../../src/engine/pruning/planning/choice.ts';
import { formatPlan } from '../../../src/engine/pruning/planning/format-plan.ts';
import { ignoreLayers } from '../../../src/engine/pruning/planning/ignore.ts';
import type { Plan } from '../../../src/engine/pruning/planning/plan-types.ts';
import { compilePlanner } from '../../../src/engine/pruning/planning/planner.ts';
import { findScopes, formatScopes } from '../../../src/engine/pruning/planning/scopes.ts';
import { prune, pruneGraph } from '../../../src/engine/pruning/rebuilding/apply-plan.ts';
import type { Scores } from '../../../src/engine/pruning/scoring/importance.ts';
import { fillWeights } from '../../support/detfill.ts';
import { widths } from './masked.ts';
import { attention, conv, network, pooled, tokens } from './networks.ts';

/** Two plain layers and a residual pair. */
const plain = (): Graph =>
  network((b, x) => {
    const stem = b.batchNorm('bn', conv(b, 'stem', x, 8));
    const y = conv(b, 'block.conv2', b.activation('block', conv(b, 'block.conv1', stem, 6), 'relu'), 8);
    const sum = b.plus('block', stem, y);
    return conv(b, 'neck.conv2', b.activation('neck', conv(b, 'neck.conv1', sum, 6), 'relu'), 4, 1);
  });

/** Channel i of the g-th group scores (i + 1) · (g + 1): known thresholds. */
function risingScores(groups: Groups): Scores {
  let rank = 0;
  const channels = groups.groups.map((group) => {
    if (group.frozen !== undefined) return undefined;
    rank++;
    return Float64Array.from({ length: group.channels }, (_, i) => (i + 1) * rank);
  });
  return { criterion: 'l1', normaliser: 'none', channels };
}

const planOf = (
  graph: Graph,
  options: Parameters<ReturnType<typeof compilePlanner>['plan']>[0],
  groups = couple(graph),
) => compilePlanner(groups, risingScores(groups)).plan(options);

test('groups and scopes as text', () => {
  const groups = couple(plain());
  assert.equal(
    formatGroups(groups),
    [
      'stem · 8 channels',
      '  stem:out 8',
      '  bn:out 8',
      '  block.conv1:in 8',
      '  block.conv2:out 8',
      '  neck.conv1:in 8',
      'stem:in · 3 channels · frozen: the channels of the image',
      '  stem:in 3',
      'block.conv1 · 6 channels',
      '  block.conv1:out 6',
      '  block.conv2:in 6',
      'neck.conv1 · 6 channels',
      '  neck.conv1:out 6',
      '  neck.conv2:in 6',
      'neck.conv2 · 4 channels',
      '  neck.conv2:out 4',
      '  head:in 4',
      'head · 5 channels · frozen: class logits',
      '  head:out 5',
    ].join('\n'),
  );
  assert.equal(
    formatScopes(findScopes(groups, { isomorphic: true, global: true, headDims: false }), groups),
    [
      'scope 0 · conv.out → batchNorm → conv.in → conv.out → add → conv.in · 1 group, 8 channels',
      '  stem   8',
      'scope 1 · conv.out → relu → conv.in · 2 groups, 12 channels',
      '  block.conv1   6',
      '  neck.conv1   6',
      'scope 2 · conv.out → mean → linear.in · 1 group, 4 channels',
      '  neck.conv2   4',
    ].join('\n'),
  );
});

test('a plan as text', () => {
  assert.equal(
    formatPlan(planOf(plain(), { ratio: 0.3, roundTo: 2 })),
    [
      'plan for small',
      'before: 0.10 M MACs (0.10 M true), 0.00 M parameters',
      'after: 0.03 M MACs (0.03 M true), 0.00 M parameters',
      'scope 0 · conv.out → batchNorm → conv.in → conv.out → add → conv.in · 1 group, 8 channels, ratio 0.3000, threshold 3.000',
      '  stem          8 → 4   [4 5 6 7]   3 of 8 have the lowest scores; 4 go, rounded to multiples of 2',
      'scope 1 · conv.out → relu → conv.in · 2 groups, 12 channels, ratio 0.3000, threshold 6.000',
      '  block.conv1   6 → 2   [4 5]   3 of 6 have the lowest scores; 4 go, rounded to multiples of 2',
      '  neck.conv1    6 → 4   [2 3 4 5]   2 of 6 have the lowest scores',
      'scope 2 · conv.out → mean → linear.in · 1 group, 4 channels, ratio 0.3000, threshold 8.000',
      '  neck.conv2    4 → 2   [2 3]   2 of 4 have the lowest scores',
      'no scope',
      '  stem:in       3 → 3   [all]   stays: the channels of the image',
      '  head          5 → 5   [all]   stays: class logits',
    ].join('\n'),
  );
});

test('k = N − floor(N · (1 − ratio)), as the reference counts', () => {
  assert.deepEqual(
    [0, 0.26, 0.5, 0.999, 1].map((ratio) => removedOf(100, ratio)),
    [0, 26, 50, 100, 100],
  );
});

test('rounding keeps multiples, and the limit is never passed', () => {
  const of = (
    asked: number,
    roundTo: number,
    maxRatio: number,
    whenEmpty: 'skip' | 'keepLast' = 'skip',
    channels = 16,
  ) => limitRemoval({ channels, width: 16 }, asked, { roundTo, maxRatio }, whenEmpty);
  assert.deepEqual(
    [0, 1, 2, 3].map((asked) => of(asked, 4, 1)),
    [0, 4, 4, 4],
  );
  assert.equal(of(15, 4, 1), 16);
  assert.equal(of(15, 4, 1, 'keepLast'), 12);
  assert.equal(of(16, 1, 1, 'keepLast'), 15);
  assert.equal(of(15, 1, 0.5), 8);
  assert.equal(of(15, 3, 0.5), 7); // 9 of 16 stay: the multiple of 3 above the 8 that must
  assert.equal(of(15, 4, 0.1), 0);
  assert.equal(of(3, 2, 1, 'skip', 48), 4); // three heads of 16: 48 − 3 rounds to 44
  assert.equal(previousStep(16, 12, 4), 8);
});

test('global, isomorphic and local ranking', () => {
  const graph = plain();
  const common = { ratio: 0.5 };
  assert.deepEqual(widths(planOf(graph, { ...common, isomorphic: true })), {
    stem: 4,
    'stem:in': 3,
    'block.conv1': 2,
    'neck.conv1': 4,
    'neck.conv2': 2,
    head: 5,
  });
  const all = planOf(graph, { ...common, isomorphic: false });
  // 24 scores, the 12 lowest go: up to 6, of 1…8, 2…12, 3…18 and 4…16.
  assert.equal(all.scopes[0].threshold, 6);
  assert.deepEqual(
    ['stem', 'block.conv1', 'neck.conv1', 'neck.conv2'].map((root) => widths(all)[root]),
    [2, 3, 4, 3],
  );
  for (const isomorphic of [true, false]) {
    const local = planOf(graph, { ...common, isomorphic, global: false });
    assert.deepEqual(
      ['stem', 'block.conv1', 'neck.conv1', 'neck.conv2'].map((root) => widths(local)[root]),
      [4, 3, 3, 2],
    );
  }
});

test('a group that would lose everything stays', () => {
  const plan = planOf(plain(), { ratio: 0.95, isomorphic: false });
  const stem = plan.groups.find(({ root, side }) => root === 'stem' && side === 'out');
  assert.deepEqual([stem?.kept.length, stem?.why], [8, 'stays: it would lose everything']);
});

const transformer = (): Graph =>
  network((b, x) => pooled(b, attention(b, tokens(b, x, 12), { heads: 4, headDim: 6, fused: true })));

test('heads and head dims: threshold over all heads, limits of both together', () => {
  const options = { ratio: 0, headRatio: 0.5, headDimRatio: 0.5 };
  const plan = planOf(transformer(), options);
  assert.deepEqual(plan.heads, [{ layer: 'attn.qkv', count: 4, kept: [2, 3], why: '2 of 4 have the lowest scores' }]);
  assert.equal(widths(plan)['attn.qkv'], 3);
  // 24 channels, at least 12 must stay: half of the head dims may go, and then no head.
  const limited = planOf(transformer(), { ...options, maxRatio: 0.5 });
  assert.deepEqual([limited.heads[0].kept.length, widths(limited)['attn.qkv']], [4, 3]);
  const local = planOf(transformer(), { ...options, headRatio: 0.3, global: false });
  assert.equal(local.heads[0].kept.length, 2); // ceil(0.3 · 4) go
  const whole = planOf(transformer(), { ...options, headRatio: 0.9 });
  assert.deepEqual(whole.heads[0], {
    layer: 'attn.qkv',
    count: 4,
    kept: [0, 1, 2, 3],
    why: 'stays: it would lose everything',
    stayed: 'emptied',
  });
  assert.equal(widths(whole)['attn.qkv'], 6);
});

test('ignored layers freeze their groups, by side', () => {
  const groups = couple(plain());
  const frozen = (...patterns: string[]): Record<string, string | undefined> =>
    Object.fromEntries(
      ignoreLayers(groups, patterns)
        .groups.filter(({ frozen: reason }) => reason?.startsWith('ignored'))
        .map(({ root, frozen: reason }) => [root, reason]),
    );
  assert.deepEqual(frozen('*.conv1:out'), {
    'block.conv1': 'ignored by *.conv1:out (block.conv1)',
    'neck.conv1': 'ignored by *.conv1:out (neck.conv1)',
  });
  assert.deepEqual(frozen('block.conv1:in'), { stem: 'ignored by block.conv1:in (block.conv1)' });
  assert.deepEqual(Object.keys(frozen('neck')), ['stem', 'neck.conv1', 'neck.conv2']);
  assert.throws(() => frozen('layer9'), /layer9 matches no layer of small/);
  const plan = planOf(plain(), { ratio: 0.5 }, ignoreLayers(groups, ['neck.conv1:out']));
  assert.equal(widths(plan)['neck.conv1'], 6);
  assert.match(plan.groups.find(({ root }) => root === 'neck.conv1')?.why ?? '', /ignored by neck.conv1:out/);
});

test('a plan survives JSON, and does not fit another network', () => {
  const graph = plain();
  const plan = JSON.parse(JSON.stringify(planOf(graph, { ratio: 0.5 }))) as Plan;
  const { graph: smaller } = prune(graph, fillWeights(graph), plan);
  assert.deepEqual(smaller.parameters.find(({ name }) => name === 'block.conv1.weight')?.shape, [2, 4, 3, 3]);
  assert.throws(() => pruneGraph(smaller, plan), /the plan does not fit small: stem has 4 entries, the plan expects 8/);
  assert.throws(() => pruneGraph(transformer(), plan), /the plan does not fit small/);
});

test('weights that are not the network’s are named', () => {
  const graph = plain();
  const plan = planOf(graph, { ratio: 0.5 });
  const weights = new Map(fillWeights(graph));
  weights.delete('stem.weight');
  assert.throws(() => prune(graph, weights, plan), /its weights lack stem.weight/);
  weights.set('stem.weight', { dtype: 'float32', shape: [8, 3, 1, 1], data: new Float32Array(24) });
  assert.throws(() => prune(graph, weights, plan), /stem.weight is \[8, 3, 1, 1\] in the weights/);
});
