/** Which output of a network each class folder stands for. */
import { readFileSync } from 'node:fs';
import { UserError } from '../../common/errors.ts';
import { type ImageFolder, noteOnOrder } from './image-folder.ts';
import { IMAGENET_SYNSETS } from './imagenet-synsets.ts';

/** Reads a synset file: one class name per line, in the order of the network's outputs; what follows the name is ignored. */
export function readSynsets(file: string): string[] {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new UserError(`The synset file ${file} cannot be read: ${(error as Error).message}`);
  }
  const names = text
    .split(/\r?\n/)
    .map((line) => line.trim().split(/\s+/)[0])
    .filter((name) => name !== '');
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (names.length === 0) throw new UserError(`The synset file ${file} is empty: it needs one class name per line.`);
  if (twice) throw new UserError(`The synset file ${file} names ${twice} twice.`);
  return names;
}

/** What is known of the names of a network's outputs. */
export interface KnownNames {
  /** Of a synset file: in the order of the outputs. */
  readonly synsets?: readonly string[];
  /** That the model was trained with, from its record. */
  readonly classNames?: readonly string[];
  /** Class folders of the data set's `train/`, which number the classes of every split. */
  readonly trainClasses?: readonly string[];
}

export interface LabelledFolder extends ImageFolder {
  /** Name of each of the network's outputs. */
  readonly outputNames: readonly string[];
  /** The outputs that have a folder; absent where all have. */
  readonly among?: readonly number[];
}

const listed = (names: readonly string[]): string => names.slice(0, 5).join(', ') + (names.length > 5 ? ', …' : '');

/** Where the names of the outputs come from, for messages. */
interface Outputs {
  readonly names: readonly string[];
  readonly source: string;
  /** Whether the position in a sorted list of folders is all that says what an output means. */
  readonly isByOrder?: boolean;
}

function outputsOf(folder: ImageFolder, outputs: number, known: KnownNames): Outputs {
  const { synsets, classNames, trainClasses } = known;
  if (synsets && synsets.length !== outputs)
    throw new UserError(`The synset file has ${synsets.length} names but the model has ${outputs} outputs.`);
  if (synsets) return { names: synsets, source: 'the names of the synset file' };
  if (classNames?.length === outputs)
    return { names: classNames, source: 'the classes that the model was trained with' };
  const numbering = trainClasses ?? folder.classes;
  if (numbering.length === outputs) return { names: numbering, source: 'the class folders of train/', isByOrder: true };
  if (outputs === IMAGENET_SYNSETS.length) return { names: IMAGENET_SYNSETS, source: "ImageNet's class names" };
  const where = trainClasses ? `train/ beside ${folder.root}` : folder.root;
  throw new UserError(
    `${where} has ${numbering.length} class folders but the model has ${outputs} outputs. ` +
      'Use the data the checkpoint was trained on, or name its classes in order with --synsets FILE.',
  );
}

/**
 * Labels the samples by the network's outputs: by name, where the names of the outputs are known (a synset file, the model's
 * record, ImageNet's WordNet ids for 1,000 outputs), else by the order of the folders of `train/`, whichever the split.
 * @throws UserError naming the folders that are no class of the model, and where counts do not fit
 */
export function labelForModel(folder: ImageFolder, outputs: number, known: KnownNames = {}): LabelledFolder {
  const { names, source, isByOrder } = outputsOf(folder, outputs, known);
  const position = new Map(names.map((name, i) => [name, i]));
  const unknown = folder.classes.filter((name) => !position.has(name));
  if (unknown.length > 0) {
    const present = new Set(folder.classes);
    const unused = names.filter((name) => !present.has(name));
    const missing =
      unused.length > 0 ? ` (${listed(unused)} of them ${unused.length === 1 ? 'has' : 'have'} no folder)` : '';
    throw new UserError(
      `${folder.root} has class folders that are not among ${source}: ${listed(unknown)}${missing}. ` +
        'Rename them, take them out, or name the classes in the order of the outputs with --synsets FILE.',
    );
  }
  const labels = folder.classes.map((name) => position.get(name) as number);
  const order = isByOrder ? noteOnOrder(names) : undefined;
  const matched = `${folder.classes.length} class folders are matched by name to the ${outputs} classes of the model`;
  return {
    ...folder,
    samples: folder.samples.map(({ file, label }) => ({ file, label: labels[label] })),
    notes: [...folder.notes, ...(folder.classes.length < outputs ? [matched] : []), ...(order ? [order] : [])],
    outputNames: names,
    ...(labels.length < outputs && { among: [...labels].sort((a, b) => a - b) }),
  };
}
