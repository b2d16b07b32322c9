/** Exported programs without PyTorch: a fixture that our own program wrote, and files that nobody wrote. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { UserError } from '../../../../src/common/errors.ts';
import { SourceFile } from '../../../../src/engine/checkpoint/source-file.ts';
import { ZipArchive } from '../../../../src/engine/checkpoint/zip.ts';
import { ZipWriter } from '../../../../src/engine/checkpoint/zip-write.ts';
import { writeAtomically } from '../../../../src/engine/files/atomic-write.ts';
import { openModel, saveModel } from '../../../../src/engine/jobs/opening/model.ts';
import { couple } from '../../../../src/engine/pruning/coupling/couple.ts';
import { groupOf } from '../../../../src/engine/pruning/coupling/groups.ts';
import { fillWeights } from '../../../support/detfill.ts';
import { logitsOf, pruneRandomly } from '../../pruning/masked.ts';
import { testFolder } from '../files.ts';
import { damage, use } from '../mutate.ts';
import { tinyFile, tinyNetwork } from './tiny-network.ts';

const folder = testFolder();

/** Numbers in text, as `logitsOf` gives them, to seven digits. */
const rounded = (values: readonly number[]): string[] => values.map((v) => v.toPrecision(6));

test('a file opens under the names of its state dict and computes what was written', async () => {
  const model = await openModel({ model: tinyFile });
  const network = tinyNetwork();
  assert.equal(model.graph.family, 'pt2');
  assert.deepEqual(
    model.graph.parameters.map(({ name, shape }) => `${name} [${shape}]`),
    network.parameters.map(({ name, shape }) => `${name} [${shape}]`),
  );
  assert.deepEqual(
    model.graph.nodes.map(({ kind, module }) => `${kind} ${module}`.trim()),
    ['input', 'conv stem', 'batchNorm bn', 'activation act', 'conv wide', 'mean pool', 'linear head'],
  );
  const weights = await model.weights();
  assert.deepEqual(rounded(logitsOf(model.graph, weights)), rounded(logitsOf(network, fillWeights(network))));
  assert.equal(weights.get('bn.num_batches_tracked')?.dtype, 'int64');
});

test('a pruned file opens again as pruned, with its record', async () => {
  const { graph, record } = await openModel({ model: tinyFile });
  const { pruned } = await pruneRandomly(graph, { ratio: 0.5 });
  const file = path.join(folder.path, 'pruned.pt2');
  await saveModel(file, pruned.graph, pruned.weights, record);
  const again = await openModel({ model: file });
  assert.deepEqual(again.graph.parameters.find(({ name }) => name === 'wide.weight')?.shape, [6, 4, 1, 1]);
  assert.deepEqual(
    rounded(logitsOf(again.graph, await again.weights())),
    rounded(logitsOf(pruned.graph, pruned.weights)),
  );
});

/** The fixture's entries with some changed, as another archive. */
async function changed(name: string, change: (entry: string, content: Buffer) => Buffer | string): Promise<string> {
  const file = path.join(folder.path, `${name}.pt2`);
  const source = await SourceFile.open(tinyFile);
  const archive = await ZipArchive.open(source);
  const entries = await Promise.all(
    [...archive.entries.keys()].map(async (entry) => [entry, Buffer.from(await archive.read(entry))] as const),
  );
  await writeAtomically(file, async (sink) => {
    const zip = new ZipWriter(sink);
    for (const [entry, content] of entries) await zip.add(entry, Buffer.from(change(entry, content)));
    await zip.finish();
  });
  await source.close();
  return file;
}

// biome-ignore lint/suspicious/noExplicitAny: the JSON of a program, changed at will
type Json = any;
const program = (name: string, change: (json: Json) => void): Promise<string> =>
  changed(name, (entry, content) => {
    if (!/models\/.*\.json$/.test(entry)) return content;
    const json = JSON.parse(content.toString('utf8'));
    change(json);
    return JSON.stringify(json);
  });
const config = (name: string, change: (tensor: Json) => void): Promise<string> =>
  changed(name, (entry, content) => {
    if (!/weights_config\.json$/.test(entry)) return content;
    const json = JSON.parse(content.toString('utf8'));
    change(json.config['wide.weight']);
    return JSON.stringify(json);
  });
const nodesOf = (json: Json): Json[] => json.graph_module.graph.nodes;

