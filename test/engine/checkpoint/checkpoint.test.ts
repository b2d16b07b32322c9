/** What readCheckpoint finds in the things that people save. */

import assert from 'node:assert/strict';
import test from 'node:test';
import { type ReadOptions, readCheckpoint } from '../../../src/engine/checkpoint/checkpoint.ts';
import { writeSafetensors } from '../../../src/engine/checkpoint/safetensors/safetensors-write.ts';
import { testFolder } from './files.ts';
import { call, dict, global, instance, list, orderedDict, Piece, pickle, type Writable } from './pickle-writer.ts';
import { floats, parameter, storage, type TestStorage, tensor, torchZip } from './torch-files.ts';

const folder = testFolder();
const storages = [floats('0', 1), floats('1', 2), floats('2', 3)];
const [one, two, three] = storages.map((from) => tensor(from, [1]));

function read(root: Writable, options: ReadOptions = {}, from: readonly TestStorage[] = storages) {
  return readCheckpoint(folder.file('checkpoint.pth', torchZip(root, from)), options);
}

/** What a checkpoint's tensors are, one element each. */
async function values(root: Writable, options?: ReadOptions): Promise<Record<string, number>> {
  const { weights } = await read(root, options);
  return Object.fromEntries([...weights].map(([name, { data }]) => [name, Number(data[0])]));
}

/** A module as pickle records it. */
function module(
  name: string,
  parts: {
    parameters?: { readonly [name: string]: Writable };
    buffers?: { readonly [name: string]: Writable };
    children?: { readonly [name: string]: Writable };
    hidden?: readonly string[];
    attributes?: { readonly [name: string]: Writable };
  },
): Piece {
  const dot = name.lastIndexOf('.');
  return instance(name.slice(0, dot), name.slice(dot + 1), {
    training: false,
    _parameters: dict(parts.parameters ?? {}),
    _buffers: dict(parts.buffers ?? {}),
    _non_persistent_buffers_set: call(global('__builtin__', 'set'), list(...(parts.hidden ?? []))),
    _forward_hooks: orderedDict(),
    _modules: dict(parts.children ?? {}),
    ...parts.attributes,
  });
}

test('a plain state dict', async () => {
  const { weights, sources, baggage, format, module: record } = await read(orderedDict({ w: one, b: two }));
  assert.deepEqual([...weights.keys()], ['w', 'b']);
  assert.deepEqual([sources, baggage, format, record], [[], {}, 'torch-zip', undefined]);
});

const wrappers: readonly (readonly [what: string, root: Writable, sources: readonly string[]])[] = [
  [
    'state_dict',
    dict({ epoch: 3, state_dict: orderedDict({ w: one }), optimizer: dict({ state: dict({}), param_groups: list() }) }),
    ['state_dict'],
  ],
  ['model', dict({ model: orderedDict({ w: one }), model_ema: orderedDict({ w: two }) }), ['model']],
  [
    'model before its EMA, whatever the order',
    dict({ state_dict_ema: orderedDict({ w: two }), state_dict: orderedDict({ w: one }) }),
    ['state_dict'],
  ],
  ['a wrapper in a wrapper', dict({ model: dict({ state_dict: orderedDict({ w: one }) }) }), ['model', 'state_dict']],
  ['the EMA where there is nothing else', dict({ model_ema: orderedDict({ w: one }) }), ['model_ema']],
  ['an unusual key', dict({ my_network: orderedDict({ w: one }), optimizer: orderedDict({ m: two }) }), ['my_network']],
  ['a data-parallel model', orderedDict({ 'module.w': one }), ['module.']],
  ['a compiled model', orderedDict({ '_orig_mod.w': one }), ['_orig_mod.']],
  ['a compiled data-parallel model', orderedDict({ '_orig_mod.module.w': one }), ['_orig_mod.', 'module.']],
  ['a data-parallel compiled model', orderedDict({ 'module._orig_mod.w': one }), ['_orig_mod.', 'module.']],
  [
    'an averaged model',
    dict({ model_ema: orderedDict({ n_averaged: two, 'module.w': one }) }),
    ['model_ema', 'module.'],
  ],
  ['tensors beside a wrapper', dict({ epoch: two, model: orderedDict({ w: one }) }), ['model']],
];
for (const [what, root, sources] of wrappers) {
  test(`finds the weights in ${what}`, async () => {
    const checkpoint = await read(root);
    assert.deepEqual(Object.fromEntries([...checkpoint.weights].map(([name, { data }]) => [name, data[0]])), { w: 1 });
    assert.deepEqual(checkpoint.sources, sources);
  });
}

