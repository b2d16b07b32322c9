/** JPEG files of about 500 × 375, as ImageNet's are: real ones where they are at hand, else drawn. */
import { existsSync, readdirSync, statSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import sharp from 'sharp';
import { drawImage } from '../../src/engine/data/procedural/draw.ts';
import { SHAPE_NAMES } from '../../src/engine/data/procedural/outlines.ts';
import { Random } from '../../src/engine/data/random.ts';

const SHARED = path.resolve(import.meta.dirname, '../../../shared/data/imagenet-sample');
/** ImageNet's files have this longer side for the most part; the shorter one is 333 or 375. */
const LONG = 500;
const SHORT = 375;
const LEAST_SHORT = 330;
const DRAWN = 16;
const QUALITY = 92;

export interface Photographs {
  readonly files: readonly string[];
  /** For the notes: where they come from and how large they are. */
  readonly description: string;
}

const jpegsIn = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.jpe?g$/i.test(name))
    .sort()
    .map((name) => path.join(folder, name));

async function isTypical(file: string): Promise<boolean> {
  const { width = 0, height = 0, channels } = await sharp(file).metadata();
  return channels === 3 && Math.max(width, height) === LONG && Math.min(width, height) >= LEAST_SHORT;
}

async function draw(folder: string): Promise<string[]> {
  await mkdir(folder, { recursive: true });
  const random = new Random(0);
  const files: string[] = [];
  for (let i = 0; i < DRAWN; i++) {
    const { data } = drawImage(SHAPE_NAMES[i % SHAPE_NAMES.length], LONG, random);
    const file = path.join(folder, `${i}.jpg`);
    await sharp(data.subarray(0, LONG * SHORT * 3), { raw: { width: LONG, height: SHORT, channels: 3 } })
      .jpeg({ quality: QUALITY, chromaSubsampling: i % 2 ? '4:4:4' : '4:2:0', mozjpeg: false })
      .toFile(file);
    files.push(file);
  }
  return files;
}

/** @param temporary where they are drawn if none are there */
export async function photographs(temporary: string, folder = SHARED): Promise<Photographs> {
  const found: string[] = [];
  if (existsSync(folder)) for (const file of jpegsIn(folder)) if (await isTypical(file)) found.push(file);
  const files = found.length > 0 ? found : await draw(temporary);
  const bytes = files.reduce((sum, file) => sum + statSync(file).size, 0) / files.length;
  const kind = found.length > 0 ? 'photographs' : 'drawn images';
  return { files, description: `${files.length} ${kind}, ${LONG} pixels long, ${(bytes / 1024).toFixed(0)} KiB each` };
}
