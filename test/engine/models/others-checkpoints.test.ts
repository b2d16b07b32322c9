/** Checkpoints as other programs leave them: under prefixes, in parts, with weights as products, with integers for weights. */
import assert from 'node:assert/strict';
import { copyFileSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { findVariant } from '../../../src/engine/architectures/registry.ts';
import { GRAPH_KEY } from '../../../src/engine/checkpoint/checkpoint.ts';
import { prefixesOf } from '../../../src/engine/checkpoint/renamed.ts';
import { writeSafetensors } from '../../../src/engine/checkpoint/safetensors/safetensors-write.ts';
import { createExecutor } from '../../../src/engine/compute/backends.ts';
import { graphToJson } from '../../../src/engine/graph/serialize.ts';
import type { Tensor, Weights } from '../../../src/engine/graph/tensor.ts';
import { toFloat32 } from '../../../src/engine/graph/tensor.ts';
import { evaluateModel } from '../../../src/engine/jobs/evaluate.ts';
import { openModel } from '../../../src/engine/jobs/opening/model.ts';
import { fillWeights } from '../../support/detfill.ts';
import { noPythonWith, runPython } from '../../support/python.ts';
import { testFolder } from '../checkpoint/files.ts';
import { sharedPath, skipWithoutShared } from '../data/shared.ts';

const graph = findVariant('resnet20')?.build() ?? assert.fail();
const weights = fillWeights(graph);
const under = (prefix: string, of: Weights = weights): [string, Tensor][] =>
  [...of].map(([name, t]) => [prefix + name, t]);
const loss: [string, Tensor] = ['criterion.weight', { dtype: 'float32', shape: [10], data: new Float32Array(10) }];

describe('prefixes', () => {
  const folder = testFolder();
  const open = async (entries: readonly (readonly [string, Tensor])[]) => {
    const file = path.join(mkdtempSync(path.join(folder.path, 'a')), 'model.safetensors');
    await writeSafetensors(file, new Map(entries));
    return openModel({ model: file });
  };
  for (const prefix of [
    'model.',
    'base_model.model.',
    'a.b.c.d.',
    'timm_model.',
    'module.net.',
    '_orig_mod.model.module.',
  ])
    test(prefix, async () => {
      const model = await open(under(prefix));
      assert.equal(model.graph.name, 'resnet20');
      assert.ok(
        model.notes.some((note) => note.startsWith('weights from ')),
        String(model.notes),
      );
      const read = await model.weights();
      assert.deepEqual(read.get('linear.weight'), weights.get('linear.weight'));
    });
  test('what lies beside the network is named and left out', async () => {
    const model = await open([...under('model.'), loss]);
    assert.deepEqual(model.notes, ['left out, beside the network: criterion.weight', 'weights from model.']);
  });
  test('two networks are not chosen between', () =>
    assert.rejects(
      open([...under('student.'), ...under('teacher.')]),
      /holds several networks \(under student\., teacher\.\)/,
    ));
  test('of many names only the paths that hold much are tried', () => {
    const names = Array.from({ length: 50_000 }, (_, i) => `${'x.'.repeat(200)}${i}`);
    assert.deepEqual(
      prefixesOf(names),
      Array.from({ length: 8 }, (_, i) => 'x.'.repeat(i + 1)),
    );
  });
});

describe('a checkpoint in parts', () => {
  const folder = testFolder();
  const names = [...weights.keys()];
  const part = (i: number): string => `model-0000${i}-of-00002.safetensors`;
  const make = async (weightMap: Record<string, string>, files = [1, 2]): Promise<string> => {
    const place = mkdtempSync(path.join(folder.path, 'p'));
    for (const i of files)
      await writeSafetensors(path.join(place, part(i)), new Map([...weights].filter((_, at) => at < 60 === (i === 1))));
    writeFileSync(path.join(place, 'model.safetensors.index.json'), JSON.stringify({ weight_map: weightMap }));
    return place;
  };
  const map = Object.fromEntries(names.map((name, i) => [name, part(i < 60 ? 1 : 2)]));

  test('opens by its index, by a part, and by its folder', async () => {
    const place = await make(map);
    for (const model of ['model.safetensors.index.json', part(2), '.']) {
      const opened = await openModel({ model: path.join(place, model) });
      assert.equal(opened.graph.name, 'resnet20');
      assert.deepEqual((await opened.weights()).get('linear.bias'), weights.get('linear.bias'));
    }
  });
  test('says which part is missing', async () => {
    const place = await make(map, [1]);
    await assert.rejects(
      openModel({ model: path.join(place, part(1)) }),
      /in 2 parts, and model-00002-of-00002\.safetensors of them is not beside it/,
    );
  });
  test('opens nothing outside of its folder', async () => {
    const place = await make({ a: '../../secret.safetensors' });
    await assert.rejects(
      openModel({ model: path.join(place, 'model.safetensors.index.json') }),
      /which is not in its folder/,
    );
  });
  test('a distributed checkpoint is called that', async () => {
    const place = path.join(folder.path, 'dcp');
    mkdirSync(place);
    writeFileSync(path.join(place, '__0_0.distcp'), '');
    await assert.rejects(openModel({ model: place }), /is a distributed checkpoint of PyTorch/);
  });
});

describe('integers and other precisions', () => {
  const folder = testFolder();
  test('integer weights are refused by tensor and type', async () => {
    const file = path.join(folder.path, 'int.safetensors');
    const rounded = [...weights].map(([name, t]): [string, Tensor] =>
      t.shape.length === 4 ? [name, { dtype: 'int8', shape: t.shape, data: Int8Array.from(toFloat32(t)) }] : [name, t],
    );
    await writeSafetensors(file, new Map(rounded));
    await assert.rejects(openModel({ model: file }), /tensor conv1\.weight holds int8 numbers/);
  });
  test('half precision is noted', async () => {
    const file = path.join(folder.path, 'half.safetensors');
    const half = [...weights].map(([name, t]): [string, Tensor] =>
      t.dtype === 'float32'
        ? [name, { dtype: 'float16', shape: t.shape, data: new Uint16Array(t.data.length) }]
        : [name, t],
    );
    await writeSafetensors(file, new Map(half));
    const { notes } = await openModel({ model: file });
    assert.deepEqual(notes, ['its float16 weights are computed with, and saved, as float32']);
  });
});

test("a file's own Graph says its names, whatever they look like", async () => {
  const file = path.join(testFolder().path, 'own.safetensors');
  const rename = (name: string): string => `module.${name}`;
  const own = {
    ...graph,
    name: 'mine',
    family: 'onnx',
    parameters: graph.parameters.map((p) => ({ ...p, name: rename(p.name) })),
    nodes: graph.nodes.map((node) => ({
      ...node,
      parameters: Object.fromEntries(Object.entries(node.parameters).map(([role, name]) => [role, rename(name)])),
    })),
  } as typeof graph;
  await writeSafetensors(file, new Map(under('module.')), { [GRAPH_KEY]: graphToJson(own) });
  // A size and a rate that it has already are no change, which a network that no family builds could not take.
  const model = await openModel({ model: file, inputSize: 32, dropPath: 0 });
  await assert.rejects(openModel({ model: file, inputSize: 64 }), /cannot be built anew with inputSize 64/);
  assert.deepEqual((await model.weights()).get('module.linear.bias'), weights.get('linear.bias'));
});

const noTorch = noPythonWith('torch');
test('products that weights are kept as are folded as PyTorch computes them', { skip: noTorch }, async () => {
  const folder = testFolder().path;
  const expected = runPython<Record<string, Record<string, number[]>>>('engine/models/reparametrised.py', folder);
  assert.equal(Object.keys(expected).length, 7);
  for (const [form, tensors] of Object.entries(expected)) {
    const model = await openModel({ model: path.join(folder, `${form}.pth`) });
    assert.match(model.notes.join(), /19 weights are folded/, form);
    const read = await model.weights();
    for (const [name, numbers] of Object.entries(tensors)) {
      const found = toFloat32(read.get(name) ?? assert.fail(name));
      assert.equal(found.length, numbers.length);
      for (const [i, x] of numbers.entries())
        assert.ok(
          Math.abs(found[i] - x) < 1e-6 * (1 + Math.abs(x)),
          `${form} ${name}[${i}]: ${found[i]}, PyTorch ${x}`,
        );
    }
  }
});

describe('reported checkpoints', { skip: skipWithoutShared }, () => {
  const reports = path.join(sharedPath, 'cases', 'reports');
  const lossOf = async (file: string): Promise<number> => {
    const model = await openModel({ model: path.join(reports, file) });
    const dataPath = path.join(reports, path.dirname(file), 'data');
    const executor = await createExecutor({ backend: 'embedded' });
    const weights = await model.weights();
    return (await evaluateModel({ ...model, weights }, { dataPath, valResize: 32 }, { executor })).loss;
  };
  const rounded = (x: number): string => x.toFixed(4);
  test('masks', async () => assert.equal(rounded(await lossOf('masks/masks.pth')), rounded(2.36821)));
  test('shards', async () =>
    assert.equal(rounded(await lossOf('shards/model.safetensors.index.json')), rounded(2.36192)));
  test('integer weights', () =>
    assert.rejects(
      openModel({ model: path.join(reports, 'integer-weights/int8.pth') }),
      /tensor conv1\.weight holds int8 numbers/,
    ));
  for (const file of ['lightning.ckpt', 'twice.pth', 'hub.bin'])
    test(`prefixes: ${file}`, async () => {
      const model = await openModel({ model: path.join(reports, 'prefixes', file) });
      assert.equal(model.graph.name, 'resnet20');
      assert.match(model.notes.join(), /weights from .*(model|timm_model)\.$/);
    });
  test('a part alone', async () => {
    const alone = path.join(testFolder().path, 'model-00001-of-00002.safetensors');
    copyFileSync(path.join(reports, 'shards', path.basename(alone)), alone);
    await assert.rejects(openModel({ model: alone }), /is a checkpoint in 2 parts/);
  });
});
