/** Evaluation of ImageNet's layout: 40 images in synset folders, against PyTorch on Pillow's pixels. */
import assert from 'node:assert/strict';
import { existsSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { IMAGENET_SYNSETS } from '../../../src/engine/data/imagenet-synsets.ts';
import { openImages } from '../../../src/engine/jobs/evaluate.ts';
import { openModel } from '../../../src/engine/jobs/opening/model.ts';
import { espalier, lastLine } from '../../cli/cli.ts';
import { noTensorFlow } from '../../support/logits.ts';
import { repositoryRoot, testFolder } from '../checkpoint/files.ts';

const data = path.resolve(repositoryRoot, '../shared/data');
const noShared = !existsSync(data) && 'no ../shared';
const folder = testFolder();
const model = path.join(data, 'checkpoints/deit_0.6G.module.pth');
const dataPath = path.join(data, 'imagenet-sample');

/** Mean cross-entropy of PyTorch 2.13 on the pickled module's weights: shorter side 256 (bilinear), centre 224, batches of one. */
const LOSS = 7.110228;

/** A file with a name a line, and what people put behind it. */
function synsetFile(name: string, synsets: readonly string[]): string {
  const file = `${folder.path}/${name}`;
  writeFileSync(file, synsets.map((synset, i) => `${synset} class ${i}\n`).join(''));
  return file;
}

test('loss on 40 images is PyTorch’s, by ImageNet’s names or a synset file; images per second are told', {
  skip: noShared || noTensorFlow,
}, async () => {
  const line = ['evaluate', '--model', model, '--data-path', dataPath, '--interpolation', 'bilinear', '--json'];
  const synsets = synsetFile('synsets.txt', IMAGENET_SYNSETS);
  for (const more of [[], ['--synsets', synsets, '--val-resize', '256', '--batch-size', '16']]) {
    const ended = await espalier([...line, ...more]);
    assert.equal(ended.code, 0, ended.stderr);
    const { loss, images, skipped, images_per_second: rate } = lastLine(ended) as Record<string, number>;
    assert.deepEqual({ images, skipped }, { images: 40, skipped: 0 });
    assert.ok(Math.abs(loss - LOSS) < 1e-4, `loss ${loss}`);
    assert.ok(rate > 0);
    assert.match(ended.stderr, /40 class folders are matched by name to the 1000 classes of the model/);
  }
});

test('labels are places in the synset file', { skip: noShared }, async () => {
  const { graph } = await openModel({ model });
  const labels = async (synsets?: string): Promise<number[]> => {
    const { samples } = await openImages(graph, { dataPath, ...(synsets && { synsets }) }, 'val');
    return samples.map(({ label }) => label);
  };
  const usual = await labels();
  assert.equal(new Set(usual).size, 40);
  assert.deepEqual(
    await labels(synsetFile('reversed.txt', IMAGENET_SYNSETS.toReversed())),
    usual.map((i) => 999 - i),
  );
  await assert.rejects(labels(synsetFile('short.txt', IMAGENET_SYNSETS.slice(1))), /999 names but the model has 1000/);
});
