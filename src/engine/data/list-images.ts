/** Images alone, whatever they are labelled with: of class folders, of a flat folder, of detection and segmentation data. */
import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { UserError } from '../../common/errors.ts';
import { findDetectionData } from './detection-data.ts';
import { filesOfClass, foldersIn, requireFolder, type Sample, type Split, STAND_INS } from './image-folder.ts';
import { IMAGE_EXTENSIONS } from './image-header.ts';
import { deriveSeed, permutation } from './random.ts';

/** Every label is 0. */
export interface ListedImages {
  /** Where they were looked for. */
  readonly roots: readonly string[];
  readonly samples: readonly Sample[];
}

/** Images of a folder and below it, or those that a text file lists, one a line. */
async function filesAt(place: string): Promise<readonly string[]> {
  const info = await stat(place).catch(() => undefined);
  if (!info) throw new UserError(`${place} does not exist.`);
  if (info.isDirectory()) return (await filesOfClass(place)).files;
  const lines = (await readFile(place, 'utf8')).split(/\r?\n/).filter((line) => line.trim() !== '');
  return lines.map((line) => path.resolve(path.dirname(place), line.trim()));
}

/** The folder of a split below one: `train/`, or `images/train2017/` where images lie apart from what labels them. */
async function splitFolder(root: string, split: Split): Promise<string> {
  const inside = async (folder: string): Promise<string | undefined> => {
    const present = await foldersIn(folder);
    const name = STAND_INS[split].find((one) => present.some((folderName) => folderName.toLowerCase() === one));
    return name && path.join(folder, present.find((one) => one.toLowerCase() === name) as string);
  };
  const apart = async (folder: string): Promise<string> => {
    const present = await foldersIn(folder);
    const hasLabels = present.includes('masks') || present.includes('labels');
    return present.includes('images') && hasLabels ? path.join(folder, 'images') : folder;
  };
  const place = await apart((await inside(root)) ?? root);
  return (await inside(place)) ?? place;
}

/**
 * Lists the images of a split without asking for classes: those of `data.yaml`, of the split's folder, or of a folder that just
 * holds images. Throws UserError for a missing path and where there is no image.
 */
export async function findImages(dataPath: string, split: Split): Promise<ListedImages> {
  const detection = await findDetectionData(dataPath);
  if (!detection) await requireFolder(dataPath);
  const named = detection && STAND_INS[split].map((one) => detection.places[one as Split]).find((places) => places);
  if (detection && !named) throw new UserError(`${detection.file} names no images for ${split}.`);
  const roots = named ?? [await splitFolder(dataPath, split)];
  const files = (await Promise.all(roots.map(filesAt))).flat();
  if (!files.length)
    throw new UserError(`${roots.join(', ')} has no images (${IMAGE_EXTENSIONS.join(', ')}) in it or below it.`);
  return { roots, samples: files.map((file) => ({ file, label: 0 })) };
}

/** Share of the images that nothing is fitted to, where the data set has no validation images of its own. */
const HELD_SHARE = 0.1;

/** Images to learn from and others to judge by, without labels. */
export interface UnlabelledImages {
  readonly train: readonly Sample[];
  readonly validation: readonly Sample[];
  /** What the person should know. */
  readonly notes: readonly string[];
}

/** @throws UserError where there are no images, or too few to hold any out */
export async function splitUnlabelled(dataPath: string, seed: number): Promise<UnlabelledImages> {
  const [train, val] = await Promise.all([findImages(dataPath, 'train'), findImages(dataPath, 'val')]);
  if (train.roots.join() !== val.roots.join()) return { train: train.samples, validation: val.samples, notes: [] };
  const count = train.samples.length;
  if (count < 2)
    throw new UserError(`${train.roots.join(', ')} has ${count} image: at least 2 are needed, one to judge by.`);
  const held = Math.max(1, Math.round(count * HELD_SHARE));
  const heldOut = new Set(permutation(count, deriveSeed(seed, 2)).subarray(0, held));
  return {
    train: train.samples.filter((_, i) => !heldOut.has(i)),
    validation: train.samples.filter((_, i) => heldOut.has(i)),
    notes: [`${dataPath} has no images set aside for validation: ${held} of its ${count} are held out`],
  };
}