test('prefixes that belong to the names stay', async () => {
  assert.deepEqual(await values(orderedDict({ 'module.w': one, 'other.w': two })), { 'module.w': 1, 'other.w': 2 });
  assert.deepEqual(await values(orderedDict({ '_orig_mod.w': one, w: two })), { '_orig_mod.w': 1, w: 2 });
  assert.deepEqual(await values(orderedDict({ 'a._orig_mod.w': one, 'b.w': two })), { 'a.w': 1, 'b.w': 2 });
});

test('--use-ema takes the averaged weights, and says so if there are none', async () => {
  const names = ['model_ema', 'state_dict_ema', 'ema_state_dict', 'ema'];
  for (const name of names) {
    assert.deepEqual(
      await values(dict({ model: orderedDict({ w: one }), [name]: orderedDict({ w: two }) }), { useEma: true }),
      { w: 2 },
    );
  }
  await assert.rejects(
    values(dict({ model: orderedDict({ w: one }), epoch: 1 }), { useEma: true }),
    /holds no EMA weights; its keys are model, epoch/,
  );
});

test('a key can be given, with dots', async () => {
  const root = dict({
    model: orderedDict({ w: one }),
    gan: dict({ 'g.a': orderedDict({ w: two }), g: orderedDict({ w: three }) }),
  });
  assert.deepEqual(await values(root, { key: 'gan.g' }), { w: 3 });
  assert.deepEqual(await values(root, { key: 'gan.g.a' }), { w: 2 });
  await assert.rejects(values(root, { key: 'gan.x' }), /has no key 'gan.x'; its keys are g.a, g/);
});

test('several networks are a question, not a guess', async () => {
  await assert.rejects(
    values(dict({ generator: orderedDict({ w: one }), discriminator: orderedDict({ w: two }) })),
    /several networks \(generator, discriminator\)/,
  );
});

test('what lay beside the weights is told', async () => {
  const { baggage } = await read(
    dict({
      model: orderedDict({ w: one }),
      epoch: 7,
      args: instance('argparse', 'Namespace', {
        lr: 0.5,
        model: 'resnet50',
        device: call(global('torch', 'device'), 'cuda'),
      }),
      optimizer: dict({ state: dict({}), param_groups: list() }),
      model_ema: orderedDict({ w: two }),
      best: two,
    }),
  );
  assert.deepEqual(baggage, {
    epoch: 7,
    args: {
      class: 'argparse.Namespace',
      lr: 0.5,
      model: 'resnet50',
      device: { class: 'torch.device', args: ['cuda'] },
    },
    optimizer: '<dict: state, param_groups>',
    model_ema: '<dict: w>',
    best: '<tensor [1]>',
  });
});

test('what is in a state dict besides tensors is told too', async () => {
  const { weights, baggage } = await read(orderedDict({ w: one, _extra_state: dict({ scale: 2 }), version: 'x' }));
  assert.deepEqual([...weights.keys()], ['w']);
  assert.deepEqual(baggage, { _extra_state: { scale: 2 }, version: 'x' });
});

const attention = module('timm.models.vision_transformer.Attention', {
  attributes: { num_heads: 3, head_dim: 64, scale: 0.125, act: global('torch.nn.functional', 'gelu') },
  children: {
    qkv: module('torch.nn.modules.linear.Linear', {
      parameters: { weight: parameter(one), bias: null },
      attributes: { in_features: 192 },
    }),
  },
});
const network = module('paper.Network', {
  parameters: { token: parameter(two) },
  buffers: { running: three, index: three },
  hidden: ['index'],
  children: { attn: attention, absent: null, act: module('torch.nn.modules.activation.GELU', {}) },
});

test('a whole pickled module: names as state_dict() gives them, and a record of what it is', async () => {
  const { weights, module: record, sources } = await read(network);
  assert.deepEqual([...weights.keys()], ['token', 'running', 'attn.qkv.weight']);
  assert.deepEqual(sources, []);
  assert.equal(record?.className, 'paper.Network');
  assert.deepEqual(record.attributes, { training: false });
  assert.deepEqual([record.parameters, record.buffers], [['token'], ['running', 'index']]);
  assert.deepEqual([...record.children.keys()], ['attn', 'act']);
  const attn = record.children.get('attn')!;
  assert.deepEqual(attn.attributes, {
    training: false,
    num_heads: 3,
    head_dim: 64,
    scale: 0.125,
    act: 'torch.nn.functional.gelu',
  });
  const qkv = attn.children.get('qkv')!;
  assert.deepEqual(
    [qkv.path, qkv.className, qkv.parameters, qkv.absentParameters],
    ['attn.qkv', 'torch.nn.modules.linear.Linear', ['weight'], ['bias']],
  );
  assert.equal(qkv.attributes['in_features'], 192);
});

test('a whole module in a dictionary, and one that only wraps another', async () => {
  const parallel = module('torch.nn.parallel.data_parallel.DataParallel', { children: { module: network } });
  const { weights, module: record, sources, baggage } = await read(dict({ model: parallel, epoch: 1 }));
  assert.deepEqual([...weights.keys()], ['token', 'running', 'attn.qkv.weight']);
  assert.equal(record?.className, 'paper.Network');
  assert.deepEqual(sources, ['model', 'module']);
  assert.deepEqual(baggage, { epoch: 1 });
});

