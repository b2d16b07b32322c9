import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { UserError } from '../../../src/common/errors.ts';
import { readCheckpoint } from '../../../src/engine/checkpoint/checkpoint.ts';
import {
  openSafetensors,
  readSafetensors,
  readSafetensorsHeader,
} from '../../../src/engine/checkpoint/safetensors/safetensors.ts';
import { writeSafetensors } from '../../../src/engine/checkpoint/safetensors/safetensors-write.ts';
import type { Tensor } from '../../../src/engine/graph/tensor.ts';
import { testFolder } from './files.ts';

const folder = testFolder();

/** A file from its header, as text or as what to make JSON of, and its data. */
function safetensors(header: unknown, data: Uint8Array = new Uint8Array(0), announced?: bigint): Buffer {
  const text = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(announced ?? BigInt(text.length));
  return Buffer.concat([length, text, data]);
}

const f32 = (begin: number, end: number, shape: number[] = [(end - begin) / 4]) => ({
  dtype: 'F32',
  shape,
  data_offsets: [begin, end],
});
const bytesOf = (array: ArrayBufferView): Uint8Array =>
  new Uint8Array(array.buffer, array.byteOffset, array.byteLength);

const everyType: readonly (readonly [name: string, tensor: Tensor])[] = [
  ['a.float64', { dtype: 'float64', shape: [2], data: Float64Array.of(1.5, -2) }],
  ['b.bool', { dtype: 'bool', shape: [3], data: Uint8Array.of(1, 0, 1) }],
  ['c.float32', { dtype: 'float32', shape: [2, 2], data: Float32Array.of(1, 2, 3, 4) }],
  ['d.float16', { dtype: 'float16', shape: [1], data: Uint16Array.of(0x3c00) }],
  ['e.bfloat16', { dtype: 'bfloat16', shape: [], data: Uint16Array.of(0x3f80) }],
  ['f.int64', { dtype: 'int64', shape: [], data: BigInt64Array.of(-(2n ** 60n)) }],
  ['g.int32', { dtype: 'int32', shape: [1], data: Int32Array.of(-7) }],
  ['h.int16', { dtype: 'int16', shape: [1], data: Int16Array.of(-7) }],
  ['i.int8', { dtype: 'int8', shape: [1], data: Int8Array.of(-7) }],
  ['j.uint8', { dtype: 'uint8', shape: [5], data: Uint8Array.of(1, 2, 3, 4, 255) }],
  ['k.empty', { dtype: 'float32', shape: [0, 3], data: new Float32Array(0) }],
  ['ünïcode "quoted"', { dtype: 'float32', shape: [1], data: Float32Array.of(9) }],
];

test('reads tensors, metadata and the header alone', async () => {
  const header = {
    __metadata__: { format: 'pt' },
    w: f32(0, 8),
    n: { dtype: 'I64', shape: [], data_offsets: [8, 16] },
  };
  const data = Buffer.concat([bytesOf(Float32Array.of(1.5, -2)), bytesOf(BigInt64Array.of(3n))]);
  const path = folder.file('plain.safetensors', safetensors(header, data));
  const { weights, metadata } = await readSafetensors(path);
  assert.deepEqual(metadata, { format: 'pt' });
  assert.deepEqual([...weights.keys()], ['w', 'n']);
  assert.deepEqual(weights.get('w'), { dtype: 'float32', shape: [2], data: Float32Array.of(1.5, -2) });
  assert.deepEqual(weights.get('n'), { dtype: 'int64', shape: [], data: BigInt64Array.of(3n) });
  const only = await readSafetensorsHeader(path);
  assert.deepEqual(only.tensors.get('n')?.shape, []);
});

test('every type survives writing and reading, in order and aligned', async () => {
  const path = `${folder.path}/types.safetensors`;
  await writeSafetensors(path, new Map(everyType), { note: 'ä "b"', graph: JSON.stringify({ a: ['{', '}', '\\'] }) });
  const { weights, metadata } = await readSafetensors(path);
  assert.deepEqual([...weights], everyType);
  assert.deepEqual(metadata, { note: 'ä "b"', graph: JSON.stringify({ a: ['{', '}', '\\'] }) });
  const { tensors } = await readSafetensorsHeader(path);
  for (const [name, tensor] of everyType) {
    assert.equal(tensors.get(name)!.offset % tensor.data.BYTES_PER_ELEMENT, 0, `${name} is not aligned`);
  }
});

