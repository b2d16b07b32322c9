/** What is written, read back by the protocol-buffer classes that tfjs-node generated from TensorFlow's own definitions. */
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { test } from 'node:test';
import { GraphDefBuilder } from '../../../../src/engine/compute/tensorflow/graph-def.ts';
import { encodeSavedModel, type SavedModel } from '../../../../src/engine/compute/tensorflow/saved-model.ts';

interface GeneratedMessage {
  toObject(): Record<string, unknown>;
}
const { SavedModel: Generated } = createRequire(import.meta.url)('@tensorflow/tfjs-node-gpu/dist/proto/api_pb.js') as {
  SavedModel: { deserializeBinary(bytes: Uint8Array): GeneratedMessage };
};

/** Messages as plain objects; `xList` and `xMap` are repeated and map fields. */
// biome-ignore lint/suspicious/noExplicitAny: the generated classes have no types
const decode = (model: SavedModel): any => Generated.deserializeBinary(encodeSavedModel(model)).toObject();

test('a graph keeps its nodes, attributes and signature', () => {
  const graph = new GraphDefBuilder();
  const x = graph.placeholder('x', 'float32', [-1, 2]);
  const w = graph.constant(Float32Array.of(1, 2, 3, 4, 5, 6), [2, 3], { name: 'w' });
  const attrs = { T: { type: 'float32' }, transpose_a: { bool: false } } as const;
  const y = graph.op('MatMul', [x, w], attrs, { dtype: 'float32', shape: [-1, 3] }, { name: 'y' });
  graph.signature('forward', { x }, { y });
  const model = decode(graph.toModel());

  assert.equal(model.savedModelSchemaVersion, 1);
  const [metaGraph] = model.metaGraphsList;
  assert.deepEqual(metaGraph.metaInfoDef.tagsList, ['serve']);
  const nodes = metaGraph.graphDef.nodeList;
  assert.deepEqual(
    nodes.map((node: { name: string; op: string; inputList: string[] }) => [node.name, node.op, node.inputList]),
    [
      ['x', 'Placeholder', []],
      ['w', 'Const', []],
      ['y', 'MatMul', ['x', 'w']],
    ],
  );
  const attributes = new Map(nodes[1].attrMap) as Map<
    string,
    { tensor: { tensorContent: string; tensorShape: unknown } }
  >;
  const { tensorContent } = attributes.get('value')!.tensor;
  assert.deepEqual(
    new Float32Array(Uint8Array.from(Buffer.from(tensorContent, 'base64')).buffer),
    Float32Array.of(1, 2, 3, 4, 5, 6),
  );
  const [[name, signature]] = metaGraph.signatureDefMap;
  assert.equal(name, 'forward');
  const [[key, info]] = signature.inputsMap;
  assert.equal(key, 'x');
  assert.equal(info.name, 'x:0');
  assert.equal(info.dtype, 1);
  assert.deepEqual(
    info.tensorShape.dimList.map((dim: { size: number }) => dim.size),
    [-1, 2],
  );
});

test('every kind of attribute', () => {
  const attrs = {
    s: { str: 'text' },
    i: { int: -3 },
    f: { float: 0.5 },
    b: { bool: true },
    t: { type: 'int64' },
    shape: { shape: [-1, 4] },
    anyRank: { shape: undefined },
    fn: { func: 'body' },
    is: { ints: [1, 2] },
    fs: { floats: [1.5] },
    bs: { bools: [true, false] },
    ss: { strs: ['a', 'b'] },
    ts: { types: ['float32', 'bool'] },
    shapes: { shapes: [[1], undefined] },
  } as const;
  const model = decode({ nodes: [{ name: 'n', op: 'Op', inputs: ['a', '^b'], attrs }], signatures: {} });
  const [node] = model.metaGraphsList[0].graphDef.nodeList;
  // biome-ignore lint/suspicious/noExplicitAny: the generated classes have no types
  const got = new Map<string, any>(node.attrMap);
  assert.deepEqual(node.inputList, ['a', '^b']);
  assert.equal(Buffer.from(got.get('s').s, 'base64').toString(), 'text');
  assert.equal(got.get('i').i, -3);
  assert.equal(got.get('f').f, 0.5);
  assert.equal(got.get('b').b, true);
  assert.equal(got.get('t').type, 9);
  assert.deepEqual(
    got.get('shape').shape.dimList.map((dim: { size: number }) => dim.size),
    [-1, 4],
  );
  assert.equal(got.get('anyRank').shape.unknownRank, true);
  assert.equal(got.get('fn').func.name, 'body');
  assert.deepEqual(got.get('is').list.iList, [1, 2]);
  assert.deepEqual(got.get('fs').list.fList, [1.5]);
  assert.deepEqual(got.get('bs').list.bList, [true, false]);
  assert.deepEqual(
    got.get('ss').list.sList.map((s: string) => Buffer.from(s, 'base64').toString()),
    ['a', 'b'],
  );
  assert.deepEqual(got.get('ts').list.typeList, [1, 10]);
  assert.equal(got.get('shapes').list.shapeList.length, 2);
});
