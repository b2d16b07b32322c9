/** What the metadata of an ONNX file says of its images, in the ways in which people write it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { IMAGENET_MEAN, IMAGENET_STD } from '../../../../src/engine/architectures/variant.ts';
import { importOnnx } from '../../../../src/engine/checkpoint/onnx/import.ts';
import { readOnnx } from '../../../../src/engine/checkpoint/onnx/onnx-file.ts';
import { testFolder } from '../files.ts';
import { ModelBuilder } from './model-builder.ts';

const folder = testFolder();

async function imported(metadata: Readonly<Record<string, string>>) {
  const b = new ModelBuilder();
  const file = folder.file('said.onnx', b.finish(b.classify('input', 3), metadata));
  const { graph, notes } = importOnnx(await readOnnx(file), { file });
  return { input: graph.input, notes: notes.join('\n') };
}

const near = (found: readonly number[], wanted: readonly number[]): void =>
  found.forEach((value, i) => {
    assert.ok(Math.abs(value - wanted[i]) < 1e-12, `${found} is not ${wanted}`);
  });

test('mean and std of pixels from 0 to 1, in any writing', async () => {
  for (const [mean, std] of [
    ['[0.5, 0.4, 0.3]', '(0.2,0.25,1)'],
    ['5e-1 4.0E-1 .3', '2e-1;2.5e-1;1.'],
  ]) {
    const { input, notes } = await imported({ mean, std });
    near([...input.mean, ...input.std], [0.5, 0.4, 0.3, 0.2, 0.25, 1]);
    assert.equal(notes, '');
  }
  const { input } = await imported({ mean: '-0.5', std: '0.25' });
  assert.deepEqual([input.mean, input.std], [Array(3).fill(-0.5), Array(3).fill(0.25)]);
});

test('mean and std of pixels from 0 to 255 are told by their size, and said', async () => {
  const { input, notes } = await imported({ mean: '123.675, 116.28, 103.53', std: '58.395, 57.12, 57.375' });
  near([...input.mean, ...input.std], [...IMAGENET_MEAN, ...IMAGENET_STD]);
  assert.match(notes, /58\.395, 57\.12, 57\.375 are taken as those of pixels from 0 to 255/);
  const mobile = await imported({ mean: '[127.5]', std: '[127.5]' });
  near([...mobile.input.mean, ...mobile.input.std], Array(6).fill(0.5));
  const caffe = await imported({ mean: '123, 117, 104', std: '1' });
  near(caffe.input.std, Array(3).fill(1 / 255));
  const scaled = await imported({ mean: '0', std: '255' });
  near([...scaled.input.mean, ...scaled.input.std], [0, 0, 0, 1, 1, 1]);
});

test('what is no normalisation, size or interpolation is not passed by in silence', async () => {
  const vain: readonly Readonly<Record<string, string>>[] = [
    { mean: '0.5, 0.5', std: '1' },
    { mean: '0.5', std: '0' },
    { mean: 'imagenet', std: 'imagenet' },
    { mean: '0.5' },
  ];
  for (const metadata of vain) {
    const { input, notes } = await imported(metadata);
    assert.deepEqual(input.mean, IMAGENET_MEAN);
    assert.match(notes, /says no mean and std of channels.*--pixels/);
    assert.match(notes, /ImageNet mean and std are taken/);
  }
  const odd = await imported({ mean: '0.5', std: '0.5', interpolation: 'area', resize: 'short' });
  assert.match(odd.notes, /interpolation "area", which is not known: bilinear/);
  assert.match(odd.notes, /resized to "short", which is no number of pixels/);
  assert.equal((await imported({ interpolation: 'BICUBIC' })).input.interpolation, 'bicubic');
});
