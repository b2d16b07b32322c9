/** What the operating system says about a file, in the person's words. */

import { UserError } from '../../common/errors.ts';

const reasons: ReadonlyMap<string, string> = new Map([
  ['ENOENT', 'there is no such file or folder'],
  ['ENOTDIR', 'a part of the path is a file, not a folder'],
  ['EISDIR', 'it is a folder, not a file'],
  ['EACCES', 'permission is denied'],
  ['EPERM', 'the operation is not permitted'],
  ['EROFS', 'the file system is read-only'],
  ['EBUSY', 'another program is using it'],
  ['EMFILE', 'too many files are open'],
  ['ENAMETOOLONG', 'the name is too long'],
  ['EIO', 'the disk reports an input/output error'],
  ['ENOSPC', 'the disk is full: free some space, or write to another disk'],
  ['EDQUOT', 'the disk quota is used up: free some space, or write to another disk'],
  ['EFBIG', 'the file would be larger than the file system or its limits allow'],
]);

/** The error's code, such as `ENOENT`; undefined if it is not the operating system's. */
export function systemErrorCode(error: unknown): string | undefined {
  const code = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
  return typeof code === 'string' && /^E[A-Z0-9]+$/.test(code) ? code : undefined;
}

/**
 * The operating system's errors as a UserError that names the file; any other error as it is.
 * @param action what was being done, e.g. `read`
 */
export function fileError(action: string, path: string, error: unknown): unknown {
  const code = systemErrorCode(error);
  if (!code) return error;
  return new UserError(`Cannot ${action} ${path}: ${reasons.get(code) ?? `the system reports ${code}`}.`, {
    cause: error,
  });
}
