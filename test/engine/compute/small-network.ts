/** A small network with a layer of every kind, its weights and a batch: small enough for the interpreter. */
import { GraphBuilder } from '../../../src/engine/graph/builder.ts';
import type { Graph } from '../../../src/engine/graph/graph.ts';
import type { Tensor, Weights } from '../../../src/engine/graph/tensor.ts';
import { fillWeights, uniform } from '../../support/detfill.ts';
import { squareInput } from '../../support/input-config.ts';
import { type Values, values } from '../../support/interpreter.ts';

const SIDE = 8;
export const CLASSES = 5;

export function smallNetwork(): Graph {
  const b = new GraphBuilder();
  const input = squareInput(SIDE);
  let x = b.input(input);
  x = b.conv('stem', x, { out: 8, kernel: 3, stride: 2, padding: 1 });
  x = b.activation('', b.batchNorm('norm1', x), 'relu', { suffix: 'relu' });
  let y = b.conv('depthwise', x, { out: 8, kernel: 3, padding: 1, groups: 8 });
  y = b.activation('', b.batchNorm('norm2', y), 'silu', { suffix: 'silu' });
  y = b.conv('grouped', y, { out: 8, kernel: 3, padding: 1, groups: 2, bias: true });
  y = b.layerNorm('norm3', y, { axis: 1 });
  x = b.plus('', x, b.dropPath('drop_path', b.conv('pointwise', y, { out: 8, kernel: 1 }), 0.25));
  const tokens = b.transpose('', b.reshape('', x, [-1, 8, 16]), [0, 2, 1]);
  let z = b.linear('fc1', b.layerNorm('norm4', tokens), 12);
  z = b.activation('', z, 'gelu', { suffix: 'gelu' });
  z = b.linear('fc2', z, 8);
  const pooled = b.mean('', b.plus('', tokens, z), [1], false);
  const logits = b.linear('head', b.add('dropout', '', [pooled], { probability: 0.3 }), CLASSES);
  return b.finish({ name: 'small', family: 'test', input, classes: CLASSES }, logits);
}

export const smallWeights = (graph: Graph): Weights => fillWeights(graph);

export const asValues = (weights: Weights): Map<string, Values> =>
  new Map(
    [...weights].map(([name, { shape, data }]) => [name, values(shape, Array.from(data as Float32Array, Number))]),
  );

/** A type, not an interface, so that it is an executor's inputs as it is. */
export type SmallBatch = {
  readonly images: Float32Array;
  readonly labels: Int32Array;
};

export function smallBatch(count: number, salt = 'batch'): SmallBatch {
  const images = Float32Array.from(uniform('images', count * SIDE * SIDE * 3, salt), (u) => 4 * u - 2);
  const labels = Int32Array.from(uniform('labels', count, salt), (u) => Math.floor(u * CLASSES));
  return { images, labels };
}

/** The batch as the interpreter takes it. */
export const batchValues = ({ images, labels }: SmallBatch): Record<string, Values> => ({
  images: values([labels.length, SIDE, SIDE, 3], images),
  labels: values([labels.length], labels),
});

/** Largest difference, against the largest element; infinite where there are not as many. */
export function difference(actual: ArrayLike<number>, expected: Values): number {
  if (actual.length !== expected.data.length) return Infinity;
  let [worst, scale] = [0, 1e-6];
  expected.data.forEach((value, i) => {
    worst = Math.max(worst, Math.abs(actual[i] - value));
    scale = Math.max(scale, Math.abs(value));
  });
  return worst / scale;
}

export const dataOf = (tensor: Tensor | undefined): Float32Array => tensor?.data as Float32Array;
