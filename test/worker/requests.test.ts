/** The worker's answers to the host, over the real wire, on a small model. */
import assert from 'node:assert/strict';
import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import test, { after, before } from 'node:test';
import { buildModel } from '../../src/engine/architectures/registry.ts';
import { saveModel } from '../../src/engine/jobs/opening/model.ts';
import { EMPTY_RECORD } from '../../src/engine/jobs/record.ts';
import { initialiseWeights } from '../../src/engine/training/initialise.ts';
import { RequestError } from '../../src/extension/supervision/request-error.ts';
import { WorkerSupervisor } from '../../src/extension/supervision/worker-supervisor.ts';
import type { ParamsOf, ResultOf, WorkerMethod } from '../../src/protocol/messages.ts';
import { DEFAULT_PLAN, type ModelSource, type PlanSettings, type ScoreSettings } from '../../src/protocol/values.ts';
import { tinyImages, tinyModel } from '../engine/training/tiny.ts';
import { builtProgram } from '../support/built-programs.ts';

let folder: string;
let supervisor: WorkerSupervisor;
let source: Extract<ModelSource, { kind: 'file' }>;

before(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'espalier worker ü-'));
  const graph = buildModel('resnet20');
  assert.ok(graph);
  const file = path.join(folder, 'dense resnet20.safetensors');
  await saveModel(file, graph, initialiseWeights(graph, 1), EMPTY_RECORD);
  source = { kind: 'file', path: file };
  const entry = await builtProgram('worker');
  supervisor = new WorkerSupervisor({ command: () => ({ entry }) });
});

after(async () => {
  await supervisor.dispose();
  await rm(folder, { recursive: true, force: true });
});

const ask = <M extends WorkerMethod>(method: M, params: ParamsOf<M>): Promise<ResultOf<M>> =>
  supervisor.request(method, params);

const refusal = async (promise: Promise<unknown>): Promise<RequestError> => {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof RequestError, String(error));
  return error;
};

const l1: ScoreSettings = { criterion: 'l1', batches: 0, batchSize: 0, seed: 0 };
const half: PlanSettings = { ...DEFAULT_PLAN, target: { kind: 'macs', text: '50%' } };

test('opens a file: recognised, with graph and groups, and no weights cross', async () => {
  const opened = await ask('model/open', { source });
  assert.equal(opened.kind, 'model');
  if (opened.kind !== 'model') return;
  assert.equal(opened.model.name, 'resnet20');
  assert.equal(opened.model.hasWeights, true);
  assert.ok(opened.model.bytes > 1e6);
  assert.ok(opened.groups.scopes.length > 0);
  assert.equal(opened.groups.carried.length, opened.graph.nodes.length);
  assert.ok(JSON.stringify(opened).length < 300_000);
});

