import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import sharp from 'sharp';
import { decodeFile, decodeImage, UnreadableImageError } from '../../../src/engine/data/decode.ts';
import { pixels, temporaryFolder } from './images.ts';

const raw = (width: number, height: number, channels: 1 | 2 | 3 | 4, data: Uint8Array) =>
  sharp(data, { raw: { width, height, channels } });

const CMYK_JPEG =
  '/9j/7gAOQWRvYmUAZAAAAAAA/9sAQwAQCwwODAoQDg0OEhEQExgoGhgWFhgxIyUdKDozPTw5Mzg3QEhcTkBEV0U3OFBtUVdfYmdoZz5NcXlwZH' +
  'hcZWdj/8AAFAgACAAIBEMRAE0RAFkRAEsRAP/EAB8AAAEFAQEBAQEBAAAAAAAAAAABAgMEBQYHCAkKC//EALUQAAIBAwMCBAMFBQQEAAABfQEC' +
  'AwAEEQUSITFBBhNRYQcicRQygZGhCCNCscEVUtHwJDNicoIJChYXGBkaJSYnKCkqNDU2Nzg5OkNERUZHSElKU1RVVldYWVpjZGVmZ2hpanN0dX' +
  'Z3eHl6g4SFhoeIiYqSk5SVlpeYmZqio6Slpqeoqaqys7S1tre4ubrCw8TFxsfIycrS09TV1tfY2drh4uPk5ebn6Onq8fLz9PX29/j5+v/aAA4E' +
  'QwBNAFkASwAAPwDrK06zq7Gv/9k=';

test('grey is repeated, transparency dropped', async () => {
  const grey = await raw(2, 1, 1, Uint8Array.of(7, 200)).toColourspace('b-w').png().toBuffer();
  assert.deepEqual([...(await decodeImage(grey, 'grey.png')).data], [7, 7, 7, 200, 200, 200]);
  const rgba = await raw(2, 1, 4, Uint8Array.of(1, 2, 3, 0, 40, 50, 60, 128))
    .png()
    .toBuffer();
  assert.deepEqual([...(await decodeImage(rgba, 'rgba.png')).data], [1, 2, 3, 40, 50, 60]);
});

test('sixteen-bit grey is clipped, not scaled, as Pillow does', async () => {
  const data = new Uint16Array([3, 254, 255, 256, 300, 65535]);
  const png = await sharp(data, { raw: { width: 6, height: 1, channels: 1 } })
    .toColourspace('grey16')
    .png()
    .toBuffer();
  assert.equal(png[24], 16);
  const { data: rgb } = await decodeImage(png, 'grey16.png');
  assert.deepEqual(
    [...rgb].filter((_, i) => i % 3 === 0),
    [3, 254, 255, 255, 255, 255],
  );
});

test('four inks become light without a profile', async () => {
  // A CMYK JPEG of one colour by Pillow 13: Image.new('CMYK', (8, 8), (40, 90, 160, 30)); its convert('RGB') is below.
  const { data, width } = await decodeImage(Buffer.from(CMYK_JPEG, 'base64'), 'cmyk.jpg');
  assert.equal(width, 8);
  assert.deepEqual([...data.subarray(0, 3)], [191, 147, 83]);
});

test('EXIF orientation and colour profiles are ignored', async () => {
  const plain = raw(4, 3, 3, pixels(4, 3, 1));
  const turned = await plain.clone().withMetadata({ orientation: 6 }).withIccProfile('p3').png().toBuffer();
  const image = await decodeImage(turned, 'turned.png');
  assert.deepEqual([image.width, image.height], [4, 3]);
  const direct = await sharp(turned, { ignoreIcc: true }).raw().toBuffer();
  assert.deepEqual([...image.data], [...direct]);
});

test('what is no image is refused with its name and the reason', async (t) => {
  const folder = temporaryFolder(t);
  const jpeg = await raw(16, 16, 3, pixels(16, 16, 2))
    .jpeg()
    .toBuffer();
  const cases: [string, Uint8Array, RegExp][] = [
    ['text.jpg', Buffer.from('this is a text file\n'.repeat(20)), /none of JPEG, PNG/],
    ['drawing.jpg', Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>'), /none of JPEG/],
    ['empty.png', new Uint8Array(0), /empty/],
    ['half.jpg', jpeg.subarray(0, jpeg.length / 2), /premature end/],
  ];
  for (const [name, bytes, reason] of cases) {
    const file = path.join(folder, name);
    writeFileSync(file, bytes);
    await assert.rejects(decodeFile(file), (error) => {
      assert.ok(error instanceof UnreadableImageError);
      assert.equal(error.file, file);
      assert.match(error.reason, reason);
      return true;
    });
  }
  await assert.rejects(decodeFile(path.join(folder, 'absent.jpg')), UnreadableImageError);
  // Stray bytes after the end are no failure.
  const stray = await decodeImage(Buffer.concat([jpeg, Buffer.from('stray')]), 'stray.jpg');
  assert.deepEqual(stray, await decodeImage(jpeg, 'plain.jpg'));
});
