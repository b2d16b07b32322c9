/** Writes the procedural data set: `train/` and `test/` with a folder of PNG files per class, the same for the same seed. */
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import sharp from 'sharp';
import { UserError } from '../../../common/errors.ts';
import { type RunContext, throwIfAborted } from '../../../common/progress.ts';
import { deriveSeed, Random } from '../random.ts';
import { drawImage } from './draw.ts';
import { SHAPE_NAMES, type ShapeName } from './outlines.ts';

export interface ProceduralOptions {
  /** Default 0. */
  readonly seed?: number;
  /** The first so many classes; default 10, all of them. */
  readonly classes?: number;
  /** Default 400. */
  readonly trainPerClass?: number;
  /** Default 100. */
  readonly testPerClass?: number;
  /** Side in pixels; default 32. */
  readonly size?: number;
}

export interface ProceduralDataset {
  readonly classes: readonly string[];
  readonly train: number;
  readonly test: number;
  /** False where the folder held this very data set already. */
  readonly written: boolean;
}

/** Says what a folder holds; written last, so that an unfinished folder has none. */
const RECORD = 'procedural.json';
/** Changes whenever the same seed would give other pixels. */
const VERSION = 1;
const AT_A_TIME = 16;

interface Drawing {
  readonly file: string;
  readonly shape: ShapeName;
  readonly seed: number;
}

function plan(folder: string, settings: Required<ProceduralOptions>, shapes: readonly ShapeName[]): Drawing[] {
  const splits = [
    ['train', settings.trainPerClass],
    ['test', settings.testPerClass],
  ] as const;
  return splits.flatMap(([split, count], s) =>
    shapes.flatMap((shape, c) =>
      Array.from({ length: count }, (_, i) => ({
        file: path.join(folder, split, shape, `${String(i).padStart(4, '0')}.png`),
        shape,
        seed: deriveSeed(settings.seed, VERSION, s, c, i),
      })),
    ),
  );
}

async function write({ file, shape, seed }: Drawing, size: number): Promise<void> {
  const { data, width, height } = drawImage(shape, size, new Random(seed));
  await sharp(data, { raw: { width, height, channels: 3 } })
    .png({ compressionLevel: 3 })
    .toFile(file);
}

/** Whether the folder holds what the record says; throws where it holds something else. */
async function isComplete(folder: string, record: string): Promise<boolean> {
  const file = path.join(folder, RECORD);
  if (existsSync(file)) {
    if ((await readFile(file, 'utf8')) === record) return true;
    throw new UserError(
      `${folder} holds a data set drawn with other settings (${file}): remove it or choose another folder.`,
    );
  }
  const foreign = existsSync(folder)
    ? (await readdir(folder)).filter((name) => name !== 'train' && name !== 'test')
    : [];
  if (foreign.length === 0) return false;
  throw new UserError(`${folder} is not empty (${foreign[0]}): choose a new folder for the data set.`);
}

/**
 * Draws the data set into `folder`, or leaves it where it is there already.
 * @throws UserError where the folder holds something else
 */
export async function generateProceduralDataset(
  folder: string,
  options: ProceduralOptions = {},
  context: RunContext = {},
): Promise<ProceduralDataset> {
  const settings = { seed: 0, classes: 10, trainPerClass: 400, testPerClass: 100, size: 32, ...options };
  if (settings.classes < 2 || settings.classes > SHAPE_NAMES.length) {
    throw new UserError(`The procedural data set has 2 to ${SHAPE_NAMES.length} classes, not ${settings.classes}.`);
  }
  const shapes = SHAPE_NAMES.slice(0, settings.classes);
  const counts = { train: shapes.length * settings.trainPerClass, test: shapes.length * settings.testPerClass };
  const record = `${JSON.stringify({ version: VERSION, ...settings }, null, 2)}\n`;
  if (await isComplete(folder, record)) return { classes: shapes, ...counts, written: false };
  const drawings = plan(folder, settings, shapes);
  for (const place of new Set(drawings.map(({ file }) => path.dirname(file)))) await mkdir(place, { recursive: true });
  for (let done = 0; done < drawings.length; done += AT_A_TIME) {
    throwIfAborted(context.signal);
    await Promise.all(drawings.slice(done, done + AT_A_TIME).map((drawing) => write(drawing, settings.size)));
    context.progress?.({ phase: 'draw', done: Math.min(done + AT_A_TIME, drawings.length), total: drawings.length });
  }
  await writeFile(path.join(folder, RECORD), record);
  return { classes: shapes, ...counts, written: true };
}
