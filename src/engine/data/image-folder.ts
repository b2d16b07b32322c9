/** Data sets as folders: `train/` and `val/` (or `test/`), one folder per class, numbered as torchvision's `ImageFolder` does. */
import type { Dirent } from 'node:fs';
import { readdir, realpath, stat } from 'node:fs/promises';
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

/** Folders that may stand in for a split, in order of preference, in any case of letters. */
export const STAND_INS: { readonly [K in Split]: readonly string[] } = {
  train: ['train', 'training'],
  val: ['val', 'valid', 'validation', 'dev', 'test', 'testing'],
  test: ['test', 'testing', 'val', 'valid', 'validation', 'dev'],
};
const SPLIT_FOLDERS = [...new Set(Object.values(STAND_INS).flat())];

/** By code point, as Python sorts: UTF-8 keeps that order, UTF-16 does not. */
const byCodePoint = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b));

/** timm's order of class folders: numbers in names by their value, letters without their case. */
function byNaturalOrder(a: string, b: string): number {
  const [left, right] = [a, b].map((name) => name.toLowerCase().split(/(\d+)/));
  for (let i = 0; i < Math.min(left.length, right.length); i++) {
    const order = i % 2 ? Number(left[i]) - Number(right[i]) : byCodePoint(left[i], right[i]);
    if (order !== 0) return order;
  }
  return left.length - right.length;
}

/** What to know of an order of classes that others count otherwise; undefined where all agree. */
export function noteOnOrder(classes: readonly string[]): string | undefined {
  const natural = [...classes].sort(byNaturalOrder);
  const at = natural.findIndex((name, i) => name !== classes[i]);
  if (at < 0) return undefined;
  const shown = (names: readonly string[]): string => names.slice(at, at + 3).join(', ');
  return (
    `the class folders are numbered by code point, as torchvision does (…, ${shown(classes)}, … from ${at}); a model trained by ` +
    `timm, or in numeric order (…, ${shown(natural)}, …), needs --synsets FILE with one name a line in its order`
  );
}

async function isFolder(place: string, entry: Dirent): Promise<boolean> {
  if (entry.isDirectory()) return true;
  if (!entry.isSymbolicLink()) return false;
  return (await stat(path.join(place, entry.name)).catch(() => undefined))?.isDirectory() ?? false;
}

/** A link to a folder that holds `place`, or to itself: following it would come back here. */
async function leadsBack(place: string, entry: Dirent): Promise<boolean> {
  if (!entry.isSymbolicLink()) return false;
  const [target, here] = await Promise.all([realpath(path.join(place, entry.name)), realpath(place)]);
  return here === target || here.startsWith(target.endsWith(path.sep) ? target : target + path.sep);
}

export async function foldersIn(place: string): Promise<string[]> {
  const entries = await readdir(place, { withFileTypes: true });
  const visible = entries.filter((entry) => !entry.name.startsWith('.'));
  const isUsed = async (entry: Dirent): Promise<boolean> =>
    (await isFolder(place, entry)) && !(await leadsBack(place, entry));
  const folders = await Promise.all(visible.map(async (entry) => ((await isUsed(entry)) ? entry.name : '')));
  return folders.filter((name) => name !== '').sort(byCodePoint);
}

export async function requireFolder(place: string): Promise<void> {
  const info = await stat(place).catch(() => undefined);
  if (!info)
    throw new UserError(
      `The data folder ${place} does not exist. Give --data-path the folder that holds train/ and val/.`,
    );
  if (!info.isDirectory())
    throw new UserError(`${place} is a file; --data-path takes the folder that holds train/ and val/.`);
}

/** Folders of splits that are there, by their names in lower case. */
async function splitsIn(dataPath: string): Promise<ReadonlyMap<string, string>> {
  const present = await foldersIn(dataPath);
  const splits = new Map<string, string>();
  for (const name of SPLIT_FOLDERS) {
    const folder = present.find((one) => one === name) ?? present.find((one) => one.toLowerCase() === name);
    // A class may be called `train`: a split holds folders.
    if (folder && (await foldersIn(path.join(dataPath, folder))).length > 0) splits.set(name, folder);
  }
  return splits;
}

