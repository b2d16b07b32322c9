/** Which output of a network each class folder stands for. */
import { readFileSync } from 'node:fs';
import { UserError } from '../../common/errors.ts';
import type { ImageFolder } from './image-folder.ts';
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

function relabel(folder: ImageFolder, outputs: readonly string[]): ImageFolder {
  const position = new Map(outputs.map((name, i) => [name, i]));
  const labels = folder.classes.map((name) => position.get(name) as number);
  const note = `${folder.classes.length} class folders are matched by name to the ${outputs.length} classes of the model`;
  return {
    ...folder,
    samples: folder.samples.map(({ file, label }) => ({ file, label: labels[label] })),
    notes: [...folder.notes, note],
  };
}

/**
 * Labels the samples by the network's outputs. As many folders as outputs: in sorted order. Otherwise by name, from
 * `synsets` (names in the order of the outputs) or, for 1,000 outputs, ImageNet's WordNet ids.
 * @throws UserError where names or counts do not fit
 */
export function labelForModel(folder: ImageFolder, outputs: number, synsets?: readonly string[]): ImageFolder {
  const known = synsets ?? (outputs === IMAGENET_SYNSETS.length ? IMAGENET_SYNSETS : undefined);
  if (synsets && synsets.length !== outputs) {
    throw new UserError(`The synset file has ${synsets.length} names but the model has ${outputs} outputs.`);
  }
  if (!synsets && folder.classes.length === outputs) return folder;
  const mismatch = `${folder.root} has ${folder.classes.length} class folders but the model has ${outputs} outputs`;
  if (!known || folder.classes.length > outputs) {
    throw new UserError(
      `${mismatch}. Use the data the checkpoint was trained on, or name its classes in order with --synsets FILE.`,
    );
  }
  const names = new Set(known);
  const unknown = folder.classes.filter((name) => !names.has(name));
  if (unknown.length > 0) {
    const list = unknown.slice(0, 3).join(', ') + (unknown.length > 3 ? ', …' : '');
    throw new UserError(`${mismatch}, and ${unknown.length} of the folders (${list}) are not among its class names.`);
  }
  return relabel(folder, known);
}
