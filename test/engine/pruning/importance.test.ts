import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Criterion } from '../../../src/common/criteria.ts';
import type { Tensor } from '../../../src/engine/graph/tensor.ts';
import { couple } from '../../../src/engine/pruning/coupling/couple.ts';
import { groupOf } from '../../../src/engine/pruning/coupling/groups.ts';
import { gatherTensor } from '../../../src/engine/pruning/rebuilding/gather.ts';
import { type GradientSource, scoreGroups } from '../../../src/engine/pruning/scoring/importance.ts';
import { normalisers } from '../../../src/engine/pruning/scoring/normalisers.ts';
import { fillWeights, gradient } from '../../support/detfill.ts';
import { conv, network } from './networks.ts';

/** conv → batch norm → grouped conv → layer norm over channels → linear. */
const graph = network((b, x) => {
  const y = b.batchNorm('bn', conv(b, 'conv1', x, 4, 1));
  return b.layerNorm('norm', conv(b, 'conv2', y, 4, 1, 2), { axis: 1 });
});
const groups = couple(graph);
const weights = fillWeights(graph);
const shapes = new Map(graph.parameters.map(({ name, shape }) => [name, shape]));
const gradients: GradientSource = {
  kind: 'samples',
  of: (name) => ['#0', '#1'].map((sample) => gradient(name + sample, shapes.get(name) as readonly number[])),
};

/** An element's score by name and place in the tensor, straight from the formulas. */
function element(criterion: Criterion, name: string, at: number): number {
  const w = ((weights.get(name) as Tensor).data as Float32Array)[at];
  const [a, b] = ['#0', '#1'].map((sample) => gradient(name + sample, shapes.get(name) as readonly number[])[at]);
  if (criterion === 'l1') return Math.abs(w);
  if (criterion === 'l2') return w * w;
  return criterion === 'taylor' ? Math.abs(w * (a + b)) : (w * w * (a * a + b * b)) / 2;
}

const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0);
const range = (count: number): number[] => Array.from({ length: count }, (_, i) => i);
const averageOne = (scores: readonly number[]): number[] =>
  scores.map((score) => (score * scores.length) / sum(scores));

for (const criterion of ['l1', 'l2', 'taylor', 'hessian'] as const)
  test(`${criterion}: rows, columns and norm scales by the formulas`, async () => {
    const { channels } = await scoreGroups(groups, weights, { criterion, gradients });
    const score = (name: string, places: readonly number[]): number =>
      sum(places.map((at) => element(criterion, name, at)));
    // conv1 has 3 inputs; conv2 has 2 groups of 2 inputs and 2 outputs, so its columns are tiled.
    const first = range(4).map((channel) =>
      sum([
        score(
          'conv1.weight',
          range(3).map((i) => 3 * channel + i),
        ),
        criterion === 'taylor' ? 0 : score('bn.weight', [channel]),
        score(
          'conv2.weight',
          range(4).map((row) => 2 * row + (channel % 2)),
        ),
      ]),
    );
    const second = range(4).map((channel) =>
      sum([
        score(
          'conv2.weight',
          range(2).map((i) => 2 * channel + i),
        ),
        score('norm.weight', [channel]),
        score(
          'head.weight',
          range(5).map((row) => 4 * row + channel),
        ),
      ]),
    );
    for (const [layer, wanted] of [
      ['conv1', averageOne(first)],
      ['conv2', averageOne(second)],
    ] as const) {
      const found = channels[groupOf(groups, layer, 'out')?.id ?? -1] as Float64Array;
      for (const [i, value] of wanted.entries()) assert.ok(Math.abs(found[i] - value) < 1e-12, `${layer} ${i}`);
    }
  });

test('accumulated gradients give what their samples give', async () => {
  for (const criterion of ['taylor', 'hessian'] as const) {
    const combined: GradientSource = {
      kind: 'combined',
      of: (name) => {
        const [a, b] = gradients.kind === 'samples' ? gradients.of(name) : [];
        return Float64Array.from(a, (g, i) => (criterion === 'taylor' ? g + b[i] : (g * g + b[i] * b[i]) / 2));
      },
    };
    const [once, twice] = await Promise.all(
      [gradients, combined].map((source) => scoreGroups(groups, weights, { criterion, gradients: source })),
    );
    let compared = 0;
    for (const [id, scores] of once.channels.entries())
      for (const [i, score] of (scores ?? []).entries()) {
        assert.ok(Math.abs(score - (twice.channels[id]?.[i] ?? Number.NaN)) < 1e-12);
        compared++;
      }
    assert.equal(compared, 8);
  }
});

