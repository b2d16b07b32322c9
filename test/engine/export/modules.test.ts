import assert from 'node:assert/strict';
import path from 'node:path';
import { before, describe, test } from 'node:test';
import { foldedTemplate } from '../../../src/engine/checkpoint/modules/module-template.ts';
import { WrittenModule } from '../../../src/engine/checkpoint/modules/written-module.ts';
import type { PickleObject } from '../../../src/engine/checkpoint/torch/pickle-values.ts';
import { pickledCall, pickledTensor } from '../../../src/engine/checkpoint/torch/pickle-write.ts';
import { pickledModule } from '../../../src/engine/export/module.ts';
import { resNet } from '../../../src/engine/export/module-trees/convolutional-trees.ts';
import { LayerTree } from '../../../src/engine/export/module-trees/layer-tree.ts';
import { noPythonWith, runPython } from '../../support/python.ts';
import { testFolder } from '../checkpoint/files.ts';
import { makeNetwork } from './exported.ts';
import { checkModules, type Written, writeNamed, writePickled } from './modules.ts';

const heads = { headRatio: 0.34, headDimRatio: 0.3 };
const small = { inputSize: 32 };

/** By zoo name, at 32 × 32: the small ones; test/full/modules.test.ts has the rest. */
const named = {
  deit: { model: 'deit_tiny_distilled_patch16_224', build: { ...small, dropPath: 0.1 }, prune: heads },
  convnext: { model: 'test_convnext', build: { ...small, dropPath: 0.1 }, prune: {} },
  mobilenet: { model: 'mobilenet_v2', build: small, prune: {} },
  regnet: { model: 'regnety_002', build: small, prune: {} },
} as const;

describe('whole modules', { skip: noPythonWith('torch', 'timm', 'torchvision') }, () => {
  const folder = testFolder();
  before(() => {
    runPython('engine/export/pickled_modules.py', 'make', folder.path, 'timm:test_convnext');
  });

  test('of zoo names and of pickled modules give their logits in PyTorch and open here again', async () => {
    const { path: at } = folder;
    const networks: Written[] = [];
    for (const [id, network] of Object.entries(named)) networks.push(await writeNamed(at, id, network));
    networks.push(
      await writePickled(at, 'convnext_kept', path.join(at, 'test_convnext.pth'), {
        inputSize: 32,
        removed: ['stages.2.blocks.1', 'stages.2.blocks.2'],
      }),
    );
    const loaded = await checkModules(at, networks);
    const { modules } = loaded['mobilenet'];
    assert.equal(modules['']['class'], 'torchvision.models.mobilenetv2.MobileNetV2');
    const width = networks
      .find(({ id }) => id === 'mobilenet')
      ?.graph.parameters.find(({ name }) => name === 'classifier.1.weight')?.shape[1];
    assert.ok(width && width < 1280, `${width} of 1280`);
    for (const [module, attribute] of [
      ['features.18', 'out_channels'],
      ['features.18.0', 'out_channels'],
      ['', 'last_channel'],
      ['classifier.1', 'in_features'],
    ])
      assert.equal(modules[module][attribute], width, `${module} ${attribute}`);
  });
});

describe('a module that cannot be written', () => {
  test('names the network whose classes are not known, and what else to do', async () => {
    const { graph, weights } = await makeNetwork({ model: 'resnet20' });
    assert.throws(
      () => pickledModule(graph, weights, undefined),
      /classes of resnet20 are not known.*--format pytorch/s,
    );
  });

  const resnet = { model: 'resnet18', build: small } as const;

  test('is refused where loading it would call something that is no part of a network', async () => {
    const { graph, weights } = await makeNetwork(resnet);
    for (const [module, name] of [
      ['os', 'system'],
      ['builtins', 'eval'],
      ['__builtin__', 'exec'],
      ['subprocess', 'Popen'],
    ]) {
      const root = resNet(new LayerTree(graph));
      new WrittenModule(root).set('hook', pickledCall(module, name, ['echo']));
      const recorded = { template: foldedTemplate(root), removals: [] };
      assert.throws(
        () => pickledModule(graph, weights, recorded),
        new RegExp(`uses ${module}\\.${name} when it is loaded`),
      );
    }
  });

  test('is refused where a tensor of the network has no place, or one of its own is no part of it', async () => {
    const { graph, weights } = await makeNetwork(resnet);
    const lacking = resNet(new LayerTree(graph));
    new WrittenModule(lacking).dict('_modules').delete('fc');
    const write = (root: PickleObject): unknown =>
      pickledModule(graph, weights, { template: foldedTemplate(root), removals: [] });
    assert.throws(() => write(lacking), /no place for fc.weight and 1 more/);
    const more = resNet(new LayerTree(graph));
    const tensor = pickledTensor({ dtype: 'float32', shape: [3], storageKey: 'elsewhere' });
    new WrittenModule(more).dict('_buffers').set('scores', tensor);
    assert.throws(() => write(more), /has a tensor that is no part of what was pruned \(\.?scores\)/);
  });
});
