import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LayoutEngine } from '../../webview/graph/layout/layout.ts';
import { layoutContainer } from '../../webview/graph/layout/local.ts';
import { type Layout, type Part, type PlacedBox, SIZES } from '../../webview/graph/layout/types.ts';
import { wrapped } from '../../webview/graph/layout/wrap.ts';
import { allOpen, firstExpansion } from '../../webview/graph/model/expansion.ts';
import type { Tree } from '../../webview/graph/model/tree.ts';
import { FAMILIES, itemNamed, treeOf } from './models.ts';

const overlap = (a: PlacedBox, b: PlacedBox): boolean =>
  a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height;

function boxesByParent(tree: Tree, layout: Layout): Map<number, PlacedBox[]> {
  const found = new Map<number, PlacedBox[]>();
  for (const box of layout.boxes) {
    const { parent } = tree.items[box.item];
    found.set(parent, [...(found.get(parent) ?? []), box]);
  }
  return found;
}

function check(tree: Tree, layout: Layout): void {
  assert.ok(layout.boxes.length > 1 && layout.edges.length > 0);
  const byItem = new Map(layout.boxes.map((box) => [box.item, box]));
  for (const [parent, boxes] of boxesByParent(tree, layout)) {
    const around = byItem.get(parent);
    for (const [i, box] of boxes.entries()) {
      const name = tree.items[box.item].key;
      for (const other of boxes.slice(i + 1))
        assert.ok(!overlap(box, other), `${name} lies on ${tree.items[other.item].key}`);
      if (!around) continue;
      assert.ok(box.x >= around.x && box.x + box.width <= around.x + around.width, `${name} leaves its module`);
      assert.ok(box.y >= around.y + SIZES.header && box.y + box.height <= around.y + around.height, name);
    }
  }
  for (const { from, to, container, route } of layout.edges) {
    const [start, end] = [byItem.get(from), byItem.get(to)];
    const around = byItem.get(container);
    const top = start ? start.y + start.height : (around?.y ?? 0);
    const bottom = end ? end.y : (around?.y ?? 0) + (around?.height ?? 0);
    assert.ok(Math.abs(route[1] - top) < 1e-6, 'a ribbon starts where its box ends');
    assert.ok(Math.abs((route.at(-1) as number) - bottom) < 1e-6, 'a ribbon ends where its box starts');
    if (start) assert.ok(route[0] >= start.x && route[0] <= start.x + start.width);
    if (end) assert.ok((route.at(-3) as number) >= end.x && (route.at(-3) as number) <= end.x + end.width);
  }
}

for (const name of FAMILIES)
  test(`${name}: no box lies on another, all lie in their modules, ribbons join them`, () => {
    const tree = treeOf(name);
    const engine = new LayoutEngine(tree);
    for (const open of [new Set<string>(), firstExpansion(tree), allOpen(tree)]) check(tree, engine.layout(open));
  });

for (const name of FAMILIES)
  test(`${name} in columns: the same holds, and everything is less tall`, () => {
    const tree = treeOf(name);
    const engine = new LayoutEngine(tree);
    for (const open of [firstExpansion(tree), allOpen(tree)]) {
      const tall = engine.layout(open);
      for (const columns of [2, 3, 5]) {
        const layout = engine.layout(open, Math.ceil(tall.height / columns));
        check(tree, layout);
        assert.ok(layout.height < tall.height, `${layout.height} of ${tall.height} in ${columns} columns`);
        assert.equal(layout.boxes.length, tall.boxes.length);
        assert.ok(layout.edges.every(({ route }) => route.every(Number.isFinite)));
        for (const { route } of layout.edges)
          for (let run = 0; run < route.length; run += 3)
            assert.ok(route[run] >= 0 && route[run] <= layout.width, 'a ribbon leaves the picture');
      }
    }
  });

test('a chain is cut where no box is in the way; a ribbon over the cut runs below and up the gutter', () => {
  const part: Part = { width: 100, height: 40, entries: [], exits: [], weight: 1, isInput: false };
  const parts = [part, part, part, part];
  const chain = [0, 1, 2].map((i) => ({ value: i, from: i, fromPort: 0, to: i + 1, toPort: 0 }));
  const tall = layoutContainer(parts, { entries: [], exits: [], edges: chain }, 4, 0);
  const two = wrapped(tall, parts, 100);
  const columns = new Set(two.positions.map(([x]) => x));
  assert.equal(columns.size, 2);
  assert.ok(two.height < tall.height && two.width > tall.width);
  assert.ok(two.positions.every(([x, y]) => x + part.width <= two.width && y + part.height <= two.height));
  assert.equal(two.routes[0].length, 3);
  const [, , below, gutter, from, up, , top] = two.routes[1];
  const bottom = Math.max(...two.positions.map(([, y]) => y + part.height));
  assert.ok(below > bottom && from === below && up < from && top === up, 'down, up the gutter, down again');
  assert.ok(gutter > 100 && gutter < two.width);
  assert.equal(wrapped(tall, parts, 10_000), tall);
});

