/** Checks the files by which a run and windows talk: a repository can bring a folder with such files along. */
import * as v from 'valibot';
import { CRITERION_NAMES } from '../common/criteria.ts';
import type { RunEnd, RunLive, RunOrder, RunStart } from './run-files.ts';
import { runPlaceSchema } from './run-place-schema.ts';

const text = v.pipe(v.string(), v.maxLength(1_000_000));
const line = v.pipe(v.string(), v.maxLength(10_000));
const number = v.pipe(v.number(), v.finite());
/** A figure that may be no number: JSON has null for it. */
const figure = v.nullable(v.number());
const count = v.pipe(v.number(), v.safeInteger(), v.minValue(1));
const pid = count;

const source = v.variant('kind', [
  v.strictObject({
    kind: v.literal('file'),
    path: line,
    architecture: v.exactOptional(line),
    useEma: v.exactOptional(v.boolean()),
  }),
  v.strictObject({ kind: v.literal('zoo'), name: line }),
]);

const settings = v.strictObject({
  recipe: line,
  dataPath: line,
  flags: v.record(line, v.union([line, number, v.boolean()])),
  place: v.exactOptional(runPlaceSchema),
});

const scores = v.strictObject({
  criterion: v.picklist(CRITERION_NAMES),
  dataPath: v.exactOptional(line),
  batches: count,
  batchSize: count,
  seed: number,
  place: runPlaceSchema,
});

const job = v.strictObject({
  python: line,
  slurm: v.array(line),
  skypilot: v.array(line),
  commands: v.array(line),
});

const progress = v.strictObject({
  phase: line,
  done: number,
  total: number,
  message: v.exactOptional(line),
  rate: v.exactOptional(figure),
  eta: v.exactOptional(figure),
});

const result = v.strictObject({
  epochs: number,
  bestTop1: v.exactOptional(figure),
  bestDistance: v.exactOptional(figure),
  // Of earlier versions.
  lastTop1: v.exactOptional(figure),
  loss: figure,
  imagesPerSecond: figure,
  outputDirectory: line,
  best: line,
  stopped: v.picklist(['finished', 'afterEpoch']),
});

const error = v.strictObject({
  kind: v.picklist(['user', 'cancelled', 'scoresMissing', 'worker', 'defect']),
  message: text,
  stack: v.exactOptional(text),
});

const schemas = {
  // Told apart here, so that what is wrong is said of the one that it is.
  start: v.lazy((value) =>
    typeof value === 'object' && value !== null && 'scores' in value
      ? v.strictObject({ source, scores, resume: v.boolean(), job })
      : v.strictObject({ source, settings, resume: v.boolean(), job: v.exactOptional(job) }),
  ),
  live: v.strictObject({ pid, host: line, progress, notes: v.exactOptional(v.array(text)) }),
  order: v.strictObject({ action: v.picklist(['pause', 'continue', 'stopAfterEpoch', 'stop']), time: line }),
  end: v.variant('kind', [
    v.strictObject({ kind: v.literal('ended'), result }),
    v.strictObject({ kind: v.literal('scored'), gradients: v.exactOptional(line) }),
    v.strictObject({ kind: v.literal('failed'), error }),
  ]),
} as const;

interface RunFileTypes {
  readonly start: RunStart;
  readonly live: RunLive;
  readonly order: RunOrder;
  readonly end: RunEnd;
}

/**
 * What one of a run's files holds.
 * @throws Error with the place and what is wrong there; of JSON.parse for half a file
 */
export function parseRunFile<K extends keyof RunFileTypes>(kind: K, json: string): RunFileTypes[K] {
  const found = v.safeParse(schemas[kind] as v.GenericSchema, JSON.parse(json), { abortEarly: true });
  if (found.success) return found.output as RunFileTypes[K];
  const [issue] = found.issues;
  throw new Error(`${v.getDotPath(issue) ?? 'it'}: ${issue.message.slice(0, 200)}`);
}
