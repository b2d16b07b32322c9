/** The repair job: what it must restore exactly, what it hands on, and what it refuses. */
import assert from 'node:assert/strict';
import { copyFile, mkdir, readdir } from 'node:fs/promises';
import path from 'node:path';
import { before, test } from 'node:test';
import { UserError } from '../../../../src/common/errors.ts';
import { selfAttention } from '../../../../src/engine/architectures/attention.ts';
import { createExecutor } from '../../../../src/engine/compute/backends.ts';
import type { Executor } from '../../../../src/engine/compute/executor.ts';
import { GraphBuilder } from '../../../../src/engine/graph/builder.ts';
import type { Graph } from '../../../../src/engine/graph/graph.ts';
import { float32Tensor, type Tensor, type Weights } from '../../../../src/engine/graph/tensor.ts';
import { openModel, saveModel } from '../../../../src/engine/jobs/opening/model.ts';
import { pruneModel } from '../../../../src/engine/jobs/prune.ts';
import { EMPTY_RECORD } from '../../../../src/engine/jobs/record.ts';
import { calibrationBatches } from '../../../../src/engine/jobs/repair/calibration.ts';
import { heldOutDivergence } from '../../../../src/engine/jobs/repair/held-out.ts';
import { repairModel } from '../../../../src/engine/jobs/repair/repair.ts';
import { repairPruned } from '../../../../src/engine/jobs/repair/repair-pruned.ts';
import type { RepairInputs } from '../../../../src/engine/jobs/repair/repair-report.ts';
import { couple } from '../../../../src/engine/pruning/coupling/couple.ts';
import type { KeptChannels } from '../../../../src/engine/pruning/planning/plan-types.ts';
import { gatherTensor } from '../../../../src/engine/pruning/rebuilding/gather.ts';
import { pruneGraph } from '../../../../src/engine/pruning/rebuilding/prune-graph.ts';
import { fillWeights } from '../../../support/detfill.ts';
import { squareInput } from '../../../support/input-config.ts';
import { TINY, tinyImages, workFolder } from '../../training/tiny.ts';

const work = workFolder();
let images = '';
let executor: Executor;
before(async () => {
  images = await tinyImages(work);
  executor = await createExecutor({ threads: 1 });
});

const input = squareInput(TINY.size);

/** Convolutions of every form and linear layers, in a residual block and after it. */
function manyLayers(side: number): Graph {
  const b = new GraphBuilder();
  const input = squareInput(side);
  let x = b.conv('stem', b.input(input), { out: 8, kernel: 3, stride: 2, padding: 1 });
  x = b.activation('', b.batchNorm('norm1', x), 'relu', { suffix: 'relu1' });
  let y = b.conv('expand', x, { out: 8, kernel: 1 });
  y = b.activation('', b.batchNorm('norm2', y), 'relu', { suffix: 'relu2' });
  y = b.conv('depthwise', y, { out: 8, kernel: 3, padding: 1, groups: 8, bias: true });
  y = b.activation('', y, 'relu', { suffix: 'relu3' });
  y = b.conv('grouped', y, { out: 8, kernel: 3, padding: 1, groups: 2, bias: true });
  y = b.activation('', y, 'relu', { suffix: 'relu4' });
  y = b.batchNorm('norm3', b.conv('project', y, { out: 8, kernel: 1 }));
  x = b.plus('', x, y);
  const pooled = b.mean('', x, [2, 3], false);
  const hidden = b.activation('', b.linear('fc', pooled, 12), 'relu', { suffix: 'relu5' });
  return b.finish(
    { name: 'many', family: 'test', input, classes: TINY.classes },
    b.linear('head', hidden, TINY.classes),
  );
}

/** The weights with these output rows made equal to others: nothing is lost when the copies go. */
function withCopies(
  weights: Weights,
  copies: Readonly<Record<string, readonly (readonly [to: number, from: number])[]>>,
): Weights {
  const changed = new Map<string, Tensor>(weights);
  for (const [name, pairs] of Object.entries(copies)) {
    const tensor = weights.get(name) as Tensor<'float32'>;
    const data = tensor.data.slice();
    const row = data.length / tensor.shape[0];
    for (const [to, from] of pairs) data.copyWithin(to * row, from * row, (from + 1) * row);
    changed.set(name, float32Tensor(tensor.shape, data));
  }
  return changed;
}