test('writing the same content twice gives the same bytes', async () => {
  const paths = ['one', 'two'].map((name) => `${folder.path}/${name}.safetensors`);
  for (const path of paths) await writeSafetensors(path, new Map(everyType), { a: 'b' });
  assert.deepEqual(readFileSync(paths[0]), readFileSync(paths[1]));
});

test('tensors are views: one buffer for small neighbours, and no copy', async () => {
  const header = { a: f32(0, 400), b: f32(400, 800) };
  const path = folder.file('views.safetensors', safetensors(header, new Uint8Array(800)));
  const { weights } = await readSafetensors(path);
  assert.equal(weights.get('a')!.data.buffer, weights.get('b')!.data.buffer);
});

test('data that lie misaligned in the file are read all the same', async () => {
  const header = {
    a: { dtype: 'U8', shape: [3], data_offsets: [0, 3] },
    b: f32(3, 11),
    c: { dtype: 'F64', shape: [1], data_offsets: [11, 19] },
  };
  const data = Buffer.concat([Uint8Array.of(1, 2, 3), bytesOf(Float32Array.of(4, 5)), bytesOf(Float64Array.of(6))]);
  const { weights } = await readSafetensors(folder.file('odd.safetensors', safetensors(header, data)));
  assert.deepEqual(weights.get('a')!.data, Uint8Array.of(1, 2, 3));
  assert.deepEqual(weights.get('b')!.data, Float32Array.of(4, 5));
  assert.deepEqual(weights.get('c')!.data, Float64Array.of(6));
});

test('a header whose length begins like a pickle is still a header', async () => {
  // 0x0280 bytes: the first two bytes on disk are 0x80 0x02, what a pickle of protocol 2 begins with.
  const header = JSON.stringify({ w: f32(0, 4) }).padEnd(0x0280);
  const path = folder.file('like-a-pickle.bin', safetensors(header, bytesOf(Float32Array.of(3))));
  const { format, weights } = await readCheckpoint(path);
  assert.equal(format, 'safetensors');
  assert.deepEqual([...(weights.get('w')?.data ?? [])], [3]);
});

test('a file can be read tensor by tensor', async () => {
  const path = `${folder.path}/stream.safetensors`;
  await writeSafetensors(path, new Map(everyType));
  const file = await openSafetensors(path);
  for (const [name, tensor] of everyType) assert.deepEqual(await file.read(name), tensor);
  await assert.rejects(file.read('missing'), /no tensor 'missing'/);
  await file.close();
});

test('tensors can be written one by one, from elsewhere', async () => {
  const path = `${folder.path}/written-by-stream.safetensors`;
  const loaded: string[] = [];
  const streamed = new Map(
    everyType.map(([name, tensor]) => [
      name,
      {
        dtype: tensor.dtype,
        shape: tensor.shape,
        load: async () => {
          loaded.push(name);
          return tensor;
        },
      },
    ]),
  );
  await writeSafetensors(path, streamed);
  assert.equal(loaded.length, everyType.length);
  assert.deepEqual([...(await readSafetensors(path)).weights], everyType);
});

test('a tensor that does not have its announced size is not written', async () => {
  const wrong: Tensor = { dtype: 'float32', shape: [3], data: new Float32Array(2) };
  const path = `${folder.path}/wrong.safetensors`;
  await assert.rejects(writeSafetensors(path, new Map([['w', wrong]])), /'w' was to be written as float32 \[3\]/);
  await assert.rejects(readSafetensors(path), /no such file/);
});

