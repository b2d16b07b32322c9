/** PyTorch's two forms of file: storages, strides, types, byte order. */

import assert from 'node:assert/strict';
import test from 'node:test';
import { openCheckpoint, readCheckpoint } from '../../../src/engine/checkpoint/checkpoint.ts';
import type { DType } from '../../../src/engine/graph/tensor.ts';
import { testFolder } from './files.ts';
import { call, dict, global, orderedDict, type Piece, persistent } from './pickle-writer.ts';
import {
  floats,
  parameter,
  storage,
  storageId,
  type TestStorage,
  tensor,
  torchLegacy,
  torchZip,
  torchZipEntries,
  zip,
} from './torch-files.ts';

const folder = testFolder();
const forms = { zip: torchZip, legacy: torchLegacy };

for (const [form, build] of Object.entries(forms)) {
  const read = async (entries: { readonly [name: string]: Piece }, storages: readonly TestStorage[]) =>
    (await readCheckpoint(folder.file(`${form}.pth`, build(orderedDict(entries), storages)))).weights;

  test(`${form}: tensors and parameters in the file's order`, async () => {
    const [a, b] = [floats('0', 1, 2, 3, 4, 5, 6), floats('1', 7)];
    const weights = await read({ 'b.weight': parameter(tensor(a, [2, 3])), 'a.bias': tensor(b, [1]) }, [a, b]);
    assert.deepEqual(
      [...weights],
      [
        ['b.weight', { dtype: 'float32', shape: [2, 3], data: Float32Array.of(1, 2, 3, 4, 5, 6) }],
        ['a.bias', { dtype: 'float32', shape: [1], data: Float32Array.of(7) }],
      ],
    );
  });

  test(`${form}: every element type`, async () => {
    const types: readonly (readonly [DType, string, ArrayBufferView & { readonly length: number }])[] = [
      ['float64', 'DoubleStorage', Float64Array.of(1.5)],
      ['float32', 'FloatStorage', Float32Array.of(1.5)],
      ['float16', 'HalfStorage', Uint16Array.of(0x3e00)],
      ['bfloat16', 'BFloat16Storage', Uint16Array.of(0x3fc0)],
      ['int64', 'LongStorage', BigInt64Array.of(-5n)],
      ['int32', 'IntStorage', Int32Array.of(-5)],
      ['int16', 'ShortStorage', Int16Array.of(-5)],
      ['int8', 'CharStorage', Int8Array.of(-5)],
      ['uint8', 'ByteStorage', Uint8Array.of(250)],
      ['bool', 'BoolStorage', Uint8Array.of(1)],
    ];
    const storages = types.map(([dtype, type, data]) => storage(type, dtype, data));
    const entries = Object.fromEntries(storages.map((from) => [from.key, tensor(from, [])]));
    const weights = await read(entries, storages);
    for (const [dtype, , data] of types) assert.deepEqual(weights.get(dtype), { dtype, shape: [], data });
  });

  test(`${form}: tensors that share a storage share its memory`, async () => {
    const shared = floats('0', 0, 1, 2, 3, 4, 5);
    const weights = await read(
      { all: tensor(shared, [6]), tied: tensor(shared, [6]), part: tensor(shared, [2], { offset: 3 }) },
      [shared],
    );
    assert.deepEqual(weights.get('part')!.data, Float32Array.of(3, 4));
    assert.equal(weights.get('all')!.data.buffer, weights.get('tied')!.data.buffer);
    assert.equal(weights.get('all')!.data.buffer, weights.get('part')!.data.buffer);
  });

  test(`${form}: strided tensors are made contiguous`, async () => {
    const from = floats('0', ...Array.from({ length: 24 }, (_, i) => i));
    const weights = await read(
      {
        transposed: tensor(from, [3, 2], { stride: [1, 3] }),
        expanded: tensor(from, [2, 3], { stride: [0, 1], offset: 4 }),
        every: tensor(from, [4], { stride: [5], offset: 2 }),
        permuted: tensor(from, [4, 2, 3], { stride: [1, 12, 4] }),
        ones: tensor(from, [1, 3, 1], { stride: [99, 1, 99] }),
        empty: tensor(from, [0, 3], { stride: [1, 1] }),
      },
      [from],
    );
    assert.deepEqual([...(weights.get('transposed')!.data as Float32Array)], [0, 3, 1, 4, 2, 5]);
    assert.deepEqual([...(weights.get('expanded')!.data as Float32Array)], [4, 5, 6, 4, 5, 6]);
    assert.deepEqual([...(weights.get('every')!.data as Float32Array)], [2, 7, 12, 17]);
    const permuted = [0, 1, 2, 3].flatMap((a) => [0, 1].flatMap((b) => [0, 1, 2].map((c) => a + 12 * b + 4 * c)));
    assert.deepEqual([...(weights.get('permuted')!.data as Float32Array)], permuted);
    assert.deepEqual([...(weights.get('ones')!.data as Float32Array)], [0, 1, 2]);
    assert.equal(weights.get('empty')!.data.length, 0);
  });

  test(`${form}: tensors saved on a GPU`, async () => {
    const from = floats('0', 1, 2);
    const weights = await read({ w: tensor(from, [2], { location: 'cuda:3' }) }, [from]);
    assert.deepEqual(weights.get('w')!.data, Float32Array.of(1, 2));
  });

  test(`${form}: tensors are read when they are asked for, one by one or together`, async () => {
    const [a, b] = [floats('0', 1, 2), floats('1', 3, 4)];
    const write = (second: TestStorage): string =>
      folder.file('lazy.pth', build(orderedDict({ a: tensor(a, [2]), b: tensor(b, [2]) }), [a, second]));
    const open = await openCheckpoint(write(b));
    assert.deepEqual(
      [...open.tensors],
      [
        ['a', { dtype: 'float32', shape: [2] }],
        ['b', { dtype: 'float32', shape: [2] }],
      ],
    );
    write(floats('1', 5, 6));
    assert.deepEqual((await open.read('b')).data, Float32Array.of(5, 6));
    assert.deepEqual([...(await open.readAll(['b'])).keys()], ['b']);
    await assert.rejects(open.read('c'), /no tensor 'c'/);
    await open.close();
  });

  const bad: readonly (readonly [
    what: string,
    entries: (from: TestStorage) => { readonly [name: string]: Piece },
    message: RegExp,
  ])[] = [
    ['beyond its storage', (from) => ({ w: tensor(from, [3]) }), /tensor 'w' \[3\] .* does not fit into its storage/],
    ['at an offset beyond it', (from) => ({ w: tensor(from, [1], { offset: 2 }) }), /tensor 'w' \[1\] .* does not fit/],
    [
      'with a stride beyond it',
      (from) => ({ w: tensor(from, [2], { stride: [2] }) }),
      /tensor 'w' \[2\] with strides \[2\] does not fit/,
    ],
    [
      'expanded to petabytes',
      (from) => ({ w: tensor(from, [2 ** 25, 2 ** 25], { stride: [0, 0] }) }),
      /would unfold to more than/,
    ],
    [
      'of 2^62 elements',
      (from) => ({ w: tensor(from, [2 ** 31 - 1, 2 ** 31 - 1], { stride: [0, 0] }) }),
      /tensor 'w' .* does not fit/,
    ],
    ['with fewer strides than sizes', (from) => ({ w: tensor(from, [2], { stride: [] }) }), /offset, sizes or strides/],
    ['with a negative stride', (from) => ({ w: tensor(from, [2], { stride: [-1] }) }), /offset, sizes or strides/],
    [
      'of complex numbers',
      (from) => ({ w: tensor({ ...from, type: 'ComplexFloatStorage', elements: 1 }, [1]) }),
      /'w' has the element type ComplexFloatStorage/,
    ],
  ];
  for (const [what, entries, message] of bad) {
    test(`${form}: refuses a tensor ${what}`, async () => {
      const from = floats('0', 1, 2);
      await assert.rejects(read(entries(from), [from]), message);
    });
  }

  test(`${form}: refuses a storage that is not in the file`, async () => {
    await assert.rejects(read({ w: tensor(floats('0', 1, 2), [2]) }, []), /refers to storage '0'/);
  });

  test(`${form}: refuses a storage shorter than its tensor`, async () => {
    const short = { ...floats('0', 1), elements: 1 };
    await assert.rejects(
      read({ w: tensor(floats('0', 1, 2), [2]) }, [short]),
      /'w' needs 8 bytes of storage '0', which has 4/,
    );
  });
}