const PAIRS = [
  [3, 0],
  [7, 4],
] as const;
const COPIED = [
  'expand.weight',
  'depthwise.weight',
  'depthwise.bias',
  ...['weight', 'bias', 'running_mean', 'running_var'].map((p) => `norm2.${p}`),
];

// Of the larger maps, 48 × 48, only a grid of positions gives rows: every second one, and every fourth of the depthwise layer.
for (const [backend, side] of [
  ['auto', TINY.size],
  ['embedded', TINY.size],
  ['auto', 96],
  ['embedded', 96],
] as const)
  test(`channels that others repeat are made good exactly, through every form of convolution (${backend}, ${side})`, async () => {
    const graph = manyLayers(side);
    const copies = Object.fromEntries([
      ...COPIED.map((name) => [name, PAIRS]),
      ['fc.weight', [[11, 2]]],
      ['fc.bias', [[11, 2]]],
    ]);
    const weights = withCopies(fillWeights(graph), copies);
    const plan: KeptChannels = {
      groups: [
        { root: 'expand', side: 'out', width: 4, kept: [0, 1, 2] },
        { root: 'fc', side: 'out', width: 12, kept: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10] },
      ],
      heads: [],
    };
    const { graph: student, keptIndices: kept } = pruneGraph(graph, plan);
    const left = new Map([...kept].map(([name, k]) => [name, gatherTensor(weights.get(k.from) as Tensor, k.kept)]));
    const report = await repairModel(
      { student, weights: left, teacher: graph, teacherWeights: weights, kept },
      { dataPath: images, images: 100 },
      await createExecutor({ backend, threads: 1 }),
    );
    const done = report.layers.map(({ layer }) => layer);
    assert.deepEqual(done, ['depthwise', 'grouped', 'project', 'fc', 'head']);
    const [unrepaired, repaired] = report.candidates;
    assert.ok((unrepaired.divergence.distance ?? 0) > 1e-3);
    assert.ok(repaired.divergence.distance < 1e-6, `${repaired.divergence.distance}`);
    // What the ridge leaves grows with the map: channels of one position are more alike there.
    const most = side === TINY.size ? 1e-4 : 5e-4;
    for (const { layer, errorAfter } of report.layers) assert.ok(errorAfter < most, `${layer} is off by ${errorAfter}`);
    const rows = Object.fromEntries(report.layers.map((layer) => [layer.layer, layer.rows / report.fittedImages]));
    const places = (step: number): number => Math.ceil(side / 2 / step) ** 2;
    const steps = side === TINY.size ? { depthwise: 1, grouped: 1 } : { depthwise: 4, grouped: 2 };
    assert.deepEqual([rows['depthwise'], rows['grouped']], [places(steps.depthwise), places(steps.grouped)]);
  });

/** A convolution over more than one tap, and a linear layer over a flattened map. */
function flattenedLayers(): Graph {
  const b = new GraphBuilder();
  const relu = (suffix: string, x: string) => b.activation('', x, 'relu', { suffix });
  const first = relu(
    'relu1',
    b.batchNorm('norm', b.conv('first', b.input(input), { out: 8, kernel: 3, stride: 2, padding: 1 })),
  );
  const second = relu('relu2', b.conv('second', first, { out: 6, kernel: 3, stride: 2, padding: 1, bias: true }));
  const flat = b.reshape('', second, [-1, 6 * (TINY.size / 4) ** 2]);
  const hidden = relu('relu3', b.linear('fc', flat, 12));
  return b.finish(
    { name: 'flat', family: 'test', input, classes: TINY.classes },
    b.linear('head', hidden, TINY.classes),
  );
}