const data8 = new Uint8Array(8);
const broken: readonly (readonly [what: string, content: Uint8Array, message: RegExp])[] = [
  ['an empty file', new Uint8Array(0), /only 0 bytes/],
  ['five bytes', new Uint8Array(5), /only 5 bytes/],
  ['a header of 2 GB', safetensors('{}', data8, 2n << 30n), /header of 2147483648 bytes, more than/],
  ['a header of 2^64 bytes', safetensors('{}', data8, 2n ** 64n - 1n), /more than/],
  ['a header longer than the file', safetensors('{}', data8, 50n), /cut off/],
  ['a header that is not UTF-8', safetensors('{}', Uint8Array.of(0xff), 3n), /UTF-8/],
  ['a header that is not JSON', safetensors('{"a":'), /not JSON/],
  ['a header that is a list', safetensors('[]'), /not a JSON object/],
  [
    'a name twice',
    safetensors(
      '{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"\\u0077":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}',
      data8,
    ),
    /twice/,
  ],
  ['metadata that are not text', safetensors({ __metadata__: { a: 1 } }), /__metadata__ 'a' is not text/],
  ['metadata that are a list', safetensors({ __metadata__: [] }), /__metadata__ is not an object/],
  ['a tensor that is a number', safetensors({ w: 1 }), /tensor 'w' is not described/],
  ['a tensor without offsets', safetensors({ w: { dtype: 'F32', shape: [1] } }), /no valid data_offsets/],
  [
    'three offsets',
    safetensors({ w: { dtype: 'F32', shape: [1], data_offsets: [0, 4, 8] } }, data8),
    /no valid data_offsets/,
  ],
  ['a negative offset', safetensors({ w: f32(-4, 4, [2]) }, data8), /no valid data_offsets/],
  ['an offset beyond the file', safetensors({ w: f32(0, 4000) }, data8), /'w' lies at bytes 0 to 4000 of 8/],
  ['offsets in the wrong order', safetensors({ w: f32(8, 0, [0]) }, data8), /'w' lies at bytes 8 to 0/],
  ['a shape of fractions', safetensors({ w: f32(0, 8, [1.5]) }, data8), /'w' has a shape/],
  ['a negative size', safetensors({ w: f32(0, 8, [-2]) }, data8), /'w' has a shape/],
  [
    'a size that does not fit',
    safetensors({ w: f32(0, 8, [3]) }, data8),
    /'w' of float32 \[3\] needs 12 bytes, and has 8/,
  ],
  ['a size beyond 2^53', safetensors({ w: f32(0, 8, [2 ** 52, 2 ** 52, 2 ** 52]) }, data8), /'w' of float32/],
  [
    '8-bit floats',
    safetensors({ w: { dtype: 'F8_E4M3', shape: [8], data_offsets: [0, 8] } }, data8),
    /'w' has the element type "F8_E4M3"/,
  ],
  ['overlapping tensors', safetensors({ a: f32(0, 8), b: f32(4, 8) }, data8), /'a' and 'b' overlap/],
  ['a hole', safetensors({ b: f32(4, 8) }, data8), /4 bytes in front of tensor 'b'/],
  ['bytes that follow', safetensors({ a: f32(0, 4) }, data8), /4 bytes at its end/],
];

for (const [what, content, message] of broken) {
  test(`refuses ${what}`, async () => {
    const path = folder.file('broken.safetensors', content);
    await assert.rejects(readSafetensors(path), (error) => {
      assert.ok(error instanceof UserError, String(error));
      assert.match(error.message, message);
      assert.ok(error.message.includes(path), 'the message names the file');
      return true;
    });
  });
}

test('an abort stops reading', async () => {
  const path = folder.file('abort.safetensors', safetensors({ a: f32(0, 8) }, data8));
  await assert.rejects(readSafetensors(path, { signal: AbortSignal.abort(new Error('stop')) }), /stop/);
});

test('progress ends at the total', async () => {
  const path = folder.file('progress.safetensors', safetensors({ a: f32(0, 8) }, data8));
  const seen: (readonly [number, number])[] = [];
  await readSafetensors(path, { progress: ({ done, total }) => void seen.push([done, total]) });
  assert.deepEqual(seen.at(-1), [8, 8]);
});

test('a PyTorch file in place of a safetensors file is called what it is', async () => {
  const file = folder.file('gradients.pth', Buffer.concat([Buffer.from('PK\x03\x04', 'latin1'), Buffer.alloc(64)]));
  await assert.rejects(readSafetensors(file), /gradients\.pth: it is a zip archive, as PyTorch's files are/);
});
