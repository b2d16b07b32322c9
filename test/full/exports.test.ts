/** Every family at its own size, dense and pruned, in PyTorch and ONNX Runtime: minutes. */
import { describe, test } from 'node:test';
import { testFolder } from '../engine/checkpoint/files.ts';
import { checkOnnx, checkPyTorch, exportNetwork, makeNetwork, type NetworkCase } from '../engine/export/exported.ts';
import { noTensorFlow } from '../support/logits.ts';
import { noPythonWith } from '../support/python.ts';

const models = [
  'deit_tiny_distilled_patch16_224',
  'vit_tiny_patch16_224',
  'convnext_tiny',
  'swin_tiny_patch4_window7_224',
  'resnet18',
  'resnet50',
  'resnext50_32x4d',
  'mobilenet_v2',
  'mobilenetv2_100',
  'regnety_004',
  'vgg11',
  'vgg11_bn',
  'densenet121',
  'efficientnet_b0',
];
/** Sizes at which windows and strides leave a rest. */
const resized = [
  ['swin_tiny_patch4_window7_224', 100],
  ['swin_tiny_patch4_window7_224', 208],
  ['deit_tiny_distilled_patch16_224', 176],
  ['convnext_tiny', 200],
  ['mobilenet_v2', 201],
  ['regnety_004', 201],
  ['densenet121', 201],
] as const;

const prune = { ratio: 0.4, headRatio: 0.34, headDimRatio: 0.3 };
const cases: readonly NetworkCase[] = [
  ...models.flatMap((model) => [{ model }, { model, prune }]),
  ...resized.map(([model, inputSize]) => ({ model, build: { inputSize }, prune })),
];

describe('exported models at full size', { skip: noTensorFlow || noPythonWith('torch', 'onnxruntime') }, () => {
  for (const [i, network] of cases.entries()) {
    const { model, build, prune: pruned } = network;
    test(`${model}${build ? ` at ${build.inputSize}` : ''}${pruned ? ', pruned' : ''}`, async () => {
      const folder = testFolder();
      const exported = await exportNetwork(folder.path, `network${i}`, await makeNetwork(network));
      checkPyTorch(folder.path, [exported]);
      checkOnnx(folder.path, [exported]);
    });
  }
});
