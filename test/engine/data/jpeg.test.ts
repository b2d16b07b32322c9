import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import sharp, { type JpegOptions } from 'sharp';
import { decodeImage } from '../../../src/engine/data/decode.ts';
import { openImageFolder } from '../../../src/engine/data/image-folder.ts';
import { decodeJpeg } from '../../../src/engine/data/jpeg/decode.ts';
import { readJpegHeader } from '../../../src/engine/data/jpeg/header.ts';
import { jpegKernels } from '../../../src/engine/data/jpeg/kernels.ts';
import { Random } from '../../../src/engine/data/random.ts';
import { sharedPath, skipWithoutShared } from './shared.ts';

/** 37 × 21 pixels, by Pillow 13: `save(subsampling=…, restart_marker_blocks=2 | 1, restart_marker_rows=1)`. */
const PILLOW_FILES: Readonly<Record<string, string>> = {
  '4:2:2':
    '/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAA0JCgsKCA0LCgsODg0PEyAVExISEyccHhcgLikxMC4pLSwzOko+MzZGNywtQFdBRkxOUlNSMj5a' +
    'YVpQYEpRUk//2wBDAQ4ODhMREyYVFSZPNS01T09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT0//wAAR' +
    'CAAVACUDASEAAhEBAxEB/8QAHwAAAQUBAQEBAQEAAAAAAAAAAAECAwQFBgcICQoL/8QAtRAAAgEDAwIEAwUFBAQAAAF9AQIDAAQRBRIhMUEG' +
    'E1FhByJxFDKBkaEII0KxwRVS0fAkM2JyggkKFhcYGRolJicoKSo0NTY3ODk6Q0RFRkdISUpTVFVWV1hZWmNkZWZnaGlqc3R1dnd4eXqDhIWG' +
    'h4iJipKTlJWWl5iZmqKjpKWmp6ipqrKztLW2t7i5usLDxMXGx8jJytLT1NXW19jZ2uHi4+Tl5ufo6erx8vP09fb3+Pn6/8QAHwEAAwEBAQEB' +
    'AQEBAQAAAAAAAAECAwQFBgcICQoL/8QAtREAAgECBAQDBAcFBAQAAQJ3AAECAxEEBSExBhJBUQdhcRMiMoEIFEKRobHBCSMzUvAVYnLRChYk' +
    'NOEl8RcYGRomJygpKjU2Nzg5OkNERUZHSElKU1RVVldYWVpjZGVmZ2hpanN0dXZ3eHl6goOEhYaHiImKkpOUlZaXmJmaoqOkpaanqKmqsrO0' +
    'tba3uLm6wsPExcbHyMnK0tPU1dbX2Nna4uPk5ebn6Onq8vP09fb3+Pn6/9oADAMBAAIRAxEAPwDXk1aJo9u4VzGpTR3MjLhgQcdK8z6s6dX2' +
    'rPVyinOcHTja67lO0sA8haPnaRmuj0+4W0GGr6GWOjUociPEzPAT+sOL3X/Dmg+sx8Yb9aK+cll8pSbOmm1GCizg4bicygEmt2z0n7Z8zT+W' +
    'Tzymf619Pi8JGph1JO1io5q8txMmoc19N7fozbs9Hj0+KXNwJi+P4NuMZ9z61z+sO8ZO2vlaNSTxHL0PWpVoYxyrSVr9N+hircz5OCfzor7m' +
    'nRpuCPBrO1Ro6YaZApyOtBlNp/qx0r594qb9zoX7CNb3pC/2lM/ynp9aTyVuf9ZU/VYR99bh7eVH3Yif2XACcfyoqvr1SOgrc2p//9k=',
  '4:2:0 with restart markers':
    '/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAA0JCgsKCA0LCgsODg0PEyAVExISEyccHhcgLikxMC4pLSwzOko+MzZGNywtQFdBRkxOUlNSMj5a' +
    'YVpQYEpRUk//2wBDAQ4ODhMREyYVFSZPNS01T09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT0//wAAR' +
    'CAAVACUDASIAAhEBAxEB/8QAHwAAAQUBAQEBAQEAAAAAAAAAAAECAwQFBgcICQoL/8QAtRAAAgEDAwIEAwUFBAQAAAF9AQIDAAQRBRIhMUEG' +
    'E1FhByJxFDKBkaEII0KxwRVS0fAkM2JyggkKFhcYGRolJicoKSo0NTY3ODk6Q0RFRkdISUpTVFVWV1hZWmNkZWZnaGlqc3R1dnd4eXqDhIWG' +
    'h4iJipKTlJWWl5iZmqKjpKWmp6ipqrKztLW2t7i5usLDxMXGx8jJytLT1NXW19jZ2uHi4+Tl5ufo6erx8vP09fb3+Pn6/8QAHwEAAwEBAQEB' +
    'AQEBAQAAAAAAAAECAwQFBgcICQoL/8QAtREAAgECBAQDBAcFBAQAAQJ3AAECAxEEBSExBhJBUQdhcRMiMoEIFEKRobHBCSMzUvAVYnLRChYk' +
    'NOEl8RcYGRomJygpKjU2Nzg5OkNERUZHSElKU1RVVldYWVpjZGVmZ2hpanN0dXZ3eHl6goOEhYaHiImKkpOUlZaXmJmaoqOkpaanqKmqsrO0' +
    'tba3uLm6wsPExcbHyMnK0tPU1dbX2Nna4uPk5ebn6Onq8vP09fb3+Pn6/90ABAAC/9oADAMBAAIRAxEAPwDXk1aJo9u4VzGpTR3MjLhgQcdK' +
    'yobicygEmt2z0n7Z8zT+WTzymf60quVOmlXhqztwWLw2Em6WIlZdNG/yTMu0sA8haPnaRmuj0+4W0GGq5Z6PHp8UubgTF8fwbcYz7n1rn9Yd' +
    '4ydtZxzWdR+wZNfLsPjKjqUn7vT+n5n/0Nd9Zj4w360VwK3M+Tgn86K2WRU5rmb3Bz9l7i6HTDTIFOR1oMptP9WOlFFcvtpuXLfQuFONRXmr' +
    'n//RP7Smf5T0+tJ5K3P+soorR0aajzJakVKk6btB2E/suAE4/lRRRXM8TVTspFpXV2f/2Q==',
  '4:4:4 with restart markers':
    '/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAA0JCgsKCA0LCgsODg0PEyAVExISEyccHhcgLikxMC4pLSwzOko+MzZGNywtQFdBRkxOUlNSMj5a' +
    'YVpQYEpRUk//2wBDAQ4ODhMREyYVFSZPNS01T09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT0//wAAR' +
    'CAAVACUDAREAAhEBAxEB/8QAHwAAAQUBAQEBAQEAAAAAAAAAAAECAwQFBgcICQoL/8QAtRAAAgEDAwIEAwUFBAQAAAF9AQIDAAQRBRIhMUEG' +
    'E1FhByJxFDKBkaEII0KxwRVS0fAkM2JyggkKFhcYGRolJicoKSo0NTY3ODk6Q0RFRkdISUpTVFVWV1hZWmNkZWZnaGlqc3R1dnd4eXqDhIWG' +
    'h4iJipKTlJWWl5iZmqKjpKWmp6ipqrKztLW2t7i5usLDxMXGx8jJytLT1NXW19jZ2uHi4+Tl5ufo6erx8vP09fb3+Pn6/8QAHwEAAwEBAQEB' +
    'AQEBAQAAAAAAAAECAwQFBgcICQoL/8QAtREAAgECBAQDBAcFBAQAAQJ3AAECAxEEBSExBhJBUQdhcRMiMoEIFEKRobHBCSMzUvAVYnLRChYk' +
    'NOEl8RcYGRomJygpKjU2Nzg5OkNERUZHSElKU1RVVldYWVpjZGVmZ2hpanN0dXZ3eHl6goOEhYaHiImKkpOUlZaXmJmaoqOkpaanqKmqsrO0' +
    'tba3uLm6wsPExcbHyMnK0tPU1dbX2Nna4uPk5ebn6Onq8vP09fb3+Pn6/90ABAAF/9oADAMBAAIRAxEAPwDXk1aJo9u4V5lfAyqSugwn7nc5' +
    'jUpo7mRlwwIOOlGHpqhLU+rp4etUpqStZq/Xr8inaWAeQtHztIzX0eGzKCjY+fzbAVKdua2t9v8AhvM6PT7hbQYaoxWJVZWR88svlzXNB9Zj' +
    '4w3618/UwMpyuerQXs42Z//Q5qG4nMoBJr3cLShKOo8w934Tds9J+2fM0/lk88pn+teTjcvUJSmpbvt/wTow/FcqNONL2N+VJX5uyt2Nuz0e' +
    'PT4pc3AmL4/g24xn3PrXzWJqyi7I7JZiswcW4ctr9b728kc/rDvGTtrrwM5Sep2OjT5bmKtzPk4J/OvsKFKDhqeBirKeh//RQaZApyOtV9bn' +
    'T0QfxfiAym0/1Y6VP1iVXSQvqVPcX+0pn+U9PrS+p056sr+D8Inkrc/6yj6vGlqhPHVFoJ/ZcAJx/Kq+uThogu56s//Z',
  '4:2:2 with restart markers':
    '/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAA0JCgsKCA0LCgsODg0PEyAVExISEyccHhcgLikxMC4pLSwzOko+MzZGNywtQFdBRkxOUlNSMj5a' +
    'YVpQYEpRUk//2wBDAQ4ODhMREyYVFSZPNS01T09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT0//wAAR' +
    'CAAVACUDASEAAhEBAxEB/8QAHwAAAQUBAQEBAQEAAAAAAAAAAAECAwQFBgcICQoL/8QAtRAAAgEDAwIEAwUFBAQAAAF9AQIDAAQRBRIhMUEG' +
    'E1FhByJxFDKBkaEII0KxwRVS0fAkM2JyggkKFhcYGRolJicoKSo0NTY3ODk6Q0RFRkdISUpTVFVWV1hZWmNkZWZnaGlqc3R1dnd4eXqDhIWG' +
    'h4iJipKTlJWWl5iZmqKjpKWmp6ipqrKztLW2t7i5usLDxMXGx8jJytLT1NXW19jZ2uHi4+Tl5ufo6erx8vP09fb3+Pn6/8QAHwEAAwEBAQEB' +
    'AQEBAQAAAAAAAAECAwQFBgcICQoL/8QAtREAAgECBAQDBAcFBAQAAQJ3AAECAxEEBSExBhJBUQdhcRMiMoEIFEKRobHBCSMzUvAVYnLRChYk' +
    'NOEl8RcYGRomJygpKjU2Nzg5OkNERUZHSElKU1RVVldYWVpjZGVmZ2hpanN0dXZ3eHl6goOEhYaHiImKkpOUlZaXmJmaoqOkpaanqKmqsrO0' +
    'tba3uLm6wsPExcbHyMnK0tPU1dbX2Nna4uPk5ebn6Onq8vP09fb3+Pn6/90ABAAB/9oADAMBAAIRAxEAPwDXk1aJo9u4VzGpTR3MjLhgQcdK' +
    '8z6s6dX2rPVyinOcHTja67n/0MO0sA8haPnaRmuj0+4W0GGruljo1KHIjHM8BP6w4vdf8Of/0dd9Zj4w360V5UsvlKTZdNqMFFn/0uahuJzK' +
    'ASa3bPSftnzNP5ZPPKZ/rXpYvCRqYdSTtY1jmry3EyahzX03t+jP/9PTs9Hj0+KXNwJi+P4NuMZ9z61z+sO8ZO2vHo1JPEcvQ9ulWhjHKtJW' +
    'v036H//U5hbmfJwT+dFfQ06NNwRFZ2qNH//VQaZApyOtBlNp/qx0pvFTfudA9hGt70j/1j+0pn+U9PrSeStz/rKX1WEffW4e3lR92J//12/2' +
    'XACcfyop/XqkdBW5tT//2Q==',
};

