import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findVariant } from '../../../src/engine/architectures/registry.ts';
import { predictProgram } from '../../../src/engine/compute/programs/programs.ts';
import type { Graph } from '../../../src/engine/graph/graph.ts';
import { fillWeights, image } from '../../support/detfill.ts';
import { interpret, type Values, values } from '../../support/interpreter.ts';

/** First logits of timm 1.0.9 in float64, on the deterministic weights and a deterministic image of 32 × 32. */
const LOGITS: Readonly<Record<string, readonly number[]>> = {
  deit_tiny_distilled_patch16_224: [
    0.669301116, -1.384421932, 0.642355183, 1.005151726, -0.161373981, 0.038511814, 0.461930747, 0.158330645,
  ],
  convnext_tiny: [
    -0.239043255, 0.731186893, 1.71572519, -0.293522612, 0.388621077, -0.741814629, 0.886520831, 1.485965201,
  ],
  swin_tiny_patch4_window7_224: [
    -0.832829753, -0.589062519, -0.654030895, -0.495231703, 0.108008817, -0.689982725, 0.882510142, 1.894914284,
  ],
  mobilenetv2_100: [
    0.083204151, 0.103907937, -0.133335491, 0.02273095, -0.053714319, -0.020531631, -0.040541338, 0.119955921,
  ],
  regnety_004: [
    -0.027484835, 0.045116141, -0.521161408, 0.21138552, -0.23302056, -0.004214978, 0.281816419, 0.210210812,
  ],
  densenet121: [0.116464976, 0.092959339, 0.031745563, 0.008495164, 0.040217837, 0.0792513, -0.0422341, -0.001508172],
  efficientnet_b0: [
    0.014030017, 0.06323281, -0.149376073, 0.047421186, -0.042332766, 0.03401193, 0.096181219, 0.051949008,
  ],
  resnet18: [-0.441296937, 0.206320798, 0.163339616, 0.609612053, -0.568931478, -0.003158, -0.748494231, -0.577975672],
};
const SIDE = 32;

/** The deterministic image [1, 3, H, W] as [1, H, W, 3]. */
function channelsLast(side: number): Values {
  const { data } = image([1, 3, side, side]);
  const area = side * side;
  return values(
    [1, side, side, 3],
    Array.from({ length: 3 * area }, (_, i) => data[(i % 3) * area + Math.floor(i / 3)]),
  );
}

function logits(graph: Graph): number[] {
  const states = [...fillWeights(graph)].map(([name, { shape, data }]): [string, Values] => [
    name,
    values(shape, Array.from(data as Float32Array, Number)),
  ]);
  const { outputs } = interpret(predictProgram(graph), { images: channelsLast(SIDE) }, new Map(states));
  return Array.from(outputs['logits'].data).slice(0, 8);
}

for (const [name, expected] of Object.entries(LOGITS))
  test(`${name}: logits equal timm's`, () => {
    const graph = findVariant(name)?.build({ inputSize: SIDE }) ?? assert.fail();
    const found = logits(graph);
    const scale = Math.max(...expected.map(Math.abs));
    expected.forEach((value, i) => {
      assert.ok(Math.abs(found[i] - value) < 1e-6 * scale, `logit ${i} is ${found[i]}, not ${value}`);
    });
  });
