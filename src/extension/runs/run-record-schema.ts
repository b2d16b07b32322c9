/** Checks a run's record that comes from disk: a repository can bring one along. */
import * as v from 'valibot';
import { runPlaceSchema } from '../../protocol/run-place-schema.ts';
import type { RunRecord } from './run-record.ts';

const text = v.pipe(v.string(), v.maxLength(10_000));
const settings = v.record(v.string(), v.unknown());
const source = v.looseObject({ kind: text });
const finetune = v.looseObject({
  recipe: text,
  dataPath: text,
  flags: v.record(v.string(), v.union([text, v.number(), v.boolean()])),
  place: v.exactOptional(runPlaceSchema),
});
const scores = v.looseObject({ place: v.exactOptional(runPlaceSchema), gradients: v.exactOptional(text) });
const output = { source, output: text, overwrite: v.boolean() };

const repair = v.object({
  dataPath: text,
  images: v.pipe(v.number(), v.integer(), v.minValue(1)),
  allocate: v.picklist(['uniform', 'sensitivity']),
});

const request = v.variant('kind', [
  v.object({ kind: v.literal('score'), source, settings: scores }),
  v.object({ kind: v.literal('sensitivity'), source, scores, settings, spread: v.boolean() }),
  v.object({
    kind: v.literal('latency'),
    source,
    scores: v.nullable(settings),
    plan: settings,
    anew: v.boolean(),
    target: v.exactOptional(text),
  }),
  v.object({
    kind: v.literal('prune'),
    ...output,
    scores: v.nullable(settings),
    plan: settings,
    times: v.exactOptional(text),
    repair: v.exactOptional(repair),
  }),
  v.object({ kind: v.literal('explore'), source, settings, plan: settings }),
  v.object({ kind: v.literal('finetune'), source, settings: finetune }),
  v.object({ kind: v.literal('evaluate'), sources: v.array(source), settings }),
  v.object({ kind: v.literal('export'), ...output, format: text }),
  v.object({ kind: v.literal('install') }),
]);

const owner = v.object({ host: text, pid: v.pipe(v.number(), v.integer(), v.minValue(1)) });

const record = v.object({
  // The name of its folder, so that nothing is written or deleted elsewhere.
  id: v.pipe(text, v.regex(/^[^/\\:]+$/), v.notValue('.'), v.notValue('..')),
  number: v.exactOptional(v.pipe(v.number(), v.integer(), v.minValue(1))),
  name: v.exactOptional(text),
  title: text,
  subject: text,
  state: v.picklist(['queued', 'running', 'paused', 'interrupted', 'cancelled', 'failed', 'done']),
  request,
  created: text,
  started: v.exactOptional(text),
  ended: v.exactOptional(text),
  owner: v.exactOptional(owner),
  window: v.exactOptional(owner),
  summary: v.exactOptional(text),
  top1: v.exactOptional(v.pipe(v.number(), v.minValue(0), v.maxValue(1))),
  output: v.exactOptional(text),
  error: v.exactOptional(text),
});

/** The record, or undefined for anything that is none. */
export function parseRunRecord(json: string): RunRecord | undefined {
  try {
    const result = v.safeParse(record, JSON.parse(json));
    return result.success ? (result.output as unknown as RunRecord) : undefined;
  } catch {
    return undefined;
  }
}
