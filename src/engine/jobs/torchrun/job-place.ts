/** Where a job's folder is put, and the Python programs that go into it. */
import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync } from 'node:fs';
import { copyFile, mkdir, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { UserError } from '../../../common/errors.ts';
import { fileError } from '../../files/file-errors.ts';
import { BEST, LATEST } from '../../training/run-directory.ts';

export const JOB_FILE = 'job.json';

/** Programs of every job, as they lie in media/job. */
const PROGRAMS = ['train.py', 'score.py', 'check.py', 'recipe.py', 'images.py', 'run_folder.py'] as const;

/** The folder media/job of this program: above its bundle, or above this file. */
function programsFolder(): string {
  for (let at = path.dirname(fileURLToPath(import.meta.url)); ; at = path.dirname(at)) {
    const folder = path.join(at, 'media', 'job');
    if (existsSync(path.join(folder, PROGRAMS[0]))) return folder;
    if (at === path.dirname(at)) throw new Error('media/job is not there: the installation is incomplete');
  }
}

/** Puts the programs into a job's folder. */
export async function copyPrograms(folder: string): Promise<void> {
  const from = programsFolder();
  for (const name of PROGRAMS) await copyFile(path.join(from, name), path.join(folder, name));
}

/** @throws UserError where the folder holds something, but for a job that is to be overwritten */
export function checkPlace(folder: string, overwrite: boolean): void {
  if (!existsSync(folder)) return;
  const names = readdirSync(folder);
  if (names.length === 0) return;
  if (!names.includes(JOB_FILE))
    throw new UserError(`${folder} holds something else than a job: choose another --output-dir.`);
  if (overwrite) return;
  const begun = names.find((name) => name === LATEST || name === BEST);
  throw new UserError(
    begun
      ? `${folder} holds a job that has begun (${begun}): start it again to go on, begin anew with --overwrite, or choose another --output-dir.`
      : `${folder} holds a job already: make it anew with --overwrite, or choose another --output-dir.`,
  );
}

/** The folder appears whole, or not at all: what was there before stays until then. */
export async function inPlace(folder: string, fill: (temporary: string) => Promise<void>): Promise<void> {
  const suffix = randomBytes(6).toString('hex');
  const [temporary, earlier] = ['new', 'old'].map((word) =>
    path.join(path.dirname(folder), `.${path.basename(folder).slice(0, 80)}.${word}-${suffix}`),
  );
  try {
    await mkdir(temporary, { recursive: true });
    await fill(temporary);
    if (existsSync(folder)) await rename(folder, earlier);
    await rename(temporary, folder);
    await rm(earlier, { recursive: true, force: true });
  } catch (error) {
    await rm(temporary, { recursive: true, force: true });
    if (existsSync(earlier) && !existsSync(folder)) await rename(earlier, folder);
    throw fileError('write', folder, error);
  }
}
