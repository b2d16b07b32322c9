/** What each group is worth, measured by the worker, and plans that are spread by it. */
import assert from 'node:assert/strict';
import path from 'node:path';
import { after, before, test } from 'node:test';
import type { SensitivityView } from '../../src/protocol/graph-view.ts';
import { DEFAULT_PLAN, type ModelSource, type PlanSettings } from '../../src/protocol/values.ts';
import { computePlan, exportPlan, planChanges, runPrune } from '../../src/worker/handle-plan.ts';
import { cachedSensitivity, runSensitivity } from '../../src/worker/handle-sensitivity.ts';
import { findModel, forgetModel } from '../../src/worker/open-models.ts';
import { tinyImages, tinyModel, workFolder } from '../engine/training/tiny.ts';

const work = workFolder();
const scores = { criterion: 'l1', batches: 0, batchSize: 0, seed: 0 } as const;
const context = { signal: new AbortController().signal, progress: () => undefined } as never;

let source: ModelSource;
let view: SensitivityView;
let plan: PlanSettings;

before(async () => {
  const dataPath = await tinyImages(work);
  source = { kind: 'file', path: tinyModel(dataPath) };
  const settings = { dataPath, images: 32 };
  assert.equal(await cachedSensitivity({ source, scores, settings }, context), null, 'nothing was measured yet');
  view = await runSensitivity({ source, scores, settings }, context);
  plan = { ...DEFAULT_PLAN, roundTo: 1, target: { kind: 'macs', text: '60%' }, spread: settings };
});
after(() => forgetModel(source));

test('a curve for each group that can be measured: it falls with the width to nothing', async () => {
  const { groupsView } = await findModel(source);
  assert.equal(view.groups.length, groupsView.groups.length);
  const curves = view.groups.flatMap((curve, group) => (curve ? [{ curve, group }] : []));
  assert.ok(curves.length > 0);
  for (const { curve, group } of curves) {
    assert.ok(groupsView.groups[group].scope >= 0, groupsView.groups[group].name);
    assert.equal(curve.widths.at(-1), groupsView.groups[group].channels);
    assert.equal(curve.errors.at(-1), 0);
    assert.ok(curve.errors.every((error, i) => i === 0 || error <= curve.errors[i - 1] + 1e-9));
    assert.ok(curve.errors[0] > 0);
  }
});

test('a plan spread by it is at the target, and of less summed error than the one of equal shares', async () => {
  const request = { source, scores, plan };
  const spread = await computePlan(request, context);
  const uniform = await computePlan({ ...request, plan: { ...plan, spread: undefined } }, context);
  assert.ok(spread.after.macs <= spread.target && spread.target === uniform.target);
  const open = await findModel(source);
  const curves = [...(open.curvesOf(JSON.stringify([JSON.stringify(['l1', 0]), plan.spread?.dataPath, 32])) ?? [])];
  assert.equal(curves.length, view.groups.filter((curve) => curve !== null).length);
  const error = ({ kept }: { kept: readonly number[] }): number =>
    curves.reduce((sum, { group, errors }) => sum + errors[kept[group]], 0);
  assert.ok(error(spread) < error(uniform), `${error(spread)}, of equal shares ${error(uniform)}`);
  assert.deepEqual(JSON.parse((await exportPlan(request, context)).json).settings.spread, plan.spread);
});

test('a pinned layer stays whole, whatever it is worth', async () => {
  const { groupsView, view: graph } = await findModel(source);
  const group = view.groups.findIndex((curve) => curve !== null);
  const [{ node, side }] = groupsView.groups[group].members;
  const pins = [{ layer: graph.nodes[node].id, side }];
  const { kept } = await computePlan({ source, scores, plan: { ...plan, pins } }, context);
  assert.equal(kept[group], groupsView.groups[group].channels);
});

test('what is spread is written as the plan says', async () => {
  const output = path.join(work, 'spread.safetensors');
  const expected = await computePlan({ source, scores, plan }, context);
  const { after: written } = await runPrune({ source, scores, plan, output, overwrite: false }, context);
  assert.equal(written.macs, expected.after.macs);
});

test('what other scores would keep otherwise: nothing by the same, some by chance, unknown where images are needed', async () => {
  const others = [
    scores,
    { ...scores, criterion: 'random' as const },
    { ...scores, criterion: 'taylor' as const, dataPath: 'none', batches: 1, batchSize: 8 },
  ];
  const request = { source, scores, plan: { ...plan, spread: undefined }, others };
  const [same, chance, unknown] = await planChanges(request, context);
  const { kept } = await computePlan(request, context);
  assert.equal(same?.others, 0);
  assert.ok(same && same.kept > 0 && same.kept <= kept.reduce((sum, count) => sum + count, 0));
  assert.ok(chance && chance.others > 0 && chance.others < chance.kept);
  assert.equal(unknown, null);
});

test('what a spread does not know is refused, and one that was not measured', async () => {
  for (const change of [{ removeLayers: 1 }, { scopeRatios: { conv1: 0.5 } }])
    await assert.rejects(
      async () => computePlan({ source, scores, plan: { ...plan, ...change } }, context),
      /Budgets by sensitivity/,
    );
  const other = { dataPath: plan.spread?.dataPath as string, images: 31 };
  await assert.rejects(
    async () => computePlan({ source, scores, plan: { ...plan, spread: other } }, context),
    /not measured/,
  );
});
