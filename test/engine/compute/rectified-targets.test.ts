/** Targets of a repair where a ReLU follows, against the same sums written out. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createExecutor } from '../../../src/engine/compute/backends.ts';
import type { BackendName } from '../../../src/engine/compute/executor.ts';
import { TEACHER_PREFIX } from '../../../src/engine/compute/programs/moments-program.ts';
import { rectifiedTargetsProgram } from '../../../src/engine/compute/programs/rectified-targets-program.ts';
import { GraphBuilder } from '../../../src/engine/graph/builder.ts';
import type { Graph, GraphNode } from '../../../src/engine/graph/graph.ts';
import { float32Tensor, type Weights } from '../../../src/engine/graph/tensor.ts';
import { rectifiedBy } from '../../../src/engine/pruning/repair/rectified.ts';
import { usersOf } from '../../../src/engine/pruning/repair/repair-layers.ts';
import { squareInput } from '../../support/input-config.ts';
import { skipWithoutRuntime } from '../training/tiny.ts';

function network(outputs: number, side: number) {
  const input = squareInput(side, { channels: 2 });
  const b = new GraphBuilder();
  const x = b.batchNorm('norm', b.conv('conv', b.input(input), { out: outputs, kernel: 1 }));
  const pooled = b.mean('', b.activation('', x, 'relu', { suffix: 'relu' }), [2, 3], false);
  return b.finish({ name: 'rectified', family: 'test', input, classes: 2 }, b.linear('fc', pooled, 2));
}

const fill = (count: number, seed: number): Float32Array =>
  Float32Array.from({ length: count }, (_, i) => Math.sin(seed + 1.7 * i));
const vector = (values: Float32Array) => float32Tensor([values.length], values);

/** Norms with slopes of both signs. */
const weightsOf = (outputs: number, seed: number): Map<string, ReturnType<typeof vector>> =>
  new Map([
    ['conv.weight', float32Tensor([outputs, 2, 1, 1], fill(2 * outputs, seed))],
    ['norm.weight', vector(fill(outputs, seed + 1).map((v) => v + 0.1))],
    ['norm.bias', vector(fill(outputs, seed + 2))],
    ['norm.running_mean', vector(fill(outputs, seed + 3))],
    ['norm.running_var', vector(fill(outputs, seed + 4).map((v) => v * v + 0.5))],
  ]);

const FEW = 4;
/** So many positions that a grid of every fourth is taken. */
const MANY = 112;
const cases = [
  ['embedded', FEW, 1, false],
  ['embedded', MANY, 4, false],
  ['tensorflow', FEW, 1, skipWithoutRuntime],
  ['tensorflow', MANY, 4, skipWithoutRuntime],
] as const;

for (const [backend, side, step, skip] of cases)
  test(
    `${backend}, ${side} × ${side}: where nothing is passed of the dense network, targets ask for no more than that`,
    {
      skip,
    },
    () => assertTargets(backend, side, step),
  );

async function assertTargets(backend: BackendName, size: number, step: number): Promise<void> {
  const [teacher, student] = [network(4, size), network(3, size)];
  const [dense, own] = [weightsOf(4, 1), weightsOf(3, 9)];
  const kept = Int32Array.of(0, 2, 3);
  for (const name of ['weight', 'bias', 'running_mean', 'running_var'])
    own.set(`norm.${name}`, vector(Float32Array.from(kept, (i) => dense.get(`norm.${name}`)?.data[i] as number)));
  const side = (graph: Graph, from: string) => ({ graph, users: usersOf(graph), from, sum: undefined });
  const rectified = rectifiedBy(side(student, 'conv'), side(teacher, 'conv'));
  assert.deepEqual(rectified && [rectified.value, rectified.teacherValue], ['norm', 'norm']);
  assert.equal(rectifiedBy(side(student, 'fc'), side(teacher, 'fc')), undefined);
  const node = student.nodes.find(({ id }) => id === 'conv') as GraphNode<'conv'>;
  const layer = { node, teacherNode: 'conv', keptOutputs: kept, ...(rectified && { rectified }) };

  const slope = Float32Array.from(kept, (i) => {
    const [gamma, variance] = ['weight', 'running_var'].map((name) => dense.get(`norm.${name}`)?.data[i] as number);
    return gamma / Math.sqrt(variance + 1e-5);
  });
  const shift = fill(3, 5);
  const images = fill(size * size * 2, 3).map((v) => 4 * v);
  // The constant is in the mean that the student has by then.
  const mean = own.get('norm.running_mean')?.data as Float32Array;
  const states: Weights = new Map([
    ...[...dense].map(([name, tensor]) => [TEACHER_PREFIX + name, tensor] as const),
    ...own,
    ['norm.running_mean', vector(mean.map((value, i) => value - shift[i]))],
  ]);
  const executor = await createExecutor({ threads: 1, backend });
  const program = rectifiedTargetsProgram({ student, teacher }, layer);
  const session = await executor.open({ sums: program });
  await session.assign(states);
  const rectifiedScale = slope.map((value) => 1 / value);
  const found = await session.run('sums', { images, targetScale: new Float32Array(3).fill(1), shift, rectifiedScale });
  await session.dispose();

  const [w, v] = [own.get('conv.weight')?.data, dense.get('conv.weight')?.data] as Float32Array[];
  const beta = dense.get('norm.bias')?.data as Float32Array;
  const passes = new Set<string>();
  const sums = { y: [0, 0, 0], yy: [0, 0, 0], yx: Array<number>(6).fill(0) };
  for (let p = 0; p < size * size; p++) {
    if ((p % size) % step || Math.floor(p / size) % step) continue;
    const x = [images[2 * p], images[2 * p + 1]];
    kept.forEach((from, o) => {
      const taken = (y: number): number => (y - mean[o]) * slope[o] + beta[from];
      const wanted = v[2 * from] * x[0] + v[2 * from + 1] * x[1];
      const shown = w[2 * o] * x[0] + w[2 * o + 1] * x[1] + shift[o];
      passes.add(`${taken(wanted) > 0} ${taken(shown) > 0}`);
      const border = shown - Math.max(0, taken(shown)) / slope[o];
      const target = taken(wanted) > 0 ? wanted : border;
      sums.y[o] += target;
      sums.yy[o] += target * target;
      for (const c of [0, 1]) sums.yx[2 * o + c] += target * x[c];
    });
  }
  assert.equal(passes.size, 4, 'passed and not, by either network');
  for (const [name, values] of Object.entries(sums))
    values.forEach((value, i) => {
      assert.ok(
        Math.abs(found[name][i] - value) < 1e-4 * Math.max(1, Math.abs(value)),
        `${name} ${i}: ${found[name][i]}, not ${value}`,
      );
    });
  assert.deepEqual(Object.keys(found).sort(), ['y', 'yx', 'yy']);
}
