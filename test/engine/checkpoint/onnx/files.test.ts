/** ONNX files that are not what they should be: each gives a UserError that names the file, and says what is wrong. */
import assert from 'node:assert/strict';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { Budget } from '../../../../src/common/budget.ts';
import { UserError } from '../../../../src/common/errors.ts';
import { importOnnx } from '../../../../src/engine/checkpoint/onnx/import.ts';
import { isOnnx, readOnnx } from '../../../../src/engine/checkpoint/onnx/onnx-file.ts';
import { parseOnnx } from '../../../../src/engine/checkpoint/onnx/onnx-proto.ts';
import {
  bytesField,
  type Chunk,
  encode,
  intField,
  messageField,
} from '../../../../src/engine/protobuf/protobuf-writer.ts';
import { uniform } from '../../../support/detfill.ts';
import { testFolder } from '../files.ts';
import { floatTensor, ModelBuilder } from './model-builder.ts';

const folder = testFolder();

async function importFile(file: string): Promise<ReturnType<typeof importOnnx>> {
  return importOnnx(await readOnnx(file), { file });
}

/** A small model, changed on the way. */
const model = (
  change: (b: ModelBuilder) => string,
  input?: readonly (number | string)[],
  opset?: number,
): Uint8Array => {
  const b = new ModelBuilder(input, opset);
  return b.finish(change(b));
};
const good = model((b) => b.classify('input', 3));
const tensor = (fields: (name: string) => Chunk[]): Uint8Array =>
  model((b) => b.node('Conv', ['input', b.tensor(fields('w'), 'w')]));
const external = (location: string, length = 36): Uint8Array =>
  tensor((name) => [
    ...[3, 3, 1, 1].map((size) => intField(1, size)),
    intField(2, 1),
    bytesField(8, name),
    messageField(13, [bytesField(1, 'location'), bytesField(2, location)]),
    messageField(13, [bytesField(1, 'length'), bytesField(2, String(length))]),
    intField(14, 1),
  ]);

test('weights are views on the file that was read, wherever they lie in it', async () => {
  const names = ['w', 'w2', 'w34', 'w567'];
  const bytes = model(
    (b) => {
      const x = names.reduce((value, name) => b.node('Conv', [value, b.float(name, [3, 3, 3, 3])]), 'input');
      const pooled = b.node('Flatten', [b.node('GlobalAveragePool', [x])]);
      return b.node('MatMul', [pooled, b.node('Transpose', [b.float('fc.weight', [64, 3])], { perm: [1, 0] })]);
    },
    ['N', 3, 16, 16],
  );
  const file = path.join(folder.path, 'places.onnx');
  writeFileSync(file, bytes);
  const found = (await importFile(file)).weights();
  const parsed = importOnnx(parseOnnx(bytes), { file }).weights();
  assert.equal(found.size, 5);
  for (const [name, { data }] of found) assert.deepEqual(data, parsed.get(name)?.data, name);
  assert.equal(new Set([...found.values()].map(({ data }) => data.buffer)).size, 1);
  assert.ok(new Set([...parsed.values()].map(({ data }) => data.buffer)).size > 1, 'none lay at an odd place');
});

