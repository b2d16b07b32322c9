import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import path from 'node:path';
import { test } from 'node:test';
import { decodeFile } from '../../../src/engine/data/decode.ts';
import { resizeAndCentreCrop } from '../../../src/engine/data/geometry.ts';
import { cropImage, type RgbImage } from '../../../src/engine/data/image.ts';
import { openImageFolder } from '../../../src/engine/data/image-folder.ts';
import { resizeImage } from '../../../src/engine/data/resize.ts';
import { INTERPOLATIONS, type Interpolation } from '../../../src/engine/data/resize-filters.ts';
import { readReference } from '../../support/reference.ts';
import { sharedPath, skipWithoutShared } from './shared.ts';

const sha256 = (data: Uint8Array): string => createHash('sha256').update(data).digest('hex');

interface Expected {
  readonly size: [number, number];
  readonly decoded_sha256: string;
  readonly [name: string]: unknown;
}

/** An image with structure at every scale, without a random generator. */
function pattern(width: number, height: number): RgbImage {
  const data = new Uint8Array(width * height * 3);
  for (let i = 0; i < data.length; i++) data[i] = (Math.imul(i + 1, 0x9e3779b1) >>> 24) ^ (i % 97);
  return { width, height, data };
}

test('decoding, resizing and centre crop equal torchvision on Pillow, byte for byte', {
  skip: skipWithoutShared,
}, async () => {
  const reference = readReference<{ files: Record<string, Expected> }>('transforms.json');
  const folder = await openImageFolder(path.join(sharedPath, 'data/imagenet-sample'), 'val');
  let compared = 0;
  for (const { file } of folder.samples) {
    const expected = reference.files[path.basename(file)];
    const image = await decodeFile(file);
    assert.deepEqual([image.width, image.height], expected.size, file);
    assert.equal(sha256(image.data), expected.decoded_sha256, file);
    for (const [name, result] of Object.entries(expected)) {
      const request = /^(bicubic|bilinear)(\d+)$/.exec(name);
      if (!request) continue;
      const interpolation = request[1] as Interpolation;
      const cropped = resizeAndCentreCrop(image, Number(request[2]), 224, interpolation);
      assert.equal(sha256(cropped.data), (result as { sha256: string }).sha256, `${file} ${name}`);
      compared += 1;
    }
  }
  assert.equal(compared, 120);
});

test('every filter equals Pillow on a small image', () => {
  const image = pattern(13, 9);
  // sha256 of `Image.resize((w, h), filter)` in Pillow 13.0.0
  const expected: Record<Interpolation, readonly [string, string]> = {
    nearest: [
      'c309a21c7a64802e32243e8c49049d06fa719d4512ffd7d50dbb5729cf797ac5',
      '6c0609baa71ee78066bc159527716c571c64151ea8abb32cc5c885e4708b5c3d',
    ],
    box: [
      'c309a21c7a64802e32243e8c49049d06fa719d4512ffd7d50dbb5729cf797ac5',
      '3ca1213995870bc69fd6b07f8f809761a6748ae0d4a1eb751c5a2077c547c86f',
    ],
    bilinear: [
      '07391aa823ee10a1fd38e2f05afd069027b333a7c224272890473a5b8dd80cc6',
      '81ae1b8ed46edb3770ca7744e4494d1cd5563270063af6e8b66c1deea275fa64',
    ],
    hamming: [
      'f0a7a9656bb564c704fa8fb003a59ee1e58a60074dbeee357dea35a995842293',
      '504c75548b9c59101125229362d2c641142da67e2981cf96d7862aee17c8fa56',
    ],
    bicubic: [
      '9e13c042f651f595b441f14e97ba9063a37ab89c7b0069638931cb70a861b1d6',
      '435f90fc31fb521120535e3d8f41e8f4581743169075beb95cbc737eae730854',
    ],
    lanczos: [
      'fcab98a5339b0fb402589d336aa5438d4e4e73a1a83318c39f26ee951b413ebd',
      '75f79051f3e290a3cc39eb6d415542d71eae5ebab3240c870f053de04461c2ac',
    ],
  };
  for (const interpolation of INTERPOLATIONS) {
    const larger = resizeImage(image, { width: 29, height: 31, interpolation });
    const smaller = resizeImage(image, { width: 5, height: 4, interpolation });
    assert.deepEqual([sha256(larger.data), sha256(smaller.data)], expected[interpolation], interpolation);
  }
});

test('a window of the result and a part of the source equal cropping', () => {
  const image = pattern(57, 41);
  const source = { left: 5, top: 3, width: 44, height: 30 };
  const window = { left: 2, top: 7, width: 11, height: 9 };
  for (const interpolation of INTERPOLATIONS) {
    for (const [width, height] of [
      [20, 18],
      [44, 60],
      [70, 30],
      [44, 30],
    ]) {
      const whole = resizeImage(cropImage(image, source), { width, height, interpolation });
      const part = resizeImage(image, { width, height, interpolation, source, window });
      assert.deepEqual(part, cropImage(whole, window), `${interpolation} ${width}×${height}`);
    }
  }
});
