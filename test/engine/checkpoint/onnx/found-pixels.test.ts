import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import { openModel } from '../../../../src/engine/jobs/opening/model.ts';
import { noPythonWith, runPython } from '../../../support/python.ts';
import { temporaryFolder } from '../../data/images.ts';

/** Mean and standard deviation of the first channel, by how a file's name begins. */
const EXPECTED: Readonly<Record<string, readonly [number, number]>> = {
  none: [0.485, 0.229],
  normalised: [0.485, 0.229],
  unit: [0, 1],
  wide: [0, 1 / 255],
  'whole numbers': [0, 1 / 255],
};

test('what the first operations say of the pixels', { skip: noPythonWith('onnx', 'numpy') }, async (t) => {
  const folder = temporaryFolder(t);
  const names = runPython<string[]>('engine/checkpoint/onnx/first_operations.py', folder);
  assert.equal(names.length, 19);
  for (const name of names) {
    const model = path.join(folder, `${name}.onnx`);
    if (name === 'refused') {
      await assert.rejects(openModel({ model }), /element type 3 of ONNX/);
      continue;
    }
    const { graph, notes } = await openModel({ model });
    const [mean, std] = EXPECTED[name.split(',')[0]];
    assert.deepEqual([graph.input.mean[0], graph.input.std[0]], [mean, std], name);
    const says = (text: string): boolean => notes.some((note) => note.includes(text));
    assert.equal(says('--pixels'), name !== 'none', name);
    assert.equal(says('ImageNet mean and std are taken'), mean !== 0, name);
  }
});
