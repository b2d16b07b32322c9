/** Files of every kind that Pillow writes, and damaged ones, against Pillow's own pixels. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import sharp from 'sharp';
import { decodeFile, decodeImage, UnreadableImageError } from '../../../src/engine/data/decode.ts';
import { Random } from '../../../src/engine/data/random.ts';
import { noPythonWith, runPython } from '../../support/python.ts';
import { pixels, temporaryFolder } from './images.ts';
import { sharedPath, skipWithoutShared } from './shared.ts';

interface PillowFile {
  readonly kind: string;
  /** 0 where Pillow refuses the file. */
  readonly width: number;
  readonly height: number;
}

/** Left out on purpose, with a reason: CIELAB needs a colour profile, sharp's libtiff has no Zstandard. */
const NOT_READ = /\bLAB\b|^zstd/;

async function difference(bytes: Uint8Array, wanted: Uint8Array, file: PillowFile): Promise<string | undefined> {
  const image = await decodeImage(bytes, file.kind).catch((error: unknown) => {
    assert.ok(error instanceof UnreadableImageError, `${file.kind}: ${error}`);
    return error;
  });
  if (file.width === 0) return image instanceof Error ? undefined : 'is read, but not by Pillow';
  if (image instanceof Error) return NOT_READ.test(file.kind) ? undefined : image.reason;
  if (image.width !== file.width || image.height !== file.height) return `is ${image.width} × ${image.height}`;
  const at = wanted.findIndex((value, i) => value !== image.data[i]);
  if (at >= 0 || wanted.length !== image.data.length) return `byte ${at}: ${image.data[at]}, not ${wanted[at]}`;
  return NOT_READ.test(file.kind) ? 'is read: take it out of NOT_READ' : undefined;
}

for (const [family, least] of Object.entries({ jpeg: 600, tiff: 150, plain: 140 })) {
  test(`${family}: Pillow's pixels`, { skip: noPythonWith('PIL', 'numpy') }, async (t) => {
    const folder = temporaryFolder(t);
    const files = runPython<PillowFile[]>('engine/data/pillow_files.py', folder, family);
    assert.ok(files.length >= least, `${files.length}`);
    const wrong: string[] = [];
    for (const [n, file] of files.entries()) {
      const [bytes, wanted] = ['bin', 'rgb'].map((end) => readFileSync(path.join(folder, `${n}.${end}`)));
      const what = await difference(bytes, wanted, file);
      if (what) wrong.push(`${file.kind} ${what}`);
    }
    assert.deepEqual(wrong, []);
  });
}

/** Row 5, column 20, from the case's own make.py with Pillow. */
const TIFF_CASES = { 'cmyk.tif': [160, 40, 100], 'grey16.tif': [160, 160, 160] };

test('the reported TIFF files', { skip: skipWithoutShared }, async () => {
  const folder = path.join(sharedPath, 'cases/reports/tiff-modes/data/val/a');
  for (const [name, wanted] of Object.entries(TIFF_CASES)) {
    const { data, width } = await decodeFile(path.join(folder, name));
    const at = (5 * width + 20) * 3;
    assert.deepEqual([...data.subarray(at, at + 3)], wanted, name);
  }
});

test('damaged files of every format are read or refused, never an exception of another kind', async () => {
  const random = new Random(6);
  const raw = sharp(pixels(24, 18, 3), { raw: { width: 24, height: 18, channels: 3 } });
  const bmp = Buffer.concat([Buffer.alloc(54), Buffer.from(pixels(24, 18, 1))]);
  bmp.write('BM');
  for (const [at, value] of [
    [10, 54],
    [14, 40],
    [18, 24],
    [22, 18],
    [28, 24],
  ])
    bmp.writeUInt16LE(value, at);
  const files: Record<string, Buffer> = {
    jpeg: await raw.clone().jpeg().toBuffer(),
    png: await raw.clone().png().toBuffer(),
    webp: await raw.clone().webp({ lossless: true }).toBuffer(),
    gif: await raw.clone().gif().toBuffer(),
    tiff: await raw.clone().tiff({ compression: 'none' }).toBuffer(),
    bmp,
    ppm: Buffer.concat([Buffer.from('P6\n24 18\n200\n'), Buffer.from(pixels(24, 18, 1))]),
    pgm: Buffer.from(`P2 4 4 99 ${'7 '.repeat(16)}`),
  };
  for (const [name, bytes] of Object.entries(files)) {
    await decodeImage(bytes, name);
    for (let i = 0; i < 60; i++) {
      const damaged = Buffer.from(bytes);
      for (let n = 1 + random.int(4); n > 0; n--) damaged[random.int(Math.min(damaged.length, 120))] = random.int(256);
      const cut = random.chance(0.3) ? damaged.subarray(0, random.int(damaged.length)) : damaged;
      try {
        const image = await decodeImage(cut, name);
        assert.equal(image.data.length, image.width * image.height * 3);
      } catch (error) {
        assert.ok(error instanceof UnreadableImageError, `${name}: ${error}`);
      }
    }
  }
});