test('layers whose second moments are too large are fitted by their channels, where others repeat them up to the ridge', async () => {
  const graph = flattenedLayers();
  const copies = {
    ...Object.fromEntries(
      ['first.weight', ...['weight', 'bias', 'running_mean', 'running_var'].map((p) => `norm.${p}`)].map((name) => [
        name,
        [[7, 4]] as const,
      ]),
    ),
    'second.weight': [[3, 1]],
    'second.bias': [[3, 1]],
  } as const;
  const weights = withCopies(fillWeights(graph), copies);
  const plan: KeptChannels = {
    groups: [
      { root: 'first', side: 'out', width: 8, kept: [0, 1, 2, 3, 4, 5, 6] },
      { root: 'second', side: 'out', width: 6, kept: [0, 1, 2, 4, 5] },
    ],
    heads: [],
  };
  const { graph: student, keptIndices: kept } = pruneGraph(graph, plan);
  const left = new Map([...kept].map(([name, k]) => [name, gatherTensor(weights.get(k.from) as Tensor, k.kept)]));
  const inputs = { student, weights: left, teacher: graph, teacherWeights: weights, kept };
  const report = await repairModel(inputs, { dataPath: images, images: 100, momentBytes: 0 }, executor);
  assert.deepEqual(
    report.layers.map(({ layer, inputs: width }) => [layer, width]),
    [
      ['second', 7],
      ['fc', 5],
    ],
  );
  assert.deepEqual(Object.keys(report.left), ['head']);
  const [unrepaired, repaired] = report.candidates;
  assert.ok(unrepaired.divergence.distance > 1e-3, `${unrepaired.divergence.distance}`);
  // The ridge holds what gives a lost channel to nothing: a share of λ² by how alike the other channels are.
  const { distance } = repaired.divergence;
  assert.ok(distance < 2e-5 && distance < unrepaired.divergence.distance / 50, `${distance}`);
});

/** Tokens, one attention layer with a residual, a classifier. */
function attentionNetwork(): Graph {
  const b = new GraphBuilder();
  const patches = b.conv('embed', b.input(input), { out: 12, kernel: 4, stride: 4, bias: true });
  const tokens = b.transpose('', b.reshape('', patches, [-1, 12, 16]), [0, 2, 1]);
  const attended = selfAttention(b, 'attn', tokens, { type: 'Attention', heads: 2, width: 16 });
  const pooled = b.mean('', b.plus('', tokens, attended), [1], false);
  return b.finish(
    { name: 'attends', family: 'test', input, classes: TINY.classes },
    b.linear('head', pooled, TINY.classes),
  );
}

/** The network with so many of each head's dims, and the one it comes from. */
function withHeadDims(teacher: Graph, teacherWeights: Weights, dims: readonly number[]): RepairInputs {
  const groups = couple(teacher).groups.filter(({ heads }) => heads !== undefined);
  assert.ok(groups.length > 0);
  const plan: KeptChannels = {
    groups: groups.map(({ root, side, width }) => ({ root, side, width, kept: dims })),
    heads: [],
  };
  const { graph: student, keptIndices: kept } = pruneGraph(teacher, plan);
  const weights = new Map(
    [...kept].map(([name, k]) => [name, gatherTensor(teacherWeights.get(k.from) as Tensor, k.kept)]),
  );
  return { student, weights, teacher, teacherWeights, kept };
}

test('head dims that say nothing go without a trace: the scale of the queries stays the dense one', async () => {
  const graph = attentionNetwork();
  // Of each head's 8 dims the last three are zero in queries, keys and values.
  const silent = Array.from({ length: 48 }, (_, row) => row).filter((row) => row % 8 >= 5);
  const weights = new Map<string, Tensor>(fillWeights(graph));
  for (const name of ['attn.qkv.weight', 'attn.qkv.bias']) {
    const { shape, data } = weights.get(name) as Tensor<'float32'>;
    const changed = data.map((value) => 20 * value);
    for (const row of silent) changed.fill(0, row * (data.length / 48), (row + 1) * (data.length / 48));
    weights.set(name, float32Tensor(shape, changed));
  }
  const inputs = withHeadDims(graph, weights, [0, 1, 2, 3, 4]);
  const report = await repairModel(inputs, { dataPath: images, images: 64 }, executor);
  const [unrepaired, repaired] = report.candidates;
  // Measured by itself, a network is compared on the same images.
  const again = await heldOutDivergence(inputs, { dataPath: images, images: 64 }, executor, {});
  assert.deepEqual(again, unrepaired.divergence);
  assert.ok(
    unrepaired.divergence.distance > 1e-6,
    `the scale of the queries has changed: ${unrepaired.divergence.distance}`,
  );
  assert.ok(repaired.divergence.distance < 1e-9, `${repaired.divergence.distance}`);
});

