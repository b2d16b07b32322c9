/** The sample: a trained ResNet-20, which ships with the program, and the images that it was trained on, drawn anew. */
import { existsSync } from 'node:fs';
import { copyFile, mkdir } from 'node:fs/promises';
import path from 'node:path';
import { UserError } from '../common/errors.ts';
import { findProgramFolder } from '../engine/compute/runtime/build-binding.ts';
import { generateProceduralDataset } from '../engine/data/procedural/dataset.ts';
import type { Handler } from './handler.ts';

/** Enough images to learn from, few enough for ONNX Runtime to finetune on in minutes. */
const IMAGES = { seed: 0, trainPerClass: 300, testPerClass: 100 };

export const createSample: Handler<'sample/create'> = async ({ folder }, context) => {
  const shipped = path.join(findProgramFolder(), 'sample', 'resnet20.pth');
  if (!existsSync(shipped)) throw new UserError(`The sample model is missing from this installation: ${shipped}.`);
  const dataset = path.join(folder, 'images');
  await mkdir(folder, { recursive: true });
  await generateProceduralDataset(dataset, IMAGES, context);
  const model = path.join(folder, 'resnet20.pth');
  if (!existsSync(model)) await copyFile(shipped, model);
  return { model, dataset };
};
