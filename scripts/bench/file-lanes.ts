/** Decoding alone, and evaluation from files against evaluation from memory. */
import { readFileSync } from 'node:fs';
import sharp from 'sharp';
import { buildModel } from '../../src/engine/architectures/registry.ts';
import { createExecutor } from '../../src/engine/compute/backends.ts';
import { predictProgram } from '../../src/engine/compute/programs/programs.ts';
import { decodeImage } from '../../src/engine/data/decode.ts';
import { resizeAndCentreCrop } from '../../src/engine/data/geometry.ts';
import { ImageLoader, type LoaderOptions } from '../../src/engine/data/loader.ts';
import { evalTransform } from '../../src/engine/data/transforms.ts';
import { evaluate } from '../../src/engine/training/evaluation.ts';
import { initialiseWeights } from '../../src/engine/training/initialise.ts';
import type { DecodeTask, EvaluateTask } from './file-tasks.ts';
import { endless, MemoryLoader } from './loaders.ts';
import type { Common, Opened } from './protocol.ts';

const RESIZE = 256;
const CROP = 224;
const CLASSES = 1000;
/** Batches that the lane from memory goes round. */
const KEPT_BATCHES = 4;

/** One image after the other: a single core has something to do at any time. */
export async function openDecode({ files }: DecodeTask & Common): Promise<Opened> {
  sharp.concurrency(1);
  sharp.cache(false);
  let next = 0;
  return {
    label: 'files read, decoded, resized',
    lanes: {
      run: async (runs) => {
        for (let i = 0; i < runs; i++) {
          const file = files[next++ % files.length];
          // Read as Pillow reads: another thread's turn would count as decoding.
          resizeAndCentreCrop(await decodeImage(readFileSync(file), file), RESIZE, CROP, 'bilinear');
        }
        return undefined;
      },
    },
  };
}

/** `run` in the lanes: a batch, evaluated as the command does it. */
export async function openEvaluate(task: EvaluateTask & Common): Promise<Opened> {
  const graph = buildModel(task.model);
  if (!graph) throw new Error(`no model ${task.model}`);
  const executor = await createExecutor({ backend: 'tensorflow', threads: task.threads });
  const session = await executor.open({ predict: predictProgram(graph) });
  await session.assign(initialiseWeights(graph, 0));
  const options: LoaderOptions = {
    samples: endless(task.files, CLASSES),
    transform: evalTransform(CROP, { resize: RESIZE }),
    batchSize: task.batch,
    cacheBytes: 0,
  };
  const files = new ImageLoader(options);
  const memory = await MemoryLoader.of(options, files, KEPT_BATCHES);
  const lane = (loader: ImageLoader) => async (runs: number) => {
    const first = { entries: runs * task.batch, batches: () => loader.batches({ maxBatches: runs }) };
    await evaluate(session, 'predict', first);
    return undefined;
  };
  return {
    label: executor.label,
    lanes: { files: lane(files), memory: lane(memory) },
    close: () => files.close(),
  };
}