describe('files that cannot be read say why', () => {
  const cases: Readonly<Record<string, readonly [file: () => Promise<string>, message: RegExp]>> = {
    'cut off': [
      async () => {
        const bytes = readFileSync(tinyFile);
        return folder.file('cut.pt2', bytes.subarray(0, bytes.length >> 1));
      },
      /cut\.pt2 as a zip file: .*truncated/,
    ],
    'no JSON': [
      () => changed('json', (entry, content) => (/models\//.test(entry) ? '{"graph_module": ' : content)),
      /json\.pt2: it is no exported program, or is damaged: it is no JSON/,
    ],
    'config without JSON': [
      () => changed('config', (entry, content) => (/_config\.json$/.test(entry) ? '{"config": [' : content)),
      /config\.pt2: .*the list of its tensors is no JSON/,
    ],
    'another schema': [
      () => program('schema', (json) => Object.assign(json.schema_version, { major: 3 })),
      /its schema has version 3; Espalier reads 8/,
    ],
    'a list for a graph': [
      () => program('list', (json) => Object.assign(json.graph_module, { graph: [] })),
      /the graph is no object/,
    ],
    'a size below nothing': [
      () =>
        program('negative', (json) => {
          json.graph_module.graph.tensor_values.images.sizes[1] = { as_int: -3 };
        }),
      /negative\.pt2: .*a size is no whole number/,
    ],
    'huge images': [
      () =>
        program('images', (json) => {
          for (const d of [2, 3]) json.graph_module.graph.tensor_values.images.sizes[d] = { as_int: 2 ** 40 };
        }),
      /images\.pt2 takes images of 1099511627776 × 1099511627776 pixels/,
    ],
    'a tensor of more bytes than the file has': [
      () =>
        config('huge', (tensor) =>
          Object.assign(tensor.tensor_meta, {
            sizes: [{ as_int: 2 ** 30 }, { as_int: 2 ** 20 }, { as_int: 1 }, { as_int: 1 }],
          }),
        ),
      /its tensor 'wide\.weight' \[1073741824, 1048576, 1, 1\] needs more bytes than it has/,
    ],
    'a tensor that unfolds': [
      () =>
        config('unfolds', (tensor) =>
          Object.assign(tensor.tensor_meta, {
            sizes: [{ as_int: 2 ** 28 }, { as_int: 8 }],
            strides: [{ as_int: 0 }, { as_int: 0 }],
          }),
        ),
      /unfolds\.pt2: its tensors unfold to 8589934592 bytes/,
    ],
    'a pickled tensor': [
      () => config('pickled', (tensor) => Object.assign(tensor, { use_pickle: true })),
      /holds its tensor 'wide\.weight' pickled, which Espalier does not read/,
    ],
    'two inputs': [
      () =>
        program('inputs', (json) => {
          const specs = json.graph_module.signature.input_specs;
          specs.push(specs.at(-1));
        }),
      /takes 2 inputs: Espalier needs one of images/,
    ],
    'a value that nothing computes': [
      () =>
        program('nothing', (json) => {
          nodesOf(json)[0].inputs[0].arg.as_tensor.name = 'nobody';
        }),
      /nothing\.pt2: .*takes '%nobody', which nothing before it computes/,
    ],
  };
  for (const [name, [file, message]] of Object.entries(cases))
    test(name, async () => {
      const place = await file();
      await assert.rejects(
        openModel({ model: place }).then((model) => model.weights()),
        (error: Error) => {
          assert.ok(error instanceof UserError, error.stack);
          assert.match(error.message, message);
          return true;
        },
      );
    });
});

test('damaged files open or are refused with a message', async () => {
  const bytes = readFileSync(tinyFile);
  const found = { opened: 0, refused: 0 };
  for (let seed = 0; seed < 300; seed++) found[await use(folder.file('damaged.pt2', damage(bytes, seed)))]++;
  assert.ok(found.opened > 5 && found.refused > 100, JSON.stringify(found));
});

test('an operation that nobody knows, or with arguments that nobody knows, stays with its reason', async () => {
  for (const [target, reason] of [
    ['torch.ops.aten.erfinv.default', 'Espalier has no operation for it'],
    ['torch.ops.mylib.secret.default', 'Espalier has no operation for it'],
    ['torch.ops.aten.adaptive_max_pool2d.default', 'its windows are of several sizes, and Espalier pools by one'],
  ] as const) {
    const file = await program('unknown', (json) => {
      const node = nodesOf(json).find(({ target: of }) => of.includes('relu'));
      Object.assign(node, { target });
      if (target.includes('pool')) node.inputs.push({ name: 'output_size', arg: { as_ints: [3, 3] }, kind: 1 });
    });
    const model = await openModel({ model: file });
    const operation = target.replace('torch.ops.', '').replaceAll('.', '\\.');
    assert.match(model.notes.join('\n'), new RegExp(`${operation} in act cannot be taken over \\(${reason}\\)`));
    assert.match(String(groupOf(couple(model.graph), 'stem', 'out')?.frozen), new RegExp(reason));
  }
});

test('an activation in place is the activation', async () => {
  const file = await program('in-place', (json) => {
    const relu = nodesOf(json).find(({ target }) => target === 'torch.ops.aten.relu.default');
    relu.target = 'torch.ops.aten.relu_.default';
  });
  const kinds = async (place: string): Promise<string[]> =>
    (await openModel({ model: place })).graph.nodes.map(({ kind }) => kind);
  assert.deepEqual(await kinds(file), await kinds(tinyFile));
});
