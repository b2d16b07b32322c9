import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { GroupsView, PlanView, ScoresView } from '../../src/protocol/graph-view.ts';
import { LayoutEngine } from '../../webview/graph/layout/layout.ts';
import { overlayOf } from '../../webview/graph/model/figures.ts';
import { importances, indexGroups } from '../../webview/graph/model/group-lookup.ts';
import { neighbour } from '../../webview/graph/model/neighbours.ts';
import { badges, findItem, groupsFor, highlightOf, NOTHING } from '../../webview/graph/model/selection.ts';
import type { Tree } from '../../webview/graph/model/tree.ts';
import { testModel } from './harness/models.ts';
import { itemNamed, treeOf } from './models.ts';

const resnet = treeOf('resnet50');
const { state, plan } = await testModel('resnet50');
const groups = indexGroups(state.groups as GroupsView);
const select = (key: string, side: 'out' | 'in' = 'out') =>
  highlightOf(resnet, groups, { item: itemNamed(resnet, key), side, scope: null });
const indexOf = (id: string): number => resnet.view.nodes.findIndex((node) => node.id === id);
const ids = (tree: Tree, nodes: Iterable<number>): string[] => [...nodes].map((node) => tree.view.nodes[node].id);

test('a layer lights up its group and the ribbons that tie it', () => {
  const { members, values } = select('#layer1.0.conv1');
  assert.deepEqual(ids(resnet, members), ['layer1.0.conv1', 'layer1.0.bn1', 'layer1.0.conv2']);
  assert.deepEqual(ids(resnet, values), ['layer1.0.conv1', 'layer1.0.bn1', 'layer1.0.act1']);
});

test('its input side is the group of what feeds it; a step without parameters takes the group that it carries', () => {
  assert.ok(ids(resnet, select('#layer1.0.conv1', 'in').members).includes('conv1'));
  assert.deepEqual(select('#layer1.0.act1').groups, select('#layer1.0.conv1').groups);
  const image = groupsFor(groups, indexOf('input'), 'out');
  assert.equal(image.length, 1);
  assert.notEqual(groups.view.groups[image[0]].frozen, null);
});

test('a scope lights up all its groups', () => {
  const scope = groups.view.groups[select('#layer1.0.conv1').groups[0]].scope;
  const { groups: lit } = highlightOf(resnet, groups, { ...NOTHING, scope });
  assert.equal(lit.length, groups.view.scopes[scope].groups.length);
});

test('members in closed modules are counted on the box that hides them', () => {
  const lit = select('#layer1.0.conv3');
  const counts = badges(resnet, new Set(['layer1']), lit);
  const total = [...counts.values()].reduce((sum, count) => sum + count, 0);
  const shown = [...lit.members].filter((node) => !resnet.view.nodes[node].id.startsWith('layer'));
  assert.equal(total + shown.length, lit.members.size);
  assert.ok((counts.get(itemNamed(resnet, 'layer1.1')) as number) >= 3);
});

test('names of nodes and paths of modules are found, lone nodes by their module too', () => {
  assert.equal(findItem(resnet, 'layer1.0.conv1'), itemNamed(resnet, '#layer1.0.conv1'));
  assert.equal(findItem(resnet, 'layer1.0'), itemNamed(resnet, 'layer1.0'));
  assert.equal(findItem(resnet, 'no.such'), -1);
});

test('arrow keys follow the stream down and up, into open modules, and to what stands beside', () => {
  const open = new Set(['layer1', 'layer1.0']);
  const layout = new LayoutEngine(resnet).layout(open);
  const go = (key: string, direction: 'down' | 'up' | 'left' | 'right'): string =>
    resnet.items[neighbour(resnet, open, layout, itemNamed(resnet, key), direction)].key;
  assert.equal(go('#conv1', 'down'), '#bn1');
  assert.equal(go('#bn1', 'up'), '#conv1');
  assert.equal(go('layer1.0', 'down'), '#layer1.0.conv1');
  assert.equal(go('#layer1.0.conv1', 'right'), 'layer1.0.downsample');
  assert.equal(go('layer1.0.downsample', 'left'), '#layer1.0.conv1');
  assert.equal(go('layer1.0.downsample', 'down'), '#layer1.0.add');
  assert.equal(go('#fc', 'down'), '#fc');
});

test('figures of a module add up those of what it holds, before and after the plan', () => {
  const { view } = plan(2e9);
  const overlay = overlayOf(resnet, groups, { scores: state.scores }, view);
  assert.equal(overlay.figures[0].macs, resnet.view.cost.macs);
  assert.equal(overlay.figures[0].keptMacs, view.after.macs);
  assert.equal(overlay.figures[0].keptParams, view.after.params);
  const [stage, ...blocks] = ['layer1', 'layer1.0', 'layer1.1', 'layer1.2'].map(
    (key) => overlay.figures[itemNamed(resnet, key)],
  );
  assert.equal(
    stage.keptMacs,
    blocks.reduce((sum, { keptMacs }) => sum + keptMacs, 0),
  );
  assert.ok(stage.keptChannels < stage.channels);
});

test('a removed module has nothing left', () => {
  const { view } = plan(2e9);
  const without: PlanView = { ...view, removed: ['layer3.2'] };
  const overlay = overlayOf(resnet, groups, {}, without);
  const gone = overlay.figures[itemNamed(resnet, 'layer3.2')];
  assert.deepEqual([gone.removed, gone.keptMacs, gone.keptParams], [true, 0, 0]);
  assert.equal(overlay.figures[itemNamed(resnet, 'layer3.3')].removed, false);
  assert.equal(overlay.figures[itemNamed(resnet, '#layer3.2.conv1')].removed, true);
});

test('importance is the place of the median among the scope, not the mean', () => {
  const view: GroupsView = {
    groups: ['low', 'high'].map((name) => ({
      name,
      scope: 0,
      channels: 4,
      channelGroups: 1,
      members: [],
      frozen: null,
    })),
    scopes: [{ name: 'inside', label: '', kind: 'channels', groups: [0, 1], channels: 8 }],
    carried: [],
  };
  const scores: ScoresView = {
    criterion: 'l1',
    label: '',
    scopes: [{ edges: [0, 1, 2, 3, 4], counts: [2, 2, 2, 2] }],
    groups: [
      [2, 2, 0, 0],
      [0, 0, 2, 2],
    ],
  };
  const [low, high] = importances(view, scores);
  assert.ok(low !== undefined && high !== undefined && low < 0.3 && high > 0.5);
  assert.deepEqual(importances(view, null), [undefined, undefined]);
});
