import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import type { AffineInterpolation } from '../../../../src/engine/data/augment/affine.ts';
import { applyOperation, type OperationName } from '../../../../src/engine/data/augment/image-operations.ts';
import type { RgbImage } from '../../../../src/engine/data/image.ts';
import { resizeImage } from '../../../../src/engine/data/resize.ts';
import { readReference } from '../../../support/reference.ts';

interface Expected {
  readonly input: string;
  readonly op: string;
  readonly magnitude: number;
  readonly interpolation: AffineInterpolation;
  readonly sha256: string;
  readonly box_top_left_height_width?: readonly [number, number, number, number];
}

interface Reference {
  readonly inputs: Record<string, { readonly size: readonly [number, number]; readonly rgb_base64: string }>;
  readonly operations: readonly Expected[];
}

const reference = readReference<Reference>('augment.json');
const sha256 = (data: Uint8Array): string => createHash('sha256').update(data).digest('hex');

const inputs = new Map<string, RgbImage>(
  Object.entries(reference.inputs).map(([name, { size, rgb_base64 }]) => [
    name,
    { width: size[0], height: size[1], data: Uint8Array.from(Buffer.from(rgb_base64, 'base64')) },
  ]),
);

function compute({ input, op, magnitude, interpolation, box_top_left_height_width: box }: Expected): RgbImage {
  const image = inputs.get(input) as RgbImage;
  if (!box) return applyOperation(image, op as OperationName, magnitude, interpolation);
  const source = { top: box[0], left: box[1], height: box[2], width: box[3] };
  return resizeImage(image, { width: 224, height: 224, interpolation, source });
}

test('every operation equals torchvision on Pillow, byte for byte', async (t) => {
  assert.equal(reference.operations.length, 172);
  for (const op of new Set(reference.operations.map((expected) => expected.op))) {
    await t.test(op, () => {
      for (const expected of reference.operations.filter((one) => one.op === op)) {
        const { data } = compute(expected);
        const what = `${expected.input} ${expected.magnitude ?? expected.box_top_left_height_width} ${expected.interpolation}`;
        assert.equal(sha256(data), expected.sha256, what);
      }
    });
  }
});
