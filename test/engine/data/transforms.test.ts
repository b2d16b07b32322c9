import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  centreOffset,
  randomResizedBox,
  resizeAndCentreCrop,
  resizedSize,
  roundHalfEven,
} from '../../../src/engine/data/geometry.ts';
import type { RgbImage } from '../../../src/engine/data/image.ts';
import { Random } from '../../../src/engine/data/random.ts';
import { applyTransform, evalTransform, type Transform, trainTransform } from '../../../src/engine/data/transforms.ts';
import { pixels } from './images.ts';

const image = (width: number, height: number, salt = 1): RgbImage => ({
  width,
  height,
  data: pixels(width, height, salt),
});

function apply(transform: Transform, source: RgbImage, seed = 1): Float32Array {
  const out = new Float32Array(transform.size * transform.size * 3);
  applyTransform(transform, source, new Random(seed), out, 0);
  return out;
}

/** Undoes the normalisation. */
function bytesOf(transform: Transform, values: Float32Array): number[] {
  return Array.from(values, (v, i) => Math.abs(Math.round((v * transform.std[i % 3] + transform.mean[i % 3]) * 255)));
}

test('sizes and offsets are torchvision’s', () => {
  assert.deepEqual(resizedSize(500, 375, 256), { width: 341, height: 256 });
  assert.deepEqual(resizedSize(220, 530, 256), { width: 256, height: 616 });
  assert.deepEqual([0.5, 1.5, 2.5, 2.4, 3.6].map(roundHalfEven), [0, 2, 2, 2, 4]);
  // (341 − 224) / 2 = 58.5 → 58, (343 − 224) / 2 = 59.5 → 60
  assert.deepEqual([centreOffset(341, 224), centreOffset(343, 224), centreOffset(5, 8)], [58, 60, -1]);
});

test('values are normalised in single precision, channel last', () => {
  const transform = evalTransform(2);
  assert.equal(transform.resize, 2);
  const rgb = [0, 128, 255, 1, 2, 3, 4, 5, 6, 7, 8, 9];
  const out = apply(transform, { width: 2, height: 2, data: Uint8Array.from(rgb) });
  // torch: (torch.tensor(v, dtype=uint8).float() / 255 - mean) / std, float32
  const expected = [-2.1179039478302, 0.20518219470977783, 2.640000104904175];
  assert.deepEqual([...out.subarray(0, 3)], expected);
  assert.deepEqual(bytesOf(transform, out), rgb);
});

test('an image smaller than the crop is padded with black around its centre', () => {
  const cropped = resizeAndCentreCrop(image(5, 9), 0, 8, 'bilinear');
  const source = image(5, 9);
  const at = (x: number, y: number) => [...cropped.data.subarray((y * 8 + x) * 3, (y * 8 + x) * 3 + 3)];
  assert.deepEqual(at(0, 3), [0, 0, 0]);
  assert.deepEqual(at(6, 3), [0, 0, 0]);
  // left padding 1; (9 − 8) / 2 = 0.5 → 0 rows above
  assert.deepEqual(at(1, 0), [...source.data.subarray(0, 3)]);
});

test('the padded crop only shifts and mirrors, and reaches every shift', () => {
  const transform = trainTransform(32);
  assert.equal(transform.kind, 'padded-crop');
  // Every pixel says where it is.
  const source: RgbImage = {
    width: 32,
    height: 32,
    data: Uint8Array.from({ length: 32 * 32 * 3 }, (_, i) => [Math.floor(i / 3) % 32, Math.floor(i / 96), 9][i % 3]),
  };
  const shifts = new Set<string>();
  let mirrored = 0;
  for (let seed = 0; seed < 2000; seed++) {
    const bytes = bytesOf(transform, apply(transform, source, seed));
    const [x, y] = bytes.slice((16 * 32 + 16) * 3);
    const isMirrored = bytes[(16 * 32 + 17) * 3] === x - 1;
    mirrored += isMirrored ? 1 : 0;
    shifts.add(`${isMirrored ? x - 15 : x - 16},${y - 16}`);
    const black = bytes.filter((_, i) => i % 3 === 2).filter((blue) => blue === 0).length;
    const [dx, dy] = [Math.abs(isMirrored ? x - 15 : x - 16), Math.abs(y - 16)];
    assert.equal(black, 1024 - (32 - dx) * (32 - dy));
  }
  assert.equal(shifts.size, 81);
  assert.ok(Math.abs(mirrored - 1000) < 100, `${mirrored}`);
});

test('random resized boxes lie inside, with areas and aspects in range', () => {
  const random = new Random(3);
  const areas: number[] = [];
  for (let i = 0; i < 4000; i++) {
    const box = randomResizedBox({ width: 200, height: 150 }, [0.08, 1], [3 / 4, 4 / 3], random);
    assert.ok(box.left >= 0 && box.top >= 0 && box.left + box.width <= 200 && box.top + box.height <= 150);
    const aspect = box.width / box.height;
    assert.ok(aspect > 0.72 && aspect < 1.38, `${aspect}`);
    areas.push((box.width * box.height) / (200 * 150));
  }
  assert.ok(Math.min(...areas) < 0.1 && Math.max(...areas) > 0.95);
  const mean = areas.reduce((a, b) => a + b, 0) / areas.length;
  // 0.4341: torchvision's procedure, 200,000 draws
  assert.ok(Math.abs(mean - 0.4341) < 0.02, `${mean}`);
  // An image that no attempt can fit: the central part with the nearest aspect.
  const thin = randomResizedBox({ width: 1000, height: 10 }, [0.9, 1], [3 / 4, 4 / 3], random);
  assert.deepEqual(thin, { left: 493, top: 0, width: 13, height: 10 });
});

test('the same seed gives the same pixels', () => {
  const transform = trainTransform(96, { interpolation: 'bicubic' });
  assert.equal(transform.kind, 'resized-crop');
  const source = image(130, 110);
  assert.deepEqual(apply(transform, source, 5), apply(transform, source, 5));
  assert.notDeepEqual(apply(transform, source, 5), apply(transform, source, 6));
});
