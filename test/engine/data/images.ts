/** Small data sets written for a test. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { TestContext } from 'node:test';
import sharp from 'sharp';

/** A folder that goes when the test ends. */
export function temporaryFolder(t: TestContext): string {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'espalier-data-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Pixels that differ from image to image and from place to place. */
export function pixels(width: number, height: number, salt: number): Uint8Array {
  const data = new Uint8Array(width * height * 3);
  for (let i = 0; i < data.length; i++) data[i] = Math.imul(i + 1 + salt * 7919, 0x9e3779b1) >>> 24;
  return data;
}

async function writeImage(file: string, width: number, height: number, salt: number): Promise<void> {
  mkdirSync(path.dirname(file), { recursive: true });
  await sharp(pixels(width, height, salt), { raw: { width, height, channels: 3 } }).toFile(file);
}

/** `perClass` PNG images in each of `classes` folders under `root`. */
export async function writeDataset(
  root: string,
  classes: readonly string[],
  perClass: number,
  side = 8,
): Promise<void> {
  for (const [c, name] of classes.entries()) {
    for (let i = 0; i < perClass; i++) {
      await writeImage(path.join(root, name, `${String(i).padStart(4, '0')}.png`), side, side, c * 1000 + i);
    }
  }
}
