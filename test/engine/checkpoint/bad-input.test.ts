/** Files that are not what they should be: each gives a UserError that names the file and the place, and nothing runs. */

import assert from 'node:assert/strict';
import { existsSync, mkdirSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { UserError } from '../../../src/common/errors.ts';
import { readCheckpoint } from '../../../src/engine/checkpoint/checkpoint.ts';
import { writeSafetensors } from '../../../src/engine/checkpoint/safetensors/safetensors-write.ts';
import { testFolder } from './files.ts';
import { call, dict, global, list, orderedDict, type Piece, pickle, type Writable } from './pickle-writer.ts';
import {
  floats,
  storageId,
  tensor,
  torchLegacy,
  torchZip,
  torchZipEntries,
  type ZipTestEntry,
  zip,
} from './torch-files.ts';

const folder = testFolder();
const weight = floats('0', 1, 2, 3, 4);
const state = orderedDict({ 'conv.weight': tensor(weight, [2, 2]) });
const entries = torchZipEntries(state, [weight]);
const zipFile = zip(entries);
const legacyFile = torchLegacy(state, [weight]);
const replaced = (name: string, change: Partial<ZipTestEntry>): Buffer =>
  zip(entries.map((entry) => (entry.name === name ? { ...entry, ...change } : entry)));
const data = 'archive/data/0';

const trap = path.join(folder.path, 'it-ran');
const systemCall = call(global('os', 'system'), `touch ${trap}`);

/** A tensor that PyTorch puts together of several parts. */
const rebuilt = (how: string, ...args: Writable[]): Piece => call(global('torch._utils', how), ...args);
const quantised = rebuilt(
  '_rebuild_qtensor',
  storageId({ ...weight, type: 'QInt8Storage' }),
  0,
  [2, 2],
  [2, 1],
  [global('torch', 'per_tensor_affine'), 0.1, 0],
  false,
  orderedDict(),
);
const beside = (entries: { readonly [name: string]: Writable }): Buffer =>
  torchZip(orderedDict({ 'conv.weight': tensor(weight, [2, 2]), ...entries }), [weight]);

const cases: readonly (readonly [what: string, content: Uint8Array | string, message: RegExp])[] = [
  ['an empty file', '', /the file is empty/],
  ['a text file', 'hello, this is a note\n', /neither a safetensors nor a PyTorch file \(it looks like text\)/],
  ['random bytes', Buffer.from('ff00fe01fd02fc03fb04fa05', 'hex'), /neither a safetensors nor a PyTorch file/],
  ['a web page', '<!DOCTYPE html><html>log in</html>', /a web page/],
  ['a Git LFS pointer', 'version https://git-lfs.github.com/spec/v1\noid sha256:0\n', /Git LFS pointer/],
  ['a gzip file', Buffer.from('1f8b0800', 'hex'), /gzip/],
  ['an HDF5 file', Buffer.from('\x89HDF\r\n\x1a\n', 'latin1'), /HDF5/],
  // Tensors that are no plain ones.
  ['a quantised weight', beside({ 'fc.weight': quantised }), /tensor 'fc\.weight' is quantised/],
  [
    'a quantised layer',
    beside({ 'fc._packed_params._packed_params': [quantised, tensor(weight, [2])] }),
    /tensor 'fc\._packed_params\._packed_params' is quantised/,
  ],
  [
    'a sparse weight',
    beside({ 'fc.weight': rebuilt('_rebuild_sparse_tensor', global('torch', 'sparse_coo'), [tensor(weight, [1, 2])]) }),
    /tensor 'fc\.weight' is sparse/,
  ],
  [
    'a weight of eight-bit floats',
    beside({
      'fc.weight': rebuilt(
        '_rebuild_tensor_v3',
        storageId({ ...weight, type: 'UntypedStorage' }),
        0,
        [2, 2],
        [2, 1],
        false,
        orderedDict(),
        global('torch', 'float8_e4m3fn'),
      ),
    }),
    /tensor 'fc\.weight' has the element type torch\.float8_e4m3fn, which Espalier does not read/,
  ],
  // Zip.
  ['a zip cut off in its data', zipFile.subarray(0, 200), /as a zip file: .*truncated/],
  ['a zip cut off in its directory', zipFile.subarray(0, -30), /as a zip file/],
  [
    'a zip without a pickle',
    zip([{ name: 'a/b', data: new Uint8Array(3) }]),
    /not a PyTorch checkpoint: it has no data\.pkl/,
  ],
  ['a zip of two checkpoints', zip([...entries, { name: 'b/data.pkl', data: pickle(1) }]), /it has 2 data\.pkl/],
  ['a TorchScript archive', zip([...entries, { name: 'archive/constants.pkl', data: pickle(1) }]), /TorchScript/],
  [
    'a zip without the storage',
    zip(entries.filter(({ name }) => name !== data)),
    /refers to storage '0', and there is no entry/,
  ],
  [
    'a storage that is too short',
    replaced(data, { data: new Uint8Array(8) }),
    /tensor 'conv\.weight' needs 16 bytes of storage '0', which has 8/,
  ],
  [
    'an entry that claims 4 GB',
    replaced(data, { claims: { size: 2 ** 32 - 2, compressedSize: 2 ** 32 - 2 } }),
    /claim more bytes than the file has/,
  ],
  ['an entry that lies outside of the file', replaced(data, { claims: { offset: 2 ** 31 } }), /cut off or damaged/],
  ['a stored entry of two sizes', replaced(data, { claims: { size: 99 } }), /size mismatch/],
  [
    'an entry that unpacks to 4 GB',
    replaced(data, { deflate: true, claims: { size: 2 ** 32 - 2 } }),
    /entry 'archive\/data\/0' would unpack/,
  ],
  [
    'an entry that unpacks to more than it says',
    replaced('archive/data.pkl', { data: Buffer.alloc(1000, 'x'), deflate: true, claims: { size: 10 } }),
    /does not decompress to its size/,
  ],
  ['a bomb', replaced(data, { data: Buffer.alloc(64 << 20), deflate: true }), /which no checkpoint does/],
  [
    'an encrypted entry',
    replaced(data, { encrypted: true, claims: { compressedSize: 28 } }),
    /entry 'archive\/data\/0' is encrypted/,
  ],
  ['an unknown compression', replaced(data, { claims: { method: 14 } }), /compression method 14/],
  ['two entries of one name', zip([...entries, entries[2]]), /two entries 'archive\/data\/0'/],
  ['a path that leaves the archive', zip([...entries, { name: '../evil', data: new Uint8Array(1) }]), /relative path/],
  [
    'a zip whose pickle is damaged',
    replaced('archive/data.pkl', { data: Buffer.from('\x80\x02\xff', 'latin1') }),
    /\(data\.pkl\): unknown pickle operation 0xff \(byte 2 of the pickle\)/,
  ],
  [
    'a zip whose pickle is cut off',
    replaced('archive/data.pkl', { data: pickle(state).subarray(0, 40) }),
    /data\.pkl.*cut off/,
  ],
  [
    'metadata that are damaged',
    zip([...entries, { name: 'archive/extra/espalier.json', data: Buffer.from('{') }]),
    /record 'archive\/extra\/espalier\.json' is damaged/,
  ],
  // Legacy.
  ['a legacy file cut off in its pickle', legacyFile.subarray(0, 100), /cut off/],
  ['a legacy file cut off in its data', legacyFile.subarray(0, -3), /cut off or damaged: storage '0' has 16 bytes/],
  ['a legacy file without its data', legacyFile.subarray(0, -24), /cut off or damaged/],
  ['a legacy file of another protocol', Buffer.concat([legacyFile.subarray(0, 15), pickle(7)]), /legacy protocol is 7/],
  [
    'a legacy file with a huge storage',
    Buffer.concat([legacyFile.subarray(0, -24), Buffer.alloc(8, 0xff), Buffer.alloc(16)]),
    /storage '0' has/,
  ],
  // What is in it.
  ['a pickle that calls os.system', pickle(systemCall), /holds no tensors.*os\.system \(not executed\)/],
  ['the same as text', `cos\nsystem\n(S'touch ${trap}'\ntR.`, /holds no tensors.*os\.system \(not executed\)/],
  ['the same in a zip', torchZip(systemCall, []), /holds no tensors.*os\.system/],
  ['the same in a legacy file', torchLegacy(systemCall, []), /holds no tensors.*os\.system/],
  [
    'the same as a reference',
    Buffer.concat([Buffer.from('\x80\x02', 'latin1'), systemCall.bytes, Buffer.from('Q.')]),
    /not a tuple/,
  ],
  [
    'a dictionary without weights',
    torchZip(dict({ epoch: 3, optimizer: dict({ state: dict({}) }) }), []),
    /holds no tensors.*keys are epoch, optimizer/,
  ],
  ['a list of tensors', torchZip(list(tensor(weight, [4])), [weight]), /holds no tensors.*<list of 1>/],
  ['a single tensor', torchZip(tensor(weight, [4]), [weight]), /holds no tensors.*<tensor \[4\]>/],
];

for (const [what, content, message] of cases) {
  test(`refuses ${what}`, async () => {
    const file = folder.file('model.pth', content);
    await assert.rejects(readCheckpoint(file), (error) => {
      assert.ok(error instanceof UserError, error instanceof Error ? error.stack : String(error));
      assert.match(error.message, message);
      assert.ok(error.message.includes(file), `names the file: ${error.message}`);
      return true;
    });
    assert.ok(!existsSync(trap), 'nothing was executed');
  });
}

test('a call beside the weights does not keep them from being read, and does not run', async () => {
  const root = dict({ model: state, evil: systemCall });
  const { weights, baggage } = await readCheckpoint(folder.file('mixed.pth', torchZip(root, [weight])));
  assert.deepEqual([...weights.keys()], ['conv.weight']);
  assert.deepEqual(baggage, { evil: { class: 'os.system', args: [`touch ${trap}`] } });
  assert.ok(!existsSync(trap), 'nothing was executed');
});

test('a safetensors file that is damaged is spoken of as one', async () => {
  await assert.rejects(
    readCheckpoint(folder.file('cut.safetensors', Buffer.from('0100', 'hex'))),
    /too few for a safetensors header/,
  );
});

test('a missing file, and a folder', async () => {
  await assert.rejects(
    readCheckpoint(`${folder.path}/missing.pth`),
    /Cannot read .*missing\.pth: there is no such file/,
  );
  mkdirSync(`${folder.path}/folder.pth`);
  await assert.rejects(readCheckpoint(`${folder.path}/folder.pth`), /folder\.pth: it is a folder/);
});

test('a file that anyone may damage anywhere gives an error for the person or its tensors, never another error', async () => {
  const safetensors = `${folder.path}/fuzz.safetensors`;
  await writeSafetensors(safetensors, new Map([['w', { dtype: 'float32', shape: [2], data: Float32Array.of(1, 2) }]]), {
    a: 'b',
  });
  const { readFileSync } = await import('node:fs');
  let seed = 12345;
  const random = (below: number): number => {
    seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
    return (seed >>> 8) % below;
  };
  let failures = 0;
  for (const [form, original] of Object.entries({
    zip: zipFile,
    legacy: legacyFile,
    safetensors: readFileSync(safetensors),
  })) {
    for (let round = 0; round < 400; round++) {
      const damaged = Buffer.from(original);
      for (let i = 0; i <= random(4); i++) damaged[random(damaged.length)] = random(256);
      const content = random(5) === 0 ? damaged.subarray(0, random(damaged.length)) : damaged;
      const file = folder.file(`fuzz.${form}`, content);
      await readCheckpoint(file).catch((error) => {
        failures++;
        assert.ok(
          error instanceof UserError,
          `${form}, round ${round}: ${error instanceof Error ? error.stack : error}`,
        );
        assert.ok(error.message.length < 2000);
      });
    }
  }
  assert.ok(failures > 300, 'damage was found');
});
