/** Targets in milliseconds, as the worker plans and carries them out. What runs take is never held to a figure. */
import assert from 'node:assert/strict';
import { readdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { latencyFolder } from '../../src/engine/jobs/latency/latency-cache.ts';
import type { LatencyView } from '../../src/protocol/latency-values.ts';
import type { PlanRequest } from '../../src/protocol/messages.ts';
import { DEFAULT_PLAN, type ModelSource, type PlanSettings } from '../../src/protocol/values.ts';
import { cachedLatency, runLatency } from '../../src/worker/handle-latency.ts';
import { computePlan, exportPlan, planChanges, planRange, runPrune } from '../../src/worker/handle-plan.ts';
import { runSensitivity } from '../../src/worker/handle-sensitivity.ts';
import { findModel, forgetModel } from '../../src/worker/open-models.ts';
import { errorShape } from '../../src/worker/wire-errors.ts';
import { tinyImages, tinyModel, workFolder } from '../engine/training/tiny.ts';

const work = workFolder();
const folder = latencyFolder(work);
const scores = { criterion: 'l1', batches: 0, batchSize: 0, seed: 0 } as const;
const reported: string[] = [];
const signal = new AbortController().signal;
const context = {
  signal,
  progress: ({ phase }: { phase: string }) => void reported.push(phase),
  note: () => undefined,
} as never;

let dataPath: string;
let source: ModelSource;
let view: LatencyView;
const roundTo = 1;

const timed = (text: string, change: Partial<PlanSettings> = {}): PlanRequest => ({
  source,
  scores,
  plan: { ...DEFAULT_PLAN, roundTo, target: { kind: 'ms', text }, ...change },
  times: view.key,
});

before(async () => {
  process.env['ESPALIER_WORKSPACE'] = work;
  process.env['ESPALIER_BACKEND'] = 'embedded';
  dataPath = await tinyImages(work);
  source = { kind: 'file', path: tinyModel(dataPath) };
  assert.equal(await cachedLatency({ source, roundTo }, context), null, 'nothing was measured yet');
  view = await runLatency({ source, scores, plan: { ...DEFAULT_PLAN, roundTo } }, context);
});
after(() => forgetModel(source));

test('what was measured says of which machine it is, what it is worth, and how far it was meanwhile', () => {
  assert.match(view.where, /ONNX Runtime .*, \d+ threads?, batch 1$/);
  assert.ok(view.dense > 0 && view.error >= 0 && view.heldOut === 4 && view.roundTo === roundTo);
  assert.deepEqual([...new Set(reported)].slice(-2), ['latency', 'networks']);
});

test('it is known again after the worker has ended, at the same multiples of widths only', async () => {
  forgetModel(source);
  assert.deepEqual(await cachedLatency({ source, roundTo }, context), view);
  assert.equal(await cachedLatency({ source, roundTo: 4 }, context), null);
});

test('a plan is predicted to keep the time, smaller at a shorter one; the range ends at the dense model', async () => {
  const range = await planRange(timed('50%'), context);
  const { min, max } = range.milliseconds ?? assert.fail('no milliseconds');
  assert.equal(max, view.dense);
  assert.ok(min < max && range.min < range.max);
  const between = (share: number): number => min + share * (max - min);
  const plans = await Promise.all([0.3, 0.7].map((share) => computePlan(timed(`${between(share)}ms`), context)));
  for (const [i, { time, target, after: left }] of plans.entries()) {
    assert.ok(time && time.predicted <= between([0.3, 0.7][i]));
    assert.ok(Math.abs((time.asked ?? 0) - between([0.3, 0.7][i])) < 1e-9);
    assert.equal(target, left.macs);
  }
  assert.ok(plans[0].after.macs < plans[1].after.macs);
  const whole = await computePlan(timed('100%'), context);
  assert.equal(whole.after.macs, whole.before.macs, 'nothing goes at the end of the slider');
  const seconds = await computePlan(timed(`${between(0.7) / 1000} s`), context);
  assert.deepEqual(seconds.kept, plans[1].kept);
});

test('a plan of MACs says what it is predicted to take, where times are named', async () => {
  const request = { ...timed(''), plan: { ...DEFAULT_PLAN, roundTo } };
  const plan = await computePlan(request, context);
  assert.ok(plan.time && plan.time.predicted > 0 && plan.time.asked === undefined);
  assert.equal((await computePlan({ ...request, times: undefined }, context)).time, undefined);
  // The time of a plan asks for that plan again.
  const again = await computePlan(timed(`${Math.min(plan.time.predicted, view.dense)}ms`), context);
  assert.ok(again.after.macs >= plan.after.macs);
});

test('what lies outside of the range is refused with it, and what is no time, in words of the editor', async () => {
  const refusal = async (text: string, change?: Partial<PlanSettings>): Promise<string> => {
    const error = await Promise.resolve(computePlan(timed(text, change), context)).then(() => assert.fail(), String);
    assert.doesNotMatch(error, /--/);
    return error;
  };
  assert.match(await refusal('0.0001 %'), /cannot be pruned to .* ms: with these options .* to .* ms/);
  assert.match(await refusal('200%'), /takes .* ms already/);
  assert.match(await refusal('half'), /cannot be read as a time/);
  assert.match(await refusal('50%', { removeLayers: 1 }), /removes no whole blocks/);
});

test('times that are not those of what computes now are not used', async () => {
  for (const times of [undefined, 'another machine']) {
    const error = await Promise.resolve(computePlan({ ...timed('90%'), times }, context)).catch((e: unknown) => e);
    assert.equal(errorShape(error, signal).kind, 'timesMissing');
  }
  const wider = { ...timed('90%'), plan: { ...timed('90%').plan, roundTo: 4 } };
  const error = await Promise.resolve(computePlan(wider, context)).catch((e: unknown) => e);
  assert.equal(errorShape(error, signal).kind, 'timesMissing', 'other multiples of widths');
});

test('spread by sensitivity: at the time, and of other channels', async () => {
  const spread = { dataPath, images: 16 };
  await runSensitivity({ source, scores, settings: spread }, context);
  const { milliseconds } = await planRange(timed('50%'), context);
  const { min, max } = milliseconds ?? assert.fail();
  const text = `${(min + max) / 2}ms`;
  const bySensitivity = await computePlan(timed(text, { spread }), context);
  const uniform = await computePlan(timed(text), context);
  assert.ok(bySensitivity.time && bySensitivity.time.predicted <= (min + max) / 2);
  assert.notDeepEqual(bySensitivity.kept, uniform.kept);
  const [same] = await planChanges({ ...timed(text), others: [scores] }, context);
  assert.equal(same?.others, 0);
});

test('a saved plan has the time as its target, and neither machine nor key', async () => {
  const { json } = await exportPlan(timed('100%'), context);
  assert.deepEqual(JSON.parse(json).settings.target, { kind: 'ms', text: '100%' });
  assert.ok(!json.includes(view.key) && !json.includes(view.where));
});

/** Times of real runs may be anything: either the target was kept, or it says how near it came. */
async function pruned(name: string, request: PlanRequest, repair?: 'uniform' | 'sensitivity'): Promise<void> {
  const output = path.join(work, `${name}.safetensors`);
  const repairing = repair && { repair: { dataPath, images: 16, allocate: repair } };
  const asked = { ...request, output, overwrite: false, ...repairing };
  const found = await Promise.resolve(runPrune(asked, context)).catch((error: Error) => error);
  if (found instanceof Error) {
    assert.match(found.message, /was not brought to .* ms: the fastest plan of \d+ took .* ms/);
    return;
  }
  const { latency, after: left, before: dense } = found;
  assert.ok(latency && latency.measured <= latency.asked, name);
  assert.equal(latency.where, view.where);
  assert.ok(latency.plans >= 1 && latency.predicted > 0);
  assert.ok(left.macs <= dense.macs);
}

test('pruning runs plans whole and takes one that kept the time: as planned, spread, spread while repairing', async () => {
  await pruned('plain', { ...timed('95%') });
  await pruned('spread', timed('95%', { spread: { dataPath, images: 16 } }));
  await pruned('weighed', timed('95%'), 'sensitivity');
  const output = path.join(work, 'whole.safetensors');
  const whole = Promise.resolve(runPrune({ ...timed('100%'), output, overwrite: false }, context));
  await assert.rejects(whole, /nothing to prune/);
});

test('what was kept is in the workspace, as the command line keeps it; without it nothing is known after the worker has ended', async () => {
  const names = readdirSync(folder);
  assert.ok(names.some((name) => name.endsWith('.fit.json')) && names.length === 2, names.join());
  rmSync(folder, { recursive: true });
  assert.ok(await cachedLatency({ source, roundTo }, context), 'held');
  forgetModel(source);
  assert.equal(await cachedLatency({ source, roundTo }, context), null);
  assert.equal((await findModel(source)).heldTimes.length, 0);
});
