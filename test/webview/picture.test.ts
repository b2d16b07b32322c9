import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatRoughPercent } from '../../src/common/format.ts';
import type { GroupsView } from '../../src/protocol/graph-view.ts';
import { keptThickness, type Picture, thickness } from '../../webview/graph/draw/picture.ts';
import { drawPicture, EVERYTHING } from '../../webview/graph/draw/scene.ts';
import { newShape } from '../../webview/graph/draw/shapes.ts';
import { truncator } from '../../webview/graph/draw/surface.ts';
import { roughMeasure, SvgSurface } from '../../webview/graph/draw/svg-surface.ts';
import { scopeLook, type Theme } from '../../webview/graph/draw/theme.ts';
import { positionOf } from '../../webview/graph/inspector/histogram.ts';
import { LayoutEngine } from '../../webview/graph/layout/layout.ts';
import { firstExpansion } from '../../webview/graph/model/expansion.ts';
import { overlayOf } from '../../webview/graph/model/figures.ts';
import { groupsOnto, indexGroups } from '../../webview/graph/model/group-lookup.ts';
import { badges, highlightOf, NOTHING } from '../../webview/graph/model/selection.ts';
import { buildTree } from '../../webview/graph/model/tree.ts';
import { pathTail } from '../../webview/graph/path-tail.ts';
import { type Column, sorted } from '../../webview/graph/table/grid.ts';
import { hitTest } from '../../webview/graph/view/hit.ts';
import { testModel } from './harness/models.ts';
import { itemNamed, treeOf } from './models.ts';

const THEME: Theme = {
  background: '#000',
  foreground: '#fff',
  muted: '#999',
  surface: '#111',
  border: '#333',
  focus: '#00f',
  selection: '#00e',
  warning: '#fc0',
  heat: '#f01',
  badge: '#555',
  badgeText: '#eee',
  charts: ['#1', '#2', '#3', '#4', '#5', '#6'],
  stream: '#777',
  fontFamily: 'sans-serif',
  highContrast: false,
};

const tree = treeOf('resnet50');
const { state, plan } = await testModel('resnet50');
const groups = indexGroups(state.groups as GroupsView);
const layout = new LayoutEngine(tree).layout(firstExpansion(tree));

function picture(change: Partial<Picture> = {}): Picture {
  const highlight = highlightOf(tree, groups, NOTHING);
  return {
    tree,
    layout,
    overlay: overlayOf(tree, groups, { scores: state.scores }, null),
    highlight,
    badges: new Map(),
    selection: NOTHING,
    focus: -1,
    hover: -1,
    mode: 'dense',
    theme: THEME,
    tint: 'scores',
    ...change,
  };
}

function svgOf(shown: Picture, zoom = 1): string {
  const surface = new SvgSurface();
  drawPicture(surface, shown, EVERYTHING, zoom);
  return surface.document(shown.layout.width, shown.layout.height, '#000', 'sans-serif', 'x');
}

const count = (text: string, part: string): number => text.split(part).length - 1;

test('ribbons grow with the logarithm of the channels; half the channels are half the ribbon', () => {
  const steps = [64, 128, 256, 512].map(thickness);
  assert.ok(Math.abs(steps[1] - steps[0] - (steps[3] - steps[2])) < 0.1 && steps[0] < steps[1]);
  assert.ok(Math.abs(keptThickness(512, 256) - thickness(512) / 2) < 1e-9);
  assert.equal(keptThickness(64, 64), thickness(64));
  assert.equal(keptThickness(64, 0), 0);
});

test('a plan fades what it removes; the pruned picture shows what is left and no more', () => {
  const overlay = overlayOf(tree, groups, {}, plan(2e9).view);
  const plain = svgOf(picture());
  const planned = svgOf(picture({ overlay }));
  const pruned = svgOf(picture({ overlay, mode: 'pruned' }));
  assert.ok(count(planned, '<path') - count(plain, '<path') >= layout.edges.length - 3);
  assert.equal(count(pruned, '<path'), count(plain, '<path'));
  assert.match(planned, /64 → \d+</);
  assert.doesNotMatch(pruned, /→/);
});

test('far away the words are left out, the boxes stay; names stay as long as they can be read', () => {
  assert.equal(count(svgOf(picture(), 0.2), '<text'), 0);
  const middling = svgOf(picture(), 0.35);
  assert.ok(middling.includes('>conv1<') && !middling.includes('conv 7×7'));
  assert.ok(count(svgOf(picture(), 0.2), '<rect') > layout.boxes.length);
});

test('what is off the area is not drawn', () => {
  const surface = new SvgSurface();
  drawPicture(surface, picture(), { left: 0, top: 0, right: layout.width, bottom: 100 }, 1);
  const part = surface.document(1, 1, '', '', '');
  assert.ok(part.includes('>conv1<') && !part.includes('>fc<'));
});

test('a selection outlines members, dims the rest, marks its ribbons with a dashed line, counts hidden members', () => {
  const selection = { item: itemNamed(tree, '#conv1'), side: 'out', scope: null } as const;
  const highlight = highlightOf(tree, groups, selection);
  const text = svgOf(picture({ selection, highlight, badges: badges(tree, firstExpansion(tree), highlight) }));
  assert.ok(text.includes('stroke="#00e"'));
  assert.ok(count(text, 'opacity="0.42"') > 10);
  assert.ok(count(text, 'stroke-dasharray="5 4"') >= 3);
  assert.match(text, /fill="#555"/);
});

