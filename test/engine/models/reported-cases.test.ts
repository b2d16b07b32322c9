/** Networks of public problem reports that opened as something else, with PyTorch's figures (shared/cases/reports). */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { createExecutor } from '../../../src/engine/compute/backends.ts';
import { predictProgram } from '../../../src/engine/compute/programs/programs.ts';
import { evaluateModel } from '../../../src/engine/jobs/evaluate.ts';
import { openModel } from '../../../src/engine/jobs/opening/model.ts';
import { pruneModel } from '../../../src/engine/jobs/prune.ts';
import { repositoryRoot } from '../checkpoint/files.ts';

const reports = path.resolve(repositoryRoot, '../shared/cases/reports');
const checkpoints = path.resolve(repositoryRoot, '../shared/data/checkpoints');
const noReports = !existsSync(reports) && 'no ../shared';

/** Cross-entropy on the case's 30 images, from its make.py. */
for (const [file, loss] of [
  ['leaky_relu', 2.7743],
  ['stem_stride1', 2.45206],
  ['deit_relu', 2.35037],
] as const)
  test(`module-attributes: ${file} is computed with its own layers`, { skip: noReports }, async () => {
    const folder = path.join(reports, 'module-attributes');
    const { graph, weights, record } = await openModel({ model: path.join(folder, `${file}.pth`) });
    const interpolation = file === 'deit_relu' ? 'bicubic' : 'bilinear';
    const request = { dataPath: path.join(folder, 'data'), interpolation, valResize: 256, batchSize: 32 } as const;
    const found = await evaluateModel({ graph, weights: await weights(), record }, request);
    assert.equal(found.images, 30);
    assert.ok(Math.abs(found.loss - loss) < 2e-5, `loss ${found.loss}`);
  });

test('onnx-attention-batch1: a file made for one image computes what the network does', {
  skip: noReports,
}, async () => {
  const folder = path.join(reports, 'onnx-attention-batch1');
  const { graph, weights, record } = await openModel({ model: path.join(folder, 'batch1.onnx') });
  const request = { dataPath: path.join(folder, 'data'), valResize: 32, batchSize: 32 } as const;
  const { loss } = await evaluateModel({ graph, weights: await weights(), record }, request);
  assert.ok(Math.abs(loss - 7.95936) < 2e-5, `loss ${loss}`);
});

test('module-names: CIFAR ResNets with projections open and run', { skip: noReports }, async () => {
  const executor = await createExecutor();
  for (const [file, name, shortcut] of [
    ['resnet18_shortcut', 'resnet18_cifar', 'layer3.0.shortcut.0'],
    ['resnet20_projection', 'resnet20', 'layer3.0.shortcut.0'],
  ] as const) {
    const { graph, weights } = await openModel({ model: path.join(reports, 'module-names', `${file}.pth`) });
    assert.equal(graph.name, name);
    assert.equal(graph.nodes.find(({ id }) => id === shortcut)?.kind, 'conv');
    const session = await executor.open({ predict: predictProgram(graph) });
    try {
      await session.assign(await weights());
      const { logits } = await session.run('predict', { images: new Float32Array(3 * 32 * 32) });
      assert.equal(logits.filter(Number.isFinite).length, 10);
    } finally {
      await session.dispose();
    }
  }
});

test('ratio-kept-whole: groups that stay whole are named, and that the ratio was not reached', {
  skip: noReports,
}, async () => {
  const model = await openModel({ model: path.join(checkpoints, 'resnet20-12fca82f.th') });
  const none = (): never => assert.fail('needs no gradients');
  const at = async (ratio: number): Promise<{ share: string; notes: readonly string[] }> => {
    const request = {
      score: { criterion: 'l2' },
      options: { ratio, global: true, isomorphic: true, roundTo: 2 },
    } as const;
    const { before, after, notes } = await pruneModel(model, request, none, {}, { planOnly: true });
    return { share: ((100 * after.macs) / before.macs).toFixed(1), notes };
  };
  for (const [ratio, share] of [
    [0.5, '24.7'],
    [0.9, '19.0'],
  ] as const)
    assert.equal((await at(ratio)).share, share);
  const most = await at(0.99);
  assert.equal(most.share, '89.8');
  assert.match(most.notes.join(), /ratio 0\.99 was not reached.* 11 of 12 groups would have lost everything/);
  assert.match(most.notes.join(), /layer1\.0\.conv1/);
  assert.match((await at(1)).notes.join(), /100 % of the MACs are left: 12 of 12 groups/);
  assert.deepEqual((await at(0.5)).notes, []);
});