/** From flat to noisy, with hard edges: every range of coefficients, clipping included. */
function picture(width: number, height: number, random: Random): Buffer {
  const roughness = random.float() ** 2;
  const data = Buffer.alloc(width * height * 3);
  const edge = 1 + random.int(24);
  for (let i = 0; i < data.length; i++) {
    const [x, y] = [Math.floor(i / 3) % width, Math.floor(i / 3 / width)];
    const smooth = 127 + 120 * Math.sin((x + (i % 3) * 7) / 19) * Math.cos(y / 13);
    const hard = (Math.floor(x / edge) + Math.floor(y / edge)) % 2 ? 255 : 0;
    data[i] = random.chance(roughness) ? random.int(256) : random.chance(0.5) || x % 3 ? smooth : hard;
  }
  return data;
}

const encode = (data: Buffer, width: number, height: number, options: JpegOptions, grey = false): Promise<Buffer> =>
  sharp(data, { raw: { width, height, channels: 3 } })
    .toColourspace(grey ? 'b-w' : 'srgb')
    .jpeg({ mozjpeg: false, optimiseCoding: false, ...options })
    .toBuffer();

/** What libjpeg makes of it. */
async function expected(jpeg: Uint8Array): Promise<Buffer> {
  const { data, info } = await sharp(jpeg, { ignoreIcc: true }).raw().toBuffer({ resolveWithObject: true });
  if (info.channels === 3) return data;
  return Buffer.from(Array.from(data).flatMap((value) => [value, value, value]));
}