test('zip: storages from a big-endian machine', async () => {
  const from = storage('FloatStorage', '0', Uint8Array.of(0x3f, 0xc0, 0, 0, 0x40, 0, 0, 0));
  const entries = torchZipEntries(orderedDict({ w: tensor({ ...from, elements: 2 }, [2]) }), [from], 'big');
  const { weights } = await readCheckpoint(folder.file('big.pth', zip(entries)));
  assert.deepEqual(weights.get('w')!.data, Float32Array.of(1.5, 2));
  const unknown = torchZipEntries(orderedDict({ w: tensor(from, [2]) }), [from], 'middle');
  await assert.rejects(readCheckpoint(folder.file('middle.pth', zip(unknown))), /byte order 'middle'/);
});

test('zip: compressed again by somebody', async () => {
  const from = floats('0', 1, 2, 3);
  const entries = torchZipEntries(orderedDict({ w: tensor(from, [2], { offset: 1 }) }), [from]);
  const { weights } = await readCheckpoint(
    folder.file('deflated.pth', zip(entries.map((entry) => ({ ...entry, deflate: true })))),
  );
  assert.deepEqual(weights.get('w')!.data, Float32Array.of(2, 3));
});

test('zip: an untyped storage whose tensor says its type', async () => {
  const from = storage('UntypedStorage', '0', new Uint8Array(Float64Array.of(1.5, 2.5).buffer));
  const id = persistent('storage', global('torch.storage', 'UntypedStorage'), '0', 'cpu', 16);
  const v3 = call(
    global('torch._utils', '_rebuild_tensor_v3'),
    id,
    1,
    [1],
    [1],
    false,
    orderedDict(),
    global('torch', 'float64'),
    null,
  );
  const { weights } = await readCheckpoint(folder.file('untyped.pth', torchZip(orderedDict({ w: v3 }), [from])));
  assert.deepEqual(weights.get('w'), { dtype: 'float64', shape: [1], data: Float64Array.of(2.5) });
});

