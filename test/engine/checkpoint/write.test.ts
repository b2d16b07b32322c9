/** What is written can be read back, by us and by PyTorch and safetensors where they are installed. */

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { closeSync, openSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import test from 'node:test';
import { readCheckpoint } from '../../../src/engine/checkpoint/checkpoint.ts';
import { writeSafetensors } from '../../../src/engine/checkpoint/safetensors/safetensors-write.ts';
import { writePth } from '../../../src/engine/checkpoint/torch/torch-write.ts';
import { crc32ByTable, directoryEnd, directoryHeader, ZipWriter } from '../../../src/engine/checkpoint/zip-write.ts';
import type { Tensor } from '../../../src/engine/graph/tensor.ts';
import { noPythonWith, PYTHON } from '../../support/python.ts';
import { testFolder } from './files.ts';
import { orderedDict } from './pickle-writer.ts';
import { floats, tensor, torchZipEntries } from './torch-files.ts';

const folder = testFolder();
const shared = Float32Array.of(1, 2, 3, 4, 5, 6);
const weights = new Map<string, Tensor>([
  ['conv.weight', { dtype: 'float32', shape: [2, 3], data: shared }],
  ['tied.weight', { dtype: 'float32', shape: [3, 2], data: shared }],
  ['bn.num_batches_tracked', { dtype: 'int64', shape: [], data: BigInt64Array.of(-(2n ** 40n)) }],
  ['double', { dtype: 'float64', shape: [1], data: Float64Array.of(0.1) }],
  ['half', { dtype: 'float16', shape: [2], data: Uint16Array.of(0x3e00, 0xfc00) }],
  ['brain', { dtype: 'bfloat16', shape: [1], data: Uint16Array.of(0x3fc0) }],
  ['int', { dtype: 'int32', shape: [1], data: Int32Array.of(-5) }],
  ['short', { dtype: 'int16', shape: [1], data: Int16Array.of(-5) }],
  ['char', { dtype: 'int8', shape: [1], data: Int8Array.of(-5) }],
  ['byte', { dtype: 'uint8', shape: [1], data: Uint8Array.of(250) }],
  ['flag', { dtype: 'bool', shape: [3], data: Uint8Array.of(1, 0, 1) }],
  ['empty', { dtype: 'float32', shape: [0, 4], data: new Float32Array(0) }],
  ['large', { dtype: 'float32', shape: [300, 1], data: Float32Array.from({ length: 300 }, (_, i) => i / 7) }],
  ['näme', { dtype: 'float32', shape: [1], data: new Float32Array(8).fill(3).subarray(3, 4) }],
]);

const skip = noPythonWith('torch', 'safetensors', 'numpy');

/** Prints a state dict as JSON, every element as a Python float's hexadecimal form. */
const describe = `
import json, sys, torch
def show(state):
    return [[k, str(v.dtype)[6:], list(v.shape), [float(x).hex() for x in v.double().flatten()]] for k, v in state.items()]
`;

function expected(): unknown {
  return [...weights].map(([name, { dtype, shape, data }]) => [name, dtype, shape, data.length]);
}

test('a .pth file is read back, with its metadata', async () => {
  const path = `${folder.path}/own.pth`;
  await writePth(path, weights, { graph: '{"ä": 1}' });
  const checkpoint = await readCheckpoint(path);
  assert.deepEqual([...checkpoint.weights], [...weights]);
  assert.deepEqual(checkpoint.metadata, { graph: '{"ä": 1}' });
  assert.equal(checkpoint.format, 'torch-zip');
  assert.equal(checkpoint.weights.get('conv.weight')!.data.buffer, checkpoint.weights.get('tied.weight')!.data.buffer);
});

test('the data of a .pth file lie at multiples of 64', async () => {
  const path = `${folder.path}/aligned.pth`;
  await writePth(path, weights);
  const bytes = readFileSync(path);
  let count = 0;
  for (let at = bytes.indexOf('PK\x03\x04'); at >= 0; at = bytes.indexOf('PK\x03\x04', at + 4)) {
    assert.equal((at + 30 + bytes.readUInt16LE(at + 26) + bytes.readUInt16LE(at + 28)) % 64, 0);
    count++;
  }
  assert.ok(count > weights.size, 'every tensor and the records were seen');
});

test('PyTorch opens a .pth file with weights_only, and finds the same', { skip }, async () => {
  const path = `${folder.path}/torch.pth`;
  await writePth(path, weights, { graph: 'x' });
  const script = `${describe}
import zipfile
assert zipfile.ZipFile(sys.argv[1]).testzip() is None
state = torch.load(sys.argv[1], weights_only=True)
assert type(state).__name__ == 'OrderedDict'
assert state['conv.weight'].data_ptr() == state['tied.weight'].data_ptr()
mapped = torch.load(sys.argv[1], weights_only=True, mmap=True)
assert all(torch.equal(state[k], mapped[k]) for k in state)
torch.save(state, sys.argv[2])
torch.save({'state_dict': state, 'epoch': 3}, sys.argv[3], _use_new_zipfile_serialization=False)
print(json.dumps(show(state)))`;
  const again = [`${folder.path}/torch-again.pth`, `${folder.path}/torch-legacy.th`];
  const shown = JSON.parse(execFileSync(PYTHON, ['-c', script, path, ...again], { encoding: 'utf8' })) as unknown[][];
  assert.deepEqual(
    shown.map(([name, dtype, shape, items]) => [name, dtype, shape, (items as unknown[]).length]),
    expected(),
  );
  const byName = new Map(shown.map(([name, , , items]) => [name, items]));
  assert.deepEqual(byName.get('half'), ['0x1.8000000000000p+0', '-inf']);
  assert.deepEqual(byName.get('brain'), ['0x1.8000000000000p+0']);
  assert.deepEqual(byName.get('double'), ['0x1.999999999999ap-4']);
  // And what PyTorch writes of it, we read.
  for (const file of again) assert.deepEqual([...(await readCheckpoint(file)).weights], [...weights]);
});

test('safetensors opens our file, and we open its', { skip }, async () => {
  const path = `${folder.path}/own.safetensors`;
  const again = `${folder.path}/again.safetensors`;
  await writeSafetensors(path, weights, { note: 'ä' });
  const script = `${describe}
from safetensors import safe_open
from safetensors.torch import load_file, save_file
state = load_file(sys.argv[1])
with safe_open(sys.argv[1], 'pt') as f: assert f.metadata() == {'note': 'ä'}
save_file(state, sys.argv[2], {'by': 'python'})
print(json.dumps(show(state)))`;
  const shown = JSON.parse(execFileSync(PYTHON, ['-c', script, path, again], { encoding: 'utf8' })) as unknown[][];
  const key = ([name]: unknown[]): string => String(name);
  assert.deepEqual(
    shown
      .map(([name, dtype, shape, items]) => [name, dtype, shape, (items as unknown[]).length])
      .sort((a, b) => (key(a) < key(b) ? -1 : 1)),
    (expected() as unknown[][]).sort((a, b) => (key(a) < key(b) ? -1 : 1)),
  );
  const read = await readCheckpoint(again);
  assert.deepEqual(read.metadata, { by: 'python' });
  for (const [name, tensor] of weights) assert.deepEqual(read.weights.get(name), tensor);
});

test('a tensor may have any name', async () => {
  const odd = new Map<string, Tensor>(
    ['__proto__', 'constructor', 'a b', '0', '-1', ''].map((name) => [name, weights.get('flag')!]),
  );
  for (const write of [writePth, writeSafetensors]) {
    const path = `${folder.path}/odd-names`;
    await write(path, odd);
    assert.deepEqual(new Set((await readCheckpoint(path)).weights.keys()), new Set(odd.keys()));
  }
});

test('checksums are those of the zip format, with and without zlib', async () => {
  for (const [text, checksum] of [
    ['123456789', 0xcbf43926],
    ['', 0],
  ] as const) {
    assert.equal(crc32ByTable(Buffer.from(text)), checksum);
    const parts: Uint8Array[] = [];
    const zip = new ZipWriter({ position: 0, write: async (bytes) => void parts.push(Uint8Array.from(bytes)) });
    await zip.add('name', Buffer.from(text));
    assert.equal(Buffer.concat(parts).readUInt32LE(14), checksum, 'in the local header');
  }
});

test('sizes and places beyond 4 GB are written in ZIP64, as Python reads it', {
  skip: noPythonWith('zipfile'),
}, () => {
  // A directory without the data that it speaks of: what stands in it is what is tested.
  const entries = [
    { name: 'a/large', size: 5 * 2 ** 30, crc32: 1, offset: 10 },
    { name: 'a/far', size: 7, crc32: 2, offset: 6 * 2 ** 30 },
    { name: 'a/both', size: 2 ** 32 - 1, crc32: 3, offset: 2 ** 32 - 1 },
    { name: 'a/neither', size: 2 ** 32 - 2, crc32: 4, offset: 2 ** 32 - 2 },
  ];
  const directory = Buffer.concat(entries.map(directoryHeader));
  const path = `${folder.path}/zip64-directory`;
  writeFileSync(path, Buffer.concat([directory, directoryEnd(70_000, 0, directory.length)]));
  const script = `
import struct, sys, zipfile
data = open(sys.argv[1], 'rb').read()
end = data.index(b'PK\\x06\\x06')
assert struct.unpack('<Q', data[end + 24:end + 32])[0] == 70000
# Python checks the count against nothing, but reads the directory by its size.
print([[i.filename, i.file_size, i.compress_size, i.header_offset, i.CRC] for i in zipfile.ZipFile(sys.argv[1]).infolist()])`;
  const shown = JSON.parse(
    execFileSync(PYTHON, ['-c', script, path], { encoding: 'utf8' }).replaceAll("'", '"'),
  ) as unknown;
  assert.deepEqual(
    shown,
    entries.map(({ name, size, crc32, offset }) => [name, size, size, offset, crc32]),
  );
});

test('a file beyond 4 GB is read: ZIP64 places and counts', {
  skip: process.platform === 'win32' && 'needs sparse files',
}, async () => {
  // As if 5 GB of other entries lay in front: the file is sparse, only its end takes space.
  const base = 5 * 2 ** 30;
  const parts: Uint8Array[] = [];
  const sink = {
    position: base,
    write: async (bytes: Uint8Array) => {
      parts.push(Uint8Array.from(bytes));
      sink.position += bytes.length;
    },
  };
  const from = floats('0', 1.5, -2);
  const zip = new ZipWriter(sink);
  for (const { name, data } of torchZipEntries(orderedDict({ w: tensor(from, [2]) }), [from]))
    await zip.add(name, data);
  await zip.finish();
  const path = `${folder.path}/beyond-4gb.pth`;
  writeFileSync(path, Buffer.from('PK\x03\x04'));
  const file = openSync(path, 'r+');
  writeSync(file, Buffer.concat(parts), 0, undefined, base);
  closeSync(file);
  const { weights } = await readCheckpoint(path);
  assert.deepEqual(weights.get('w')!.data, Float32Array.of(1.5, -2));
});
