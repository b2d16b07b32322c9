/** Fused convolutions in TensorFlow: which chains are found, and that they compute what their kernels do one by one. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ProgramBuilder } from '../../../src/engine/compute/programs/program-builder.ts';
import { gradientProgram, predictProgram } from '../../../src/engine/compute/programs/programs.ts';
import { installedRuntime, loadTensorFlow } from '../../../src/engine/compute/runtime/binding.ts';
import { findFusions } from '../../../src/engine/compute/tensorflow/fusion.ts';
import { tensorFlowExecutor } from '../../../src/engine/compute/tensorflow/tensorflow-executor.ts';
import { GraphBuilder } from '../../../src/engine/graph/builder.ts';
import type { Graph } from '../../../src/engine/graph/graph.ts';
import { fillWeights, uniform } from '../../support/detfill.ts';
import { squareInput } from '../../support/input-config.ts';
import { interpret, type Values, values } from '../../support/interpreter.ts';
import { assertClose, asWeights, float32 } from './compare-case.ts';
import { asValues, difference } from './small-network.ts';

const SIDE = 9;
const BATCH = 2;

/** A residual block with a projected shortcut, a depthwise one with ReLU6, and convolutions that must not be fused. */
function network(): Graph {
  const b = new GraphBuilder();
  const input = squareInput(SIDE);
  const relu = (path: string, x: string, kind: 'relu' | 'relu6' | 'gelu' = 'relu'): string =>
    b.activation(path, x, kind, { suffix: kind });
  let x = relu(
    'stem',
    b.batchNorm('stem.bn', b.conv('stem.conv', b.input(input), { out: 8, kernel: 3, padding: 1, bias: true })),
  );
  const branch = b.batchNorm('block.bn', b.conv('block.conv', x, { out: 12, kernel: 3, stride: 2, padding: 1 }));
  const shortcut = b.batchNorm('short.bn', b.conv('short.conv', x, { out: 12, kernel: 1, stride: 2 }));
  x = relu('block', b.plus('block', branch, shortcut));
  x = relu('dw', b.batchNorm('dw.bn', b.conv('dw.conv', x, { out: 12, kernel: 3, padding: 1, groups: 12 })), 'relu6');
  x = relu(
    'dw2',
    b.batchNorm('dw2.bn', b.conv('dw2.conv', x, { out: 12, kernel: 3, stride: 2, padding: 1, groups: 12 })),
    'relu6',
  );
  // Two users: the value before ReLU is needed.
  const both = b.conv('both', x, { out: 12, kernel: 1, bias: true });
  x = b.plus('both', relu('both', both), both);
  // Nothing that can be fused follows.
  x = relu('plain', b.conv('plain', x, { out: 6, kernel: 1, bias: true }), 'gelu');
  x = b.conv('grouped', x, { out: 6, kernel: 1, groups: 2, bias: true });
  const logits = b.linear('fc', b.mean('', relu('grouped', x), [2, 3], false), 4);
  return b.finish({ name: 'fused', family: 'test', input, classes: 4 }, logits);
}

test('chains of a network in evaluation', () => {
  const program = predictProgram(network());
  const { chains } = findFusions(program);
  const found = [...chains.values()].map(({ conv, batchNorm, addend, activation }) =>
    [
      program.nodes[conv].source,
      batchNorm === undefined ? '' : program.nodes[batchNorm].source,
      addend ? `+ ${program.nodes[addend.node].source}` : '',
      activation ?? '',
    ].join(' '),
  );
  assert.deepEqual(found.sort(), [
    'block.conv block.bn  ',
    'dw.conv dw.bn  Relu6',
    'dw2.conv dw2.bn  Relu6',
    'short.conv short.bn + block.bn Relu',
    'stem.conv stem.bn  Relu',
  ]);
});

test('a gradient needs the values in between', () => {
  assert.equal(findFusions(gradientProgram(network(), { targets: 'labels' })).chains.size, 0);
});

test('fused logits equal the interpreter’s', {
  skip: !installedRuntime() && 'the TensorFlow runtime is not installed',
}, async () => {
  const graph = network();
  const program = predictProgram(graph);
  const images = Float32Array.from(uniform('images', BATCH * SIDE * SIDE * 3, 'fusion'), (u) => 2 * u - 1);
  const session = await tensorFlowExecutor(loadTensorFlow()).open({ program });
  await session.assign(fillWeights(graph));
  const { logits } = await session.run('program', { images });
  const inputs = { images: values([BATCH, SIDE, SIDE, 3], images) };
  const expected = interpret(program, inputs, asValues(fillWeights(graph)));
  assert.ok(difference(logits, expected.outputs.logits) < 1e-5);
  await session.dispose();
});

test('products in bfloat16 change the third digit, and only where they are asked for', {
  skip: !installedRuntime() && 'the TensorFlow runtime is not installed',
}, async () => {
  const graph = network();
  const program = predictProgram(graph);
  const images = Float32Array.from(uniform('images', BATCH * SIDE * SIDE * 3, 'fusion'), (u) => 2 * u - 1);
  const expected = interpret(program, { images: values([BATCH, SIDE, SIDE, 3], images) }, asValues(fillWeights(graph)));
  const executor = tensorFlowExecutor(loadTensorFlow(), { products: 'bfloat16' });
  assert.match(executor.label, /bfloat16/);
  const session = await executor.open({ program });
  await session.assign(fillWeights(graph));
  const { logits } = await session.run('program', { images });
  const worst = difference(logits, expected.outputs.logits);
  assert.ok(worst > 1e-4 && worst < 3e-2, `relative difference ${worst}`);
  await session.dispose();
});

for (const [name, stride, dilation] of [
  ['with gaps', [1, 1], [2, 2]],
  ['with gaps along one side', [1, 1], [1, 3]],
  ['of two strides', [2, 1], [1, 1]],
] as const)
  test(`depthwise windows ${name} and a norm`, {
    skip: !installedRuntime() && 'the TensorFlow runtime is not installed',
  }, async () => {
    const b = new ProgramBuilder();
    const padding = { top: 2, left: 2, bottom: 2, right: 2 };
    const window = { kernel: [3, 3], stride, padding, dilation, groups: 6 } as const;
    const y = b.add('conv', [b.input('x', [-1, 6, SIDE, SIDE]), b.state('w', [6, 1, 3, 3])], window);
    const norm = ['gamma', 'beta', 'mean', 'variance'].map((state) => b.state(state, [6]));
    const logits = b.add('activation', [b.add('batchNorm', [y, ...norm], { eps: 1e-5 })], { function: 'relu6' });
    b.output('logits', logits);
    const program = b.finish();
    const filled = (key: string, shape: readonly number[], low: number): Values =>
      values(
        shape,
        uniform(
          key,
          shape.reduce((p, q) => p * q, 1),
          'gaps',
        ).map((u) => 2 * u + low),
      );
    const states = new Map(
      ['gamma', 'beta', 'mean', 'variance'].map((state) => [
        state,
        filled(state, [6], state === 'variance' ? 0.1 : -1),
      ]),
    ).set('w', filled('w', [6, 1, 3, 3], -1));
    const x = filled('x', [BATCH, 6, SIDE, SIDE], -1);
    const session = await tensorFlowExecutor(loadTensorFlow()).open({ program });
    await session.assign(asWeights(states));
    const actual = await session.run('program', { x: float32(x) }, BATCH);
    assertClose(actual['logits'], interpret(program, { x }, states).outputs['logits'], name, 1e-5);
    await session.dispose();
  });
