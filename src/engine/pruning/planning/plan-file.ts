/**
 * A plan as a file: JSON that reads well as a difference between two versions. Groups, heads and scopes stand one a line, in the order
 * of their names, so that a layer that keeps other channels is one changed line.
 */
import * as v from 'valibot';
import { UserError } from '../../../common/errors.ts';
import { headsName, rootName } from '../coupling/groups.ts';
import type { Plan } from './plan-types.ts';

/** `layer2` before `layer10`, in every language. */
export const byName = (a: string, b: string): number => a.localeCompare(b, 'en', { numeric: true });

/** An array with one entry a line. */
const lines = (entries: readonly unknown[]): string =>
  entries.length === 0 ? '[]' : `[\n${entries.map((entry) => `    ${JSON.stringify(entry)}`).join(',\n')}\n  ]`;

/** The file's text; `extra`: further fields, such as the settings that the plan was made with. */
export function planText(plan: Plan, extra: Readonly<Record<string, unknown>> = {}): string {
  const { scopes, groups, heads, ...rest } = plan;
  const fields: readonly (readonly [name: string, value: string])[] = [
    ...Object.entries({ ...rest, ...extra })
      .filter(([, value]) => value !== undefined)
      .map(([name, value]) => [name, JSON.stringify(value)] as const),
    ['scopes', lines(scopes)],
    ['groups', lines(groups.toSorted((a, b) => byName(rootName(a), rootName(b))))],
    ['heads', lines(heads.toSorted((a, b) => byName(headsName(a), headsName(b))))],
  ];
  return `{\n${fields.map(([name, value]) => `  ${JSON.stringify(name)}: ${value}`).join(',\n')}\n}\n`;
}

const index = v.pipe(v.number(), v.integer(), v.minValue(0));
const cost = v.looseObject({ macs: v.number(), params: v.number() });

/** What reading takes of a plan; files of every version have it. */
const savedPlan = v.looseObject({
  model: v.string(),
  groups: v.array(
    v.looseObject({
      root: v.string(),
      side: v.picklist(['in', 'out']),
      part: v.exactOptional(index),
      width: index,
      channelGroups: v.exactOptional(index, 1),
      kept: v.array(index),
    }),
  ),
  heads: v.exactOptional(
    v.array(v.looseObject({ layer: v.string(), part: v.exactOptional(index), count: index, kept: v.array(index) })),
    [],
  ),
  blocks: v.exactOptional(v.looseObject({ removed: v.array(v.string()) })),
  before: cost,
  after: cost,
});

export type SavedPlan = v.InferOutput<typeof savedPlan>;

/** @throws UserError naming the file when its text is no plan */
export function readPlanText(text: string, file: string): SavedPlan {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new UserError(`${file} is no plan: it is no JSON (${(error as Error).message}).`);
  }
  const found = v.safeParse(savedPlan, value);
  if (found.success) return found.output;
  const [issue] = found.issues;
  const place = v.getDotPath(issue) ?? 'the whole';
  throw new UserError(
    `${file} is no plan: ${place}: ${issue.message}. "prune --save-plan" and "Save Plan…" write plans.`,
  );
}
