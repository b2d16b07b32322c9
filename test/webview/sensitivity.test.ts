import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { GroupsView, SensitivityView } from '../../src/protocol/graph-view.ts';
import { errorAt } from '../../webview/graph/inspector/error-curve.ts';
import { overlayOf } from '../../webview/graph/model/figures.ts';
import { indexGroups } from '../../webview/graph/model/group-lookup.ts';
import { layerRows } from '../../webview/graph/table/rows.ts';
import { testModel } from './harness/models.ts';
import { treeOf } from './models.ts';

test('the error at a width lies on the line between the measured ones', () => {
  const curve = { widths: [0, 8, 16], errors: [4, 1, 0] };
  assert.deepEqual(
    [0, 4, 8, 12, 16].map((width) => errorAt(curve, width)),
    [4, 2.5, 1, 0.5, 0],
  );
});

test('layers have the sensitivity of their group at half its width, and heat by the square root of their share of the largest', async () => {
  const { state } = await testModel('resnet20');
  const groups = state.groups as GroupsView;
  const at = (name: string): number => groups.groups.findIndex((group) => group.name.startsWith(name));
  const curve = (half: number) => ({ widths: [0, 8, 16], errors: [9, half, 0] });
  const curves = new Map([
    [at('layer1.0.conv1'), curve(0.4)],
    [at('layer1.1.conv1'), curve(0.1)],
  ]);
  const sensitivity: SensitivityView = {
    label: '64 images of cifar10',
    settings: { dataPath: '/cifar10', images: 64 },
    groups: groups.groups.map((_, group) => curves.get(group) ?? null),
  };
  const tree = treeOf('resnet20');
  const index = indexGroups(groups);
  const rows = layerRows(tree, overlayOf(tree, index, { sensitivity }, null), index);
  const of = (name: string) => rows.find((row) => row.name === name);
  assert.deepEqual([of('layer1.0.conv1')?.sensitivity, of('layer1.0.conv1')?.heat], [0.4, 1]);
  assert.deepEqual([of('layer1.1.conv1')?.sensitivity, of('layer1.1.conv1')?.heat], [0.1, 0.5]);
  assert.equal(of('layer2.0.conv1')?.heat, undefined);
  assert.ok(rows.every(({ importance }) => importance === undefined));
});