const cases: Readonly<Record<string, readonly [content: Uint8Array | string, message: RegExp]>> = {
  empty: ['', /the file is empty/],
  'a text': ['hello, this is no model', /no ONNX model, or is cut off or damaged/],
  'a web page': ['<!DOCTYPE html>', /a web page/],
  'a Git LFS pointer': ['version https://git-lfs.github.com/spec/v1\n', /Git LFS/],
  'cut off': [good.subarray(0, good.length - 20), /bytes are announced where \d+ are left/],
  'without a graph': [encode([intField(1, 8)]), /it holds no graph/],
  'a number without end': [Uint8Array.of(8, ...Array<number>(12).fill(255)), /has no end/],
  'a length beyond all memory': [Uint8Array.of(0x3a, 255, 255, 255, 255, 255, 255, 255, 255, 127), /are announced/],
  'a tensor with too few elements': [
    tensor((name) => floatTensor(name, [4, 3, 3, 3], [1, 2, 3])),
    /tensor 'w' has 3 elements where its shape \[4,3,3,3\] has 108/,
  ],
  'a negative size': [tensor((name) => floatTensor(name, [-4, -3], [])), /impossible shape/],
  'a size beyond numbers': [tensor((name) => floatTensor(name, [2 ** 40, 2 ** 40], [])), /impossible shape/],
  'an unknown element type': [
    tensor((name) => [intField(1, 1), intField(2, 99), bytesField(8, name)]),
    /element type 99/,
  ],
  'external data that is missing': [external('weights.data'), /external data in 'weights\.data', which is missing/],
  'external data elsewhere': [external('../outside.data'), /which is not in its folder/],
  'external data anywhere': [external('/etc/passwd'), /which is not in its folder/],
  'external data of another size': [external('weights.data', 35), /needs 36 bytes, and has 35/],
  'an unknown operator': [
    model((b) => b.classify(b.node('Det', ['input'], {}, { name: '/mix/Det' }), 3)),
    /node '\/mix\/Det' \(Det\) cannot be taken over: Espalier has no operation for it\.\nIt takes .*Conv, .*; and of constants/s,
  ],
  'a choice behind the last layer': [
    model((b) => b.node('TopK', [b.classify('input', 3), b.integers(2)], {}, { name: 'best', outputs: ['v', 'i'] })),
    /node 'best' \(TopK\) cannot be taken over: it chooses entries by their values: export the network without its post-processing\.\n/,
  ],
  'a choice in the midst of a network': [
    model((b) => {
      const chosen = b.node('TopK', ['input', b.integers(2)], {}, { name: 'best', outputs: ['v', 'i'] });
      return b.classify(b.node('Relu', [chosen]), 3);
    }),
    /node 'best' \(TopK\) cannot be taken over: it chooses entries by their values, and layers of the network depend on what it chose, node '.*' \((MatMul|Gemm)\) first\. An exported program .*\(\.pt2, torch\.export\)/,
  ],
  'an operator of someone else': [
    model((b) => b.classify(b.node('Relu', ['input'], {}, { name: 'r', domain: 'com.example' }), 3)),
    /node 'r' \(Relu\) cannot be taken over/,
  ],
  'arithmetic that is no activation': [
    model((b) => b.classify(b.node('Erf', ['input'], {}, { name: 'e' }), 3)),
    /node 'e' \(Erf\) cannot be taken over/,
  ],
  'an operator that only constants have': [
    model((b) => b.classify(b.node('Range', ['input', 'input', 'input'], {}, { name: 'r' }), 3)),
    /computes this operator only from constants/,
  ],
  'a value from nowhere': [model((b) => b.classify('nothing', 3)), /takes 'nothing', which nothing before it computes/],
  'shapes that do not fit': [
    model((b) => b.classify(b.node('Conv', ['input', b.float('w', [4, 5, 1, 1])], {}, { name: 'c' }), 4)),
    /node 'c' \(Conv\).*takes 5 channels, the input has 3/,
  ],
  'a cut through the batch': [
    model((b) => b.classify(b.node('Slice', ['input', b.integers(0), b.integers(1), b.integers(0)]), 3)),
    /takes part of the batch/,
  ],
  'a norm in training': [
    model((b) => {
      const parameters = ['a', 'b', 'c', 'd'].map((name) => b.float(name, [3]));
      return b.classify(b.node('BatchNormalization', ['input', ...parameters], { training_mode: 1 }), 3);
    }),
    /model\.eval\(\)/,
  ],
  'a quantised file': [
    model((b) => b.classify(b.node('DequantizeLinear', ['input', b.number(0.5)]), 3)),
    /is quantised \(DequantizeLinear\): .* Prune the network that it was made from/,
  ],
  'a file that a runtime optimised': [
    model((b) => b.classify(b.node('FusedConv', ['input'], {}, { domain: 'com.microsoft' }), 3)),
    /was optimised for ONNX Runtime \(FusedConv of its own\)/,
  ],
  'a recurrent layer': [
    model((b) => b.classify(b.node('LSTM', ['input'], {}, { name: 'l' }), 3)),
    /node 'l' \(LSTM\) cannot be taken over: it is a recurrent layer/,
  ],
  'no image': [
    model((b) => b.node('Relu', ['input']), ['N', 12]),
    /takes 'input' \[N, 12\]: Espalier needs one input of images/,
  ],
  'nothing of the images': [
    model((b) => b.node('ConstantOfShape', [b.integers(1, 3)])),
    /gives nothing that depends on its images/,
  ],
  'a softmax of old over several dimensions': [
    model((b) => b.classify(b.node('Softmax', ['input'], { axis: 1 }, { name: 's' }), 3), undefined, 11),
    /node 's' \(Softmax\) goes over several dimensions at once/,
  ],
  'its logarithm': [
    model((b) => b.classify(b.node('LogSoftmax', ['input'], { axis: 1 }, { name: 's' }), 3), undefined, 11),
    /node 's' \(LogSoftmax\) goes over several dimensions at once/,
  ],
  'an old operator set': [model((b) => b.classify('input', 3), undefined, 6), /operator set 6/],
  'a constant beyond all memory': [
    model((b) => b.classify(b.node('Add', ['input', b.node('ConstantOfShape', [b.integers(2 ** 30, 2 ** 20)])]), 3)),
    /a constant of the shape \[1073741824, 1048576\] is not possible/,
  ],
};