test('names reach SVG as text, never as markup', () => {
  const view = { ...tree.view, nodes: tree.view.nodes.map((n, i) => (i === 1 ? { ...n, id: '<b>&"' } : n)) };
  const odd = buildTree(view);
  const engine = new LayoutEngine(odd);
  const shown = picture({ tree: odd, layout: engine.layout(new Set()), overlay: overlayOf(odd, null, {}, null) });
  const text = svgOf(shown);
  assert.ok(text.includes('&lt;b&gt;&amp;&quot;') && !text.includes('<b>'));
});

test('no two of the first 24 scopes look alike', () => {
  const looks = Array.from({ length: 24 }, (_, scope) => JSON.stringify(scopeLook(THEME, scope)));
  assert.equal(new Set(looks).size, 24);
});

test('the pointer finds boxes, the arrow of modules, and ribbons', () => {
  const overlay = overlayOf(tree, groups, {}, null);
  const isModule = (item: number): boolean => tree.items[item].children.length > 0;
  const box = layout.boxes.find(({ item }) => item === itemNamed(tree, '#conv1'))!;
  const middle = [box.x + box.width / 2, box.y + box.height / 2] as const;
  assert.equal(hitTest(layout, overlay, ...middle, isModule)?.box?.item, box.item);
  assert.equal(hitTest(layout, overlay, middle[0], box.y + box.height + 4, isModule)?.kind, 'ribbon');
  const stage = layout.boxes.find(({ item }) => item === itemNamed(tree, 'layer1'))!;
  assert.equal(hitTest(layout, overlay, stage.x + 10, stage.y + 10, isModule)?.kind, 'arrow');
  assert.equal(hitTest(layout, overlay, -50, -50, isModule), undefined);
});

test('long names end in an ellipsis and fit', () => {
  const shorten = truncator(roughMeasure);
  const style = { fill: '', size: 10, maxWidth: 60 };
  const cut = shorten('a very long name of a layer', style);
  assert.ok(cut.endsWith('…') && roughMeasure(cut, 10, false) <= 60);
  assert.equal(shorten('short', style), 'short');
  assert.equal(pathTail('features.denseblock1.denselayer1.conv1', 20), '…denselayer1.conv1');
  assert.equal(pathTail('features.denseblock1.denselayer1.conv1', 30), '…denseblock1.denselayer1.conv1');
  assert.equal(pathTail('a_rather_long_name_without_a_dot', 20), '…_name_without_a_dot');
  assert.equal(pathTail('conv1', 20), 'conv1');
});

test('a threshold stands where its score lies among the bins', () => {
  assert.equal(positionOf([0, 1, 10, 100], 1), 1);
  assert.equal(positionOf([0, 1, 10, 100], 5.5), 1.5);
  assert.equal(positionOf([0, 1, 10, 100], 1000), 3);
  assert.equal(positionOf([0, 1, 10, 100], -1), 0);
});

test('tables sort numbers as numbers and names as people do', () => {
  interface Row {
    readonly name: string;
    readonly size: number;
  }
  const name: Column<Row> = { key: 'name', title: '', width: 1, text: (row) => row.name };
  const size: Column<Row> = {
    key: 'size',
    title: '',
    width: 1,
    text: (row) => `${row.size}`,
    sortBy: (row) => row.size,
  };
  const rows = [
    { name: 'layer10', size: 9 },
    { name: 'layer2', size: 10 },
  ];
  assert.deepEqual(
    sorted(rows, name, false).map((row) => row.name),
    ['layer2', 'layer10'],
  );
  assert.deepEqual(
    sorted(rows, size, true).map((row) => row.size),
    [10, 9],
  );
  assert.deepEqual(sorted(rows, undefined, true), rows);
  assert.deepEqual(
    [formatRoughPercent(0.5), formatRoughPercent(0.0321), formatRoughPercent(0.0001), formatRoughPercent(0)],
    ['50 %', '3.2 %', '<0.1 %', '0 %'],
  );
});

test('shapes stand where they change, in the size of text that can be read', () => {
  const nodeOf = (id: string): number => tree.view.nodes.findIndex((node) => node.id === id);
  assert.equal(newShape(tree, nodeOf('conv1')), '64×112×112');
  assert.equal(newShape(tree, nodeOf('bn1')), '', 'a batch norm changes no shape');
  assert.equal(newShape(tree, nodeOf('maxpool')), '64×56×56');
  assert.equal(count(svgOf(picture()), '>64×112×112<'), 1, 'once, however many read it');
  assert.equal(count(svgOf(picture(), 0.5), '>64×112×112<'), 0);
});

test('the pruned model has the groups of the dense one, by the names of its layers', () => {
  const { view } = tree;
  const without = view.nodes.findIndex(({ id }) => id === 'layer1.1.conv2');
  const pruned = { ...view, nodes: view.nodes.filter((_, i) => i !== without) };
  const moved = groupsOnto(groups.view, view, pruned);
  const names = (nodes: typeof view.nodes, of: typeof moved): string[][] =>
    of.groups.map(({ members }) => members.map(({ node }) => nodes[node].id));
  assert.deepEqual(
    names(pruned.nodes, moved),
    names(view.nodes, groups.view).map((ids) => ids.filter((id) => id !== 'layer1.1.conv2')),
  );
  const last = pruned.nodes.length - 1;
  assert.deepEqual(moved.carried[last], groups.view.carried[view.nodes.length - 1]);
});

test('a name from a file cannot turn a line around: what cannot be seen is written as an escape', () => {
  const surface = new SvgSurface(roughMeasure);
  surface.text(0, 0, 'conv\u202e1\u001b]0;x', { fill: '#000', size: 12 });
  const drawn = surface.document(10, 10, '#fff', 'sans', 'title');
  assert.match(drawn, /conv\\u202e1\\x1b\]0;x/);
});
