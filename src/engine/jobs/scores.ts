/** Scores of a model's groups, cached on disk by weights, data and criterion: a new target needs no new scoring. */
import { createHash } from 'node:crypto';
import path from 'node:path';
import { CRITERIA, type Criterion, needsGradients } from '../../common/criteria.ts';
import { UserError } from '../../common/errors.ts';
import type { RunContext } from '../../common/progress.ts';
import type { Executor } from '../compute/executor.ts';
import { contentHash } from '../files/content-hash.ts';
import { graphToJson } from '../graph/serialize.ts';
import type { Weights } from '../graph/tensor.ts';
import type { Groups } from '../pruning/coupling/groups.ts';
import { type GradientSource, type Scores, scoreGroups } from '../pruning/scoring/importance.ts';
import type { Normaliser } from '../pruning/scoring/normalisers.ts';
import { type GradientData, gradientFilesOf, gradientsFromData, gradientsFromFiles } from './collect-gradients.ts';
import { dataFor } from './evaluate.ts';
import type { ModelRecord } from './record.ts';
import { hashWeights, keepCached, readCached } from './tensor-cache.ts';

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

/** Where scores are kept, beside a workspace's runs. */
export const scoresFolder = (workspace: string): string => path.join(workspace, '.espalier', 'cache', 'scores');

const channelsName = (group: number): string => `group/${group}`;

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

async function readScores(file: string, groups: Groups, request: ScoreRequest): Promise<Scores | undefined> {
  const cached = await readCached(file);
  return (
    cached && {
      criterion: request.criterion,
      normaliser: request.normaliser ?? 'mean',
      channels: groups.groups.map(({ id }) => cached.get(channelsName(id))),
    }
  );
}

const arraysOf = ({ channels }: Scores): ReadonlyMap<string, Float64Array> =>
  new Map(channels.flatMap((data, id): [string, Float64Array][] => (data ? [[channelsName(id), data]] : [])));

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
    const scores = await readScores(file, groups, request);
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
  if (file) await keepCached(file, arraysOf(scores), 'The scores', context);
  return { scores, cached: false, ...(gradients && { gradients }) };
}
