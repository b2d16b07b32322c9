import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findVariant } from '../../../src/engine/architectures/registry.ts';
import type { Variant } from '../../../src/engine/architectures/variant.ts';
import { dumpGraph } from '../../../src/engine/graph/dump.ts';
import type { Graph } from '../../../src/engine/graph/graph.ts';
import { assertGolden } from '../../support/golden.ts';

/** One network of each family, how its parameter names number the blocks of a stage, and the last one to keep. */
const NETWORKS: Readonly<Record<string, { readonly block: RegExp; readonly last: number }>> = {
  resnet20: { block: /^layer\d\.(\d+)/, last: 0 },
  resnext50_32x4d: { block: /^layer\d\.(\d+)/, last: 0 },
  deit_tiny_distilled_patch16_224: { block: /^blocks\.(\d+)/, last: 0 },
  convnext_tiny: { block: /blocks\.(\d+)/, last: 0 },
  swin_tiny_patch4_window7_224: { block: /blocks\.(\d+)/, last: 1 },
  regnety_004: { block: /^s\d\.b(\d+)/, last: 2 },
  efficientnet_b0: { block: /^blocks\.\d\.(\d+)/, last: 0 },
  densenet121: { block: /denselayer(\d+)/, last: 2 },
  mobilenet_v2: { block: /^$/, last: 0 },
  vgg11_bn: { block: /^$/, last: 0 },
};

/** The network with the first blocks of each stage only, as if the others had been pruned away. */
function shallow(variant: Variant, block: RegExp, last: number): Graph {
  const kept = new Map(
    variant.build().parameters.flatMap(({ name, shape }) => {
      const index = block.exec(name)?.[1];
      return index === undefined || Number(index) <= last ? [[name, shape]] : [];
    }),
  );
  return variant.build({ shapes: (name) => kept.get(name) });
}

for (const [name, { block, last }] of Object.entries(NETWORKS))
  test(`${name}, a few blocks deep, reads as in its golden file`, () => {
    const variant = findVariant(name);
    assert.ok(variant);
    assertGolden(import.meta.dirname, `${name}.txt`, dumpGraph(shallow(variant, block, last)));
  });
