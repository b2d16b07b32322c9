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
import { contentHash, stampHash } from '../files/content-hash.ts';
import type { Graph } from '../graph/graph.ts';
import { graphToJson } from '../graph/serialize.ts';
import { float32Tensor, toFloat32, type Weights } from '../graph/tensor.ts';
import type { Teacher } from '../training/objective.ts';

export interface CacheSource {
  readonly file: string;
  /** Another file that is looked at first, and only read. */
  readonly readFirst?: string;
  readonly graph: Graph;
  readonly weights: Weights;
  readonly classes: number;
  readonly samples: readonly Sample[];
  /** What is done to an image before the teacher sees it: the same for every epoch. */
  readonly transform: Transform;
  readonly batchSize: number;
  readonly workers: number | undefined;
}

const LOGITS = 'logits';
/** What teaches, and how it sees an image. */
const KEY = 'espalier.teacher';
/** What the images hold; and their sizes and times, which save reading them where they are the same. */
const CONTENTS = 'espalier.teacher.images';
const STAMPS = 'espalier.teacher.stamps';
const MOST_BYTES = 2 ** 31;

/** Everything that the logits depend on but the images. */
function keyOf({ graph, weights, transform }: CacheSource): string {
  const hash = createHash('sha256');
  hash.update(graphToJson(graph));
  for (const [name, { data }] of weights) {
    hash.update(name);
    hash.update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }
  hash.update(JSON.stringify(transform));
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
  const { samples, classes } = source;
  if (samples.length * classes * 4 > MOST_BYTES)
    throw new UserError(`--teacher-cache would need over 2 GB for ${samples.length} images of ${classes} classes.`);
  const row = new Map(samples.map((sample, i) => [sample.file, i]));
  const logits = await logitsOf(source, open, context);
  return async (batch) => {
    const rows = new Float32Array(batch.count * classes);
    batch.files.forEach((name, i) => {
      const at = row.get(name);
      if (at === undefined) throw new Error(`the teacher's cache has no ${name}`);
      rows.set(logits.subarray(at * classes, (at + 1) * classes), i * classes);
    });
    return rows;
  };
}

/** The file's logits, where they are of this teacher and these images; else computed, and kept there. */
async function logitsOf(
  source: CacheSource,
  open: () => Promise<{ readonly compute: Teacher; close(): Promise<void> }>,
  context: RunContext,
): Promise<Float32Array> {
  const files = source.samples.map((sample) => sample.file);
  const key = keyOf(source);
  for (const file of [source.readFirst, source.file]) {
    const cached = file === undefined ? undefined : await readCache(file, key);
    if (cached && (await isOfImages(cached, files, context))) return cached.logits;
  }
  const images = { [STAMPS]: await stampHash(files), [CONTENTS]: await contentHash(files, context.signal) };
  const teacher = await open();
  const logits = await computeAll(source, teacher.compute, context).finally(() => teacher.close());
  await keep(source, logits, { [KEY]: key, ...images }, context);
  return logits;
}

/** Writes the file; where that cannot be, the run goes on with what it holds, and it is said. */
async function keep(
  { file, samples, classes }: CacheSource,
  logits: Float32Array,
  metadata: Readonly<Record<string, string>>,
  context: RunContext,
): Promise<void> {
  try {
    const tensor = float32Tensor([samples.length, classes], logits);
    await writeSafetensors(file, new Map([[LOGITS, tensor]]), metadata, context);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    context.note?.(`The teacher's outputs could not be kept for the next time. ${error.message}`);
  }
}

interface Cached {
  readonly logits: Float32Array;
  readonly stamps: string | undefined;
  readonly contents: string | undefined;
}

async function isOfImages(
  { stamps, contents }: Cached,
  files: readonly string[],
  { signal }: RunContext,
): Promise<boolean> {
  return stamps === (await stampHash(files)) || contents === (await contentHash(files, signal));
}

/** The file's logits, or undefined where it is missing or of another teacher. Throws UserError for a damaged file. */
async function readCache(file: string, key: string): Promise<Cached | undefined> {
  if (!existsSync(file)) return undefined;
  const { weights, metadata } = await readSafetensors(file);
  if (metadata[KEY] === undefined)
    throw new UserError(`${file} holds no teacher outputs: choose another file for --teacher-cache.`);
  const tensor = weights.get(LOGITS);
  if (!tensor || metadata[KEY] !== key) return undefined;
  return { logits: toFloat32(tensor), stamps: metadata[STAMPS], contents: metadata[CONTENTS] };
}
