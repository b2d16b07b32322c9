/** Files and data that are not what they should be, as a person meets them: exit code 1, a message that says what and where. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { buildModel } from '../../src/engine/architectures/registry.ts';
import { writeSafetensors } from '../../src/engine/checkpoint/safetensors/safetensors-write.ts';
import { SHAPE_NAMES } from '../../src/engine/data/procedural/outlines.ts';
import type { Graph } from '../../src/engine/graph/graph.ts';
import type { Tensor, Weights } from '../../src/engine/graph/tensor.ts';
import { saveModel } from '../../src/engine/jobs/opening/model.ts';
import { EMPTY_RECORD } from '../../src/engine/jobs/record.ts';
import { initialiseWeights } from '../../src/engine/training/initialise.ts';
import { call, dict, global } from '../engine/checkpoint/pickle-writer.ts';
import { floats, tensor, torchZip, torchZipEntries, zip } from '../engine/checkpoint/torch-files.ts';
import { skipWithoutRuntime, tinyImages, workFolder } from '../engine/training/tiny.ts';
import { espalier, lastLine } from './cli.ts';

const work = workFolder();
const graph = buildModel('resnet20', { inputSize: 16 }) as Graph;
const weights = initialiseWeights(graph, 0);
let images = '';
before(async () => {
  images = await tinyImages(work);
  await saveModel(path.join(work, 'good.safetensors'), graph, weights, EMPTY_RECORD);
});

/** Writes a file and gives its path. */
function file(name: string, content: Uint8Array | string): string {
  const place = path.join(work, name);
  writeFileSync(place, content);
  return place;
}

const changed = (change: (tensors: Map<string, Tensor>) => void): Weights => {
  const copy = new Map([...weights].map(([name, t]) => [name, { ...t, data: t.data.slice() } as Tensor]));
  change(copy);
  return copy;
};

async function stateDict(name: string, change: (tensors: Map<string, Tensor>) => void): Promise<string> {
  const place = path.join(work, name);
  await writeSafetensors(place, changed(change), {});
  return place;
}

/** safetensors with a header of our own. */
function safetensors(name: string, header: object, bytes: number): string {
  const text = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  return file(name, Buffer.concat([length, text, Buffer.alloc(bytes)]));
}

async function assertRefused(args: readonly string[], messages: readonly (string | RegExp)[]): Promise<void> {
  const { code, stdout, stderr } = await espalier([...args, '--json']);
  assert.equal(code, 1, `exit code ${code}:\n${stderr}`);
  assert.equal(stdout, '');
  const line = stderr.split('\n').find((text) => text.startsWith('espalier: '));
  assert.ok(line, `no message in:\n${stderr}`);
  assert.doesNotMatch(stderr, /^ {4}at /m, 'a stack trace is no message');
  for (const message of messages)
    if (typeof message === 'string') assert.ok(stderr.includes(message), `"${message}" is not in: ${line}`);
    else assert.match(stderr, message);
}

const trap = path.join(work, 'it-ran');
const storage = floats('0', 1, 2, 3, 4);

const files: readonly (readonly [what: string, make: () => string | Promise<string>, message: RegExp])[] = [
  [
    'a checkpoint that is cut off',
    () => file('cut.safetensors', readFileSync(path.join(work, 'good.safetensors')).subarray(0, 5000)),
    /it announces a header of \d+ bytes, and the file has only 5000: it is cut off/,
  ],
  ['a checkpoint that is no checkpoint', () => file('text.pth', 'hello\n'), /neither a safetensors nor a PyTorch file/],
  [
    'a pickle that calls os.system',
    () => file('evil.pth', torchZip(call(global('os', 'system'), `touch ${trap}`), [])),
    /os\.system \(not executed\)/,
  ],
  [
    'a zip with absurd sizes',
    () => {
      const entries = torchZipEntries(dict({ w: tensor(storage, [4]) }), [storage]).map((entry) =>
        entry.name.endsWith('data/0') ? { ...entry, deflate: true, claims: { size: 2 ** 32 - 2 } } : entry,
      );
      return file('bomb.pth', zip(entries));
    },
    /entry 'archive\/data\/0' would unpack/,
  ],
  [
    'safetensors whose tensors overlap',
    () => {
      const one = { dtype: 'F32', shape: [2], data_offsets: [0, 8] };
      return safetensors('overlap.safetensors', { a: one, b: { ...one, data_offsets: [4, 12] } }, 12);
    },
    /tensors 'a' and 'b' overlap/,
  ],
  [
    'safetensors that reach out of the file',
    () => safetensors('outside.safetensors', { a: { dtype: 'F32', shape: [2], data_offsets: [0, 8] } }, 4),
    /tensor 'a' lies at bytes 0 to 8 of 4: the file is cut off or damaged/,
  ],
  [
    'a header of 2 GB',
    () => {
      const length = Buffer.alloc(8);
      length.writeBigUInt64LE(2n ** 31n);
      const place = file('header.safetensors', length);
      truncateSync(place, 2 ** 31 + 8);
      return place;
    },
    /it announces a header of 2147483648 bytes, more than the format's 100000000/,
  ],
  [
    'a missing tensor',
    () =>
      stateDict('missing.safetensors', (tensors) => {
        tensors.delete('layer2.0.bn1.weight');
      }),
    /layer2\.0\.bn1\.weight/,
  ],
  [
    'a tensor too many',
    () =>
      stateDict('extra.safetensors', (tensors) => {
        tensors.set('layer2.0.bn3.weight', { dtype: 'float32', shape: [1], data: new Float32Array(1) });
      }),
    /layer2\.0\.bn3\.weight/,
  ],
  [
    'shapes that fit no architecture',
    () =>
      stateDict('shapes.safetensors', (tensors) => {
        tensors.set('layer1.0.bn1.weight', { dtype: 'float32', shape: [5], data: new Float32Array(5) });
      }),
    /layer1\.0\.bn1\.weight/,
  ],
];

