/**
 * Detection data in YOLO's form: `data.yaml` names the classes and the folders of images of each split; beside `images/…` lies
 * `labels/…` with one text file an image, a line for each object: class, centre x, centre y, width, height, as shares of the image.
 */
import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { parse } from 'yaml';
import { UserError } from '../../common/errors.ts';
import type { Split } from './image-folder.ts';

/** A box in shares of the image: centre, width and height. */
export interface LabelledBox {
  readonly label: number;
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

export interface DetectionData {
  /** The YAML file. */
  readonly file: string;
  /** In the order of the labels. */
  readonly names: readonly string[];
  /** Folders of images, or text files that list them, of each split that there is; absolute. */
  readonly places: Readonly<Partial<Record<Split, readonly string[]>>>;
}

const FILE_NAMES = ['data.yaml', 'data.yml'];
const isYaml = (place: string): boolean => /\.ya?ml$/i.test(place);

async function findFile(dataPath: string): Promise<string | undefined> {
  const isFile = async (place: string): Promise<boolean> =>
    (await stat(place).catch(() => undefined))?.isFile() ?? false;
  if (isYaml(dataPath)) return (await isFile(dataPath)) ? dataPath : undefined;
  for (const name of FILE_NAMES) if (await isFile(path.join(dataPath, name))) return path.join(dataPath, name);
  return undefined;
}

function namesOf(value: unknown, file: string): readonly string[] {
  const isTable = typeof value === 'object' && value !== null;
  if (!isTable)
    throw new UserError(`${file} names no classes: it needs \`names:\`, a list or a table of numbers and names.`);
  const table = new Map(Object.entries(value).map(([key, name]) => [Number(key), String(name)]));
  const names = Array.from({ length: table.size }, (_, i) => table.get(i));
  const missing = names.indexOf(undefined);
  if (missing >= 0)
    throw new UserError(`${file}: \`names:\` has ${table.size} classes but none with the number ${missing}.`);
  return names as string[];
}

/**
 * The data set that a folder's `data.yaml`, or the file itself, describes; undefined where there is none.
 * @throws UserError where the file cannot be read as such
 */
export async function findDetectionData(dataPath: string): Promise<DetectionData | undefined> {
  const file = await findFile(dataPath);
  if (!file) return undefined;
  let value: unknown;
  try {
    value = parse(await readFile(file, 'utf8'), { maxAliasCount: 100 });
  } catch (error) {
    throw new UserError(
      `${file} cannot be read as YAML: ${error instanceof Error ? error.message.split('\n')[0] : error}`,
    );
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new UserError(`${file} does not describe a data set: it needs train:, val: and names:.`);
  const fields = value as Readonly<Record<string, unknown>>;
  const root = path.resolve(path.dirname(file), typeof fields.path === 'string' ? fields.path : '.');
  const splits = ['train', 'val', 'test'] as const satisfies readonly Split[];
  const places = splits.flatMap((split) => {
    const named = [fields[split] ?? []].flat().filter((place) => typeof place === 'string');
    return named.length ? [[split, named.map((place) => path.resolve(root, place))] as const] : [];
  });
  if (!places.length) throw new UserError(`${file} names no images: it needs train: and val: with folders.`);
  return { file, names: namesOf(fields.names, file), places: Object.fromEntries(places) };
}

/** Where the labels of an image lie: `images` of its path becomes `labels`, as YOLO has it. */
function labelFile(image: string): string {
  const parts = image.split(path.sep);
  const at = parts.lastIndexOf('images');
  if (at >= 0) parts[at] = 'labels';
  const moved = parts.join(path.sep);
  return `${moved.slice(0, moved.length - path.extname(moved).length)}.txt`;
}

/**
 * Boxes of an image; none where it has no label file, as YOLO has it for images without objects.
 * @throws UserError naming file and line
 */
export async function readBoxes(image: string, classes: number): Promise<readonly LabelledBox[]> {
  const file = labelFile(image);
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return '';
    throw new UserError(`${file} cannot be read: ${error.message}`);
  });
  return text.split(/\r?\n/).flatMap((line, i): LabelledBox[] => {
    if (line.trim() === '') return [];
    const numbers = line.trim().split(/\s+/).map(Number);
    const wrong = (what: string): never => {
      throw new UserError(`${file}, line ${i + 1}: ${what}.`);
    };
    if (numbers.length < 5 || numbers.some((n) => !Number.isFinite(n)))
      return wrong('it needs a class and four numbers');
    // Outlines of segments: their box.
    const [label, ...rest] = numbers;
    if (!Number.isInteger(label) || label < 0 || label >= classes)
      return wrong(`there is no class ${label} of ${classes}`);
    const [x, y, width, height] = rest.length > 4 ? boxOf(rest) : rest;
    return [{ label, x, y, width, height }];
  });
}

/** The box around an outline x₁ y₁ x₂ y₂ …. */
function boxOf(outline: readonly number[]): readonly [number, number, number, number] {
  const along = (axis: 0 | 1): readonly [number, number] => {
    const values = outline.filter((_, i) => i % 2 === axis);
    const [low, high] = [Math.min(...values), Math.max(...values)];
    return [(low + high) / 2, high - low];
  };
  const [[x, width], [y, height]] = [along(0), along(1)];
  return [x, y, width, height];
}
