/** Checks a plan that comes from a file: anybody can write one, and its fields decide what is cut. */
import * as v from 'valibot';
import { firstIssue } from '../../graph/graph-schema.ts';
import type { Plan } from './plan-types.ts';

const name = v.pipe(v.string(), v.maxLength(10_000));
const amount = v.pipe(v.number(), v.finite(), v.minValue(0));
const share = v.pipe(amount, v.maxValue(1));
const width = v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(2 ** 24));
/** Channels that stay, ascending. */
export const keptIndices = v.pipe(
  v.array(width),
  v.maxLength(2 ** 24),
  v.check((kept) => kept.every((index, i) => i === 0 || index > kept[i - 1]), 'is not in ascending order'),
);
/** Which of several of one name: see `rootName`. */
export const part = v.exactOptional(v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(2 ** 20)));
const stayed = v.exactOptional(v.literal('emptied'));
const cost = v.strictObject({ macs: amount, macsTrue: amount, params: amount });

const planSchema: v.GenericSchema<unknown, Plan> = v.strictObject({
  version: v.literal(1),
  model: name,
  options: v.strictObject({
    ratio: share,
    headRatio: v.exactOptional(share),
    headDimRatio: v.exactOptional(share),
    isomorphic: v.exactOptional(v.boolean()),
    global: v.exactOptional(v.boolean()),
    roundTo: v.exactOptional(v.pipe(width, v.minValue(1))),
    maxRatio: v.exactOptional(share),
    scopeRatios: v.exactOptional(v.record(name, share)),
  }),
  targetMacs: v.exactOptional(amount),
  scopes: v.array(
    v.strictObject({
      id: width,
      kind: v.picklist(['isomorphic', 'global', 'local', 'headDim']),
      chain: v.string(),
      ratio: v.pipe(v.number(), v.finite()),
      groups: width,
      channels: width,
      threshold: v.exactOptional(v.nullable(v.number())),
    }),
  ) as unknown as v.GenericSchema<unknown, Plan['scopes']>,
  groups: v.array(
    v.strictObject({
      root: name,
      side: v.picklist(['out', 'in']),
      part,
      scope: v.exactOptional(width),
      width,
      channelGroups: width,
      kept: keptIndices,
      why: name,
      stayed,
    }),
  ),
  heads: v.array(v.strictObject({ layer: name, part, count: width, kept: keptIndices, why: name, stayed })),
  blocks: v.exactOptional(v.strictObject({ stage: name, removed: v.array(name), kept: v.array(width), why: name })),
  before: cost,
  after: cost,
  // What the editor saves beside a plan: the settings that it was made with.
  settings: v.exactOptional(v.record(v.string(), v.unknown())),
}) as unknown as v.GenericSchema<unknown, Plan>;

/**
 * The plan that a text holds: a saved one, or what `--plan-only --json` printed.
 * @throws Error with the place and what is wrong there
 */
export function planFromJson(text: string): Plan {
  const value: unknown = JSON.parse(text);
  // The line that `prune --plan-only --json` prints has the plan beside its figures.
  const isBeside = typeof value === 'object' && value !== null && 'plan' in value && !('groups' in value);
  const result = v.safeParse(planSchema, isBeside ? value.plan : value, { abortEarly: true });
  if (!result.success) throw new Error(firstIssue(result.issues));
  return result.output;
}
