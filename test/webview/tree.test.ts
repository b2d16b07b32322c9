import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  allOpen,
  countAlike,
  firstExpansion,
  representative,
  revealed,
  toggledAlike,
} from '../../webview/graph/model/expansion.ts';
import { search } from '../../webview/graph/model/search.ts';
import { ancestors, contents, ROOT } from '../../webview/graph/model/tree.ts';
import { FAMILIES, itemNamed, treeOf } from './models.ts';

for (const name of FAMILIES)
  test(`every node of ${name} is in the tree once, under modules that count it`, () => {
    const tree = treeOf(name);
    const seen = new Map<number, number>();
    const visit = (index: number): number[] => {
      const item = tree.items[index];
      if (item.node >= 0) {
        seen.set(item.node, (seen.get(item.node) ?? 0) + 1);
        return [item.node];
      }
      const inside = item.children.flatMap((child) => {
        assert.equal(tree.items[child].parent, index);
        return visit(child);
      });
      assert.deepEqual(
        [...item.nodes].sort((a, b) => a - b),
        inside.sort((a, b) => a - b),
      );
      return inside;
    };
    visit(ROOT);
    assert.equal(seen.size, tree.view.nodes.length);
    assert.ok([...seen.values()].every((times) => times === 1));
  });

test('equal blocks in a row are one run; a module of nothing but equal blocks is not wrapped again', () => {
  const resnet = treeOf('resnet152');
  const stage = resnet.items[itemNamed(resnet, 'layer3')];
  assert.deepEqual(
    stage.children.map((child) => resnet.items[child].kind),
    ['module', 'run'],
  );
  const run = resnet.items[stage.children[1]];
  assert.deepEqual([run.name, run.children.length, run.type], ['1 – 35', 35, 'Bottleneck']);
  const deit = treeOf('deit_base_distilled_patch16_224');
  assert.equal(contents(deit, itemNamed(deit, 'blocks')), '12 × Block');
  assert.ok(deit.items[itemNamed(deit, 'blocks')].children.every((child) => deit.items[child].kind === 'module'));
});

test('blocks with a shortcut of their own are not like the others', () => {
  const tree = treeOf('resnet152');
  const structure = (path: string): number => tree.items[itemNamed(tree, path)].structure;
  assert.equal(structure('layer1.1'), structure('layer4.2'));
  assert.notEqual(structure('layer1.0'), structure('layer1.1'));
  assert.equal(countAlike(tree, itemNamed(tree, 'layer1.1')), 50 - 4);
});

test('the first look shows few boxes, and all of a model that is small', () => {
  for (const name of FAMILIES) {
    const tree = treeOf(name);
    const open = firstExpansion(tree);
    const shown = new Set(tree.view.nodes.map((_, node) => representative(tree, open, node)));
    assert.ok(shown.size >= 5 && shown.size <= 44, `${name}: ${shown.size}`);
  }
});

test('opening one block opens all that are like it', () => {
  const tree = treeOf('resnet152');
  const opened = toggledAlike(tree, new Set(), itemNamed(tree, 'layer2.3'));
  assert.ok(opened.has('layer1.2') && opened.has('layer3.35') && !opened.has('layer1.0'));
  assert.equal(toggledAlike(tree, opened, itemNamed(tree, 'layer1.2')).size, 0);
});

test('revealing opens what is around, and what is closed stands for what it holds', () => {
  const tree = treeOf('resnet152');
  const conv = itemNamed(tree, '#layer3.20.conv2');
  const node = tree.items[conv].node;
  assert.equal(representative(tree, new Set(), node), itemNamed(tree, 'layer3'));
  const open = revealed(tree, new Set(), conv);
  assert.deepEqual(
    [...open].sort(),
    ancestors(tree, conv)
      .map((item) => tree.items[item].key)
      .sort(),
  );
  assert.equal(representative(tree, open, node), conv);
  assert.equal(revealed(tree, allOpen(tree), conv).size, allOpen(tree).size);
});

test('search finds by name and by type, the best first, every word', () => {
  const tree = treeOf('resnet152');
  const names = (query: string): string[] => search(tree, query).map((item) => tree.items[item].key);
  assert.equal(names('layer1.0.conv2')[0], '#layer1.0.conv2');
  assert.equal(names('conv 7×7')[0], '#conv1');
  // Three of each block, and that of the shortcut.
  assert.deepEqual(
    names('layer4 batch norm').map((key) => key.replace(/\..*/, '')),
    new Array(10).fill('#layer4'),
  );
  assert.deepEqual(names('nothing of the sort'), []);
  assert.deepEqual(names('   '), []);
});
