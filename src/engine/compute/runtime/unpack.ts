/** Takes the needed files out of a wheel (a zip), streaming. */
import { createWriteStream } from 'node:fs';
import { chmod, mkdir } from 'node:fs/promises';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import yauzl from 'yauzl';
import { UserError } from '../../../common/errors.ts';
import type { RunContext } from '../../../common/progress.ts';
import type { Wheel } from './wheels.ts';

/** More than any wheel's kept files: a larger one is not what was pinned. */
const MAX_UNPACKED = 8e9;

/**
 * Writes the entries of `wheel` that it keeps below `folder`, at their own paths. Names that lead out of it are refused (by yauzl),
 * and so is an entry that is longer than it says. Throws a UserError where the file is damaged.
 */
export async function unpackWheel(
  file: string,
  wheel: Pick<Wheel, 'file' | 'keep'>,
  folder: string,
  { signal, progress }: RunContext = {},
): Promise<void> {
  try {
    const zip = await yauzl.openPromise(file, { autoClose: false });
    try {
      const kept: yauzl.Entry[] = [];
      for await (const entry of zip.eachEntry()) if (wheel.keep.test(entry.fileName)) kept.push(entry);
      const total = kept.reduce((bytes, entry) => bytes + entry.uncompressedSize, 0);
      if (kept.length === 0 || total > MAX_UNPACKED) throw new Error(`it has ${kept.length} files of ${total} bytes`);
      let done = 0;
      for (const entry of kept) {
        await unpackEntry(zip, entry, path.join(folder, entry.fileName), signal, (bytes) => {
          done += bytes;
          progress?.({ phase: 'unpack', done, total, message: path.basename(entry.fileName) });
        });
      }
    } finally {
      zip.close();
    }
  } catch (error) {
    signal?.throwIfAborted();
    if ((error as NodeJS.ErrnoException).code === 'ENOSPC') {
      throw new UserError(`There is no space left for ${wheel.file} at ${folder}. Free some and install again.`);
    }
    const reason = error instanceof Error ? error.message : String(error);
    throw new UserError(`${wheel.file} could not be unpacked (${reason}). Install again to download it anew.`);
  }
}

async function unpackEntry(
  zip: yauzl.ZipFile,
  entry: yauzl.Entry,
  target: string,
  signal: AbortSignal | undefined,
  onBytes: (count: number) => void,
): Promise<void> {
  await mkdir(path.dirname(target), { recursive: true });
  const content = await zip.openReadStreamPromise(entry);
  content.on('data', (chunk: Buffer) => onBytes(chunk.length));
  await pipeline(content, createWriteStream(target), { signal });
  const unixMode = entry.externalFileAttributes >>> 16;
  if (unixMode & 0o100) await chmod(target, 0o755);
}
