/** What a model's file says of its own history. Kept beside the Graph in the metadata of every file that Espalier writes. */
import * as v from 'valibot';
import { UserError } from '../../common/errors.ts';
import type { ModuleTemplate } from '../checkpoint/modules/module-template.ts';
import { firstIssue } from '../graph/graph-schema.ts';
import type { Cost } from '../graph/macs.ts';
import { keptIndices, part } from '../pruning/planning/plan-schema.ts';
import type { KeptChannels, Plan } from '../pruning/planning/plan-types.ts';

/** One thing that was done to a model, oldest first. */
export interface HistoryStep {
  readonly step: 'pruned' | 'repaired' | 'finetuned' | 'exported';
  /** The file it was made from. */
  readonly parent?: string;
  /** One line for the person: `taylor, isomorphic, 2.05 G of 4.12 G`. */
  readonly summary: string;
  /** Of a pruning: which channels of the network before it stayed. */
  readonly kept?: KeptChannels;
  /** ISO 8601. */
  readonly time: string;
}

export interface ModelRecord {
  /** MACs and parameters of the network that the first step began from. */
  readonly base?: Cost;
  readonly history: readonly HistoryStep[];
  /** Class folder of each output that the model was trained with. */
  readonly classNames?: readonly string[];
  /** The classes of a network that was opened as a whole pickled module, and how many steps had been done to it then. */
  readonly module?: ModuleTemplate & { readonly steps: number };
  /** Of a network that came as ONNX: what its file says, for the way back. */
  readonly onnx?: { readonly opset: number };
}

export const EMPTY_RECORD: ModelRecord = { history: [] };

export { GRAPH_KEY } from '../checkpoint/checkpoint.ts';
export const RECORD_KEY = 'espalier.record';

const count = v.pipe(v.number(), v.finite(), v.minValue(0));
const line = v.pipe(v.string(), v.maxLength(10_000));
const folded = v.pipe(v.string(), v.maxLength(64 * 2 ** 20));
const width = v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(2 ** 24));
const keptSchema = v.object({
  groups: v.array(v.object({ root: line, side: v.picklist(['out', 'in']), part, width, kept: keptIndices })),
  heads: v.array(v.object({ layer: line, part, count: width, kept: keptIndices })),
  blocks: v.exactOptional(v.object({ removed: v.array(line) })),
});
const recordSchema: v.GenericSchema<unknown, ModelRecord> = v.object({
  base: v.exactOptional(v.object({ macs: count, macsTrue: count, params: count })),
  history: v.pipe(
    v.array(
      v.object({
        step: v.picklist([
          'pruned',
          'repaired',
          'finetuned',
          'exported',
        ] as const satisfies readonly HistoryStep['step'][]),
        parent: v.exactOptional(line),
        summary: line,
        kept: v.exactOptional(keptSchema),
        time: line,
      }),
    ),
    v.maxLength(10_000),
  ),
  classNames: v.exactOptional(v.pipe(v.array(line), v.maxLength(1_000_000))),
  module: v.exactOptional(v.object({ pickle: folded, storages: v.record(v.string(), folded), steps: count })),
  onnx: v.exactOptional(v.object({ opset: count })),
});

/**
 * The record in a file's metadata; an empty one where there is none.
 * @throws UserError naming the file and what is no record in it
 */
export function recordFromJson(text: string | undefined, file: string): ModelRecord {
  if (!text) return EMPTY_RECORD;
  let problem: string;
  try {
    const result = v.safeParse(recordSchema, JSON.parse(text), { abortEarly: true });
    if (result.success) return result.output;
    problem = firstIssue(result.issues);
  } catch (error) {
    problem = (error as Error).message;
  }
  throw new UserError(`${file}: the history recorded in it cannot be used (${problem}): the file is damaged.`);
}

/** What a plan keeps, without the groups that lose nothing. */
export function keptOfPlan({ groups, heads, blocks }: Plan): KeptChannels {
  return {
    groups: groups.flatMap(({ root, side, part: number, width: all, kept }) =>
      kept.length < all ? [{ root, side, ...(number && { part: number }), width: all, kept }] : [],
    ),
    heads: heads.flatMap(({ layer, part: number, count: all, kept }) =>
      kept.length < all ? [{ layer, ...(number && { part: number }), count: all, kept }] : [],
    ),
    ...(blocks && { blocks: { removed: blocks.removed } }),
  };
}

/** The record with one more step. */
export function withStep(record: ModelRecord, base: Cost, step: Omit<HistoryStep, 'time'>): ModelRecord {
  return {
    ...record,
    base: record.base ?? base,
    history: [...record.history, { ...step, time: new Date().toISOString() }],
  };
}

/** The record with something added to what its last step says. */
export function withRemark(record: ModelRecord, remark: string): ModelRecord {
  const last = record.history.at(-1);
  if (!last) return record;
  return { ...record, history: [...record.history.slice(0, -1), { ...last, summary: `${last.summary}; ${remark}` }] };
}
