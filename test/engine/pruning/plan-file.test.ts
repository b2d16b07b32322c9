import assert from 'node:assert/strict';
import test from 'node:test';
import { diffPlans, formatPlanDiff, markdownPlanDiff } from '../../../src/engine/pruning/planning/plan-diff.ts';
import { planText, readPlanText } from '../../../src/engine/pruning/planning/plan-file.ts';
import type { Plan } from '../../../src/engine/pruning/planning/plan-types.ts';

const group = (root: string, kept: number[], width = 8) => ({
  root,
  side: 'out' as const,
  scope: 0,
  width,
  channelGroups: 1,
  kept,
  why: 'scores',
});
const plan = (groups: Plan['groups'], change: Partial<Plan> = {}): Plan => ({
  version: 1,
  model: 'net',
  options: { ratio: 0.5 },
  scopes: [{ id: 0, kind: 'isomorphic', chain: 'conv', ratio: 0.5, groups: groups.length, channels: 16 }],
  groups,
  heads: [],
  before: { macs: 100e6, macsTrue: 100e6, params: 1e6 },
  after: { macs: 50e6, macsTrue: 50e6, params: 5e5 },
  ...change,
});

test('a file has a group a line, in the order of their names, and is read as it was', () => {
  const made = plan([group('layer10.conv', [0, 1]), group('layer2.conv', [3])], {
    heads: [{ layer: 'attn', count: 4, kept: [0, 2], why: 'ratio' }],
  });
  const text = planText(made, { settings: { roundTo: 2 }, absent: undefined });
  const lines = text.split('\n');
  assert.ok(
    lines.findIndex((line) => line.includes('layer2.conv')) < lines.findIndex((line) => line.includes('layer10.conv')),
  );
  assert.equal(lines.filter((line) => line.includes('"root"')).length, 2);
  const value = JSON.parse(text);
  assert.deepEqual(value, {
    ...made,
    groups: [...made.groups].reverse(),
    settings: { roundTo: 2 },
  });
  const changed = planText(plan([group('layer10.conv', [0, 1]), group('layer2.conv', [4])], { heads: made.heads }), {
    settings: { roundTo: 2 },
  });
  assert.equal(changed.split('\n').filter((line, i) => line !== lines[i]).length, 1, 'one group, one line');
  assert.equal(readPlanText(text, 'p.json').groups[0].kept[0], 3);
});

test('files of earlier versions are read; what is no plan is refused with the file and the place', () => {
  const old = JSON.stringify(plan([group('a', [0])]), null, 1);
  assert.equal(readPlanText(old, 'old.json').groups.length, 1);
  assert.throws(() => readPlanText('{', 'p.json'), /^UserError: p\.json is no plan: it is no JSON/);
  const { after: _, ...cut } = plan([]);
  assert.throws(() => readPlanText(JSON.stringify(cut), 'p.json'), /p\.json is no plan: after: /);
  const bad = plan([{ ...group('a', [0]), kept: [-1] }]);
  assert.throws(() => readPlanText(JSON.stringify(bad), 'p.json'), /p\.json is no plan: groups\.0\.kept\.0: /);
});

test('a difference names the channels that only one plan keeps; a group that is not named loses nothing', () => {
  const read = (made: Plan) => readPlanText(planText(made), 'x');
  const [a, b] = [
    read(plan([group('c1', [0, 1, 2]), group('c2', [0, 1])])),
    read(
      plan([group('c1', [0, 1, 3, 4]), group('c2', [0, 1]), group('c3', [0, 1, 2], 4)], {
        blocks: { stage: 'layer3', removed: ['layer3.4'], kept: [0], why: '' },
      }),
    ),
  ];
  const diff = diffPlans(a, b);
  assert.deepEqual(
    diff.differences.map(({ name, kept, onlyA, onlyB }) => [name, kept, onlyA, onlyB]),
    [
      ['c1', [3, 4], [2], [3, 4]],
      ['c3', [4, 3], [3], []],
    ],
  );
  assert.deepEqual([diff.alike, diff.blocks], [1, [[], ['layer3.4']]]);
  const markdown = markdownPlanDiff(diff, ['a.json', 'b|c.json']).split('\n');
  assert.equal(markdown[0], '|  | dense | a.json | b\\|c.json | only in a.json | only in b\\|c.json |');
  assert.ok(markdown.includes('| c1 | 8 | 3 | 4 | 2 | 3 4 |'), markdown.join('\n'));
  assert.ok(markdown.includes('| layer3.4 | block | kept | removed |  |  |'));
  assert.match(formatPlanDiff(diff, ['a', 'b']), /^c1 +8 +3 +4 +2 +3 4$/m);
  assert.match(formatPlanDiff(diffPlans(a, a), ['a', 'a']), /Both plans keep the same channels\.$/);
});
