/** Whole networks pickled by timm itself, of every family: nothing but the file is given. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { before, describe, test } from 'node:test';
import { openModel } from '../../src/engine/jobs/opening/model.ts';
import { testFolder } from '../engine/checkpoint/files.ts';
import { image } from '../support/detfill.ts';
import { logitsOf, noTensorFlow, relativeDifference } from '../support/logits.ts';
import { noPythonWith, runPython } from '../support/python.ts';

const names = [
  'deit_tiny_distilled_patch16_224',
  'vit_tiny_patch16_224',
  'convnext_tiny',
  'swin_tiny_patch4_window7_224',
  'resnet18',
  'resnext50_32x4d',
  'mobilenetv2_100',
  'regnety_004',
  'densenet121',
  'efficientnet_b0',
  'vgg11_bn',
];

interface Pickled {
  readonly logits: readonly number[];
  /** Stochastic depth by module path. */
  readonly rates: Readonly<Record<string, number>>;
}

describe('networks pickled by timm', { skip: noTensorFlow || noPythonWith('torch', 'timm') }, () => {
  const folder = testFolder();
  let pickled: Record<string, Pickled>;
  before(() => {
    const input = `${folder.path}/image.input`;
    writeFileSync(input, image().data);
    pickled = runPython('full/pickle_timm.py', folder.path, input, ...names);
  });
  for (const name of names)
    test(name, async () => {
      const { graph, weights } = await openModel({ model: `${folder.path}/${name}.pth` });
      assert.equal(graph.name, name);
      const difference = relativeDifference(await logitsOf(graph, await weights()), pickled[name].logits);
      assert.ok(difference < 1e-3, `logits differ by ${difference}`);
      const rates = graph.nodes.flatMap((node) =>
        node.kind === 'dropPath' ? [[node.module, node.attributes.probability] as const] : [],
      );
      // timm makes the module in blocks without a shortcut too, where it is not called.
      for (const [module, rate] of rates) assert.equal(rate, pickled[name].rates[module], module);
      assert.ok(rates.length > 0 || Object.keys(pickled[name].rates).length === 0);
      const dropouts = graph.nodes.flatMap((node) => (node.kind === 'dropout' ? [node.attributes.probability] : []));
      // timm's distilled DeiT passes by its dropout.
      assert.deepEqual(new Set(dropouts), new Set(name.includes('distilled') ? [] : [0.2]));
    });
});
