/** Gradients of 1 × 1 convolutions with a stride at the widths of pruned networks: TensorFlow's own ends the process at some of them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ProgramBuilder } from '../../../../src/engine/compute/programs/program-builder.ts';
import { executor, skipWithoutRuntime } from '../../training/tiny.ts';

const IMAGES = 20;
const NONE = { top: 0, bottom: 0, left: 0, right: 0 };

for (const [side, stride, into, out] of [
  [112, 2, 10, 82],
  [112, 4, 14, 70],
] as const)
  test(`${into} to ${out} channels at stride ${stride}, ${side} × ${side}`, { skip: skipWithoutRuntime }, async () => {
    const b = new ProgramBuilder();
    const places = side / stride;
    const x = b.input('x', [-1, into, side, side]);
    const d = b.input('d', [-1, out, places, places]);
    const window = { kernel: [1, 1], stride: [stride, stride], padding: NONE, dilation: [1, 1], groups: 1 } as const;
    b.output('weight', b.add('convWeightGradient', [x, d], { ...window, weightShape: [out, into, 1, 1] }));
    const w = b.input('w', [out, into, 1, 1]);
    b.output('input', b.add('convInputGradient', [d, w], { ...window, inputShape: [-1, into, side, side] }));
    const session = await executor().open({ gradients: b.finish() });
    const filled = (count: number, value: number): Float32Array => new Float32Array(count).fill(value);
    const inputs = {
      x: filled(IMAGES * into * side * side, 0.5),
      d: filled(IMAGES * out * places * places, 0.25),
      w: filled(out * into, 2),
    };
    for (let run = 0; run < 4; run++) {
      const { weight, input } = await session.run('gradients', inputs, IMAGES);
      assert.ok(weight.every((value) => Math.abs(value - IMAGES * places * places * 0.125) < 0.5));
      assert.equal(input[0], out * 0.5);
      assert.equal(input[1], 0);
    }
    await session.dispose();
  });
