/** Whole modules of more networks than test/engine/export/modules.test.ts has, and of files that others made. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { testFolder } from '../engine/checkpoint/files.ts';
import { checkModules, writeNamed, writePickled } from '../engine/export/modules.ts';
import { noPythonWith, runPython } from '../support/python.ts';

const SHARED = path.resolve(import.meta.dirname, '../../../shared');
const heads = { headRatio: 0.34, headDimRatio: 0.3 };
const small = { inputSize: 32 };

const named = {
  deit: { model: 'deit_tiny_distilled_patch16_224', build: { ...small, dropPath: 0.1 }, prune: heads },
  vit: { model: 'vit_tiny_patch16_224', build: { inputSize: 48, classes: 10 }, prune: heads },
  deit3: { model: 'deit3_small_patch16_224', build: { ...small, dropPath: 0.1 }, prune: heads },
  registers: { model: 'vit_small_patch14_reg4_dinov2', build: { inputSize: 56, classes: 10 }, prune: heads },
  convnext: { model: 'convnext_tiny', build: { ...small, dropPath: 0.1 }, prune: {} },
  swin: { model: 'swin_tiny_patch4_window7_224', prune: heads },
  resnet18: { model: 'resnet18', build: small, prune: { ratio: 0.7 } },
  resnet50: { model: 'resnet50', build: { ...small, dropPath: 0.1 }, prune: { ratio: 0.7 } },
  seresnext: { model: 'seresnext50_32x4d', build: small, prune: { ratio: 0.7 } },
  regnetx: { model: 'regnetx_002', build: { ...small, dropPath: 0.1 }, prune: {} },
} as const;

const pickled = {
  'timm:deit_tiny_distilled_patch16_224:32': heads,
  'timm:swin_tiny_patch4_window7_224': { ...heads, ratio: 0.8 },
  'timm:regnetx_002': small,
  'timm:resnet18': small,
  'tv:mobilenet_v2': small,
  'tv:convnext_tiny': small,
} as const;

describe('whole modules', { skip: noPythonWith('torch', 'timm', 'torchvision') }, () => {
  const folder = testFolder();

  for (const [id, network] of Object.entries(named))
    test(`${network.model} by its name`, async () => {
      await checkModules(folder.path, [await writeNamed(folder.path, id, network)]);
    });

  for (const [text, options] of Object.entries(pickled))
    test(`${text} as the classes that it came as`, async () => {
      runPython('engine/export/pickled_modules.py', 'make', folder.path, text);
      const source = path.join(folder.path, `${text.split(':')[1]}.pth`);
      await checkModules(folder.path, [await writePickled(folder.path, 'pruned', source, options)]);
    });

  const published = path.join(SHARED, 'data/checkpoints/mobilenet_v2_0.15G.train.pth');
  test('the module in a checkpoint of the paper’s train.py', {
    skip: !existsSync(published) && `no ${published}`,
  }, async () => {
    const { pruned } = await checkModules(folder.path, [await writePickled(folder.path, 'pruned', published, small)]);
    assert.equal(pruned.modules['']['class'], 'torchvision.models.mobilenetv2.MobileNetV2');
  });
});