/** Which folder holds the classes of a split, and a note where it is not the one asked for. */
async function findSplit(dataPath: string, split: Split): Promise<{ root: string; notes: string[] }> {
  const splits = await splitsIn(dataPath);
  if (splits.size === 0) {
    return {
      root: dataPath,
      notes: [`${dataPath} has no train/ or val/: its own folders are taken as the classes of every split`],
    };
  }
  const found = STAND_INS[split].flatMap((name) => splits.get(name) ?? []);
  if (found.length === 0) {
    const wanted = STAND_INS[split].map((name) => `${name}/`).join(' or ');
    const there = [...splits.values()].map((name) => `${name}/`).join(', ');
    throw new UserError(`${dataPath} has ${there} but no ${wanted} with class folders in it.`);
  }
  const [used, ...others] = found;
  const rest = others.length > 0 ? ` (${others.map((name) => `${name}/`).join(', ')} is left alone)` : '';
  const notes = used === split ? [] : [`${dataPath} has no ${split}/: ${used}/ is used${rest}`];
  return { root: path.join(dataPath, used), notes };
}

/** The class folders of `train/`, in their order; undefined where the data set has no such folder. */
export async function trainClasses(dataPath: string): Promise<readonly string[] | undefined> {
  const splits = await splitsIn(dataPath);
  const name = STAND_INS.train.find((one) => splits.has(one));
  return name === undefined ? undefined : foldersIn(path.join(dataPath, splits.get(name) as string));
}

interface ClassFiles {
  readonly files: string[];
  /** Extensions of files that were left out. */
  readonly ignored: string[];
  /** Links that lead back to a folder that they are in. */
  readonly loops: string[];
}

/** The real folders that lie on the way to one: a link to any of them, or to what holds them, leads back. */
const isOnTheWay = (target: string, way: readonly string[]): boolean =>
  way.some((folder) => folder === target || folder.startsWith(target.endsWith(path.sep) ? target : target + path.sep));

/** All folders below one, itself included, each with its entries; links are followed unless they lead back. */
async function walk(
  folder: string,
  way: readonly string[],
  found: Map<string, Dirent[]>,
  loops: string[],
): Promise<void> {
  const here = [...way, await realpath(folder)];
  const entries = (await readdir(folder, { withFileTypes: true })).filter(({ name }) => !name.startsWith('.'));
  const files: Dirent[] = [];
  found.set(folder, files);
  for (const entry of entries) {
    if (!(await isFolder(folder, entry))) {
      files.push(entry);
      continue;
    }
    const inner = path.join(folder, entry.name);
    if (entry.isSymbolicLink() && isOnTheWay(await realpath(inner), here)) loops.push(inner);
    else await walk(inner, here, found, loops);
  }
}

/** All images below a class folder, folders in order of their path, files in order of their name, as torchvision lists them. */
export async function filesOfClass(folder: string): Promise<ClassFiles> {
  const files: string[] = [];
  const ignored: string[] = [];
  const loops: string[] = [];
  const found = new Map<string, Dirent[]>();
  await walk(folder, [], found, loops);
  for (const place of [...found.keys()].sort(byCodePoint)) {
    for (const { name } of (found.get(place) ?? []).sort((a, b) => byCodePoint(a.name, b.name))) {
      const extension = path.extname(name).toLowerCase();
      if (IMAGE_EXTENSIONS.includes(extension)) files.push(path.join(place, name));
      else ignored.push(extension || name);
    }
  }
  return { files, ignored, loops };
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
    for (const loop of found.loops)
      notes.push(`the link ${loop} leads back to a folder that it is in: it is not followed`);
    for (const extension of found.ignored) ignored.set(extension, (ignored.get(extension) ?? 0) + 1);
    for (const file of found.files) samples.push({ file, label });
    counts.push(found.files.length);
  }
  for (const [extension, count] of ignored)
    notes.push(`${count} file(s) ${extension} under ${root} are no known image type and are left out`);
  return { root, split, classes, samples, counts, notes };
}