async function assertSame(jpeg: Buffer, what: string): Promise<void> {
  const image = decodeJpeg(jpeg);
  assert.ok(image, `${what} is not decoded`);
  const wanted = await expected(jpeg);
  const at = image.data.findIndex((value, i) => value !== wanted[i]);
  assert.ok(at < 0 && image.data.length === wanted.length, `${what}: byte ${at} of a row of ${image.width * 3}`);
}

test('this machine runs the kernels', () => assert.ok(jpegKernels()));

test('any size, sampling and quality gives libjpeg’s bytes', async () => {
  const random = new Random(21);
  for (let i = 0; i < 300; i++) {
    const [width, height] =
      i < 250 ? [8 + random.int(60), 8 + random.int(60)] : [60 + random.int(300), 8 + random.int(90)];
    const quality = 1 + random.int(100);
    const chromaSubsampling = i % 2 ? '4:2:0' : '4:4:4';
    const grey = i % 7 === 0;
    const options = { quality, chromaSubsampling, optimiseCoding: i % 3 === 0 };
    const jpeg = await encode(picture(width, height, random), width, height, options, grey);
    await assertSame(jpeg, `${width} × ${height} ${grey ? 'grey' : chromaSubsampling} at quality ${quality}`);
  }
});

test('colours halved across only, and restart markers (files by Pillow)', async () => {
  for (const [name, base64] of Object.entries(PILLOW_FILES)) {
    const jpeg = Buffer.from(base64, 'base64');
    const header = readJpegHeader(jpeg);
    assert.ok(header, name);
    assert.equal(header.restartInterval > 0, name.includes('restart'), name);
    if (name.includes('4:2:2')) assert.deepEqual([header.components[0].across, header.components[0].down], [2, 1]);
    await assertSame(jpeg, name);
  }
});

