/**
 * What TensorFlow's graph optimiser takes apart wrongly: constants that are added behind a bias, which it moves there whatever their shape,
 * and channels padded before a convolution, which it pads in its place.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { GraphBuilder } from '../../../src/engine/graph/builder.ts';
import type { Graph, ValueId } from '../../../src/engine/graph/graph.ts';
import { fillWeights, uniform } from '../../support/detfill.ts';
import {
  byInterpreter,
  channelsLast,
  imageOf,
  logitsOf,
  noTensorFlow,
  relativeDifference,
} from '../../support/logits.ts';
import { network } from '../pruning/networks.ts';

const SIDE = 8;
const CHANNELS = 6;

function plusConstant(b: GraphBuilder, x: ValueId, shape: readonly number[]): ValueId {
  const data = Float32Array.from(
    uniform(
      shape.join(),
      shape.reduce((a, c) => a * c, 1),
      'constant',
    ),
  );
  const constant = b.add('constant', '', [], { tensor: { dtype: 'float32', shape, data } });
  return b.activation('', b.plus('', x, constant), 'relu');
}

const convolved = (shape: readonly number[]) =>
  network((b, x) => plusConstant(b, b.conv('conv', x, { out: CHANNELS, kernel: 3, padding: 1, bias: true }), shape));

const linear = (shape: readonly number[]) =>
  network((b, x) => {
    const tokens = b.transpose('', b.reshape('', x, [-1, 3, SIDE * SIDE]), [0, 2, 1]);
    return b.mean('', plusConstant(b, b.linear('linear', tokens, CHANNELS), shape), [1], false);
  });

const paddedChannels = (): Graph =>
  network((b, x) => {
    const padded = b.add('pad', '', [x], { axis: 1, before: 1, after: 2 }, {}, { suffix: 'pad' });
    return b.conv('conv', padded, { out: CHANNELS, kernel: 1, bias: true });
  });

for (const [name, graph] of [
  ['padded channels', paddedChannels()] as const,
  ...[[1], [1, 1, 1, 1], [SIDE, SIDE], [1, 1, 1, SIDE], [CHANNELS, 1, 1], [1, CHANNELS, SIDE, SIDE]].map(
    (shape) => [`convolution + [${shape}]`, convolved(shape)] as const,
  ),
  ...[[1], [SIDE * SIDE, 1], [CHANNELS]].map((shape) => [`linear + [${shape}]`, linear(shape)] as const),
])
  test(name, { skip: noTensorFlow }, async () => {
    const weights = fillWeights(graph);
    const expected = byInterpreter(graph, weights, channelsLast(graph, imageOf(graph)));
    assert.ok(relativeDifference(await logitsOf(graph, weights), expected) < 1e-5);
  });
