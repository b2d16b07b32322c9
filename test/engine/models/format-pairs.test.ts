/** Every pair of formats, dense and pruned, and tensors with other people's names. All families in test/full. */
import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import { onnxModel } from '../../../src/engine/export/onnx.ts';
import { writeFileAtomically } from '../../../src/engine/files/atomic-write.ts';
import type { Graph } from '../../../src/engine/graph/graph.ts';
import { openModel, saveModel } from '../../../src/engine/jobs/opening/model.ts';
import { testFolder } from '../checkpoint/files.ts';
import { makeNetwork, type Network } from '../export/exported.ts';
import { assertRoundTrips } from './format-pairs.ts';
import { assertSameWeights } from './same-weights.ts';

const folder = testFolder();
const small = { inputSize: 32, classes: 5 };

for (const pruned of [false, true])
  test(`resnet20 and test_convnext, ${pruned ? 'pruned' : 'dense'}, through every pair of formats`, async () => {
    for (const [model, build] of [
      ['resnet20', { classes: 5 }],
      ['test_convnext', small],
    ] as const)
      await assertRoundTrips(
        folder.path,
        await makeNetwork({ model, build, ...(pruned && { prune: {} }) }),
        model === 'resnet20',
      );
  });

const renamings: Readonly<Record<string, readonly (readonly [RegExp, (...parts: string[]) => string])[]>> = {
  torchvision: [
    [/^stem\./, () => 'features.0.'],
    [/^stages\.(\d)\.downsample\./, (_, stage) => `features.${2 * Number(stage)}.`],
    [/^stages\.(\d)\.blocks\.(\d+)\.gamma$/, (_, s, b) => `features.${2 * Number(s) + 1}.${b}.layer_scale`],
    [/^stages\.(\d)\.blocks\.(\d+)\.conv_dw\./, (_, s, b) => `features.${2 * Number(s) + 1}.${b}.block.0.`],
    [/^stages\.(\d)\.blocks\.(\d+)\.norm\./, (_, s, b) => `features.${2 * Number(s) + 1}.${b}.block.2.`],
    [/^stages\.(\d)\.blocks\.(\d+)\.mlp\.fc1\./, (_, s, b) => `features.${2 * Number(s) + 1}.${b}.block.3.`],
    [/^stages\.(\d)\.blocks\.(\d+)\.mlp\.fc2\./, (_, s, b) => `features.${2 * Number(s) + 1}.${b}.block.5.`],
    [/^head\.norm\./, () => 'classifier.0.'],
    [/^head\.fc\./, () => 'classifier.2.'],
  ],
  authors: [
    [/^stem\./, () => 'downsample_layers.0.'],
    [/^stages\.(\d)\.downsample\./, (_, stage) => `downsample_layers.${stage}.`],
    [/^stages\.(\d)\.blocks\.(\d+)\.conv_dw\./, (_, s, b) => `stages.${s}.${b}.dwconv.`],
    [/^stages\.(\d)\.blocks\.(\d+)\.mlp\.fc(\d)\./, (_, s, b, i) => `stages.${s}.${b}.pwconv${i}.`],
    [/^stages\.(\d)\.blocks\.(\d+)\./, (_, s, b) => `stages.${s}.${b}.`],
    [/^head\.norm\./, () => 'norm.'],
    [/^head\.fc\./, () => 'head.'],
  ],
};

/** The network with its tensors called otherwise. */
function renamed({ graph, weights }: Network, rules: (typeof renamings)[string]): Network {
  const name = (old: string): string => {
    const rule = rules.find(([pattern]) => pattern.test(old));
    return rule ? old.replace(rule[0], rule[1]) : old;
  };
  const nodes = graph.nodes.map((node) => ({
    ...node,
    parameters: Object.fromEntries(Object.entries(node.parameters).map(([role, old]) => [role, name(old)])),
  })) as unknown as Graph['nodes'];
  const parameters = graph.parameters.map((parameter) => ({ ...parameter, name: name(parameter.name) }));
  return { graph: { ...graph, nodes, parameters }, weights: new Map([...weights].map(([old, t]) => [name(old), t])) };
}

for (const [whose, rules] of Object.entries(renamings))
  for (const pruned of [false, true])
    test(`ConvNeXt from ONNX with ${whose}' names, ${pruned ? 'pruned' : 'dense'}, saved and opened again`, async () => {
      const network = renamed(
        await makeNetwork({ model: 'test_convnext', build: small, ...(pruned && { prune: {} }) }),
        rules,
      );
      const file = path.join(folder.path, `${whose}.onnx`);
      await writeFileAtomically(file, onnxModel(network.graph, network.weights));
      const model = await openModel({ model: file });
      const weights = await model.weights();
      assert.ok([...weights.keys()].some((name) => network.weights.has(name) && !name.startsWith('stem')));
      for (const format of ['safetensors', 'pth']) {
        const saved = path.join(folder.path, `${whose}.${format}`);
        await saveModel(saved, model.graph, weights, model.record);
        const again = await openModel({ model: saved });
        assert.deepEqual(again.graph, model.graph, format);
        assertSameWeights(await again.weights(), weights);
      }
    });
