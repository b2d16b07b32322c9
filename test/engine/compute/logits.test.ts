/** Logits of whole networks on deterministic weights and images, against the reference's float64 figures. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { buildModel } from '../../../src/engine/architectures/registry.ts';
import { predictProgram } from '../../../src/engine/compute/programs/programs.ts';
import { installedRuntime, loadTensorFlow } from '../../../src/engine/compute/runtime/binding.ts';
import { tensorFlowExecutor } from '../../../src/engine/compute/tensorflow/tensorflow-executor.ts';
import { fillWeights, image } from '../../support/detfill.ts';
import { caseNames, readReference } from '../../support/reference.ts';

interface Case {
  readonly model: string;
  readonly base_logits: readonly number[];
}

const skip = !installedRuntime() && 'the TensorFlow runtime is not installed';
const TOLERANCE = 1e-3;

const cases = caseNames.map((name) => readReference<Case>(`cases/${name}.json`));
/** Cases of one model share their logits. */
const models = new Map(cases.map(({ model, base_logits }) => [model, base_logits]));

/** [1, C, H, W] → [1, H, W, C]. */
function channelsLast(data: Float32Array, [, channels, height, width]: readonly number[]): Float32Array {
  const area = height * width;
  return Float32Array.from(data, (_, i) => data[(i % channels) * area + Math.floor(i / channels)]);
}

test('reference cases', { skip }, async (t) => {
  for (const [model, expected] of models)
    await t.test(model, async () => {
      const graph = buildModel(model);
      assert.ok(graph, `${model} is not known`);
      const session = await tensorFlowExecutor(loadTensorFlow()).open({ predict: predictProgram(graph) });
      await session.assign(fillWeights(graph));
      const { data, shape } = image();
      const { logits } = await session.run('predict', { images: channelsLast(data, shape) });
      const scale = Math.max(...expected.map(Math.abs));
      expected.forEach((value, i) => {
        assert.ok(Math.abs(logits[i] - value) <= TOLERANCE * scale, `logit ${i}: ${logits[i]}, should be ${value}`);
      });
      await session.dispose();
    });
});
