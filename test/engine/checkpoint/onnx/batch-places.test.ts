/** Files made for a fixed number of images: where in their sizes the batch is. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { UserError } from '../../../../src/common/errors.ts';
import { type Choices, firstThatFits } from '../../../../src/engine/checkpoint/onnx/choices.ts';
import { type ImportedModel, importOnnx } from '../../../../src/engine/checkpoint/onnx/import.ts';
import { parseOnnx } from '../../../../src/engine/checkpoint/onnx/onnx-proto.ts';
import { reshapeTargets } from '../../../../src/engine/checkpoint/onnx/reshape-target.ts';
import { imageOf, relativeDifference } from '../../../support/logits.ts';
import { batchedLogits } from './logits.ts';
import { ModelBuilder } from './model-builder.ts';

describe('the shapes that a Reshape may mean', () => {
  const found = (from: readonly number[], target: readonly number[], fixedBatch?: number): string =>
    reshapeTargets(
      from,
      target.map((fixed) => ({ fixed, batches: 0 })),
      { keepZeros: false, ...(fixedBatch !== undefined && { fixedBatch }) },
    )
      .map(String)
      .join(' or ');
  for (const [from, target, batch, expected] of [
    // nn.MultiheadAttention: heads beside the batch, then positions and batch in one.
    [[17, -1, 24], [17, 3, 8], 1, '17,-3,8 or -17,3,8'],
    [[-3, 17, 8], [1, 3, 17, 8], 1, '-1,3,17,8'],
    [[17, -1, 3, 8], [17, 24], 1, '-17,24 or 17,-24'],
    [[-17, 24], [17, 1, 24], 1, '17,-1,24'],
    // The same for two images leaves nothing open.
    [[17, -1, 24], [17, 6, 8], 2, '17,-3,8'],
    [[17, -1, 3, 8], [34, 24], 2, '-17,24'],
    [[-17, 24], [17, 2, 24], 2, '17,-1,24'],
    // Batch first, as most networks have it.
    [[-1, 24, 4, 4], [1, 24, 16], 1, '-1,24,16'],
    [[-1, 512, 1, 1], [1, 512], 1, '-1,512'],
    [[-1, 24, 4, 4], [1, 24, -1], 1, '-1,24,16'],
    // Where a Reshape would have to take elements apart that the batch holds together.
    [[3, -17, 8], [1, 3, 17, 8], 1, '1,3,-17,8 or 1,-3,17,8 or 1,3,17,-8'],
    [[-1, 24], [5, 5], 1, ''],
    [[-1, 24], [0, 4, 6], undefined, '-1,4,6'],
    [[-1, 24], [-1, 6], undefined, '-4,6'],
  ] as const)
    test(`[${from}] as [${target}] for ${batch ?? 'any number of'} images`, () => {
      assert.equal(found(from, target, batch), expected);
    });
});

test('choices are tried in order, those met last first; the first failure is told where all fail', () => {
  const tried: string[] = [];
  const attempt = (choices: Choices): string => {
    const made = `${choices.choose('a', 2)}${choices.choose('b', 3)}${choices.choose('a', 2)}`;
    tried.push(made);
    if (made !== '120') throw new UserError(made);
    return made;
  };
  assert.throws(() => firstThatFits(attempt, () => true), { name: 'UserError', message: '000' });
  assert.deepEqual(tried, ['000', '010', '020', '101', '111', '121']);
  const right = firstThatFits(
    (choices) => choices.choose('a', 3),
    (at) => at === 1,
  );
  assert.equal(right, 1);
  const usable = firstThatFits(
    (choices) => choices.choose('a', 3),
    () => false,
  );
  assert.equal(usable, 0);
});

const [TOKENS, HEADS, DIM] = [16, 2, 4];
const WIDTH = HEADS * DIM;

/** Self-attention as nn.MultiheadAttention writes it, positions first, for one number of images or any. */
function multihead(images: number | 'N'): ImportedModel {
  const b = new ModelBuilder([images, 3, 8, 8]);
  const size = (times: number): number => (images === 'N' ? -1 : times * images);
  const reshape = (x: string, ...target: readonly number[]): string => b.node('Reshape', [x, b.integers(...target)]);
  const linear = (x: string, name: string, out: number, width = WIDTH): string =>
    b.node('Gemm', [x, b.float(`${name}.weight`, [out, width]), b.float(`${name}.bias`, [out])], { transB: 1 });
  const patches = b.node('Conv', ['input', b.float('patch.weight', [WIDTH, 3, 2, 2])], { strides: [2, 2] });
  const tokens = b.node('Transpose', [reshape(patches, size(1), WIDTH, TOKENS)], { perm: [2, 0, 1] });
  const parts = ['q', 'k', 'v'].map((name) => {
    const flat = linear(reshape(tokens, images === 'N' ? -1 : TOKENS * images, WIDTH), name, WIDTH);
    const apart = reshape(reshape(flat, TOKENS, size(1), WIDTH), TOKENS, size(HEADS), DIM);
    const heads = b.node('Transpose', [apart], { perm: [1, 0, 2] });
    return reshape(heads, size(1), HEADS, TOKENS, DIM);
  });
  const keys = b.node('Transpose', [parts[1]], { perm: [0, 1, 3, 2] });
  const scores = b.node('Softmax', [b.node('MatMul', [parts[0], keys])], { axis: -1 });
  const context = b.node('Transpose', [b.node('MatMul', [scores, parts[2]])], { perm: [2, 0, 1, 3] });
  const projected = linear(reshape(context, images === 'N' ? -1 : TOKENS * images, WIDTH), 'proj', WIDTH);
  const sum = b.node('Add', [tokens, reshape(projected, TOKENS, size(1), WIDTH)]);
  const pooled = b.node('ReduceMean', [sum], { axes: [0], keepdims: 0 });
  return importOnnx(parseOnnx(b.finish(linear(pooled, 'fc', 3))), { file: `${images}.onnx` });
}

test('attention exported with one image, or two, is the network that takes any number', () => {
  const open = multihead('N');
  const image = imageOf(open.graph);
  const expected = batchedLogits(open, image);
  for (const images of [1, 2]) {
    const fixed = multihead(images);
    assert.ok(relativeDifference(Float32Array.from(batchedLogits(fixed, image)), expected) < 1e-6, `${images}`);
  }
});