test('a module of a class that is not known around the network is told', async () => {
  const notesOf = async (name: string) => {
    const { notes, sources } = await read(module(name, { children: { module: network } }));
    assert.deepEqual(sources, ['module']);
    return notes;
  };
  assert.deepEqual(await notesOf('torch.nn.parallel.distributed.DistributedDataParallel'), []);
  assert.match(String(await notesOf('paper.Doubled')), /paper\.Doubled.*what its forward adds is left out/);
});

test('averaged weights of a pickled module come with its record', async () => {
  const ema = orderedDict({
    n_averaged: one,
    'module.token': three,
    'module.running': three,
    'module.attn.qkv.weight': three,
  });
  const { weights, module: record } = await read(dict({ model: network, model_ema: ema }), { useEma: true });
  assert.equal(Number(weights.get('token')!.data[0]), 3);
  assert.equal(record?.className, 'paper.Network');
});

test('a module that contains itself is refused', async () => {
  // The child is the memo's first value: the module itself.
  const inner = module('a.Loop', { children: { again: new Piece(Buffer.from('h\x00', 'latin1')) } });
  const bytes = inner.bytes;
  const split = bytes.indexOf(Buffer.from(')\x81', 'latin1')) + 2;
  const memoized = new Piece(
    Buffer.concat([bytes.subarray(0, split), Buffer.from('q\x00', 'latin1'), bytes.subarray(split)]),
  );
  await assert.rejects(read(memoized), /contains itself/);
});

test('numbers are as stored, or float32 if asked', async () => {
  const halves = [
    storage('HalfStorage', '0', Uint16Array.of(0x3e00, 0xc000)),
    storage('LongStorage', '1', BigInt64Array.of(4n)),
    storage('DoubleStorage', '2', Float64Array.of(0.1)),
  ];
  const root = orderedDict({ h: tensor(halves[0], [2]), n: tensor(halves[1], []), d: tensor(halves[2], [1]) });
  const stored = await read(root, {}, halves);
  assert.deepEqual(
    [...stored.weights.values()].map(({ dtype }) => dtype),
    ['float16', 'int64', 'float64'],
  );
  const { weights } = await read(root, { float32: true }, halves);
  assert.deepEqual(weights.get('h'), { dtype: 'float32', shape: [2], data: Float32Array.of(1.5, -2) });
  assert.deepEqual(weights.get('n')!.dtype, 'int64');
  assert.deepEqual(weights.get('d')!.data, Float32Array.of(0.1));
});

test('NumPy arrays in a plain pickle are weights too', async () => {
  const dtype = new Piece(
    Buffer.concat([
      call(global('numpy', 'dtype'), 'f4', false, true).bytes,
      Buffer.from('(K\x03X\x01\0\0\0<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb', 'latin1'),
    ]),
  );
  const array = (fortran: boolean) => {
    const made = call(
      global('numpy.core.multiarray', '_reconstruct'),
      global('numpy', 'ndarray'),
      [0],
      new Uint8Array([98]),
    );
    const state = pickle([1, [2, 2], dtype, fortran, new Uint8Array(Float32Array.of(1, 2, 3, 4).buffer)]);
    return new Piece(Buffer.concat([made.bytes, state.subarray(2, -1), Buffer.from('b')]));
  };
  const path = folder.file('weights.pkl', pickle(dict({ model: dict({ c: array(false), f: array(true) }) })));
  const { weights, format } = await readCheckpoint(path);
  assert.equal(format, 'pickle');
  assert.deepEqual(
    [...weights],
    [
      ['c', { dtype: 'float32', shape: [2, 2], data: Float32Array.of(1, 2, 3, 4) }],
      ['f', { dtype: 'float32', shape: [2, 2], data: Float32Array.of(1, 3, 2, 4) }],
    ],
  );
});

test('safetensors go the same way: prefixes, metadata, no EMA', async () => {
  const path = `${folder.path}/wrongly-named.pth`;
  await writeSafetensors(path, new Map([['module.w', { dtype: 'float32', shape: [1], data: Float32Array.of(5) }]]), {
    format: 'pt',
  });
  const checkpoint = await readCheckpoint(path);
  assert.deepEqual(
    [checkpoint.format, checkpoint.metadata, checkpoint.sources, [...checkpoint.weights.keys()]],
    ['safetensors', { format: 'pt' }, ['module.'], ['w']],
  );
  await assert.rejects(readCheckpoint(path, { useEma: true }), /no EMA/);
  await assert.rejects(readCheckpoint(path, { key: 'model' }), /no key 'model'/);
});
