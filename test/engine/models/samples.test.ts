/** The pickled files of ../shared, opened and run: logits as PyTorch's. */
import assert from 'node:assert/strict';
import { existsSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { exportModel } from '../../../src/engine/jobs/export.ts';
import { openModel } from '../../../src/engine/jobs/opening/model.ts';
import { graphInfo } from '../../../src/engine/jobs/opening/model-info.ts';
import { imageOf, logitsOf, noTensorFlow, relativeDifference } from '../../support/logits.ts';
import { noPythonWith, runPython } from '../../support/python.ts';
import { readReference } from '../../support/reference.ts';
import { repositoryRoot, testFolder } from '../checkpoint/files.ts';
import type { ReferenceCase } from '../pruning/cases.ts';

const shared = path.resolve(repositoryRoot, '../shared');
const noShared = !existsSync(shared) && 'no ../shared';
const sample = (file: string): string => path.join(shared, 'data/checkpoints', file);

interface Expected {
  readonly params: number;
  /** The first eight, for the deterministic image. */
  readonly logits: readonly number[];
}
const expected = (file: string): Expected => readReference<Record<string, Expected>>('modules.json')[file];

for (const file of ['deit_0.6G.module.pth', 'mobilenet_v2_0.15G.train.pth'])
  test(`${file}: parameters and logits are PyTorch's`, { skip: noShared || noTensorFlow }, async () => {
    const { params, logits } = expected(file);
    const model = await openModel({ model: sample(file) });
    assert.equal(graphInfo(model.graph).params, params);
    const found = await logitsOf(model.graph, await model.weights());
    const difference = relativeDifference(found.subarray(0, 8), logits);
    assert.ok(difference < 1e-3, `logits differ by ${difference}`);
  });

test('the pickled DeiT, exported to Python, has its logits there too', {
  skip: noShared || noPythonWith('torch'),
}, async () => {
  const model = await openModel({ model: sample('deit_0.6G.module.pth') });
  const folder = testFolder();
  await exportModel(model, 'pytorch', `${folder.path}/deit.py`);
  writeFileSync(`${folder.path}/deit.input`, imageOf(model.graph));
  const results = runPython<Record<string, { logits: number[]; training: number[][] }>>(
    'engine/export/run_exports.py',
    'pytorch',
    folder.path,
    'deit',
  );
  const { logits, training } = results['deit'];
  assert.ok(relativeDifference(logits.slice(0, 8), expected('deit_0.6G.module.pth').logits) < 1e-3);
  assert.equal(training.length, 2);
});

test('heads of the pickled DeiT are those that the case of this name records', { skip: noShared }, async () => {
  const model = await openModel({ model: sample('deit_0.6G.module.pth') });
  const { macs, params, heads } = graphInfo(model.graph);
  const reference = readReference<Pick<ReferenceCase, 'pruned' | 'num_heads'>>('cases/deit_0.6G.json');
  assert.deepEqual({ macs, params }, reference.pruned);
  assert.deepEqual(heads, reference.num_heads);
});

test("the paper's training checkpoint has two sets of weights", { skip: noShared }, async () => {
  const file = sample('mobilenet_v2_0.15G.train.pth');
  const [model, average] = [await openModel({ model: file }), await openModel({ model: file, useEma: true })];
  assert.deepEqual(average.graph, model.graph);
  assert.deepEqual(model.notes, ['weights from model', 'it holds a moving average of the weights too (--use-ema)']);
  assert.deepEqual(average.notes, [
    'its float16 weights are computed with, and saved, as float32',
    'weights from model_ema › module.',
  ]);
  const [weights, averaged] = [await model.weights(), await average.weights()];
  const name = 'features.18.0.weight';
  const [a, b] = [weights.get(name)?.data as Float32Array, averaged.get(name)?.data as Float32Array];
  assert.equal(a.length, b.length);
  assert.ok(relativeDifference(b, a) > 1e-4, 'the average is another set');
});
