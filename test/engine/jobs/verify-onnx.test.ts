import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { buildModel } from '../../../src/engine/architectures/registry.ts';
import { parseOnnx } from '../../../src/engine/checkpoint/onnx/onnx-proto.ts';
import { createExecutor } from '../../../src/engine/compute/backends.ts';
import { NEWEST_OPSET, OLDEST_OPSET, onnxModel } from '../../../src/engine/export/onnx.ts';
import type { GraphBuilder } from '../../../src/engine/graph/builder.ts';
import type { Graph, ValueId } from '../../../src/engine/graph/graph.ts';
import { float32Tensor } from '../../../src/engine/graph/tensor.ts';
import { exportModel } from '../../../src/engine/jobs/export.ts';
import { openModel, saveModel } from '../../../src/engine/jobs/opening/model.ts';
import { EMPTY_RECORD } from '../../../src/engine/jobs/record.ts';
import { saveOnnx } from '../../../src/engine/jobs/save-onnx.ts';
import { verifyOnnx } from '../../../src/engine/jobs/verify-onnx.ts';
import { initialiseWeights } from '../../../src/engine/training/initialise.ts';
import { fillWeights } from '../../support/detfill.ts';
import { ModelBuilder } from '../checkpoint/onnx/model-builder.ts';
import { temporaryFolder } from '../data/images.ts';
import { conv, network } from '../pruning/networks.ts';

const graph = buildModel('resnet20') as Graph;
const weights = initialiseWeights(graph, 0);
const executor = createExecutor({ backend: 'embedded' });
const HEAD = 'linear.weight';

const opened = { graph, record: { history: [] }, bytes: 0, notes: [], hasWeights: true };

test('an exported file computes what the network does', async (t) => {
  const file = path.join(temporaryFolder(t), 'a.onnx');
  const { verification } = await exportModel({ ...opened, weights: async () => weights }, 'onnx', file);
  assert.ok(existsSync(file));
  assert.ok(verification && verification.largest > 0.01 && verification.difference < 1e-4 * verification.largest);
  const other = path.join(path.dirname(file), 'b.onnx');
  const plain = await exportModel({ ...opened, weights: async () => weights }, 'onnx', other, {}, { verify: false });
  assert.equal(plain.verification, undefined);
  // So does what pruning and repair write; other formats have nothing to run.
  const saved = await saveModel(path.join(path.dirname(file), 'c.onnx'), graph, weights, EMPTY_RECORD);
  assert.deepEqual(saved, verification);
  const beside = path.join(path.dirname(file), 'c.safetensors');
  assert.equal(await saveModel(beside, graph, weights, EMPTY_RECORD), undefined);
});

test('a file that computes something else, or nothing, is refused', async () => {
  const head = weights.get(HEAD);
  assert.ok(head);
  const changed = Float32Array.from(head.data as Float32Array, (value, i) => (i === 5 ? value + 0.5 : value));
  const wrong = onnxModel(graph, new Map([...weights, [HEAD, float32Tensor(head.shape, changed)]]));
  const verify = async (bytes: Uint8Array) => verifyOnnx({ model: bytes }, graph, weights, {}, await executor);
  await assert.rejects(verify(wrong), /Nothing was saved: ONNX Runtime .* computes other outputs .*differ by/);
  await assert.rejects(
    verify(wrong.subarray(0, 1000)),
    /Nothing was saved: ONNX Runtime .* cannot run the exported resnet20/,
  );
});

test('weights that one file cannot hold are saved beside it, and read back', async (t) => {
  const folder = temporaryFolder(t);
  const [file, model] = [path.join(folder, 'a.onnx'), { graph, weights, record: EMPTY_RECORD }];
  const notes: string[] = [];
  const { files, verification } = await saveOnnx(file, model, { most: 4096 }, { note: (text) => notes.push(text) });
  assert.deepEqual(files, [file, `${file}.data`]);
  assert.ok(verification && verification.difference < 1e-4 * verification.largest);
  assert.ok(statSync(file).size < statSync(`${file}.data`).size / 4);
  assert.match(notes.join(), /its weights are in .*a\.onnx\.data, which has to stay beside it/);
  const opened = await openModel({ model: file });
  const read = await opened.weights();
  assert.ok(read.has(HEAD));
  for (const [name, { data }] of read) assert.deepEqual(data, weights.get(name)?.data, name);
  // The file that is replaced needs its own until then.
  const again = await saveOnnx(file, model, { most: 4096 });
  assert.deepEqual(again.files, [file, `${file}.2.data`]);
});

