/** What files hold, as a number to compare: for keys of what was computed from them. */
import { createHash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';

/** Files read at the same time. */
const AT_ONCE = 16;

async function hashOf(files: readonly string[], describe: (file: string) => Promise<string>): Promise<string> {
  const hash = createHash('sha256');
  for (let start = 0; start < files.length; start += AT_ONCE) {
    const part = files.slice(start, start + AT_ONCE);
    // A file that cannot be read is said by whoever needs its content.
    const found = await Promise.all(part.map((file) => describe(file).catch(() => 'unreadable')));
    for (const [i, text] of found.entries()) hash.update(`${part[i]}\n${text}\n`);
  }
  return hash.digest('hex');
}

/** Of names and contents. Reads all of them. */
export const contentHash = (files: readonly string[], signal?: AbortSignal): Promise<string> =>
  hashOf(files, async (file) => {
    signal?.throwIfAborted();
    return createHash('sha256')
      .update(await readFile(file))
      .digest('hex');
  });

/** Of names, sizes and times: where it is the same, so are the contents, unless somebody has set the system's clock. Reads none. */
export const stampHash = (files: readonly string[]): Promise<string> =>
  hashOf(files, async (file) => {
    const { size, mtimeNs, ctimeNs, ino } = await stat(file, { bigint: true });
    return `${size} ${mtimeNs} ${ctimeNs} ${ino}`;
  });
