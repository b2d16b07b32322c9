/** Data sets as folders: `train/` and `val/` (or `test/`), one folder per class, numbered as torchvision's `ImageFolder` does. */
import type { Dirent } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { UserError } from '../../common/errors.ts';
import { IMAGE_EXTENSIONS } from './image-header.ts';

export type Split = 'train' | 'val' | 'test';

export interface Sample {
  readonly file: string;
  /** Index of the class; after `labelForModel`, of the network's output. */
  readonly label: number;
}

export interface ImageFolder {
  /** The folder that holds the class folders. */
  readonly root: string;
  readonly split: Split;
  /** Folder names, sorted: the label is the position. */
  readonly classes: readonly string[];
  readonly samples: readonly Sample[];
  /** Images per class. */
  readonly counts: readonly number[];
  /** What the person should know, e.g. that there is no `val/`. */
  readonly notes: readonly string[];
}

/** Folders that may stand in for a split, in order of preference. */
const STAND_INS: { readonly [K in Split]: readonly string[] } = {
  train: ['train'],
  val: ['val', 'validation', 'test'],
  test: ['test', 'val', 'validation'],
};
const SPLIT_FOLDERS = [...new Set(Object.values(STAND_INS).flat())];

const byName = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

async function isFolder(place: string, entry: Dirent): Promise<boolean> {
  if (entry.isDirectory()) return true;
  if (!entry.isSymbolicLink()) return false;
  return (await stat(path.join(place, entry.name)).catch(() => undefined))?.isDirectory() ?? false;
}

async function foldersIn(place: string): Promise<string[]> {
  const entries = await readdir(place, { withFileTypes: true });
  const visible = entries.filter((entry) => !entry.name.startsWith('.'));
  const folders = await Promise.all(visible.map(async (entry) => ((await isFolder(place, entry)) ? entry.name : '')));
  return folders.filter((name) => name !== '').sort(byName);
}

async function requireFolder(place: string): Promise<void> {
  const info = await stat(place).catch(() => undefined);
  if (!info)
    throw new UserError(
      `The data folder ${place} does not exist. Give --data-path the folder that holds train/ and val/.`,
    );
  if (!info.isDirectory())
    throw new UserError(`${place} is a file; --data-path takes the folder that holds train/ and val/.`);
}

/** Which folder holds the classes of a split, and a note where it is not the one asked for. */
async function findSplit(dataPath: string, split: Split): Promise<{ root: string; notes: string[] }> {
  const present = await foldersIn(dataPath);
  const splits: string[] = [];
  for (const name of SPLIT_FOLDERS) {
    // A class may be called `train`: a split holds folders.
    if (present.includes(name) && (await foldersIn(path.join(dataPath, name))).length > 0) splits.push(name);
  }
  if (splits.length === 0) {
    return {
      root: dataPath,
      notes: [`${dataPath} has no train/ or val/: its own folders are taken as the classes of every split`],
    };
  }
  const found = STAND_INS[split].find((name) => splits.includes(name));
  if (!found) {
    const wanted = STAND_INS[split].map((name) => `${name}/`).join(' or ');
    throw new UserError(
      `${dataPath} has ${splits.map((s) => `${s}/`).join(', ')} but no ${wanted} with class folders in it.`,
    );
  }
  const notes = found === split ? [] : [`${dataPath} has no ${split}/: ${found}/ is used`];
  return { root: path.join(dataPath, found), notes };
}

interface ClassFiles {
  readonly files: string[];
  /** Extensions of files that were left out. */
  readonly ignored: string[];
}

/** All images below a class folder, folders in order of their path, files in order of their name. */
async function filesOfClass(folder: string): Promise<ClassFiles> {
  const files: string[] = [];
  const ignored: string[] = [];
  const below: string[] = [];
  const entries = (await readdir(folder, { withFileTypes: true })).sort((a, b) => byName(a.name, b.name));
  for (const entry of entries) {
    if (entry.name.startsWith('.')) continue;
    const extension = path.extname(entry.name).toLowerCase();
    if (await isFolder(folder, entry)) below.push(path.join(folder, entry.name));
    else if (IMAGE_EXTENSIONS.includes(extension)) files.push(path.join(folder, entry.name));
    else ignored.push(extension || entry.name);
  }
  for (const inner of below) {
    const deeper = await filesOfClass(inner);
    files.push(...deeper.files);
    ignored.push(...deeper.ignored);
  }
  return { files, ignored };
}

/**
 * Lists a split of a data set. Throws UserError for a missing path, a missing split, no class folders, and a class folder
 * without images.
 */
export async function openImageFolder(dataPath: string, split: Split): Promise<ImageFolder> {
  await requireFolder(dataPath);
  const { root, notes } = await findSplit(dataPath, split);
  const classes = await foldersIn(root);
  if (classes.length === 0) {
    throw new UserError(`${root} has no class folders: put the images of each class into a folder of its own.`);
  }
  const samples: Sample[] = [];
  const counts: number[] = [];
  const ignored = new Map<string, number>();
  for (const [label, name] of classes.entries()) {
    const found = await filesOfClass(path.join(root, name));
    if (found.files.length === 0) {
      throw new UserError(
        `The class folder ${path.join(root, name)} has no images (${IMAGE_EXTENSIONS.join(', ')}): add some or remove the folder.`,
      );
    }
    for (const extension of found.ignored) ignored.set(extension, (ignored.get(extension) ?? 0) + 1);
    for (const file of found.files) samples.push({ file, label });
    counts.push(found.files.length);
  }
  for (const [extension, count] of ignored)
    notes.push(`${count} file(s) ${extension} under ${root} are no known image type and are left out`);
  return { root, split, classes, samples, counts, notes };
}