test('zip: a tensor with Python attributes', async () => {
  const from = floats('0', 1);
  const inner = [storageId(from), 0, [1], [1], false, orderedDict()];
  const wrapped = call(
    global('torch._tensor', '_rebuild_from_type_v2'),
    global('torch._utils', '_rebuild_tensor_v2'),
    global('torch.nn.parameter', 'Parameter'),
    inner,
    dict({ tag: 1 }),
  );
  const { weights } = await readCheckpoint(folder.file('subclass.pth', torchZip(orderedDict({ w: wrapped }), [from])));
  assert.deepEqual(weights.get('w')!.data, Float32Array.of(1));
});

test('legacy: a view of a storage, as files before 0.4 have them', async () => {
  const root = floats('0', 1, 2, 3, 4);
  const view = storageId(root, 'cpu', ['1', 2, 2]);
  const w = call(global('torch._utils', '_rebuild_tensor'), view, 1, [1], [1]);
  const { weights } = await readCheckpoint(folder.file('view.pth', torchLegacy(orderedDict({ w }), [root])));
  assert.deepEqual(weights.get('w')!.data, Float32Array.of(4));
});

test('legacy: storages of different sizes follow one another', async () => {
  const parts = [
    storage('ByteStorage', '9', Uint8Array.of(1, 2, 3)),
    storage('DoubleStorage', '5', Float64Array.of(0.5)),
    floats('7', 8),
  ];
  const entries = Object.fromEntries(parts.map((from) => [from.type, tensor(from, [from.elements])]));
  const { weights } = await readCheckpoint(folder.file('mixed.th', torchLegacy(orderedDict(entries), parts)));
  assert.deepEqual(
    [...weights.values()].map(({ data }) => [...(data as Float32Array)]),
    [[1, 2, 3], [0.5], [8]],
  );
});