test('real photographs', { skip: skipWithoutShared }, async () => {
  const folders = ['data/imagenet-sample', 'data/cifar10'].map((name) => path.join(sharedPath, name));
  const samples = (await Promise.all(folders.map((folder) => openImageFolder(folder, 'test')))).flatMap(
    (folder) => folder.samples,
  );
  // All of ImageNet's, one of twenty of CIFAR's 2,000.
  const chosen = samples.filter((_, i) => i < 40 || i % 20 === 0);
  assert.ok(chosen.length > 100);
  for (const { file } of chosen) await assertSame(readFileSync(file), file);
});

test('what is not baseline is left to the general decoder, and so is what is damaged', async () => {
  const random = new Random(5);
  const data = picture(40, 30, random);
  const plain = await encode(data, 40, 30, { quality: 80 });
  const progressive = await encode(data, 40, 30, { quality: 80, progressive: true });
  assert.equal(decodeJpeg(progressive), undefined);
  assert.deepEqual(Buffer.from((await decodeImage(progressive, 'p.jpg')).data), await expected(progressive));
  assert.equal(decodeJpeg(await encode(data.subarray(0, 7 * 30 * 3), 7, 30, {})), undefined);
  assert.equal(decodeJpeg(Buffer.from('no image')), undefined);
  // Cut anywhere, there is no end marker.
  for (let length = 0; length < plain.length - 1; length += 7)
    assert.equal(decodeJpeg(plain.subarray(0, length)), undefined);
  // Bytes after the end are no damage.
  assert.ok(decodeJpeg(Buffer.concat([plain, Buffer.from('stray')])));
});

test('damaged bytes never end in an exception, and images decoded afterwards are right', async () => {
  const random = new Random(6);
  const plain = await encode(picture(64, 48, random), 64, 48, { quality: 90, chromaSubsampling: '4:2:0' });
  let refused = 0;
  for (let i = 0; i < 400; i++) {
    const damaged = Buffer.from(plain);
    for (let n = 1 + random.int(3); n > 0; n--) damaged[2 + random.int(damaged.length - 2)] = random.int(256);
    const image = decodeJpeg(damaged);
    if (!image) refused += 1;
    else assert.equal(image.data.length, image.width * image.height * 3);
    if (i % 20 === 0) await assertSame(plain, `after damage ${i}`);
  }
  assert.ok(refused > 50, `${refused}`);
});
