/** Scores of a model's groups, cached on disk by weights, data and criterion: a new target needs no new scoring. */
import { createHash, type Hash } from 'node:crypto';
import { mkdir, readdir, rm, stat, utimes } from 'node:fs/promises';
import path from 'node:path';
import { CRITERIA, type Criterion, needsGradients } from '../../common/criteria.ts';
import { UserError } from '../../common/errors.ts';
import type { RunContext } from '../../common/progress.ts';
import { readSafetensors } from '../checkpoint/safetensors/safetensors.ts';
import { writeSafetensors } from '../checkpoint/safetensors/safetensors-write.ts';
import type { Executor } from '../compute/executor.ts';
import { removeAbandoned } from '../files/atomic-write.ts';
import { contentHash } from '../files/content-hash.ts';
import { fileError, systemErrorCode } from '../files/file-errors.ts';
import { graphToJson } from '../graph/serialize.ts';
import type { Tensor, Weights } from '../graph/tensor.ts';
import type { Groups } from '../pruning/coupling/groups.ts';
import { type GradientSource, type Scores, scoreGroups } from '../pruning/scoring/importance.ts';
import type { Normaliser } from '../pruning/scoring/normalisers.ts';
import { type GradientData, gradientFilesOf, gradientsFromData, gradientsFromFiles } from './collect-gradients.ts';
import { dataFor } from './evaluate.ts';
import type { ModelRecord } from './record.ts';

export interface ScoreRequest {
  readonly criterion: Criterion;
  readonly normaliser?: Normaliser;
  /** For criteria that need gradients: images, unless there are files. */
  readonly data?: GradientData;
  /** For these: gradients in files. */
  readonly gradientFiles?: readonly string[];
  /** For random. */
  readonly seed?: number;
  /** Folder of the cache; undefined for none. */
  readonly cache?: string;
}

export interface ScoreReport {
  readonly scores: Scores;
  readonly cached: boolean;
  /** What was scored with, for what comes after pruning; undefined from the cache and for weights alone. */
  readonly gradients?: GradientSource;
}

/** The request for a model that may know the names of its classes. */
export const scoringFor = (model: { readonly record: ModelRecord }, request: ScoreRequest): ScoreRequest =>
  request.data ? { ...request, data: dataFor(model, request.data) } : request;

/** Scores of so many models and data sets are kept; the ones not used for longest go first. */
const MOST_CACHED = 64;

/** Where scores are kept, beside a workspace's runs. */
export const scoresFolder = (workspace: string): string => path.join(workspace, '.espalier', 'cache', 'scores');

const channelsName = (group: number): string => `group/${group}`;

function hashWeights(hash: Hash, weights: Weights): void {
  for (const [name, { dtype, data }] of weights) {
    hash.update(`${name} ${dtype}\n`);
    hash.update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }
}

/** Everything that the scores depend on, as a file name. */
async function cacheKey(
  groups: Groups,
  weights: Weights,
  request: ScoreRequest,
  signal: AbortSignal | undefined,
): Promise<string> {
  const hash = createHash('sha256');
  const { criterion, normaliser, data, seed } = request;
  hash.update(graphToJson(groups.graph));
  hashWeights(hash, weights);
  hash.update(JSON.stringify({ criterion, normaliser, seed }));
  if (data) {
    const { workers: _, ...images } = data;
    hash.update(JSON.stringify(images));
    hash.update(await contentHash(await gradientFilesOf(groups.graph, data), signal));
  }
  return hash.digest('hex').slice(0, 40);
}

async function readCached(file: string, groups: Groups, request: ScoreRequest): Promise<Scores | undefined> {
  const cached = await readSafetensors(file).catch(() => undefined);
  if (!cached) return undefined;
  const now = new Date();
  // It is used again, so it goes last. Where that cannot be written, the scores are right all the same.
  await utimes(file, now, now).catch(() => undefined);
  return {
    criterion: request.criterion,
    normaliser: request.normaliser ?? 'mean',
    channels: groups.groups.map(({ id }) => cached.weights.get(channelsName(id))?.data as Float64Array | undefined),
  };
}

/** Keeps scores for the next time; where that cannot be, nothing is lost but that, and it is said. */
async function keepCached(folder: string, file: string, scores: Scores, { note }: RunContext): Promise<void> {
  try {
    await writeCached(folder, file, scores);
  } catch (error) {
    if (!systemErrorCode(error) && !(error instanceof UserError)) throw error;
    note?.(`The scores could not be kept for the next time. ${error instanceof Error ? error.message : ''}`.trim());
  }
}

async function writeCached(folder: string, file: string, scores: Scores): Promise<void> {
  await mkdir(folder, { recursive: true }).catch((error: unknown) => {
    throw fileError('make the folder', folder, error);
  });
  await removeAbandoned(folder);
  const tensors = scores.channels.flatMap((data, id): [string, Tensor][] =>
    data ? [[channelsName(id), { dtype: 'float64', shape: [data.length], data }]] : [],
  );
  await writeSafetensors(file, new Map(tensors));
  const files = (await readdir(folder)).filter((name) => !name.startsWith('.')).map((name) => path.join(folder, name));
  if (files.length <= MOST_CACHED) return;
  const aged = await Promise.all(files.map(async (f) => ({ f, time: (await stat(f)).mtimeMs })));
  aged.sort((a, b) => a.time - b.time);
  for (const { f } of aged.slice(0, files.length - MOST_CACHED)) await rm(f, { force: true });
}

async function findGradients(
  groups: Groups,
  weights: Weights,
  request: ScoreRequest,
  executor: () => Promise<Executor>,
  context: RunContext,
  every: boolean,
): Promise<GradientSource | undefined> {
  const { criterion, gradientFiles, data } = request;
  const use = CRITERIA[criterion].gradients;
  if (use === 'none') return undefined;
  if (gradientFiles?.length) return gradientsFromFiles(gradientFiles, criterion);
  if (!data) throw new UserError(`${criterion} scores need images (--data-path) or gradients (--gradients)`);
  return gradientsFromData(groups.graph, weights, use, data, await executor(), context, every);
}

/**
 * Scores all groups. `executor` is asked for only when gradients must be computed.
 *
 * @param options.gradients asks for the gradients of every parameter too, so that the cache is not used
 */
export async function scoreModel(
  groups: Groups,
  weights: Weights,
  request: ScoreRequest,
  executor: () => Promise<Executor>,
  context: RunContext = {},
  options: { readonly gradients?: boolean } = {},
): Promise<ScoreReport> {
  const { cache, criterion, normaliser, seed } = request;
  const folder = cache && needsGradients(criterion) && !request.gradientFiles?.length ? cache : undefined;
  const file = folder && path.join(folder, `${await cacheKey(groups, weights, request, context.signal)}.safetensors`);
  if (file && !options.gradients) {
    const scores = await readCached(file, groups, request);
    if (scores) return { scores, cached: true };
  }
  const gradients = await findGradients(groups, weights, request, executor, context, options.gradients ?? false);
  const scores = await scoreGroups(
    groups,
    weights,
    {
      criterion,
      ...(normaliser && { normaliser }),
      ...(gradients && { gradients }),
      ...(seed !== undefined && { seed }),
    },
    context,
  );
  if (folder && file) await keepCached(folder, file, scores, context);
  return { scores, cached: false, ...(gradients && { gradients }) };
}
