/** CIFAR-10 images and the published checkpoints beside the repository, as programs take them. */
import path from 'node:path';
import { readCheckpoint } from '../../../src/engine/checkpoint/checkpoint.ts';
import { decodeFile } from '../../../src/engine/data/decode.ts';
import { IMAGENET_NORMALISATION, writeNormalised } from '../../../src/engine/data/normalise.ts';
import type { Weights } from '../../../src/engine/graph/tensor.ts';
import { sharedPath } from '../data/shared.ts';

const SIDE = 32;
export const CIFAR_CLASSES = ['airplane', 'automobile', 'bird', 'cat', 'deer', 'dog', 'frog', 'horse', 'ship', 'truck'];

export async function cifarWeights(name: string): Promise<Weights> {
  return (await readCheckpoint(path.join(sharedPath, 'data', 'checkpoints', `${name}.th`))).weights;
}

/** test/reference/cifar.json. */
export interface CifarReference {
  readonly checkpoints: Readonly<
    Record<
      string,
      {
        readonly logits: Readonly<Record<string, number[]>>;
        readonly gradient_batch: {
          readonly files: string[];
          readonly loss: number;
          readonly gradients: Readonly<Record<string, { abs_sum: number }>>;
        };
      }
    >
  >;
}

/** A type, not an interface, so that it is an executor's inputs as it is. */
export type ImageBatch = {
  /** [N, 32, 32, 3], normalised. */
  readonly images: Float32Array;
  readonly labels: Int32Array;
};

/** Images by paths of the form `airplane/0000.jpg`. */
export async function cifarBatch(split: 'train' | 'test', files: readonly string[]): Promise<ImageBatch> {
  const size = SIDE * SIDE * 3;
  const images = new Float32Array(files.length * size);
  for (const [i, file] of files.entries()) {
    const image = await decodeFile(path.join(sharedPath, 'data', 'cifar10', split, file));
    writeNormalised(image, IMAGENET_NORMALISATION, images, i * size);
  }
  const labels = Int32Array.from(files, (file) => CIFAR_CLASSES.indexOf(file.split('/')[0]));
  return { images, labels };
}
