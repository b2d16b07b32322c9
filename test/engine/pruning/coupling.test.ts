/** Every situation that coupling must follow, on networks by hand: what is tied, and that the pruned network is exact. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { buildModel } from '../../../src/engine/architectures/registry.ts';
import type { GraphBuilder } from '../../../src/engine/graph/builder.ts';
import type { Graph, ValueId } from '../../../src/engine/graph/graph.ts';
import { float32Tensor } from '../../../src/engine/graph/tensor.ts';
import { axisRules } from '../../../src/engine/pruning/coupling/axis-rules.ts';
import { couple } from '../../../src/engine/pruning/coupling/couple.ts';
import { type Group, groupOf, headCounts } from '../../../src/engine/pruning/coupling/groups.ts';
import { assertExact, logitsOf, pruneRandomly, widths } from './masked.ts';
import { attention, conv, network, pooled, tokens } from './networks.ts';

const HALF = { ratio: 0.5 };

const group = (graph: Graph, layer: string, side: 'out' | 'in' = 'out'): Group =>
  groupOf(couple(graph), layer, side) ?? assert.fail(`${layer}:${side} is in no group`);

const members = ({ members: all }: Group): string[] => all.map(({ layer, side, count }) => `${layer}:${side} ${count}`);

const relu = (b: GraphBuilder, x: ValueId): ValueId => b.activation('', x, 'relu', { suffix: 'relu' });

test('zero-padded shortcuts (option A): each stage prunes its own part, and the network runs', async () => {
  const graph = buildModel('resnet20', { inputSize: 8 }) as Graph;
  const { groups } = couple(graph);
  // 16 channels live in all stages, 16 more in the second and third, 32 more in the third alone.
  assert.deepEqual(
    groups.filter(({ members: all }) => all.length > 5).map(({ root, channels }) => [root, channels]),
    [
      ['conv1', 16],
      ['layer2.0.conv2', 16],
      ['layer3.0.conv2', 32],
    ],
  );
  assert.deepEqual(groups.find(({ root }) => root === 'layer2.0.conv2')?.rows?.slice(6, 10), [6, 7, 24, 25]);
  const { pruned } = await assertExact(graph, { ratio: 0.5, roundTo: 2 });
  const pad = pruned.graph.nodes.find(({ id }) => id === 'layer2.0.shortcut.pad');
  assert.ok(pad?.kind === 'pad' && pad.attributes.before + pad.attributes.after === 8);
});

test('dense connections: new channels of a layer are a group in every later concatenation', async () => {
  const graph = network((b, x) => {
    const stem = conv(b, 'stem', x, 6);
    let all = [stem];
    for (let i = 0; i < 3; i++) {
      const joined = all.length > 1 ? b.concat(`layer${i}`, all, 1) : stem;
      const y = relu(b, b.batchNorm(`layer${i}.norm`, joined));
      all = [...all, conv(b, `layer${i}.conv`, y, 4)];
    }
    return b.batchNorm('norm', b.concat('', all, 1));
  });
  assert.deepEqual(members(group(graph, 'layer0.conv')), [
    'layer0.conv:out 4',
    'layer1.norm:out 4',
    'layer1.conv:in 4',
    'layer2.norm:out 4',
    'layer2.conv:in 4',
    'norm:out 4',
    'head:in 4',
  ]);
  await assertExact(graph, HALF);
});

test('grouped convolution with squeeze and excitation: the same channels go from every group', async () => {
  const graph = network((b, x) => {
    let y = relu(b, b.batchNorm('bn1', conv(b, 'conv1', x, 12, 1)));
    y = b.batchNorm('bn2', conv(b, 'conv2', y, 24, 3, 3));
    const squeezed = relu(b, conv(b, 'reduce', b.mean('se', y, [2, 3], true), 4, 1));
    const gate = b.activation('', conv(b, 'expand', squeezed, 24, 1), 'sigmoid', { suffix: 'gate' });
    return conv(b, 'conv3', b.times('se', y, gate), 6, 1);
  });
  const into = group(graph, 'conv1');
  assert.deepEqual([into.channels, into.channelGroups, into.width], [12, 3, 4]);
  assert.deepEqual(members(into), ['conv1:out 12', 'bn1:out 12', 'conv2:in 12']);
  assert.deepEqual(members(group(graph, 'conv2')), [
    'conv2:out 24',
    'bn2:out 24',
    'reduce:in 24',
    'expand:out 24',
    'conv3:in 24',
  ]);
  const { pruned } = await assertExact(graph, HALF);
  const found = pruned.graph.nodes.find(({ id }) => id === 'conv2');
  assert.ok(found?.kind === 'conv' && found.attributes.groups === 3);
});

test('depthwise convolution: input and output are one, and it stays depthwise', async () => {
  const graph = network((b, x) => {
    const y = b.batchNorm('bn', conv(b, 'expand', x, 8, 1));
    return conv(b, 'project', relu(b, conv(b, 'depthwise', y, 8, 3, 8)), 6, 1);
  });
  assert.deepEqual(members(group(graph, 'expand')), ['expand:out 8', 'bn:out 8', 'depthwise:out 8', 'project:in 8']);
  const { pruned } = await assertExact(graph, HALF);
  const found = pruned.graph.nodes.find(({ id }) => id === 'depthwise');
  assert.ok(found?.kind === 'conv' && found.attributes.groups === 4);
});

for (const fused of [true, false])
  test(`attention with ${fused ? 'one qkv layer' : 'separate q, k and v'}: heads and head dims are found`, async () => {
    const graph = network((b, x) => pooled(b, attention(b, tokens(b, x, 10), { heads: 3, headDim: 4, fused })));
    assert.deepEqual(headCounts(couple(graph)), fused ? { 'attn.qkv': 3 } : { 'attn.q': 3 });
    if (fused) {
      const found = group(graph, 'attn.qkv');
      assert.deepEqual([found.channels, found.channelGroups, found.width], [12, 3, 4]);
      assert.deepEqual(members(found), ['attn.qkv:out 36', 'attn.proj:in 12']);
    } else {
      assert.deepEqual(members(group(graph, 'attn.q')), ['attn.q:out 12', 'attn.k:out 12']);
      assert.deepEqual(members(group(graph, 'attn.v')), ['attn.v:out 12', 'attn.proj:in 12']);
    }
    const { pruned } = await assertExact(graph, { ratio: 0.4, headRatio: 0.3, headDimRatio: 0.5 });
    assert.deepEqual(Object.values(headCounts(couple(pruned.graph))), [2]);
  });

test('grouped-query attention: a key head goes with all its query heads', async () => {
  const options = { heads: 6, headDim: 4, fused: false, kvHeads: 3 };
  const graph = network((b, x) => pooled(b, attention(b, tokens(b, x, 10), options)));
  assert.deepEqual(headCounts(couple(graph)), { 'attn.q': 3 });
  const { pruned } = await assertExact(graph, { ratio: 0.4, headRatio: 0.3 });
  const shapes = new Map(pruned.graph.parameters.map(({ name, shape }) => [name, shape[0]]));
  const [queries, keys] = [shapes.get('attn.q.weight') as number, shapes.get('attn.k.weight') as number];
  assert.equal(queries, 2 * keys);
  assert.deepEqual(Object.values(headCounts(couple(pruned.graph))), [2]);
});

test('windows: rolled, cut, biased by a table whose columns go with the heads, merged', async () => {
  const graph = network((b, x) => {
    const map = b.transpose('', conv(b, 'embed', x, 8, 1), [0, 2, 3, 1], 'channels_last');
    const rolled = b.add('roll', '', [map], { axes: [1, 2], shifts: [-2, -2] }, {}, { suffix: 'roll' });
    const cut = b.transpose('', b.reshape('', rolled, [-1, 2, 4, 2, 4, 8], 'cut'), [0, 1, 3, 2, 4, 5], 'windows');
    const windows = b.reshape('', cut, [-4, 16, 8], 'tokens');
    const qkv = b.reshape('', b.linear('qkv', windows, 24), [-4, 16, 3, 2, 4], 'split');
    const [q, k, v] = [0, 1, 2].map((i) =>
      b.reshape('', b.slice('', b.transpose('', qkv, [2, 0, 3, 1, 4]), 0, i, i + 1), [-4, 2, 16, 4], 'qkv'),
    );
    const table = b.value('bias_table', [7, 2]);
    const indices = Int32Array.from({ length: 256 }, (_, i) => i % 7);
    const rows = b.add('gather', '', [table], { indices }, {}, { suffix: 'gather' });
    const bias = b.reshape('', b.transpose('', rows, [1, 0]), [2, 16, 16], 'bias');
    const mask = float32Tensor([4, 1, 16, 16], new Float32Array(1024).fill(-1));
    const constant = b.add('constant', '', [], { tensor: mask }, {}, { suffix: 'mask' });
    const grid = b.reshape('', b.plus('', b.matmul('', q, k, true), bias), [-1, 4, 2, 16, 16], 'grid');
    const shifted = b.reshape('', b.plus('', grid, constant), [-4, 2, 16, 16], 'flat');
    const y = b.transpose('', b.matmul('', b.softmax('', shifted, 3), v, false), [0, 2, 1, 3], 'back');
    const back = b.reshape(
      '',
      b.linear('proj', b.reshape('', y, [-4, 16, 8], 'merge'), 8),
      [-1, 2, 2, 4, 4, 8],
      'uncut',
    );
    const image = b.plus('', b.reshape('', b.transpose('', back, [0, 1, 3, 2, 4, 5]), [-1, 8, 8, 8], 'image'), map);
    const rowsOf = [0, 1].map((r) => b.slice('', image, 1, r, 8, 2, 'rows'));
    const corners = [0, 1].flatMap((c) => rowsOf.map((half) => b.slice('', half, 2, c, 8, 2, 'corner')));
    const merged = b.linear('reduction', b.concat('', corners, 3), 6);
    return b.mean('', merged, [1, 2], false);
  });
  assert.deepEqual(headCounts(couple(graph)), { qkv: 2 });
  assert.deepEqual(members(group(graph, 'embed')), ['embed:out 8', 'qkv:in 8', 'proj:out 8', 'reduction:in 32']);
  const { pruned } = await assertExact(graph, { ratio: 0.5, headRatio: 0.5, headDimRatio: 0.5 });
  const table = pruned.graph.parameters.find(({ name }) => name === 'bias_table');
  assert.deepEqual(table?.shape, [7, 1]);
});

test('flatten of channels × positions into a linear layer', async () => {
  const graph = network((b, x) => {
    const y = relu(b, conv(b, 'conv', x, 6));
    return b.linear('fc', b.reshape('', y, [-1, 6 * 64], 'flatten'), 8);
  });
  assert.deepEqual(members(group(graph, 'conv')), ['conv:out 6', 'fc:in 384']);
  const { pruned } = await assertExact(graph, HALF);
  const found = pruned.graph.nodes.find(({ id }) => id === 'flatten');
  assert.ok(found?.kind === 'reshape');
  assert.deepEqual(found.attributes.shape, [-1, 3 * 64]);
});

test('a pruned network can be pruned again', async () => {
  const graph = network((b, x) => pooled(b, attention(b, tokens(b, x, 12), { heads: 4, headDim: 6, fused: true })));
  const first = await assertExact(graph, { ratio: 0.25, headRatio: 0.25, headDimRatio: 0.3 });
  const again = await assertExact(first.pruned.graph, { ratio: 0.5, headRatio: 0.3, headDimRatio: 0.3 });
  assert.deepEqual(headCounts(couple(again.pruned.graph)), { 'attn.qkv': 2 });
  const resnet = buildModel('resnet20', { inputSize: 8 }) as Graph;
  const once = await assertExact(resnet, { ratio: 0.3 });
  await assertExact(once.pruned.graph, { ratio: 0.3 });
});

test('heads down to one are still heads', async () => {
  const graph = network((b, x) => pooled(b, attention(b, tokens(b, x, 12), { heads: 2, headDim: 6, fused: true })));
  const { pruned } = await assertExact(graph, { ratio: 0, headRatio: 0.5 });
  const groups = couple(pruned.graph);
  assert.deepEqual(headCounts(groups), { 'attn.qkv': 1 });
  assert.equal(groupOf(groups, 'attn.qkv', 'out')?.width, 6);
});

test('sums with different broadcasting', async () => {
  const graph = network((b, x) => {
    const y = conv(b, 'conv', x, 8);
    const scaled = b.times('', y, b.value('scale', [8, 1, 1]));
    const pooledOnce = conv(b, 'context', b.mean('', y, [2, 3], true, { suffix: 'context_mean' }), 8, 1);
    const map = conv(b, 'map', x, 1);
    return conv(b, 'last', b.times('', b.plus('', scaled, pooledOnce), map), 6);
  });
  assert.deepEqual(members(group(graph, 'conv')), [
    'conv:out 8',
    'scale:out 8',
    'context:out 8',
    'context:in 8',
    'last:in 8',
  ]);
  await assertExact(graph, HALF);
});

test('a parameter used twice ties its layers', async () => {
  const graph = network((b, x) => {
    const y = conv(b, 'stem', x, 8);
    return relu(b, conv(b, 'shared', relu(b, conv(b, 'shared', y, 8)), 8));
  });
  assert.deepEqual(members(group(graph, 'stem')), [
    'stem:out 8',
    'shared:out 8',
    'shared:in 8',
    'shared:out 8',
    'shared:in 8',
    'head:in 8',
  ]);
  await assertExact(graph, HALF);
});

test('an operation that cannot be followed freezes what it touches, with the reason', async () => {
  const graph = network((b, x) => {
    const y = b.activation('', conv(b, 'before', x, 8), 'tanh', { suffix: 'strange' });
    return conv(b, 'last', conv(b, 'after', y, 6), 6);
  });
  const { activation: _, ...rest } = axisRules;
  const groups = couple(graph, rest);
  assert.match(
    groupOf(groups, 'before', 'out')?.frozen ?? '',
    /strange \(activation\) is an operation that cannot be followed/,
  );
  assert.equal(groupOf(groups, 'after', 'out')?.frozen, undefined);
  const { plan, pruned } = await pruneRandomly(graph, HALF, groups);
  const { before, after, last, head } = widths(plan);
  assert.deepEqual({ before, after, last, head }, { before: 8, after: 3, last: 3, head: 5 });
  assert.equal(logitsOf(pruned.graph, pruned.weights).length, 5);
});

test('a reshape that no factor fits freezes, and the rest is pruned', async () => {
  const graph = network((b, x) => {
    const y = b.reshape('', conv(b, 'before', x, 6), [-1, 4, 96], 'misfit');
    const z = b.reshape('', y, [-1, 6, 8, 8], 'back');
    return conv(b, 'last', relu(b, conv(b, 'after', z, 6)), 6);
  });
  assert.match(group(graph, 'before').frozen ?? '', /misfit \(reshape\) cuts dimensions where no factor ends/);
  await assertExact(graph, HALF);
});

test('channel shuffle: groups stay, channels within them go', async () => {
  const graph = network((b, x) => {
    const y = conv(b, 'conv1', x, 12, 1);
    const cut = b.transpose('', b.reshape('', y, [-1, 3, 4, 8, 8], 'cut'), [0, 2, 1, 3, 4], 'shuffle');
    return conv(b, 'last', relu(b, b.reshape('', cut, [-1, 12, 8, 8], 'join')), 6, 1);
  });
  const found = group(graph, 'conv1');
  assert.deepEqual([found.channels, found.channelGroups, found.width], [12, 3, 4]);
  await assertExact(graph, HALF);
});

test('channels cut in halves, rolled and padded are followed one by one', async () => {
  const graph = network((b, x) => {
    const y = conv(b, 'conv1', x, 8, 1);
    const [first, second] = [b.slice('', y, 1, 0, 3), b.slice('', y, 1, 3, 8)];
    const rolled = b.add('roll', '', [second], { axes: [1], shifts: [2] }, {}, { suffix: 'roll' });
    const padded = b.add('pad', '', [relu(b, first)], { axis: 1, before: 1, after: 1 }, {}, { suffix: 'pad' });
    return conv(b, 'last', b.plus('', padded, rolled), 6, 1);
  });
  await assertExact(graph, { ratio: 0.4 });
  await assertExact(graph, { ratio: 0.6 });
});

test('every second channel cannot be followed', () => {
  const graph = network((b, x) => conv(b, 'last', b.slice('', conv(b, 'conv1', x, 8), 1, 0, 8, 2), 6));
  assert.match(group(graph, 'conv1').frozen ?? '', /slice/);
});

test('constants are cut like parameters', async () => {
  const graph = network((b, x) => {
    const tensor = float32Tensor(
      [1, 8, 1, 1],
      Float32Array.from({ length: 8 }, (_, i) => i + 1),
    );
    const constant = b.add('constant', '', [], { tensor }, {}, { suffix: 'scales' });
    return conv(b, 'last', b.times('', conv(b, 'conv1', x, 8), constant), 6);
  });
  await assertExact(graph, HALF);
});

test('class logits, image channels and softmax axes say why they stay', () => {
  const graph = network((b, x) => b.softmax('', conv(b, 'conv1', x, 8), 1));
  assert.equal(group(graph, 'head').frozen, 'class logits');
  assert.equal(group(graph, 'conv1', 'in').frozen, 'the channels of the image');
  assert.match(group(graph, 'conv1').frozen ?? '', /softmax \(softmax\) shares one sum/);
});
