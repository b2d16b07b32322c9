/** `espalier sample`: writes the procedurally drawn images that the demo and the walkthrough use. */

import { UsageError } from '../../common/errors.ts';
import { flag } from '../../common/flags.ts';
import { generateProceduralDataset } from '../../engine/data/procedural/dataset.ts';
import { command } from '../command.ts';

export const sample = command({
  summary: 'draw a small data set: ten classes of shapes, the same for the same seed',
  usage: '--output DIR',
  flags: {
    output: flag.string(undefined, 'folder that gets train/ and test/'),
    seed: flag.integer(0, 'seed of the drawings'),
    trainPerClass: flag.integer(400, 'training images of each class'),
    testPerClass: flag.integer(100, 'test images of each class'),
    size: flag.integer(32, 'side of the images'),
  },
  run: async ({ values }, context) => {
    const { output, seed, trainPerClass, testPerClass, size } = values;
    if (!output) throw new UsageError('sample needs --output DIR');
    const made = await generateProceduralDataset(output, { seed, trainPerClass, testPerClass, size }, context);
    return { json: made, text: `${made.train} training and ${made.test} test images in ${output}` };
  },
});
