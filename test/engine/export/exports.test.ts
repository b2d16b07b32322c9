import { before, describe, test } from 'node:test';
import { noPythonWith } from '../../support/python.ts';
import { testFolder } from '../checkpoint/files.ts';
import {
  checkOnnx,
  checkPyTorch,
  type ExportedNetwork,
  exportNetwork,
  makeNetwork,
  type NetworkCase,
} from './exported.ts';

const small = { inputSize: 32 };
const heads = { headRatio: 0.34, headDimRatio: 0.3 };

/** Small members of every family at 32 × 32, where masks, padding and resized positions all happen; test/full has them at full size. */
const cases: Readonly<Record<string, NetworkCase>> = {
  deit: { model: 'deit_tiny_distilled_patch16_224', build: { ...small, dropPath: 0.1 } },
  deit_pruned: { model: 'deit_tiny_distilled_patch16_224', build: small, prune: heads },
  vit_pruned: { model: 'vit_tiny_patch16_224', build: { inputSize: 48, classes: 10 }, prune: heads },
  convnext_pruned: { model: 'convnext_tiny', build: { ...small, dropPath: 0.1 }, prune: {} },
  swin_pruned: { model: 'swin_tiny_patch4_window7_224', build: small, prune: heads },
  resnet_pruned: { model: 'resnet18', build: small, prune: {} },
  resnext_pruned: { model: 'resnext50_32x4d', build: small, prune: {} },
  cifar_resnet: { model: 'resnet20' },
  cifar_resnet_pruned: { model: 'resnet20', prune: {} },
  mobilenet: { model: 'mobilenet_v2', build: small },
  mobilenet_timm_pruned: { model: 'mobilenetv2_100', build: small, prune: {} },
  regnet_pruned: { model: 'regnety_004', build: small, prune: {} },
  densenet_pruned: { model: 'densenet121', build: small, prune: {} },
  efficientnet_pruned: { model: 'efficientnet_b0', build: small, prune: {} },
};

const noTorch = noPythonWith('torch');
const noOnnx = noPythonWith('onnxruntime', 'numpy');

describe('exported models compute the logits of the Graph', {
  skip: noTorch && noOnnx && `${noTorch}; ${noOnnx}`,
}, () => {
  const folder = testFolder();
  const networks: ExportedNetwork[] = [];
  before(async () => {
    for (const [id, network] of Object.entries(cases))
      networks.push(await exportNetwork(folder.path, id, await makeNetwork(network)));
  });

  test('in PyTorch, from the Python file and weights that torch.load(weights_only=True) opens', { skip: noTorch }, () =>
    checkPyTorch(folder.path, networks),
  );
  test('in ONNX Runtime', { skip: noOnnx }, () => checkOnnx(folder.path, networks));
});
