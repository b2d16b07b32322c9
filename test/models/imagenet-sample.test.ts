/** Evaluation of ImageNet's layout: 40 images in synset folders, against PyTorch on Pillow's pixels. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { evaluateModel } from '../../src/engine/evaluate.ts';
import { openModel } from '../../src/engine/model.ts';
import { repositoryRoot } from '../checkpoint/files.ts';
import { noTensorFlow } from '../support/logits.ts';

const data = path.resolve(repositoryRoot, '../shared/data');
const noShared = !existsSync(data) && 'no ../shared';

/** Mean cross-entropy of PyTorch 2.13 on the pickled module's weights: shorter side 256 (bilinear), centre 224, batches of one. */
const LOSS = 7.110228;

test('loss on 40 images is PyTorch’s; images per second are told', { skip: noShared || noTensorFlow }, async () => {
  const model = await openModel({ model: path.join(data, 'checkpoints/deit_0.6G.module.pth') });
  const weights = await model.weights();
  const report = await evaluateModel(
    { graph: model.graph, weights },
    { dataPath: path.join(data, 'imagenet-sample'), interpolation: 'bilinear', valResize: 256, batchSize: 16 },
  );
  assert.equal(report.images, 40);
  assert.equal(report.skipped.size, 0);
  assert.ok(Math.abs(report.loss - LOSS) < 1e-4, `loss ${report.loss}`);
  assert.ok(report.imagesPerSecond > 0);
});
