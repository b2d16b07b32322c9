/** A teacher's logits for every training image, kept in a file: right where an image always looks the same. */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { UserError } from '../../common/errors.ts';
import type { RunContext } from '../../common/progress.ts';
import { readSafetensors } from '../checkpoint/safetensors/safetensors.ts';
import { writeSafetensors } from '../checkpoint/safetensors/safetensors-write.ts';
import type { Sample } from '../data/image-folder.ts';
import { ImageLoader } from '../data/loader.ts';
import type { Transform } from '../data/transforms.ts';
import { float32Tensor, toFloat32, type Weights } from '../graph/tensor.ts';
import type { Teacher } from '../training/training-loop.ts';

export interface CacheSource {
  readonly file: string;
  readonly weights: Weights;
  readonly classes: number;
  readonly samples: readonly Sample[];
  /** What is done to an image before the teacher sees it: the same for every epoch. */
  readonly transform: Transform;
  readonly batchSize: number;
  readonly workers: number | undefined;
}

const LOGITS = 'logits';
const KEY = 'espalier.teacher';
const MOST_BYTES = 2 ** 31;

/** Everything that the logits depend on. */
function keyOf({ weights, samples, transform }: CacheSource): string {
  const hash = createHash('sha256');
  for (const [name, { data }] of weights) {
    hash.update(name);
    hash.update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }
  hash.update(JSON.stringify([transform, samples.map(({ file }) => file)]));
  return hash.digest('hex');
}

/** Logits of every image, [samples, classes]; images that cannot be read keep zeros, and never reach training. */
async function computeAll(source: CacheSource, compute: Teacher, context: RunContext): Promise<Float32Array> {
  const { samples, classes, transform, batchSize, workers } = source;
  const row = new Map(samples.map(({ file }, i) => [file, i]));
  const logits = new Float32Array(samples.length * classes);
  const loader = new ImageLoader({ samples, transform, batchSize, ...(workers !== undefined && { workers }) });
  try {
    let done = 0;
    for await (const batch of loader.batches(context.signal ? { signal: context.signal } : {})) {
      const rows = await compute(batch);
      batch.files.forEach((file, i) => {
        logits.set(rows.subarray(i * classes, (i + 1) * classes), (row.get(file) ?? 0) * classes);
      });
      done += batch.count;
      context.progress?.({ phase: 'teacher', done, total: samples.length });
    }
    return logits;
  } finally {
    await loader.close();
  }
}

/**
 * A teacher that looks its logits up. They are computed before training begins, in the images' order, so that they are the same
 * wherever a run is broken off and resumed.
 *
 * @param open gives the teacher that computes, where the file is missing or for other images or weights
 * @throws UserError where the logits would not fit into memory
 */
export async function cachedTeacher(
  source: CacheSource,
  open: () => Promise<{ readonly compute: Teacher; close(): Promise<void> }>,
  context: RunContext,
): Promise<Teacher> {
  const { file, samples, classes } = source;
  if (samples.length * classes * 4 > MOST_BYTES)
    throw new UserError(`--teacher-cache would need over 2 GB for ${samples.length} images of ${classes} classes.`);
  const key = keyOf(source);
  const row = new Map(samples.map((sample, i) => [sample.file, i]));
  let logits = await readLogits(file, key);
  if (!logits) {
    const teacher = await open();
    logits = await computeAll(source, teacher.compute, context).finally(() => teacher.close());
    const tensor = float32Tensor([samples.length, classes], logits);
    await writeSafetensors(file, new Map([[LOGITS, tensor]]), { [KEY]: key }, context);
  }
  const all = logits;
  return async (batch) => {
    const rows = new Float32Array(batch.count * classes);
    batch.files.forEach((name, i) => {
      const at = row.get(name);
      if (at === undefined) throw new Error(`the teacher's cache has no ${name}`);
      rows.set(all.subarray(at * classes, (at + 1) * classes), i * classes);
    });
    return rows;
  };
}

/** The file's logits, or undefined where it is missing or for something else. Throws UserError for a damaged file. */
async function readLogits(file: string, key: string): Promise<Float32Array | undefined> {
  if (!existsSync(file)) return undefined;
  const { weights, metadata } = await readSafetensors(file);
  if (metadata[KEY] === undefined)
    throw new UserError(`${file} holds no teacher outputs: choose another file for --teacher-cache.`);
  const tensor = weights.get(LOGITS);
  return tensor && metadata[KEY] === key ? toFloat32(tensor) : undefined;
}