/** The same, but heads whose queries, keys and values have 5 dims' worth in 8, in no dimension of their own. */
function mixedHeads(graph: Graph): Weights {
  const weights = new Map<string, Tensor>(fillWeights(graph));
  for (const name of ['attn.qkv.weight', 'attn.qkv.bias']) {
    const { shape, data } = weights.get(name) as Tensor<'float32'>;
    const row = data.length / 48;
    const mixed = data.map((value) => 20 * value);
    // The last three dims of each head are sums of the first five.
    for (let head = 0; head < 6; head++)
      for (let dim = 5; dim < 8; dim++)
        for (let i = 0; i < row; i++) {
          let sum = 0;
          for (let from = 0; from < 5; from++) sum += Math.cos(3 * from + 7 * dim) * mixed[(head * 8 + from) * row + i];
          mixed[(head * 8 + dim) * row + i] = sum;
        }
    weights.set(name, float32Tensor(shape, mixed));
  }
  return weights;
}

for (const backend of ['auto', 'embedded'] as const)
  test(`heads of few dims' worth are factorised without loss where choosing dims loses (${backend})`, async () => {
    const graph = attentionNetwork();
    const weights = mixedHeads(graph);
    const inputs = withHeadDims(graph, weights, [0, 1, 2, 3, 7]);
    const calibration = { dataPath: images, images: 64 };
    const executor = await createExecutor({ backend, threads: 1 });
    const report = await repairModel(inputs, calibration, executor);
    const byChoice = await repairModel(inputs, { ...calibration, attention: 'selected' }, executor);
    assert.equal(byChoice.chosen, 'repaired');
    const distance = new Map(report.candidates.map(({ outcome, divergence }) => [outcome, divergence.distance]));
    assert.equal(report.chosen, 'repaired, attention factorised');
    const [chosen = 1, selected = 0] = [distance.get(report.chosen), distance.get('repaired')];
    assert.ok(chosen < 1e-6 && selected > 100 * chosen, `${selected} by choice, ${chosen} factorised`);
  });

test('attention is factorised where that was asked for, whatever diverges less', async () => {
  const graph = attentionNetwork();
  // Heads that give nothing lose nothing: the network as it is cannot be bettered.
  const weights = new Map<string, Tensor>(fillWeights(graph));
  for (const name of ['attn.qkv.weight', 'attn.qkv.bias']) {
    const { shape, data } = weights.get(name) as Tensor<'float32'>;
    weights.set(name, float32Tensor(shape, new Float32Array(data.length)));
  }
  const inputs = withHeadDims(graph, weights, [0, 1, 2, 3, 7]);
  const chosen = async (attention: 'better' | 'factorised'): Promise<string> =>
    (await repairModel(inputs, { dataPath: images, images: 64, attention }, executor)).chosen;
  assert.equal(await chosen('better'), 'unrepaired');
  assert.equal(await chosen('factorised'), 'repaired, attention factorised');
});

const pruned = async (name: string): Promise<{ file: string; dense: string }> => {
  const dense = path.join(work, `${name}-dense.safetensors`);
  const graph = manyLayers(TINY.size);
  await saveModel(dense, graph, fillWeights(graph), EMPTY_RECORD);
  const request = { score: { criterion: 'l1' as const }, options: { roundTo: 2 }, target: '50%' };
  const report = await pruneModel(await openModel({ model: dense }), request, async () => executor);
  assert.ok(report.graph && report.weights);
  const file = path.join(work, `${name}.safetensors`);
  await saveModel(file, report.graph, report.weights, report.record);
  return { file, dense };
};

