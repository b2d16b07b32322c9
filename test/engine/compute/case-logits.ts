/** Logits of the reference's whole networks on deterministic weights and images, against its figures in double precision. */
import assert from 'node:assert/strict';
import { buildModel } from '../../../src/engine/architectures/registry.ts';
import { predictProgram } from '../../../src/engine/compute/programs/programs.ts';
import { loadTensorFlow } from '../../../src/engine/compute/runtime/binding.ts';
import { tensorFlowExecutor } from '../../../src/engine/compute/tensorflow/tensorflow-executor.ts';
import { fillWeights, image } from '../../support/detfill.ts';
import { caseNames, readReference } from '../../support/reference.ts';

interface Case {
  readonly model: string;
  readonly base_logits: readonly number[];
}

const TOLERANCE = 1e-3;

const cases = caseNames.map((name) => readReference<Case>(`cases/${name}.json`));
/** By the model; cases of one model share their logits. */
export const caseLogits: ReadonlyMap<string, readonly number[]> = new Map(
  cases.map(({ model, base_logits }) => [model, base_logits]),
);

/** The smallest of each kind of network; test/full has the large ones too. */
export const SMALL_MODELS: readonly string[] = [
  'deit_tiny_distilled_patch16_224.fb_in1k',
  'mobilenet_v2',
  'resnet50.tv_in1k',
  'swin_tiny_patch4_window7_224.ms_in1k',
];

/** [1, C, H, W] → [1, H, W, C]. */
function channelsLast(data: Float32Array, [, channels, height, width]: readonly number[]): Float32Array {
  const area = height * width;
  return Float32Array.from(data, (_, i) => data[(i % channels) * area + Math.floor(i / channels)]);
}

/** Asserts that TensorFlow computes a model's logits. Throws for a model of no case. */
export async function checkCaseLogits(model: string): Promise<void> {
  const expected = caseLogits.get(model) ?? assert.fail(`no case of ${model}`);
  const graph = buildModel(model) ?? assert.fail(`${model} is not known`);
  const session = await tensorFlowExecutor(loadTensorFlow()).open({ predict: predictProgram(graph) });
  await session.assign(fillWeights(graph));
  const { data, shape } = image();
  const { logits } = await session.run('predict', { images: channelsLast(data, shape) });
  const scale = Math.max(...expected.map(Math.abs));
  assert.ok(expected.length > 0);
  expected.forEach((value, i) => {
    assert.ok(Math.abs(logits[i] - value) <= TOLERANCE * scale, `logit ${i}: ${logits[i]}, should be ${value}`);
  });
  await session.dispose();
}
