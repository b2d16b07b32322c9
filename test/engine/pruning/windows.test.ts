/** Channels that become positions: a window over them mixes neighbours, so they stay. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GraphBuilder } from '../../../src/engine/graph/builder.ts';
import type { Graph, ValueId } from '../../../src/engine/graph/graph.ts';
import { squareInput } from '../../support/input-config.ts';
import { assertExact } from './masked.ts';

const input = squareInput(8);

/** A stem of 24 = 6 · 2 · 2 channels as 6 of twice the side, and what follows. */
function shuffled(after: (b: GraphBuilder, x: ValueId) => ValueId): Graph {
  const b = new GraphBuilder();
  const x = b.conv('stem', b.input(input), { out: 24, kernel: 1, bias: true });
  const apart = b.transpose('', b.reshape('', x, [-1, 6, 2, 2, 8, 8]), [0, 1, 4, 2, 5, 3]);
  const features = b.mean('', after(b, b.reshape('', apart, [-1, 6, 16, 16])), [2, 3], false);
  return b.finish({ name: 'shuffled', family: 'test', input, classes: 5 }, b.linear('head', features, 5));
}

const windows: Readonly<Record<string, (b: GraphBuilder, x: ValueId) => ValueId>> = {
  'a convolution': (b, x) => b.conv('after', x, { out: 8, kernel: 3, padding: 1 }),
  'a pooling': (b, x) => b.maxPool('after', x, 3, 2, 1),
  'a resize': (b, x) => b.add('resize', 'after', [x], { size: [20, 12], mode: 'linear', coordinates: 'halfPixel' }),
};

for (const [name, after] of Object.entries(windows))
  test(`${name} after a pixel shuffle is exact: the pixels of a channel stay or go together`, async () => {
    const { pruned } = await assertExact(shuffled(after), { ratio: 0.5 });
    assert.deepEqual(pruned.graph.parameters.find((p) => p.name === 'stem.weight')?.shape, [12, 3, 1, 1]);
  });
