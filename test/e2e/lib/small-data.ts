/** A workspace with a trained model and few images, for flows that are not about accuracy. */
import { copyFileSync } from 'node:fs';
import path from 'node:path';
import { generateProceduralDataset } from '../../../src/engine/data/procedural/dataset.ts';
import { repository } from './session.ts';

export interface SmallData {
  readonly model: string;
  readonly images: string;
}

/** Fills a folder with `resnet20.pth` and `images/`: ten classes. */
export async function smallData(folder: string, perClass = { train: 60, test: 20 }): Promise<SmallData> {
  const model = path.join(folder, 'resnet20.pth');
  const images = path.join(folder, 'images');
  copyFileSync(path.join(repository, 'sample', 'resnet20.pth'), model);
  await generateProceduralDataset(images, { seed: 0, trainPerClass: perClass.train, testPerClass: perClass.test });
  return { model, images };
}
