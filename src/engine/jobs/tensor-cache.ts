/** A folder of what was computed of models and images, by a hash of all that it depends on: what is asked again is read. */
import type { Hash } from 'node:crypto';
import { mkdir, readdir, rm, stat, utimes } from 'node:fs/promises';
import path from 'node:path';
import { UserError } from '../../common/errors.ts';
import type { RunContext } from '../../common/progress.ts';
import { readSafetensors } from '../checkpoint/safetensors/safetensors.ts';
import { writeSafetensors } from '../checkpoint/safetensors/safetensors-write.ts';
import { removeAbandoned } from '../files/atomic-write.ts';
import { fileError, systemErrorCode } from '../files/file-errors.ts';
import type { Weights } from '../graph/tensor.ts';

/** So many files are kept; the ones not used for longest go first. */
const MOST_CACHED = 64;

export function hashWeights(hash: Hash, weights: Weights): void {
  for (const [name, { dtype, data }] of weights) {
    hash.update(`${name} ${dtype}\n`);
    hash.update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }
}

/** Arrays of doubles by name, or undefined where there is no such file. */
export async function readCached(file: string): Promise<ReadonlyMap<string, Float64Array> | undefined> {
  const cached = await readSafetensors(file).catch(() => undefined);
  if (!cached) return undefined;
  const now = new Date();
  // It is used again, so it goes last. Where that cannot be written, what was read is right all the same.
  await utimes(file, now, now).catch(() => undefined);
  return new Map([...cached.weights].map(([name, { data }]) => [name, data as Float64Array]));
}

/** Keeps arrays for the next time; where that cannot be, nothing is lost but that, and it is said. */
export async function keepCached(
  file: string,
  arrays: ReadonlyMap<string, Float64Array>,
  what: string,
  { note }: RunContext,
): Promise<void> {
  try {
    await writeCached(file, arrays);
  } catch (error) {
    if (!systemErrorCode(error) && !(error instanceof UserError)) throw error;
    note?.(`${what} could not be kept for the next time. ${error instanceof Error ? error.message : ''}`.trim());
  }
}

async function writeCached(file: string, arrays: ReadonlyMap<string, Float64Array>): Promise<void> {
  const folder = path.dirname(file);
  await mkdir(folder, { recursive: true }).catch((error: unknown) => {
    throw fileError('make the folder', folder, error);
  });
  await removeAbandoned(folder);
  await writeSafetensors(
    file,
    new Map([...arrays].map(([name, data]) => [name, { dtype: 'float64', shape: [data.length], data } as const])),
  );
  const files = (await readdir(folder)).filter((name) => !name.startsWith('.')).map((name) => path.join(folder, name));
  if (files.length <= MOST_CACHED) return;
  const aged = await Promise.all(files.map(async (f) => ({ f, time: (await stat(f)).mtimeMs })));
  aged.sort((a, b) => a.time - b.time);
  for (const { f } of aged.slice(0, files.length - MOST_CACHED)) await rm(f, { force: true });
}