describe('ONNX files that cannot be opened say why', () => {
  for (const [name, [content, message]] of Object.entries(cases))
    test(name, async () => {
      const file = folder.file(`${name.replaceAll(' ', '-')}.onnx`, content);
      await assert.rejects(importFile(file), (error) => {
        assert.ok(error instanceof UserError, String(error));
        assert.match(error.message, message);
        return error.message.includes(file);
      });
    });

  test('no change of single bytes, and no cut, gives another kind of error', async () => {
    const places = uniform('places', 600, 'damage');
    let refused = 0;
    for (let i = 0; i < 600; i += 2) {
      const at = Math.floor(places[i] * good.length);
      const damaged = i % 3 ? Uint8Array.from(good) : good.slice(0, at);
      if (i % 3) damaged[at] ^= 1 << Math.floor(places[i + 1] * 8);
      await importFile(folder.file('damaged.onnx', damaged)).catch((error: unknown) => {
        refused++;
        assert.ok(error instanceof UserError, `byte ${at}: ${(error as Error).stack}`);
      });
    }
    assert.ok(refused > 150 && refused < 300, `${refused} of 300 refused`);
  });
});

test('external data beside the file is read, and not through a link that leads away', async () => {
  const weights = Float32Array.from({ length: 9 }, (_, i) => i / 8);
  const bytes = model((b) => {
    b.tensor(
      [
        ...[3, 3, 1, 1].map((size) => intField(1, size)),
        intField(2, 1),
        bytesField(8, 'conv.weight'),
        messageField(13, [bytesField(1, 'location'), bytesField(2, 'weights.data')]),
        messageField(13, [bytesField(1, 'offset'), bytesField(2, '8')]),
        intField(14, 1),
      ],
      'conv.weight',
    );
    return b.classify(b.node('Conv', ['input', 'conv.weight']), 3);
  });
  const beside = path.join(folder.path, 'beside');
  mkdirSync(beside);
  const file = path.join(beside, 'model.onnx');
  writeFileSync(file, bytes);
  writeFileSync(path.join(beside, 'weights.data'), Buffer.concat([Buffer.alloc(8), Buffer.from(weights.buffer)]));
  const imported = (await importFile(file)).weights();
  assert.deepEqual(imported.get('conv.weight')?.data, weights);
  // What may be made of the file is measured by both: the network of a few kilobytes may have gigabytes of weights.
  const whole = new Budget(file, bytes.length + weights.byteLength);
  assert.equal((await readOnnx(file)).budget.limit('bytes'), whole.limit('bytes'));
  const linked = path.join(folder.path, 'linked');
  mkdirSync(linked);
  writeFileSync(path.join(linked, 'model.onnx'), bytes);
  symlinkSync(path.join(beside, 'weights.data'), path.join(linked, 'weights.data'));
  await assert.rejects(importFile(path.join(linked, 'model.onnx')), /which leads out of its folder/);
});

test('an ONNX file is known by its name or its content', async () => {
  assert.equal(await isOnnx(folder.file('renamed.bin', good)), true);
  assert.equal(await isOnnx('somewhere/Model.ONNX'), true);
  assert.equal(await isOnnx(folder.file('state.bin', Buffer.from('PK\x03\x04'))), false);
});
