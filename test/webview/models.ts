/** Trees of real models for the tests, built once. */
import assert from 'node:assert/strict';
import { buildModel } from '../../src/engine/architectures/registry.ts';
import { graphViewOf } from '../../src/worker/graph-view.ts';
import { buildTree, type Tree } from '../../webview/graph/model/tree.ts';

const trees = new Map<string, Tree>();

export function treeOf(name: string): Tree {
  const known = trees.get(name);
  if (known) return known;
  const graph = buildModel(name);
  assert.ok(graph, `no model ${name}`);
  const tree = buildTree(graphViewOf(graph));
  trees.set(name, tree);
  return tree;
}

export function itemNamed(tree: Tree, key: string): number {
  const item = tree.byKey.get(key);
  assert.ok(item !== undefined, `no item ${key}`);
  return item;
}

/** One of each family. */
export const FAMILIES = [
  'resnet20',
  'resnet152',
  'resnext50_32x4d',
  'deit_base_distilled_patch16_224',
  'swin_base_patch4_window7_224',
  'convnext_base',
  'mobilenet_v2',
  'regnety_160',
  'vgg16',
  'densenet121',
  'efficientnet_b0',
] as const;
