/** What Espalier exports as ONNX and opens again is the same network, node by node. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { findVariant } from '../../../../src/engine/architectures/registry.ts';
import type { BuildOptions } from '../../../../src/engine/architectures/variant.ts';
import { importOnnx } from '../../../../src/engine/checkpoint/onnx/import.ts';
import { parseOnnx } from '../../../../src/engine/checkpoint/onnx/onnx-proto.ts';
import { NEWEST_OPSET, OLDEST_OPSET, onnxModel } from '../../../../src/engine/export/onnx.ts';
import { dumpGraph } from '../../../../src/engine/graph/dump.ts';
import type { Graph } from '../../../../src/engine/graph/graph.ts';
import { graphCost } from '../../../../src/engine/graph/macs.ts';
import { toFloat32, type Weights } from '../../../../src/engine/graph/tensor.ts';
import { couple } from '../../../../src/engine/pruning/coupling/couple.ts';
import { isPrunable } from '../../../../src/engine/pruning/coupling/groups.ts';
import { findBlocks } from '../../../../src/engine/pruning/planning/blocks.ts';
import { fillWeights } from '../../../support/detfill.ts';
import { logitsOf, relativeDifference } from '../../../support/logits.ts';

const small = { inputSize: 32, dropout: 0 };
const cases: Readonly<Record<string, BuildOptions>> = {
  resnet18: small,
  resnet20: {},
  resnext50_32x4d: small,
  mobilenet_v2: small,
  mobilenetv2_100: small,
  efficientnet_b0: small,
  regnety_004: small,
  densenet121: small,
  // Where pooling is a product with fixed matrices.
  vgg11_bn: { inputSize: 64, dropout: 0, classes: 10, shapes: narrowHead },
  deit_tiny_patch16_224: small,
  deit_tiny_distilled_patch16_224: small,
  convnext_tiny: small,
  swin_tiny_patch4_window7_224: { ...small, inputSize: 64 },
};

/** VGG's 100 million weights of the head are of no interest. */
function narrowHead(name: string): readonly number[] | undefined {
  const shapes: Readonly<Record<string, readonly number[]>> = {
    'classifier.0.weight': [16, 25088],
    'classifier.3.weight': [16, 16],
    'classifier.6.weight': [10, 16],
  };
  return shapes[name];
}

/** Nodes but for their order: parameters stand where they are first used. The output is called after the file's. */
const nodesOf = (graph: Graph): string[] =>
  dumpGraph(graph)
    .replaceAll(/\bmean_of_heads\b/g, 'logits')
    .split('\n')
    .slice(1)
    .sort();

/** What only one of two lists has: a message that can be read. */
const difference = (a: readonly string[], b: readonly string[]): string[] => a.filter((line) => !b.includes(line));

const bytesOf = ({ buffer, byteOffset, byteLength }: Float32Array): Buffer =>
  Buffer.from(buffer, byteOffset, byteLength);

const roundTrip = (graph: Graph, weights: Weights, opset = OLDEST_OPSET) =>
  importOnnx(parseOnnx(onnxModel(graph, weights, { opset })), { file: 'model.onnx' });

describe('ONNX files of our own open as the same network', () => {
  for (const [name, build] of Object.entries(cases))
    test(name, () => {
      const graph = findVariant(name)?.build(build) ?? assert.fail(name);
      const weights = fillWeights(graph);
      const imported = roundTrip(graph, weights);
      const [nodes, expectedNodes] = [nodesOf(imported.graph), nodesOf(graph)];
      assert.deepEqual(difference(nodes, expectedNodes), []);
      assert.deepEqual(difference(expectedNodes, nodes), []);
      assert.equal(nodes.length, expectedNodes.length);
      assert.deepEqual(nodesOf(roundTrip(graph, weights, NEWEST_OPSET).graph), nodes);
      assert.deepEqual(imported.notes, []);
      assert.deepEqual({ ...imported.graph.input }, { ...graph.input });
      assert.equal(graphCost(imported.graph).params, graphCost(graph).params);
      const found = imported.weights();
      // No ONNX file counts batches.
      const kept = [...weights].filter(([, { dtype }]) => dtype !== 'int64');
      assert.deepEqual([...found.keys()].sort(), kept.map(([key]) => key).sort());
      for (const [key, expected] of kept) {
        const tensor = found.get(key) ?? assert.fail(key);
        assert.deepEqual(tensor.shape, expected.shape, key);
        assert.ok(bytesOf(toFloat32(tensor)).equals(bytesOf(toFloat32(expected))), key);
      }
      const [coupled, native] = [couple(imported.graph), couple(graph)];
      assert.equal(coupled.groups.filter(isPrunable).length, native.groups.filter(isPrunable).length);
      assert.equal(coupled.heads.length, native.heads.length);
    });

  test('its logits are the same, and blocks can be taken out of it', async () => {
    const graph = findVariant('resnet20')?.build() ?? assert.fail();
    const weights = fillWeights(graph);
    const imported = roundTrip(graph, weights);
    const found = await logitsOf(imported.graph, imported.weights());
    assert.ok(relativeDifference(found, await logitsOf(graph, weights)) < 1e-5);
    const removable = (of: Graph): number =>
      [...findBlocks(of).values()].flat().filter(({ input }) => input !== undefined).length;
    // Nine blocks, of which two change the width.
    assert.deepEqual([removable(imported.graph), removable(graph)], [7, 7]);
  });
});