test('says what is wrong with a file that is no checkpoint, and reads it again once it is', async () => {
  const file = path.join(folder, 'broken.safetensors');
  await writeFile(file, 'nothing that could be read');
  const broken: ModelSource = { kind: 'file', path: file };
  const error = await refusal(ask('model/open', { source: broken }));
  assert.equal(error.kind, 'user');
  assert.match(error.message, /broken\.safetensors: it announces a header of \d+ bytes, more than the format's/);
  await writeFile(file, await readFile(source.path));
  assert.equal((await ask('model/open', { source: broken })).kind, 'model');
  const missing = await refusal(ask('model/open', { source: { kind: 'file', path: `${file}.pth` } }));
  assert.equal(missing.kind, 'user');
  assert.match(missing.message, /there is no such file/);
});

test('statistics of a layer', async () => {
  const { statistics } = await ask('model/details', { source, node: 'layer1.0.conv1' });
  assert.equal(statistics[0].name, 'layer1.0.conv1.weight');
  assert.ok(statistics[0].min < 0 && statistics[0].max > 0 && statistics[0].std > 0);
  assert.equal((await refusal(ask('model/details', { source, node: 'nowhere' }))).kind, 'user');
});

test('plans by ratio alone before anything is scored', async () => {
  const plan = await ask('plan/compute', { source, scores: null, plan: half });
  assert.equal(plan.unscored, true);
  assert.ok(plan.after.macs <= plan.before.macs / 2 && plan.after.macs > plan.before.macs * 0.45);
  const neverScored: ScoreSettings = { criterion: 'taylor', dataPath: folder, batches: 1, batchSize: 1, seed: 0 };
  const missing = await refusal(ask('plan/compute', { source, scores: neverScored, plan: half }));
  assert.equal(missing.kind, 'scoresMissing');
});

test('scores by the gradients of a file, computes nothing for it, and has none when it is gone', async () => {
  const gradients = path.join(folder, 'gradients.safetensors');
  // The weights in the gradients' place: what matters is which file is read.
  await copyFile(source.path, gradients);
  const settings: ScoreSettings = { criterion: 'taylor', batches: 0, batchSize: 0, seed: 0, gradients };
  const view = await ask('score/run', { source, settings });
  assert.equal(view.label, 'Taylor, gradients.safetensors');
  assert.deepEqual((await ask('score/cached', { source, settings }))?.scopes, view.scopes);
  assert.equal((await ask('plan/compute', { source, scores: settings, plan: half })).unscored, false);
  const gone = { ...settings, gradients: `${gradients}.gone` };
  assert.equal(await ask('score/cached', { source, settings: gone }), null);
});

test('scores, plans in milliseconds, respects pins', async () => {
  const scores = await ask('score/run', { source, settings: l1 });
  assert.match(scores.label, /L1/);
  const counted = scores.scopes.map(({ counts }) => counts.reduce((a, b) => a + b, 0));
  assert.ok(counted.every((count) => count > 0));
  const plan = await ask('plan/compute', { source, scores: l1, plan: half });
  assert.equal(plan.unscored, false);
  const opened = await ask('model/open', { source });
  if (opened.kind !== 'model') throw new Error('not opened');
  const pinnedNode = opened.graph.nodes.findIndex(({ id }) => id === 'layer1.0.conv1');
  assert.ok(plan.widths[pinnedNode] < opened.graph.nodes[pinnedNode].width);
  const pinned: PlanSettings = { ...half, pins: [{ layer: 'layer1.0.conv1', side: 'out' }] };
  const held = await ask('plan/compute', { source, scores: l1, plan: pinned });
  assert.equal(held.widths[pinnedNode], opened.graph.nodes[pinnedNode].width);
  assert.match(held.range.reason, /1 pinned layer/);
  const ignored: PlanSettings = { ...half, ignore: ['layer1.*'] };
  assert.equal((await ask('plan/compute', { source, scores: l1, plan: ignored })).widths[pinnedNode], 16);
});

test('a target out of reach is refused with the range', async () => {
  const error = await refusal(
    ask('plan/compute', { source, scores: l1, plan: { ...half, target: { kind: 'macs', text: '0.01%' } } }),
  );
  assert.equal(error.kind, 'user');
  assert.match(
    error.message,
    /cannot be pruned to .* it can have [\d.]+ [kMG]? ?\([\d.]+ %\) to [\d.]+ [kMG]? ?\(100\.0 %\)/,
  );
});

test('prunes to a new file that opens again with its history, and never overwrites unasked', async () => {
  const output = path.join(folder, 'pruned.safetensors');
  const request = { source, scores: l1, plan: half, output, overwrite: false };
  const result = await ask('prune/run', request);
  assert.equal(result.saved, output);
  const opened = await ask('model/open', { source: { kind: 'file', path: output } });
  if (opened.kind !== 'model') throw new Error('not opened');
  assert.equal(opened.model.macs, result.after.macs);
  assert.equal(opened.model.lineage?.step, 'pruned');
  assert.equal(opened.model.lineage?.parent, source.path);
  const error = await refusal(ask('prune/run', request));
  assert.match(error.message, /exists already/);
  const unscored = await refusal(ask('prune/run', { ...request, scores: null, output: `${output}.2.safetensors` }));
  assert.match(unscored.message, /score the channels first/);
});

test('prunes and repairs: the plan as it is, or budgets by sensitivity; the history has both steps', async () => {
  const dataPath = await tinyImages(folder);
  const small = { kind: 'file', path: tinyModel(dataPath) } as const;
  for (const allocate of ['uniform', 'sensitivity'] as const) {
    const output = path.join(folder, `repaired-${allocate}.safetensors`);
    const repair = { dataPath, images: 16, allocate };
    const request = { source: small, scores: l1, plan: half, output, overwrite: false, repair };
    const { after, before, agreement } = await ask('prune/run', request);
    assert.ok(after.macs <= before.macs / 2);
    assert.ok(agreement !== undefined && agreement >= 0 && agreement <= 1);
    const opened = await ask('model/open', { source: { kind: 'file', path: output } });
    if (opened.kind !== 'model') throw new Error('not opened');
    assert.equal(opened.model.lineage?.step, 'repaired');
    const blocks = { ...request, plan: { ...half, removeLayers: 1 }, output: `${output}.2.safetensors` };
    if (allocate === 'sensitivity') assert.match((await refusal(ask('prune/run', blocks))).message, /no whole blocks/);
  }
});

test('the plan as a file and as text', async () => {
  const { json, text } = await ask('plan/export', { source, scores: l1, plan: half });
  assert.deepEqual(JSON.parse(json).settings, half);
  assert.match(text, /scope 0/);
});

test('a plan without settings is taken as it is, shown, carried out and saved again', async () => {
  const { json } = await ask('plan/export', { source, scores: l1, plan: half });
  const { settings: _, ...widths } = JSON.parse(json);
  const file = path.join(folder, 'widths.json');
  await writeFile(file, JSON.stringify(widths));
  const plan: PlanSettings = { ...DEFAULT_PLAN, target: { kind: 'given', file } };
  const request = { source, scores: l1, plan };
  const [own, given] = [
    await ask('plan/compute', { source, scores: l1, plan: half }),
    await ask('plan/compute', request),
  ];
  assert.deepEqual(given.kept, own.kept);
  assert.deepEqual(given.after, own.after);
  const again = JSON.parse((await ask('plan/export', request)).json);
  assert.equal(again.settings, undefined);
  assert.deepEqual(again.groups, widths.groups);
  const output = path.join(folder, 'given.safetensors');
  assert.deepEqual((await ask('prune/run', { ...request, output, overwrite: false })).after, own.after);
  const repair = { dataPath: folder, images: 8, allocate: 'sensitivity' } as const;
  const spread = await refusal(ask('prune/run', { ...request, output: `${output}.2`, overwrite: false, repair }));
  assert.match(spread.message, /The widths are those of a plan/);
  await writeFile(file, '{"version": 1}');
  assert.match((await refusal(ask('plan/compute', request))).message, /widths\.json is no plan that Espalier saved/);
  await rm(file);
  assert.match(
    (await refusal(ask('plan/compute', request))).message,
    /widths\.json is not there any more: set a target/,
  );
});

test('what another plan does otherwise is a table; what is no plan is refused with its name', async () => {
  const { json } = await ask('plan/export', { source, scores: l1, plan: half });
  const other: PlanSettings = { ...half, target: { kind: 'macs', text: '70%' } };
  const request = { source, scores: l1, plan: other };
  const { markdown } = await ask('plan/diff', { ...request, other: json, name: 'half.plan.json' });
  assert.match(markdown, /^\| {2}\| dense \| this plan \| half\.plan\.json \|/);
  assert.match(markdown, /\d+ groups differ/);
  const same = await ask('plan/diff', { source, scores: l1, plan: half, other: json, name: 'half.plan.json' });
  assert.match(same.markdown, /Both plans keep the same channels\.$/);
  const error = await refusal(ask('plan/diff', { ...request, other: '{}', name: 'x.json' }));
  assert.match(error.message, /^x\.json is no plan/);
});

test('recipes as flags that can be edited', async () => {
  const settings = await ask('finetune/defaults', { source, recipe: 'cifar', dataPath: '/data' });
  assert.equal(settings.flags['epochs'], 5);
  assert.equal(settings.flags['lr-scheduler'], 'onecycle');
  assert.deepEqual(await ask('run/history', { directory: path.join(folder, 'run') }), []);
});

test('a data set folder that is none is refused with what to do', async () => {
  const error = await refusal(ask('dataset/validate', { path: path.join(folder, 'nothing here') }));
  assert.equal(error.kind, 'user');
  assert.match(error.message, /nothing here does not exist\. Choose the folder .* with "Select Data Set…"/);
});

test('exports, and says what computes', async () => {
  const output = path.join(folder, 'model.onnx');
  const { saved } = await ask('export/run', { source, format: 'onnx', output, overwrite: false });
  assert.equal(saved, output);
  const exported = await ask('model/open', { source: { kind: 'file', path: output } });
  assert.ok(exported.kind === 'model' && exported.model.hasWeights);
  const status = await ask('runtime/status', {});
  assert.ok(status.backend.length > 0 && status.device.length > 0);
  assert.equal(status.worker.pid, supervisor.pid);
});

test('the sample: a model that fits its images', async () => {
  const { model, dataset } = await ask('sample/create', { folder: path.join(folder, 'my sample') });
  const opened = await ask('model/open', { source: { kind: 'file', path: model } });
  assert.equal(opened.kind === 'model' && opened.model.classes, 10);
  const checked = await ask('dataset/check', {
    source: { kind: 'file', path: model },
    dataPath: dataset,
    splits: ['train', 'val'],
  });
  assert.deepEqual(checked, {
    splits: [
      { name: 'train', images: 3000, classes: 10 },
      { name: 'val', images: 1000, classes: 10 },
    ],
    modelClasses: 10,
  });
  const other: ModelSource = { kind: 'zoo', name: 'resnet50' };
  const mismatch = await refusal(ask('dataset/check', { source: other, dataPath: dataset, splits: ['val'] }));
  assert.equal(mismatch.kind, 'user');
  assert.match(mismatch.message, /class folders that are not among .* checker, crescent/);
  assert.doesNotMatch(mismatch.message, /--/, 'no flags in the editor');
  const summary = await ask('dataset/validate', { path: dataset });
  assert.deepEqual(
    summary.splits.map(({ classes, images }) => [classes, images]),
    [
      [10, 3000],
      [10, 1000],
    ],
  );
  assert.equal(summary.samples.length, 10);
});

test('zoo models open without weights and are refused where weights are needed', async () => {
  const zoo: ModelSource = { kind: 'zoo', name: 'deit_base_patch16_224' };
  const opened = await ask('model/open', { source: zoo });
  assert.ok(opened.kind === 'model' && !opened.model.hasWeights);
  const start = performance.now();
  const plan = await ask('plan/compute', { source: zoo, scores: null, plan: half });
  const first = performance.now() - start;
  assert.ok(plan.after.macs < plan.before.macs);
  const again = performance.now();
  await ask('plan/compute', { source: zoo, scores: null, plan: { ...half, target: { kind: 'macs', text: '40%' } } });
  console.log(`DeiT-Base: first plan ${first.toFixed(0)} ms, next ${(performance.now() - again).toFixed(0)} ms`);
  const error = await refusal(ask('score/run', { source: zoo, settings: l1 }));
  assert.match(error.message, /no weights/);
});
