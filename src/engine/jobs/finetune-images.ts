/** Images of a finetuning run that needs no labels, and which runs need them. */
import { UserError } from '../../common/errors.ts';
import type { LabelledFolder } from '../data/class-map.ts';
import type { Sample } from '../data/image-folder.ts';
import { splitUnlabelled } from '../data/list-images.ts';
import { type Graph, isClassifier } from '../graph/graph.ts';
import type { TrainingOptions } from '../training/training-options.ts';
import { requireImages } from './image-input.ts';

/** @throws UserError for a network that labels of images say nothing of, where it is not to imitate another */
export function requireObjective(graph: Graph, { imitate }: Pick<TrainingOptions, 'imitate'>): void {
  if (imitate || isClassifier(graph)) return;
  const outputs = graph.outputs.map(({ name }) => name).join(', ');
  throw new UserError(
    `${graph.name} is not a classifier: it gives ${outputs}, which labels of images say nothing of. ` +
      'Finetune it by imitation (--imitate --teacher DENSE): it learns the outputs of the dense network, on images without labels.',
  );
}

/** Training and validation images, whatever the folder is labelled with. */
export async function openUnlabelledImages(
  graph: Graph,
  dataPath: string,
  seed: number,
): Promise<readonly [LabelledFolder, LabelledFolder]> {
  requireImages(graph);
  const { train, validation, notes } = await splitUnlabelled(dataPath, seed);
  const folder = (split: 'train' | 'val', samples: readonly Sample[]): LabelledFolder => ({
    root: dataPath,
    split,
    classes: [],
    samples,
    counts: [],
    notes,
    outputNames: [],
  });
  return [folder('train', train), folder('val', validation)];
}
