/** Checks where a run computes, in a record or an order that comes from disk. */
import * as v from 'valibot';
import { JOB_ENGINES } from './run-place.ts';

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(1));

export const runPlaceSchema = v.strictObject({
  engine: v.picklist(JOB_ENGINES),
  nodes: count,
  processes: count,
  dataPath: v.pipe(v.string(), v.maxLength(10_000)),
  onlyWrite: v.exactOptional(v.boolean()),
});