test('equal blocks are laid out once', () => {
  const tree = treeOf('resnet152');
  const engine = new LayoutEngine(tree);
  engine.layout(allOpen(tree));
  const modules = tree.items.filter((item) => item.children.length).length;
  assert.ok(modules > 50 && engine.distinctContainers < 16, `${engine.distinctContainers} of ${modules}`);
});

test('the same input gives the same layout, whatever was laid out before', () => {
  const tree = treeOf('swin_base_patch4_window7_224');
  const engine = new LayoutEngine(tree);
  engine.layout(allOpen(tree));
  const first = firstExpansion(tree);
  assert.deepEqual(engine.layout(first), new LayoutEngine(tree).layout(first));
});

test('a chain of blocks stands on one line, and stays on it when one of them is opened', () => {
  const tree = treeOf('resnet152');
  const engine = new LayoutEngine(tree);
  const stage = itemNamed(tree, 'layer2');
  const middles = (layout: Layout, keys: readonly string[]): Set<number> =>
    new Set(
      keys.map((key) => {
        const box = layout.boxes.find(({ item }) => item === itemNamed(tree, key));
        assert.ok(box, key);
        return box.x + box.width / 2;
      }),
    );
  const closed = engine.layout(new Set([tree.items[stage].key]));
  assert.equal(middles(closed, ['#conv1', '#bn1', 'layer2.0', 'layer1', 'layer3', '#fc']).size, 1);
  const opened = engine.layout(new Set(['layer2', 'layer2.0']));
  assert.equal(middles(opened, ['#conv1', '#layer2.0.conv1', '#layer2.0.conv3', 'layer3', '#fc']).size, 1);
});

test('a shortcut runs beside its block, parameters stand next to what reads them', () => {
  const tree = treeOf('deit_base_distilled_patch16_224');
  const layout = new LayoutEngine(tree).layout(firstExpansion(tree));
  const box = (key: string): PlacedBox => layout.boxes.find(({ item }) => item === itemNamed(tree, key)) as PlacedBox;
  const added = box('#add_pos_embed');
  assert.ok(added.y - (box('#pos_embed').y + SIZES.step.height) <= SIZES.bend);
  const resnet = treeOf('resnet152');
  const block = new LayoutEngine(resnet).layout(new Set(['layer1', 'layer1.0']));
  const shortcut = block.boxes.find(({ item }) => item === itemNamed(resnet, 'layer1.0.downsample'));
  const conv = block.boxes.find(({ item }) => item === itemNamed(resnet, '#layer1.0.conv1'));
  assert.ok(shortcut && conv && shortcut.x >= conv.x + conv.width);
});

const part: Part = { width: 100, height: 20, entries: [], exits: [], weight: 1, isInput: false };
const edge = (from: number, to: number, value = from) => ({ value, from, fromPort: 0, to, toPort: 0 });

test('modules that feed each other in a circle are laid out all the same', () => {
  const flow = { entries: [9], exits: [1], edges: [edge(-1, 0, 9), edge(0, 1), edge(1, 0), edge(1, -1)] };
  const layout = layoutContainer([part, part], flow, 2, 0);
  assert.equal(layout.positions.length, 2);
  assert.notEqual(layout.positions[0][1], layout.positions[1][1]);
  assert.ok(layout.routes.every((route) => route.every(Number.isFinite)));
});

test('readers of one value share a lane', () => {
  const edges = [0, 1, 2, 3].flatMap((i) => [edge(i, i + 1), ...(i > 0 ? [edge(0, i + 1)] : [])]);
  const layout = layoutContainer([part, part, part, part, part], { entries: [], exits: [], edges }, 5, 0);
  const lanes = new Set(edges.flatMap(({ from, to }, i) => (from === 0 && to > 1 ? [layout.routes[i][3]] : [])));
  assert.equal(lanes.size, 1);
});
