/** Every operator that an import takes over: what it becomes, and that it computes what ONNX Runtime computes. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { type ImportedModel, importOnnx } from '../../../../src/engine/checkpoint/onnx/import.ts';
import { parseOnnx } from '../../../../src/engine/checkpoint/onnx/onnx-proto.ts';
import { NEWEST_OPSET, OLDEST_OPSET, onnxModel } from '../../../../src/engine/export/onnx.ts';
import { verifyOnnx } from '../../../../src/engine/jobs/verify-onnx.ts';
import { couple } from '../../../../src/engine/pruning/coupling/couple.ts';
import { groupOf } from '../../../../src/engine/pruning/coupling/groups.ts';
import { channelsLast, imageOf, relativeDifference } from '../../../support/logits.ts';
import { noPythonWith, runPython } from '../../../support/python.ts';
import { testFolder } from '../files.ts';
import { operatorCases as commonCases } from './cases.ts';
import { composedCases } from './composed-cases.ts';
import { batchedLogits } from './logits.ts';
import { ModelBuilder } from './model-builder.ts';
import { rareCases } from './rare-cases.ts';

const operatorCases = { ...commonCases, ...rareCases, ...composedCases };
const folder = testFolder();
const models = new Map<string, ImportedModel>();

function logitsOf(name: string): number[] {
  const model = models.get(name) as ImportedModel;
  return batchedLogits(model, imageOf(model.graph));
}

describe('ONNX operators become operations', () => {
  for (const [name, { input, opset, build, kinds }] of Object.entries(operatorCases))
    test(name, () => {
      const b = new ModelBuilder(input, opset);
      const bytes = b.finish(build(b));
      const imported = importOnnx(parseOnnx(bytes), { file: `${name}.onnx` });
      const found = imported.graph.nodes.slice(1).map(({ kind }) => kind);
      assert.equal(found.join(' '), kinds);
      models.set(name, imported);
      writeFileSync(path.join(folder.path, `${name}.onnx`), bytes);
      const image = imageOf(imported.graph);
      // As the file takes it: where the channels are last, so are the image's.
      const pixels = input?.at(-1) === 3 ? channelsLast(imported.graph, image) : image;
      writeFileSync(path.join(folder.path, `${name}.input`), pixels);
    });
});

test('ONNX operators compute what ONNX Runtime computes', { skip: noPythonWith('onnxruntime', 'numpy') }, () => {
  assert.equal(models.size, Object.keys(operatorCases).length);
  const names = [...models.keys()];
  const expected = runPython<Record<string, number[]>>('engine/checkpoint/onnx/run_onnx.py', folder.path, ...names);
  for (const name of names) {
    const difference = relativeDifference(logitsOf(name), expected[name]);
    assert.ok(difference < 1e-5, `${name}: differs by ${difference.toExponential(1)}`);
  }
});

test('written again, they compute the same for every image', { skip: noPythonWith('onnxruntime', 'numpy') }, () => {
  const names = [...models.keys()];
  for (const name of names) {
    const { graph, weights } = models.get(name) as ImportedModel;
    const image = imageOf(graph);
    for (const opset of [OLDEST_OPSET, NEWEST_OPSET]) {
      const again = path.join(folder.path, `${name}.${opset}`);
      writeFileSync(`${again}.onnx`, onnxModel(graph, weights(), { opset }));
      writeFileSync(`${again}.input`, Float32Array.of(...image.map((v) => 0.5 * v), ...image));
    }
  }
  const again = names.flatMap((name) => [`${name}.${OLDEST_OPSET}`, `${name}.${NEWEST_OPSET}`]);
  const found = runPython<Record<string, number[]>>('engine/checkpoint/onnx/run_onnx.py', folder.path, ...again);
  for (const name of again) {
    const logits = logitsOf(path.parse(name).name);
    const difference = relativeDifference(found[name].slice(-logits.length), logits);
    assert.ok(difference < 1e-5, `${name}: differs by ${difference.toExponential(1)}`);
  }
});

test('pixels taken out of a padded image are written as what ONNX Runtime makes no pooling of', async () => {
  const { graph, weights } = models.get('every_other_pixel_of_a_padded_image') as ImportedModel;
  const { difference } = await verifyOnnx({ model: onnxModel(graph, weights()) }, graph, weights());
  assert.ok(difference < 1e-5, `differs by ${difference.toExponential(1)}`);
});

test('a number over the root of the mean square is a norm: its channels are free', () => {
  const b = new ModelBuilder();
  const x = b.node('Conv', ['input', b.float('conv.weight', [4, 3, 3, 3])]);
  const mean = b.node('ReduceMean', [b.node('Pow', [x, b.number(2)])], { axes: [1] });
  const root = b.node('Sqrt', [b.node('Add', [mean, b.number(1e-6)])]);
  const y = b.node('Mul', [b.node('Mul', [x, b.node('Div', [b.number(1), root])]), b.float('norm.weight', [4, 1, 1])]);
  const { graph } = importOnnx(parseOnnx(b.finish(b.classify(y, 4))), { file: 'norm.onnx' });
  assert.equal(groupOf(couple(graph), 'conv', 'out')?.frozen, undefined);
});

describe('of several outputs', () => {
  const opened = (order: 'map first' | 'classes first') => {
    const b = new ModelBuilder();
    const map = b.node('Conv', ['input', b.float('conv.weight', [4, 3, 1, 1]), b.float('conv.bias', [4])]);
    const classes = b.classify(map, 4);
    const bytes = order === 'map first' ? b.finish(map, {}, [classes]) : b.finish(classes, {}, [map]);
    return importOnnx(parseOnnx(bytes), { file: 'two.onnx' });
  };
  test('a row behind a map is an output like the map', () => {
    const { graph } = opened('map first');
    assert.equal(graph.classes, 0);
    assert.equal(graph.outputs.length, 2);
  });
  test('a row before others is a classifier’s, which is said', () => {
    const { graph, notes } = opened('classes first');
    assert.equal(graph.classes, 3);
    assert.match(notes.join('; '), /of its 2 outputs, '.*' is taken as the logits/);
  });
});
