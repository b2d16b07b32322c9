/** State dicts under torchvision's names for networks that timm names otherwise: the same tensors, so the same logits. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { before, describe, test } from 'node:test';
import { openModel } from '../../../src/engine/jobs/opening/model.ts';
import { image } from '../../support/detfill.ts';
import { logitsOf, noTensorFlow, relativeDifference } from '../../support/logits.ts';
import { noPythonWith, runPython } from '../../support/python.ts';
import { testFolder } from '../checkpoint/files.ts';

/** torchvision keeps Swin's windows at 7 on smaller images, timm does not. */
const SIDE = 224;

/** Which network each file opens as, and whose names it is said to have. */
const files = {
  vit: ['deit_tiny_patch16_224', "torchvision's ViT"],
  swin: ['swin_tiny_patch4_window7_224', "torchvision's Swin"],
  swin_module: ['swin_tiny_patch4_window7_224', "torchvision's Swin"],
  convnext: ['convnext_tiny', "torchvision's ConvNeXt"],
  convnext_module: ['convnext_tiny', "torchvision's ConvNeXt"],
  regnet: ['regnety_004', "torchvision's RegNet"],
  densenet: ['densenet121', "older torchvision's DenseNet"],
} as const;

describe("torchvision's names", { skip: noTensorFlow || noPythonWith('torch', 'torchvision') }, () => {
  const folder = testFolder();
  let expected: Record<string, readonly number[]>;
  before(() => {
    const input = `${folder.path}/image.input`;
    writeFileSync(input, image([1, 3, SIDE, SIDE]).data);
    expected = runPython('engine/models/run_torchvision.py', folder.path, input, String(SIDE));
  });
  for (const [file, [name, whose]] of Object.entries(files))
    test(`${file}: ${whose} opens as ${name}`, async () => {
      const model = await openModel({ model: `${folder.path}/${file}.pth` });
      assert.equal(model.graph.name, name);
      assert.ok(model.notes.some((note) => note.includes(`${whose} names`)));
      const difference = relativeDifference(await logitsOf(model.graph, await model.weights()), expected[file]);
      assert.ok(difference < 1e-4, `logits differ by ${difference}`);
    });
});
