/** Swin with heads pruned, which the reference cannot do: timm's own modules compute the same logits from the same tensors. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { writePth } from '../../../src/engine/checkpoint/torch/torch-write.ts';
import { openModel } from '../../../src/engine/jobs/opening/model.ts';
import { headsByLayer } from '../../../src/engine/jobs/opening/model-info.ts';
import { hasTensorFlow, imageOf, logitsOf, relativeDifference } from '../../support/logits.ts';
import { noPythonWith, runPython } from '../../support/python.ts';
import { testFolder } from '../checkpoint/files.ts';
import { makeNetwork, TOLERANCE } from '../export/exported.ts';

const folder = testFolder();
const model = 'swin_tiny_patch4_window7_224';
/** Heads of the stages' layers, all together. */
const HEADS = 2 * 3 + 2 * 6 + 6 * 12 + 2 * 24;
const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0);
/** The interpreter, where there is no TensorFlow, would take minutes for a whole image. */
const build = hasTensorFlow ? {} : { inputSize: 32 };

test('a third of the heads goes, and the columns of the bias tables with them', async () => {
  const { graph, weights } = await makeNetwork({ model, build, prune: { ratio: 0, headRatio: 1 / 3 } });
  const heads = Object.entries(headsByLayer(graph));
  assert.equal(sum(heads.map(([, count]) => count)), (HEADS * 2) / 3);
  for (const [qkv, count] of heads) {
    const attention = qkv.replace(/\.qkv$/, '');
    assert.equal(weights.get(`${attention}.relative_position_bias_table`)?.shape[1], count);
    assert.equal(weights.get(`${qkv}.weight`)?.shape[0], 3 * 32 * count);
  }
});

test('a file whose windows take other positions is refused when its weights are read', async () => {
  const { weights } = await makeNetwork({ model, build: { inputSize: 32 }, prune: { ratio: 0 } });
  const name = 'layers.0.blocks.0.attn.relative_position_index';
  const index = { dtype: 'int64', shape: [49, 49], data: new BigInt64Array(49 * 49) } as const;
  const checkpoint = `${folder.path}/other-positions.pth`;
  await writePth(checkpoint, new Map([...weights, [name, index]]), {});
  const opened = await openModel({ model: checkpoint });
  await assert.rejects(
    opened.weights(),
    /other-positions\.pth: tensor layers\.0\.blocks\.0\.attn\.relative_position_index/,
  );
});

for (const prune of [
  { ratio: 0, headRatio: 1 / 3 },
  { ratio: 0.3, headRatio: 1 / 3, headDimRatio: 0.25 },
])
  test(`logits equal those of timm's modules after ${JSON.stringify(prune)}`, {
    skip: noPythonWith('torch', 'timm'),
  }, async () => {
    const { graph, weights } = await makeNetwork({ model, build, prune });
    const [checkpoint, image] = [`${folder.path}/swin.pth`, `${folder.path}/swin.input`];
    await writePth(checkpoint, weights, {});
    writeFileSync(image, imageOf(graph));
    const found = runPython<{ logits: number[]; heads: Record<string, number> }>(
      'engine/models/run_timm_swin.py',
      model,
      checkpoint,
      image,
    );
    assert.deepEqual(found.heads, headsByLayer(graph));
    const difference = relativeDifference(await logitsOf(graph, weights), found.logits);
    assert.ok(difference <= TOLERANCE, `logits differ by ${difference}`);
  });
