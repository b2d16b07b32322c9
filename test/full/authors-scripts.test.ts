/** Modules written by `export --format module` in what the authors' evaluate.py and train.py do with them. */
import assert from 'node:assert/strict';
import path from 'node:path';
import { before, describe, test } from 'node:test';
import { generateProceduralDataset } from '../../src/engine/data/procedural/dataset.ts';
import { openModel } from '../../src/engine/jobs/opening/model.ts';
import { espalier, lastLine } from '../cli/cli.ts';
import { testFolder } from '../engine/checkpoint/files.ts';
import { type Written, writeNamed } from '../engine/export/modules.ts';
import { skipWithoutRuntime } from '../engine/training/tiny.ts';
import { noPythonWith, runPython } from '../support/python.ts';

const SIZE = 32;
const build = { inputSize: SIZE, classes: 10 };
const heads = { headRatio: 0.34, headDimRatio: 0.3 };
const networks = {
  deit: { model: 'deit_tiny_distilled_patch16_224', build: { ...build, dropPath: 0.1 }, prune: heads },
  convnext: { model: 'convnext_tiny', build: { ...build, dropPath: 0.1 }, prune: {} },
  resnet: { model: 'resnet50', build, prune: {} },
  mobilenet: { model: 'mobilenet_v2', build, prune: {} },
  regnet: { model: 'regnety_002', build, prune: {} },
  swin: { model: 'swin_tiny_patch4_window7_224', build: { classes: 10 }, prune: heads },
} as const;

interface Found {
  readonly correct: number;
  readonly images: number;
  readonly loss: number;
  readonly losses: readonly number[];
  /** Parameters that training did not move. */
  readonly still: number;
  readonly trained: number;
  readonly again: number;
}

describe('the authors’ evaluate.py and train.py', {
  skip: skipWithoutRuntime || noPythonWith('torch', 'torchvision', 'timm'),
}, () => {
  const folder = testFolder();
  const written = new Map<string, Written>();
  let results: Readonly<Record<string, Found>>;
  before(async () => {
    for (const size of [SIZE, 224])
      await generateProceduralDataset(path.join(folder.path, `images${size}`), {
        seed: 0,
        trainPerClass: 4,
        testPerClass: 4,
        size,
      });
    for (const [id, network] of Object.entries(networks)) written.set(id, await writeNamed(folder.path, id, network));
    const names = [...written].map(([id, { graph }]) => `${id}:${graph.input.height}`);
    results = runPython('full/authors_scripts.py', folder.path, ...names);
  });

  for (const [id, network] of Object.entries(networks))
    test(`take ${network.model} pruned here: the accuracy measured here, two steps, a checkpoint that opens`, async () => {
      const { file, graph } = written.get(id) ?? assert.fail();
      const found = results[id];
      const { height } = graph.input;
      const data = path.join(folder.path, `images${height}`);
      const sizes = `--val-resize ${height} --interpolation bilinear`;
      const ours = await espalier(`evaluate --model ${file} --data-path ${data} ${sizes} --json`.split(' '));
      assert.equal(ours.code, 0, ours.stderr);
      const { correct, images, loss } = lastLine(ours);
      assert.deepEqual([found.correct, found.images], [correct, images]);
      assert.ok(Math.abs(found.loss / Number(loss) - 1) < 1e-3, `loss ${found.loss}, here ${loss}`);

      assert.ok(found.losses.length === 2 && found.losses.every(Number.isFinite), String(found.losses));
      assert.equal(found.still, 0, 'parameters that two steps did not move');
      assert.equal(found.again, found.trained);
      const checkpoint = path.join(folder.path, `${id}.checkpoint.pth`);
      const opened = await openModel({ model: checkpoint, inputSize: height });
      assert.equal(opened.graph.family, graph.family);
      assert.deepEqual(
        opened.graph.parameters.map(({ name, shape }) => [name, shape]).sort(),
        graph.parameters.map(({ name, shape }) => [name, shape]).sort(),
      );
    });
});