test('random scores depend on the seed and the layer alone', async () => {
  const of = async (seed: number) => (await scoreGroups(groups, new Map(), { criterion: 'random', seed })).channels;
  assert.deepEqual(await of(1), await of(1));
  assert.notDeepEqual(await of(1), await of(2));
  const all = (await of(1)).flatMap((scores) => [...(scores ?? [])]);
  assert.ok(all.length === 8 && all.every((score) => score >= 0 && score < 1) && new Set(all).size === 8);
});

test('normalisers', () => {
  const scores = Float64Array.of(1, 3, 2, 4);
  const rounded = (name: keyof typeof normalisers): number[] =>
    Array.from(normalisers[name](scores), (score) => Math.round(score * 1000) / 1000);
  assert.deepEqual(rounded('none'), [1, 3, 2, 4]);
  assert.deepEqual(rounded('mean'), [0.4, 1.2, 0.8, 1.6]);
  assert.deepEqual(rounded('sum'), [0.1, 0.3, 0.2, 0.4]);
  assert.deepEqual(rounded('max'), [0.25, 0.75, 0.5, 1]);
  assert.deepEqual(rounded('standarization'), [0, 0.667, 0.333, 1]);
  assert.deepEqual(rounded('gaussian'), [-1.162, 0.387, -0.387, 1.162]);
  assert.deepEqual(rounded('lamp'), [0.1, 0.429, 0.222, 1]);
});

test('scoring stops when it is told to', async () => {
  const seen: string[] = [];
  const stop = new AbortController();
  const progress = ({ done, total, message }: { done: number; total: number; message?: string }): void => {
    seen.push(`${message} ${done} of ${total}`);
    stop.abort();
  };
  await assert.rejects(scoreGroups(groups, weights, { criterion: 'l1' }, { signal: stop.signal, progress }), /abort/i);
  assert.deepEqual(seen, ['conv1.weight 1 of 5']);
});

test('missing or broken numbers are named', async () => {
  await assert.rejects(
    scoreGroups(groups, weights, { criterion: 'taylor' }),
    /taylor needs the gradient of conv1.weight/,
  );
  const short: GradientSource = { kind: 'combined', of: () => new Float32Array(3) };
  await assert.rejects(
    scoreGroups(groups, weights, { criterion: 'taylor', gradients: short }),
    /the gradient of conv1.weight has 3 numbers, the parameter 12/,
  );
  const broken = new Map(weights);
  const tensor = weights.get('conv2.weight') as Tensor;
  broken.set('conv2.weight', {
    ...tensor,
    data: (tensor.data as Float32Array).map((w, i) => (i === 2 ? Number.NaN : w)),
  } as Tensor);
  await assert.rejects(scoreGroups(groups, broken, { criterion: 'l1' }), /scores of conv2.weight are not finite/);
  broken.delete('conv2.weight');
  await assert.rejects(scoreGroups(groups, broken, { criterion: 'l1' }), /conv2.weight is not among the weights/);
});

test('gathering entries of any dimensions of any type', () => {
  const shape = [5, 6, 3];
  const at = (a: number, b: number, c: number): number => (a * 6 + b) * 3 + c;
  for (const kept of [
    [Int32Array.of(0, 1, 3, 4), Int32Array.of(1, 2, 5), undefined],
    [undefined, Int32Array.of(0, 4), Int32Array.of(2)],
    [Int32Array.of(1, 2, 4), undefined, undefined],
    [Int32Array.of(0, 1, 2, 3, 4), undefined, Int32Array.of(0, 1)],
  ]) {
    const [as, bs, cs] = kept.map((indices, d) => (indices ? [...indices] : range(shape[d])));
    const wanted = as.flatMap((a) => bs.flatMap((b) => cs.map((c) => at(a, b, c))));
    for (const data of [new Float32Array(90), new Float64Array(90), new Int32Array(90)]) {
      const dtype = data instanceof Float32Array ? 'float32' : data instanceof Float64Array ? 'float64' : 'int32';
      const tensor = { dtype, shape, data: data.map((_: number, i: number) => i) } as Tensor;
      const found = gatherTensor(tensor, kept);
      assert.deepEqual(
        [found.shape, Array.from(found.data as Float64Array)],
        [[as.length, bs.length, cs.length], wanted],
      );
    }
  }
  const whole = { dtype: 'float32', shape: [2], data: Float32Array.of(1, 2) } as Tensor;
  assert.equal(gatherTensor(whole, [undefined]), whole);
});
