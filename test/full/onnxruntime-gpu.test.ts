/**
 * Evaluation and scoring on a GPU's execution provider: a real GPU, or SwiftShader, the software adapter that comes with Chromium. Without
 * either, what is said.
 */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { test } from 'node:test';
import type { Executor } from '../../src/engine/compute/executor.ts';
import { providerShare } from '../../src/engine/compute/onnxruntime/gpu-provider.ts';
import { createOnnxRuntimeExecutor } from '../../src/engine/compute/onnxruntime/onnxruntime-executor.ts';
import {
  gradientName,
  gradientProgram,
  predictProgram,
  trainProgram,
} from '../../src/engine/compute/programs/programs.ts';
import {
  asValues,
  batchValues,
  dataOf,
  difference,
  smallBatch,
  smallNetwork,
  smallWeights,
} from '../engine/compute/small-network.ts';
import { sgd, stepInputs } from '../engine/compute/training-contract.ts';
import { interpret } from '../support/interpreter.ts';

const SOFTWARE = '/usr/lib/chromium/vk_swiftshader_icd.json';
if (existsSync(SOFTWARE)) process.env['VK_ICD_FILENAMES'] ??= SOFTWARE;

let refusal = '';
const executor = await createOnnxRuntimeExecutor({ device: 'gpu' }).catch((error: Error): Executor | undefined => {
  refusal = error.message;
  return undefined;
});
const skip = !executor && `no GPU, and no ${SOFTWARE}: ${refusal}`;

test('without a GPU it is said what to leave out', { skip: executor !== undefined && 'there is a GPU' }, () => {
  assert.match(refusal, /leave --device gpu out/);
});

test('evaluation and scoring give what the interpreter gives, training goes on beside them', { skip }, async () => {
  assert.match(executor?.label ?? '', /^ONNX Runtime \d+\.\d+, GPU \((WebGPU|DirectML|CoreML)\)$/);
  const graph = smallNetwork();
  const predict = predictProgram(graph);
  const score = gradientProgram(graph, { targets: 'labels', accumulate: 'sum' });
  const said: string[] = [];
  const progress = ({ message }: { message?: string }) => void (message && said.push(message));
  const programs = { predict, score, train: trainProgram(graph, sgd) };
  const session = await (executor as Executor).open(programs, { progress });
  await session.assign(smallWeights(graph));
  const batch = smallBatch(2);
  const { logits } = await session.run('predict', { ...batch });
  const expected = interpret(score, batchValues(batch), asValues(smallWeights(graph)));
  assert.ok(difference(logits, expected.outputs['logits']) < 1e-4);
  await session.run('score', { ...batch });
  const names = graph.parameters.filter(({ trainable }) => trainable).map(({ name }) => gradientName(name));
  const read = await session.read(names);
  for (const name of names)
    assert.ok(difference(dataOf(read.get(name)), expected.updates.get(name) as never) < 1e-3, name);
  await session.run('train', stepInputs(sgd, 1));
  assert.notDeepEqual((await session.run('predict', { ...batch })).logits, logits);
  assert.match(said.join('\n'), /(WebGPU|DirectML|CoreML) runs \d+ % of the operations/);
  await session.dispose();
});

test('the share counts operations, not transfers or sessions', () => {
  const event = (provider: string, name = 'Mul_kernel_time', cat = 'Node') => ({ cat, name, args: { provider } });
  const events = [
    event('WebGpuExecutionProvider'),
    event('WebGpuExecutionProvider'),
    event('WebGpuExecutionProvider'),
    event('CPUExecutionProvider'),
    event('WebGpuExecutionProvider', 'Mul_fence_before'),
    { cat: 'Session', name: 'model_run' },
  ];
  assert.equal(providerShare(JSON.stringify(events)), 0.75);
  assert.equal(providerShare('[]'), 0);
});
