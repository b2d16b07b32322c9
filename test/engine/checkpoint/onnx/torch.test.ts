/** Files that PyTorch exported: the same logits, the modules' names, and what belongs together found again. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { before, describe, test } from 'node:test';
import { type ImportedModel, importOnnx } from '../../../../src/engine/checkpoint/onnx/import.ts';
import { readOnnx } from '../../../../src/engine/checkpoint/onnx/onnx-file.ts';
import { couple } from '../../../../src/engine/pruning/coupling/couple.ts';
import { isPrunable } from '../../../../src/engine/pruning/coupling/groups.ts';
import { relativeDifference } from '../../../support/logits.ts';
import { noPythonWith, runPython } from '../../../support/python.ts';
import { testFolder } from '../files.ts';
import { batchedLogits } from './logits.ts';

interface Exported {
  /** Of the transformers after their softmax. */
  readonly output: readonly number[];
  readonly names: readonly string[];
}

const softmax = (logits: readonly number[]): number[] => {
  const powers = logits.map((v) => Math.exp(v - Math.max(...logits)));
  const sum = powers.reduce((a, b) => a + b);
  return powers.map((v) => v / sum);
};

describe('ONNX files that PyTorch exported', { skip: noPythonWith('torch', 'onnx') }, () => {
  const folder = testFolder();
  const models = new Map<string, ImportedModel>();
  let exported: Record<string, Exported> = {};
  const modelOf = (name: string): ImportedModel => models.get(name) ?? assert.fail(name);
  const nodesOf = (name: string): string[] => modelOf(name).graph.nodes.map(({ id }) => id);
  const names = (name: string): string[] => modelOf(name).graph.parameters.map((parameter) => parameter.name);

  before(async () => {
    exported = runPython('engine/checkpoint/onnx/export_module.py', folder.path);
    for (const name of Object.keys(exported)) {
      const file = path.join(folder.path, `${name}.onnx`);
      models.set(name, importOnnx(await readOnnx(file), { file }));
    }
  });

  test('compute what PyTorch computes, for any number of images', () => {
    assert.ok(models.size >= 6, `${models.size} networks`);
    for (const [name, { output }] of Object.entries(exported)) {
      const bytes = readFileSync(path.join(folder.path, `${name}.input`));
      const logits = batchedLogits(modelOf(name), new Float32Array(Uint8Array.from(bytes).buffer));
      const found = name.startsWith('tokens') ? softmax(logits) : logits;
      const difference = relativeDifference(found, output);
      assert.ok(difference < 1e-5, `${name}: differs by ${difference.toExponential(1)}`);
    }
  });

  test('have the names of modules and of the state dict', () => {
    const wanted = [
      'stem.0',
      'stem.2',
      'layer1.0.conv1',
      'layer1.0.act',
      'layer1.1.gate',
      'layer1.1.add',
      'pool',
      'head',
    ];
    for (const name of ['fused', 'kept', 'one_image'])
      assert.deepEqual(
        wanted.filter((id) => !nodesOf(name).includes(id)),
        [],
        name,
      );
    assert.ok(nodesOf('kept').includes('layer1.1.bn1'));
    const counters = (name: string): boolean => name.endsWith('num_batches_tracked');
    assert.deepEqual(names('kept').sort(), exported['kept'].names.filter((name) => !counters(name)).sort());
    const layer = ['blocks.0.norm1', 'blocks.1.attn.qkv', 'blocks.1.fc2', 'cls_token', 'pos_embed', 'head'];
    for (const name of ['tokens', 'tokens_old', 'tokens_one_image']) {
      assert.deepEqual(
        layer.filter((id) => !nodesOf(name).includes(id)),
        [],
        name,
      );
      assert.deepEqual(names(name).sort(), exported[name].names.toSorted(), name);
    }
    const modules = new Map(modelOf('tokens').graph.modules.map(({ path: at, type }) => [at, type]));
    assert.deepEqual(
      ['blocks', 'blocks.1', 'blocks.1.attn'].map((at) => modules.get(at)),
      ['Sequential', 'Block', 'Attention'],
    );
  });

  test('have norms, activations and heads in the place of what computes them', () => {
    for (const name of ['tokens', 'tokens_old', 'tokens_one_image']) {
      const kinds = modelOf(name).graph.nodes.map(({ kind }) => kind);
      const count = (wanted: string): number => kinds.filter((kind) => kind === wanted).length;
      const found = [count('layerNorm'), count('activation'), count('linear'), count('scale'), count('constant')];
      assert.deepEqual(found, [5, 2, 9, 2, 0], name);
      const groups = couple(modelOf(name).graph);
      assert.deepEqual(
        groups.heads.map((heads) => heads.count),
        [3, 3],
        name,
      );
    }
    // Depthwise convolutions and additions tie all of its channels together.
    for (const name of ['fused', 'kept', 'one_image'])
      assert.equal(couple(modelOf(name).graph).groups.filter(isPrunable).length, 1, name);
    assert.match(modelOf('tokens').notes.join('; '), /ends in a softmax/);
  });
});