for (const [what, make, message] of files)
  test(`${what} is refused by name`, async () => {
    const place = await make();
    await assertRefused(['info', place], [path.basename(place), message]);
    rmSync(place);
    assert.ok(!existsSync(trap), 'nothing was executed');
  });

const withNaN = (name: string): Promise<string> =>
  stateDict(name, (tensors) => {
    (tensors.get('layer3.1.conv2.weight')?.data as Float32Array)[7] = Number.NaN;
  });

test('weights that are no numbers are not evaluated, pruned, trained or exported', {
  skip: skipWithoutRuntime,
}, async () => {
  const model = await withNaN('nan.safetensors');
  const message = ['nan.safetensors', 'tensor layer3.1.conv2.weight holds NaN, 1 of its 36864 values are no numbers'];
  const output = path.join(work, 'from-nan');
  const common = ['--model', model, '--input-size', '16', '--data-path', images];
  await assertRefused(['evaluate', ...common], message);
  await assertRefused(['finetune', ...common, '--output-dir', output], message);
  await assertRefused(['prune', '--model', model, '--pruning-type', 'l2', '--save-as', `${output}.pth`], message);
  await assertRefused(['export', '--model', model, '--format', 'pth', '--output', `${output}.pth`], message);
  assert.ok(!existsSync(output) && !existsSync(`${output}.pth`));
});

test('data that do not fit the model', { skip: skipWithoutRuntime }, async () => {
  const evaluate = (dataPath: string): string[] => [
    ...['evaluate', '--model', path.join(work, 'good.safetensors'), '--data-path', dataPath],
  ];
  await assertRefused(evaluate(path.join(work, 'nowhere')), [/data folder .*nowhere does not exist/]);
  const empty = path.join(work, 'empty');
  for (const name of ['a', 'b']) mkdirSync(path.join(empty, 'val', name), { recursive: true });
  await assertRefused(evaluate(empty), [path.join(empty, 'val', 'a'), /has no images/]);
  const image = readFileSync(path.join(images, 'test', SHAPE_NAMES[0], '0000.png'));
  for (const name of ['a', 'b']) writeFileSync(path.join(empty, 'val', name, '0.png'), image);
  await assertRefused(evaluate(empty), [/2 class folders but the model has 10 outputs/, path.join(empty, 'val')]);
});

test('a text file named .jpg is counted and named, and too many of them end it', {
  skip: skipWithoutRuntime,
}, async () => {
  const data = path.join(work, 'with-text');
  execFileSync('cp', ['-r', images, data]);
  writeFileSync(path.join(data, 'test', SHAPE_NAMES[0], 'note.jpg'), 'this is no image\n');
  const model = path.join(work, 'good.safetensors');
  await assertRefused(
    ['evaluate', '--model', model, '--data-path', data],
    [/1 of 41 images cannot be read, more than 1 %/, path.join(data, 'test', SHAPE_NAMES[0], 'note.jpg')],
  );
  const place = path.join(data, 'train', SHAPE_NAMES[0], 'note.jpg');
  writeFileSync(place, 'this is no image\n');
  const result = await espalier(['evaluate', '--model', model, '--data-path', data, '--split', 'train', '--json']);
  assert.equal(result.code, 0, result.stderr);
  assert.deepEqual([lastLine(result).images, lastLine(result).skipped], [160, 1]);
  assert.ok(result.stderr.includes(`skipped ${place}: `));
});

/** A file system of 2 MB, where this machine lets us make one. */
function smallDisk(): string | undefined {
  const place = path.join(work, 'disk');
  mkdirSync(place, { recursive: true });
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', place], { stdio: 'ignore' });
  } catch {
    return undefined;
  }
  after(() => execFileSync('umount', [place]));
  return place;
}

test('a full disk leaves what was there', { skip: skipWithoutRuntime }, async (t) => {
  const disk = smallDisk();
  if (!disk) return t.skip('needs the right to mount a file system');
  const model = path.join(work, 'good.safetensors');
  const saved = path.join(disk, 'model.pth');
  const finetune = ['finetune', '--model', model, '--data-path', images, '--epochs', '2', '--lr', '0.001'];
  const output = path.join(disk, 'run');
  // The first checkpoint (weights, 1.1 MB) has room; `latest` (with momentum, 2.2 MB) has not.
  await assertRefused(
    [...finetune, '--output-dir', output],
    [path.join(output, 'latest.safetensors'), /the disk is full/],
  );
  const best = readFileSync(path.join(output, 'best.safetensors'));
  const { state, error } = JSON.parse(readFileSync(path.join(output, 'run.json'), 'utf8')) as Record<string, string>;
  assert.equal(state, 'failed');
  assert.match(error, /the disk is full/);
  await assertRefused(['export', '--model', model, '--format', 'pth', '--output', saved], [saved, /the disk is full/]);
  assert.ok(!existsSync(saved));
  assert.deepEqual(readFileSync(path.join(output, 'best.safetensors')), best);
});
