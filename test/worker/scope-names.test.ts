import assert from 'node:assert/strict';
import { test } from 'node:test';
import { buildModel } from '../../src/engine/architectures/registry.ts';
import { couple } from '../../src/engine/pruning/coupling/couple.ts';
import { groupsViewOf } from '../../src/worker/groups-view.ts';

const namesOf = (model: string): readonly string[] => {
  const graph = buildModel(model);
  assert.ok(graph);
  return groupsViewOf(couple(graph)).scopes.map(({ name }) => name);
};

const CASES: Readonly<Record<string, RegExp>> = {
  resnet50: /residual stream|block inside|layer outputs/,
  deit_tiny_distilled_patch16_224: /residual stream|MLP hidden|head dims|attention heads/,
  convnext_tiny: /residual stream|MLP hidden|layer outputs/,
  mobilenet_v2: /residual stream|block inside|layer outputs/,
};

for (const [model, known] of Object.entries(CASES))
  test(`${model}: every scope has a name of its own that says what its channels are`, () => {
    const names = namesOf(model);
    assert.equal(new Set(names).size, names.length);
    for (const name of names) assert.match(name, known);
  });

test('a transformer has one residual stream, one kind of MLP, heads and their dims', () => {
  assert.deepEqual([...namesOf('deit_tiny_distilled_patch16_224')].sort(), [
    'MLP hidden',
    'attention heads',
    'head dims',
    'residual stream',
  ]);
});
