/** Files that are written whole or not at all: to a temporary file beside the target, flushed to disk, then renamed. */

import { randomBytes } from 'node:crypto';
import * as nodeFs from 'node:fs/promises';
import path from 'node:path';
import { fileError } from './file-errors.ts';
import { isAlive, ownProcessId, parseProcessId } from './process-id.ts';

/** The part of `node:fs/promises` that writing needs; tests put a full disk in its place. */
export type WriteFs = Pick<typeof nodeFs, 'open' | 'rename' | 'rm' | 'realpath' | 'stat'>;

/** Where the content goes, piece by piece. */
export interface WriteSink {
  /** Bytes written so far. */
  readonly position: number;
  /** The bytes are used before the promise settles, and may be changed afterwards. */
  write(bytes: Uint8Array): Promise<void>;
}

/** Small pieces are gathered up to this size. */
const BUFFER_BYTES = 1 << 20;

/**
 * Writes the file at `target` from what `produce` gives. Until everything is on the disk, an earlier file stays as it is; if
 * anything fails or `produce` throws (a cancelled run), it stays, and nothing is left behind.
 * @throws UserError for what the system reports (disk full, permission denied, …); whatever `produce` throws
 */
export async function writeAtomically(
  target: string,
  produce: (sink: WriteSink) => Promise<void>,
  fs: WriteFs = nodeFs,
): Promise<void> {
  try {
    // A link keeps pointing where it does: what it points to is replaced.
    const file = await fs.realpath(target).catch(() => path.resolve(target));
    await replace(file, produce, fs);
  } catch (error) {
    throw fileError('write', target, error);
  }
}

/** As much of a file's name as leaves room for what follows it in a temporary one's. */
const stemOf = (file: string): string => Buffer.from(path.basename(file)).subarray(0, 80).toString();

/** `.NAME.PROCESS.RANDOM.tmp`: whose it is, so that it is known when nobody will finish it. */
const temporaryName = (file: string): string =>
  `.${stemOf(file)}.${ownProcessId()}.${randomBytes(6).toString('hex')}.tmp`;

const TEMPORARY = /^\..*\.(\d+-\d*-[\w-]*)\.[0-9a-f]{12}\.tmp$/s;

/** Removes temporary files in `folder` whose process has ended, killed while it wrote. `file`: only those of this one. */
export async function removeAbandoned(folder: string, file?: string): Promise<void> {
  const names = await nodeFs.readdir(folder).catch(() => []);
  for (const name of names) {
    if (file !== undefined && !name.startsWith(`.${stemOf(file)}.`)) continue;
    const owner = parseProcessId(TEMPORARY.exec(name)?.[1] ?? '');
    // What cannot be removed is in nobody's way.
    if (owner && !isAlive(owner)) await nodeFs.rm(path.join(folder, name), { force: true }).catch(() => undefined);
  }
}

async function replace(file: string, produce: (sink: WriteSink) => Promise<void>, fs: WriteFs): Promise<void> {
  const folder = path.dirname(file);
  const earlier = await fs.stat(file).catch(() => undefined);
  if (earlier?.isDirectory()) throw Object.assign(new Error('is a folder'), { code: 'EISDIR' });
  await removeAbandoned(folder, file);
  const temporary = path.join(folder, temporaryName(file));
  const handle = await fs.open(temporary, 'wx', earlier ? earlier.mode & 0o777 : 0o666);
  try {
    try {
      const sink = new BufferedSink(handle);
      await produce(sink);
      await sink.flush();
      await handle.sync();
    } finally {
      await handle.close();
    }
    await fs.rename(temporary, file);
  } catch (error) {
    await fs.rm(temporary, { force: true });
    throw error;
  }
  await syncFolder(folder, fs);
}

/** Puts the new name on the disk too. Windows and some network file systems cannot; the file itself is safe then. */
async function syncFolder(folder: string, fs: WriteFs): Promise<void> {
  const handle = await fs.open(folder, 'r').catch(() => undefined);
  await handle?.sync().catch(() => undefined);
  await handle?.close();
}

class BufferedSink implements WriteSink {
  position = 0;
  private readonly buffer = new Uint8Array(BUFFER_BYTES);
  private used = 0;

  constructor(private readonly handle: nodeFs.FileHandle) {}

  async write(bytes: Uint8Array): Promise<void> {
    this.position += bytes.length;
    if (this.used + bytes.length > BUFFER_BYTES) await this.flush();
    if (bytes.length >= BUFFER_BYTES) {
      await this.writeOut(bytes);
    } else {
      this.buffer.set(bytes, this.used);
      this.used += bytes.length;
    }
  }

  async flush(): Promise<void> {
    const pending = this.buffer.subarray(0, this.used);
    this.used = 0;
    await this.writeOut(pending);
  }

  private async writeOut(bytes: Uint8Array): Promise<void> {
    for (let done = 0; done < bytes.length; ) {
      const { bytesWritten } = await this.handle.write(bytes, done, bytes.length - done);
      done += bytesWritten;
    }
  }
}

/** As `writeAtomically`, for content that is in memory. */
export async function writeFileAtomically(target: string, content: Uint8Array | string, fs?: WriteFs): Promise<void> {
  const bytes = typeof content === 'string' ? Buffer.from(content, 'utf8') : content;
  await writeAtomically(target, (sink) => sink.write(bytes), fs);
}

/** Makes the folder that a file is to lie in. Throws UserError naming the folder. */
export async function makeFolderOf(target: string): Promise<void> {
  const folder = path.dirname(path.resolve(target));
  await nodeFs.mkdir(folder, { recursive: true }).catch((error: unknown) => {
    throw fileError('make the folder', folder, error);
  });
}
