import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GraphDefBuilder } from '../../../../src/engine/compute/tensorflow/graph-def.ts';

const names = (graph: GraphDefBuilder): string[] => graph.toModel().nodes.map((node) => node.name);
const float = { T: { type: 'float32' } } as const;

test('names are unique, scoped and in TensorFlow’s alphabet', () => {
  const graph = new GraphDefBuilder();
  const x = graph.placeholder('x', 'float32', [1]);
  graph.identity(x, { name: 'layer.0' });
  graph.identity(x, { name: 'layer.0' });
  graph.identity(x, { name: 'layer.0_1' });
  graph.identity(x, { name: '_a b:c' });
  graph.scope('train', () => graph.scope('step', () => graph.identity(x)));
  graph.identity(x);
  assert.deepEqual(names(graph), [
    'x',
    'layer.0',
    'layer.0_1',
    'layer.0_1_1',
    'n_a_b_c',
    'train/step/Identity',
    'Identity',
  ]);
});

test('control inputs come last, once each, as nodes', () => {
  const graph = new GraphDefBuilder();
  const x = graph.placeholder('x', 'float32', [1]);
  const [, second] = graph.outputs('Unpack', [x], { ...float, num: { int: 2 } }, [x, x]);
  graph.identity(second, { controls: [x, second, 'x'] });
  assert.deepEqual(graph.toModel().nodes.at(-1)?.inputs, ['Unpack:1', '^x', '^Unpack']);
});

test('small constants are shared within their scope, and their size is checked', () => {
  const graph = new GraphDefBuilder();
  assert.equal(graph.ints(1, 2), graph.ints(1, 2));
  assert.equal(graph.int(1), graph.int(1));
  assert.notEqual(graph.int(1), graph.ints(1));
  assert.notEqual(graph.float(0), graph.float(-0));
  assert.notEqual(
    graph.float(1),
    graph.scope('other', () => graph.float(1)),
  );
  assert.throws(() => graph.constant(new Float32Array(3), [2, 2]), /shape \[2,2\] cannot hold 3 values/);
});

test('a variable is one by its name, whatever the scope', () => {
  const graph = new GraphDefBuilder();
  const variable = graph.scope('a', () => graph.variable('w', [2, 3]));
  assert.equal(graph.variable('w', [2, 3]), variable);
  assert.equal(variable.handle.name, 'w');
  assert.throws(() => graph.variable('w', [3, 2]), /Variable w is float32 \[2,3\], not float32 \[3,2\]/);
});

test('only what may be a fed buffer is copied before it is assigned', () => {
  const graph = new GraphDefBuilder();
  const variable = graph.variable('w', [4]);
  const fed = graph.placeholder('fed', 'float32', [2, 2]);
  const reshaped = graph.op('Reshape', [fed, graph.ints(4)], float, { dtype: 'float32', shape: [4] });
  const computed = graph.op('Neg', [reshaped], float, reshaped);
  const copies = () => graph.toModel().nodes.filter((node) => node.op === 'DeepCopy').length;
  graph.assign(variable, computed);
  assert.equal(copies(), 0);
  graph.assign(variable, reshaped);
  assert.equal(copies(), 1);
});

test('signatures are checked', () => {
  const graph = new GraphDefBuilder();
  const x = graph.placeholder('x', 'float32', [1]);
  graph.signature('f', { x }, { x });
  assert.throws(() => graph.signature('f', { x }, { x }), /already has a signature f/);
  assert.throws(() => graph.signature('g', { x }, {}), /has no outputs/);
});
