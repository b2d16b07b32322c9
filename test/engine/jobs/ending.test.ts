/** A softmax behind the logits: left out of the network, in every file that is exported again. */
import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import { loadOnnxRuntime } from '../../../src/engine/compute/onnxruntime/load-onnxruntime.ts';
import { writeFileAtomically } from '../../../src/engine/files/atomic-write.ts';
import { exportModel } from '../../../src/engine/jobs/export.ts';
import { openModel, saveModel } from '../../../src/engine/jobs/opening/model.ts';
import { testFolder } from '../checkpoint/files.ts';
import { ModelBuilder } from '../checkpoint/onnx/model-builder.ts';

const folder = testFolder();
const place = (name: string): string => path.join(folder.path, name);

async function outputOf(file: string): Promise<number[]> {
  const { ort } = await loadOnnxRuntime();
  const session = await ort.InferenceSession.create(file, { logSeverityLevel: 3 });
  try {
    const pixels = Float32Array.from({ length: 2 * 3 * 64 }, (_, i) => Math.sin(i));
    const input = new ort.Tensor('float32', pixels, [2, 3, 8, 8]);
    const found = await session.run({ [session.inputNames[0]]: input });
    return Array.from(found[session.outputNames[0]].data as Float32Array);
  } finally {
    await session.release();
  }
}

for (const [operator, ending] of [
  ['Softmax', 'softmax'],
  ['LogSoftmax', 'logSoftmax'],
] as const)
  test(`${operator} comes back`, async () => {
    const b = new ModelBuilder();
    const logits = b.classify(b.node('Conv', ['input', b.float('conv.weight', [4, 3, 3, 3])]), 4);
    const file = place(`${ending}.onnx`);
    await writeFileAtomically(file, b.finish(b.node(operator, [logits], { axis: 1 })));
    const expected = await outputOf(file);
    const model = await openModel({ model: file });
    assert.equal(model.graph.ending, ending);
    assert.ok(!model.graph.nodes.some(({ kind }) => kind === 'softmax'));
    assert.match(model.notes.join(), /ends in a softmax/);
    // By way of a file that keeps the Graph, and of an exported program.
    const kept = place(`${ending}.safetensors`);
    await saveModel(kept, model.graph, await model.weights(), model.record);
    const program = place(`${ending}.pt2`);
    await exportModel(await openModel({ model: kept }), 'pt2', program);
    for (const source of [file, kept, program]) {
      const output = place(`again-${path.basename(source)}.onnx`);
      await exportModel(await openModel({ model: source }), 'onnx', output);
      const found = await outputOf(output);
      assert.equal(found.length, expected.length);
      found.forEach((value, i) => {
        assert.ok(Math.abs(value - expected[i]) < 1e-6, `${path.basename(source)}: ${value}, not ${expected[i]}`);
      });
      assert.equal((await openModel({ model: output })).graph.ending, ending);
    }
  });

test('a softmax over something else than the classes stays', async () => {
  const b = new ModelBuilder();
  const map = b.node('Conv', ['input', b.float('conv.weight', [4, 3, 8, 8])]);
  const file = place('other.onnx');
  await writeFileAtomically(file, b.finish(b.node('Softmax', [map], { axis: 3 })));
  const { graph } = await openModel({ model: file });
  assert.equal(graph.ending, undefined);
  assert.ok(graph.nodes.some(({ kind }) => kind === 'softmax'));
});
