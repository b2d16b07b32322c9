/** Checks the settings in a saved plan: anybody can write such a file. */
import * as v from 'valibot';
import type { PlanSettings } from '../../protocol/values.ts';

const text = v.pipe(v.string(), v.maxLength(10_000));
const share = v.pipe(v.number(), v.minValue(0), v.maxValue(1));
const count = v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(2 ** 24));

const settings = v.strictObject({
  target: v.variant('kind', [
    v.strictObject({ kind: v.literal('macs'), text }),
    v.strictObject({ kind: v.literal('ms'), text }),
    v.strictObject({ kind: v.literal('ratio'), ratio: share }),
  ]),
  isomorphic: v.exactOptional(v.boolean()),
  global: v.exactOptional(v.boolean()),
  roundTo: v.exactOptional(v.pipe(count, v.minValue(1))),
  maxRatio: v.exactOptional(share),
  headRatio: v.exactOptional(share),
  headDimRatio: v.exactOptional(share),
  scopeRatios: v.exactOptional(v.record(text, share)),
  spread: v.exactOptional(v.strictObject({ dataPath: text, images: v.pipe(count, v.minValue(1)) })),
  removeLayers: v.exactOptional(count),
  pins: v.exactOptional(v.array(v.strictObject({ layer: text, side: v.picklist(['out', 'in', 'both']) }))),
  ignore: v.exactOptional(v.array(text)),
});

/** Settings that a plan was made with, the target among them. */
export type SavedSettings = Partial<PlanSettings> & Pick<PlanSettings, 'target'>;

/** What the widths of a saved plan cost; plans of other programs may not say. */
const after = v.optional(v.fallback(v.object({ macs: v.pipe(v.number(), v.minValue(1)) }), { macs: 0 }));

/**
 * The settings in the text of a saved plan, and the MACs of its widths. Plans of explorations and of the command line say none: they are
 * their widths.
 * @throws Error with the place and what is wrong there
 */
export function parsePlanSettings(json: string): {
  readonly settings: SavedSettings | undefined;
  readonly macs: number | undefined;
} {
  const schema = v.object({ settings: v.exactOptional(settings), groups: v.array(v.unknown()), after });
  const result = v.safeParse(schema, JSON.parse(json), { abortEarly: true });
  if (result.success) return { settings: result.output.settings, macs: result.output.after?.macs || undefined };
  const [issue] = result.issues;
  throw new Error(`${v.getDotPath(issue) ?? 'it'}: ${issue.message.slice(0, 200)}`);
}