test('a pruned file is repaired as the step of the pruning would have, and says so', async () => {
  const { file, dense } = await pruned('step');
  const calibration = { dataPath: images, images: 64 };
  const apart = await repairPruned(
    await openModel({ model: file }),
    await openModel({ model: dense }),
    calibration,
    executor,
  );
  const request = { score: { criterion: 'l1' as const }, options: { roundTo: 2 }, target: '50%', repair: calibration };
  const together = await pruneModel(await openModel({ model: dense }), request, async () => executor);
  assert.deepEqual(
    together.record.history.map(({ step }) => step),
    ['pruned', 'repaired'],
  );
  assert.deepEqual(
    apart.record.history.map(({ step }) => step),
    ['pruned', 'repaired'],
  );
  assert.ok(together.seconds.repair > 0);
  for (const [name, { data }] of apart.report.weights) assert.deepEqual(together.weights?.get(name)?.data, data, name);
});

test('a file that does not say what it kept, and another dense network, are refused by name', async () => {
  const { file, dense } = await pruned('refused');
  const student = await openModel({ model: file });
  const run = (a: Parameters<typeof repairPruned>[0], b: Parameters<typeof repairPruned>[1]) =>
    repairPruned(a, b, { dataPath: images, images: 64 }, executor);
  const teacher = await openModel({ model: dense });
  await assert.rejects(
    run({ ...student, record: EMPTY_RECORD }, teacher),
    /refused\.safetensors does not say which channels/,
  );
  const other = await openModel({ model: 'resnet32', inputSize: TINY.size });
  await assert.rejects(run(student, other), (error) => error instanceof UserError && /resnet32/.test(error.message));
});

test('a repair stops when it is told to, and goes on after the last layer that it did', async () => {
  const { file, dense } = await pruned('stopped');
  const controller = new AbortController();
  const [student, teacher] = await Promise.all([file, dense].map((model) => openModel({ model })));
  const cache = path.join(work, 'repair-cache');
  const request = { dataPath: images, images: 64, cache };
  let layers = 0;
  const onLayer = (): void => {
    if (++layers === 2) controller.abort(new UserError('enough'));
  };
  const context = { signal: controller.signal };
  await assert.rejects(repairPruned(student, teacher, request, executor, context, { onLayer }), /enough/);
  assert.equal(layers, 2);
  const [folder] = await readdir(cache);
  assert.equal((await readdir(path.join(cache, folder))).length, 2);
  const resumed = await repairPruned(student, teacher, request, executor);
  const unbroken = await repairPruned(student, teacher, { ...request, cache: path.join(work, 'other') }, executor);
  assert.deepEqual(resumed.report.layers, unbroken.report.layers);
  for (const [name, { data }] of unbroken.report.weights)
    assert.deepEqual(resumed.report.weights.get(name)?.data, data, name);
  assert.deepEqual(await readdir(cache), []);
});

test('images need no labels: a flat folder does, and too few are refused', async () => {
  const flat = path.join(work, 'flat');
  await mkdir(flat);
  const from = path.join(images, 'train');
  const [first] = (await readdir(from)).sort();
  const files = (await readdir(path.join(from, first))).sort().slice(0, 10);
  for (const file of files) await copyFile(path.join(from, first, file), path.join(flat, file));
  const graph = manyLayers(TINY.size);
  const batches = await calibrationBatches(graph, { dataPath: flat, images: 1000 });
  assert.deepEqual(
    batches.map(({ count, held }) => [count, held]),
    [
      [8, false],
      [2, true],
    ],
  );
  const all = await calibrationBatches(graph, { dataPath: images, images: 100 });
  assert.deepEqual(
    all.map(({ count, held }) => [count, held]),
    [
      [50, false],
      [50, false],
      [25, true],
    ],
  );
  await assert.rejects(calibrationBatches(graph, { dataPath: flat, images: 3 }), /at least 8 are needed/);
});