const opsetOf = (file: string): number | undefined => parseOnnx(readFileSync(file)).opsets.get('');

test('a network goes back with the operator set that it came in, through other formats too', async (t) => {
  const folder = temporaryFolder(t);
  const at = (name: string): string => path.join(folder, name);
  const again = async (from: string, to: string, context = {}): Promise<void> => {
    const model = await openModel({ model: at(from) });
    await saveModel(at(to), model.graph, await model.weights(), model.record, context);
  };
  writeFileSync(at('20.onnx'), onnxModel(graph, weights, { opset: 20 }));
  await again('20.onnx', '20.safetensors');
  await again('20.safetensors', '20-again.onnx');
  assert.equal(opsetOf(at('20-again.onnx')), 20);
  const b = new ModelBuilder(undefined, 99);
  writeFileSync(at('99.onnx'), b.finish(b.classify('input', 3)));
  const notes: string[] = [];
  await again('99.onnx', '99-again.onnx', { note: (text: string) => notes.push(text) });
  assert.equal(opsetOf(at('99-again.onnx')), NEWEST_OPSET);
  assert.match(notes.join(), /uses operator set 26, the newest that can be verified; the model came in 99/);
  const old = new ModelBuilder(undefined, 11);
  writeFileSync(at('11.onnx'), old.finish(old.classify('input', 3)));
  await again('11.onnx', '11-again.onnx');
  assert.equal(opsetOf(at('11-again.onnx')), OLDEST_OPSET);
});

test('where such a file fails, neither is left', async (t) => {
  const folder = temporaryFolder(t);
  const head = weights.get(HEAD);
  assert.ok(head);
  const huge = new Map([...weights, [HEAD, float32Tensor(head.shape, new Float32Array(head.data.length).fill(3e38))]]);
  const model = { graph, weights: huge, record: EMPTY_RECORD };
  await assert.rejects(saveOnnx(path.join(folder, 'a.onnx'), model, { most: 4096 }), /cannot be verified/);
  assert.deepEqual(readdirSync(folder), []);
});

test('outputs that are no numbers verify nothing, and nothing is saved', async (t) => {
  const folder = temporaryFolder(t);
  const head = weights.get(HEAD);
  assert.ok(head);
  const huge = new Map([...weights, [HEAD, float32Tensor(head.shape, new Float32Array(head.data.length).fill(3e38))]]);
  const model = { ...opened, weights: async () => huge };
  await assert.rejects(exportModel(model, 'onnx', path.join(folder, 'a.onnx')), /cannot be verified/);
  await assert.rejects(saveModel(path.join(folder, 'b.onnx'), graph, huge, EMPTY_RECORD), /cannot be verified/);
  assert.deepEqual(readdirSync(folder), []);
});

test("numbers that the writer adds are never called as a network's own tensors", async () => {
  // A group norm is written with a shape for its weight and one for its bias; its node is called by its module's path, as in imported networks.
  const norm = (b: GraphBuilder, x: ValueId): ValueId => {
    const [, channels] = b.shape(x);
    const parameters = { weight: b.parameter('norm.weight', [channels]), bias: b.parameter('norm.bias', [channels]) };
    return b.add('groupNorm', 'norm', [x], { groups: 2, eps: 1e-5 }, parameters);
  };
  const small = network((b, x) => norm(b, conv(b, 'conv', x, 6)));
  assert.ok(small.nodes.some(({ id }) => id === 'norm'));
  const values = fillWeights(small);
  const { largest, difference } = await verifyOnnx(
    { model: onnxModel(small, values) },
    small,
    values,
    {},
    await executor,
  );
  assert.ok(difference < 1e-4 * largest);
});
