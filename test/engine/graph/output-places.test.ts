import assert from 'node:assert/strict';
import { test } from 'node:test';
import { returnedPlaces } from '../../../src/engine/checkpoint/pt2/return-value.ts';
import { outputTree } from '../../../src/engine/graph/output-places.ts';

const tensor = (output: number) => ({ kind: 'tensor', output });

test('a return value is made of the places of its outputs: dictionaries, tuples, and a tensor that is in it twice', () => {
  assert.deepEqual(outputTree([[['out']], [['others', 0], ['again']]]), {
    kind: 'dictionary',
    keys: ['out', 'others', 'again'],
    parts: [tensor(0), { kind: 'tuple', parts: [tensor(1)] }, tensor(1)],
  });
  assert.deepEqual(outputTree([[[]]]), tensor(0));
});

test('what was left out of a tuple leaves no gap; places that contradict each other are no value', () => {
  assert.deepEqual(outputTree([[[3]], [[1]]]), { kind: 'tuple', parts: [tensor(1), tensor(0)] });
  for (const places of [
    [[['a']], undefined],
    [[['a']], [['a']]],
    [[['a']], [[0]]],
    [[['a']], [['a', 'b']]],
  ])
    assert.equal(outputTree(places), undefined);
});

test("places are read from PyTorch's tree; what is no tree is passed over", () => {
  const leaf = { type: null, context: null, children_spec: [] };
  const of = (tree: unknown): unknown => returnedPlaces([{ signature: { out_spec: JSON.stringify([1, tree]) } }]);
  const dictionary = (keys: readonly unknown[], children: readonly unknown[]) => ({
    type: 'collections.OrderedDict',
    context: JSON.stringify(keys),
    children_spec: children,
  });
  const list = { type: 'builtins.list', context: 'null', children_spec: [leaf, leaf] };
  assert.deepEqual(of(dictionary(['out', 'aux'], [leaf, list])), [['out'], ['aux', 0], ['aux', 1]]);
  assert.deepEqual(of(dictionary(['same', 'same'], [leaf, leaf])), [[0], [1]]);
  assert.deepEqual(of(leaf), [[]]);
  let deep: unknown = leaf;
  for (let i = 0; i < 20; i++) deep = { type: 'builtins.tuple', context: 'null', children_spec: [deep] };
  for (const wrong of [deep, 3, { type: 'x' }]) assert.equal(of(wrong), undefined);
  for (const wrong of [undefined, [], [{ signature: { out_spec: '{' } }]])
    assert.equal(returnedPlaces(wrong), undefined);
});
