/** Exported programs against PyTorch: a small sample of the sweep over the libraries' networks (scripts/zoo-sweep). */
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { after, describe, test } from 'node:test';
import { difference, examine, outputsIn, TorchSide, variation } from '../../../../scripts/zoo-sweep/examine.ts';
import { masked } from '../../../../scripts/zoo-sweep/masked-network.ts';
import { type Row, verdict } from '../../../../scripts/zoo-sweep/rows.ts';
import { writeSafetensors } from '../../../../src/engine/checkpoint/safetensors/safetensors-write.ts';
import { createExecutor } from '../../../../src/engine/compute/backends.ts';
import { openModel, saveModel } from '../../../../src/engine/jobs/opening/model.ts';
import { couple } from '../../../../src/engine/pruning/coupling/couple.ts';
import { groupOf } from '../../../../src/engine/pruning/coupling/groups.ts';
import { compilePlanner } from '../../../../src/engine/pruning/planning/planner.ts';
import { prune } from '../../../../src/engine/pruning/rebuilding/apply-plan.ts';
import { scoreGroups } from '../../../../src/engine/pruning/scoring/importance.ts';
import { noPythonWith } from '../../../support/python.ts';
import { testFolder } from '../files.ts';

const source = path.join(import.meta.dirname, 'small_networks.py');

describe('exported programs', { skip: noPythonWith('torch', 'safetensors', 'numpy') }, () => {
  const folder = testFolder();
  const torch = new TorchSide();
  after(() => torch.end());
  const folderOf = (name: string): string => {
    const place = path.join(folder.path, name);
    mkdirSync(place, { recursive: true });
    return place;
  };

  const names =
    'residual transformer decoder masked rooted outlooking shuffled normed joined standardised composed segmenter'.split(
      ' ',
    );
  for (const name of names)
    test(`${name}: outputs as PyTorch's, pruned as the masked network, written back as pruned`, async () => {
      const row: Row = { name };
      const request = { source, name, form: 'pt2', side: 32, folder: folderOf(name) };
      await examine(row, request, torch, await createExecutor());
      const { dense, macs, pruned, returned } = row;
      assert.ok((dense as number) < 1e-5, `dense differs by ${dense}`);
      assert.ok((macs as number) < 0.72, `${macs} of the MACs are left`);
      assert.ok((pruned as number) < 1e-5, `pruned differs from masked by ${pruned}`);
      assert.ok((returned as number) < 1e-5, `what was written differs by ${returned}`);
      assert.equal(verdict(row), '');
    });

  test('outputs that do not follow the image count for nothing', () => {
    const row: Row = { name: 'zeros', opens: true, dense: 0, pruned: 1e-7, returned: 0 };
    assert.equal(verdict({ ...row, variation: 0.3 }), '');
    assert.match(verdict({ ...row, variation: 9e-6 }), /differ by 9.0e-6 alone/);
    for (const outputs of [new Float32Array(6), Float32Array.of(1, 2, 3, 1, 2, 3)])
      assert.match(verdict({ ...row, variation: variation([outputs]) }), /the check says little/);
    assert.equal(variation([Float32Array.of(1, 2, 3, 4), Float32Array.of(4, 4, 3, 4)]), 0.25);
  });

  test('parameters have the names of the state dict, whatever is in them', async () => {
    const { graph } = await openModel({ model: path.join(folder.path, 'residual', 'dense.pt2') });
    const names = graph.parameters.map(({ name }) => name);
    for (const name of ['p_1', 'stages.stage-0.reduce.weight', 'stages.stage-0.expand.bias'])
      assert.ok(names.includes(name), `${name} is not among ${names.join(', ')}`);
  });

  test('outputs have the keys of the dictionary that the module returns, and go back to their places in it', async () => {
    const { graph } = await openModel({ model: path.join(folder.path, 'segmenter', 'dense.pt2') });
    const found = graph.outputs.map(({ name, places }) => ({ name, places }));
    assert.deepEqual(found, [
      { name: 'out', places: [['out']] },
      { name: 'others.0', places: [['others', 0]] },
      { name: 'others.1.0', places: [['others', 1, 0]] },
    ]);
    const { graph: plain } = await openModel({ model: path.join(folder.path, 'residual', 'dense.pt2') });
    assert.deepEqual(Object.keys(plain.outputs[0]), ['name', 'value']);
  });

  test('a bias that is joined of parameters leaves them as they are', async () => {
    const model = await openModel({ model: path.join(folder.path, 'joined', 'dense.pt2') });
    const names = model.graph.parameters.map(({ name }) => name).toSorted();
    const others = ['head.bias', 'head.weight', 'patches.weight', 'proj.bias', 'proj.weight', 'qkv.weight'];
    assert.deepEqual(names, [...others, 'left', 'q_bias', 'right', 'v_bias'].toSorted());
    assert.doesNotMatch(model.notes.join('\n'), /not parameters of the module/);
    const groups = couple(model.graph);
    for (const layer of ['patches', 'qkv', 'proj']) assert.equal(groupOf(groups, layer, 'out')?.frozen, undefined);
  });

  test('norms by a mean over channels leave them free', async () => {
    const { graph } = await openModel({ model: path.join(folder.path, 'rooted', 'dense.pt2') });
    const groups = couple(graph);
    for (const layer of ['body.0.0', 'wide.0']) assert.equal(groupOf(groups, layer, 'out')?.frozen, undefined);
  });

  test('what a constant matrix adds up stays, as nothing of it is zero behind a softmax', async () => {
    const { graph } = await openModel({ model: path.join(folder.path, 'outlooking', 'dense.pt2') });
    assert.match(String(groupOf(couple(graph), 'attn', 'out')?.frozen), /adds them up by a constant/);
  });

  test('weights that the module computes of its parameters are named when the file is opened', async () => {
    const { notes } = await openModel({ model: path.join(folder.path, 'standardised', 'dense.pt2') });
    assert.match(notes.join('\n'), /2 tensors \(body\.0\.weight, body\.2\.weight\) are not parameters of the module/);
  });

  test('factors of attention: a number in the file stays it; the one that PyTorch computes of the width follows the width', async () => {
    const place = folderOf('scaled');
    const row: Row = { name: 'scaled' };
    await examine(row, { source, name: 'scaled', form: 'pt2', side: 32, folder: place }, torch, await createExecutor());
    for (const value of [row.dense, row.pruned, row.returned]) assert.ok((value as number) < 1e-5, JSON.stringify(row));
    const { graph } = await openModel({ model: path.join(place, 'dense.pt2') });
    // The lengths of normalised queries and keys (blocks.5) are sums: their factors are counts.
    const factors = graph.nodes.flatMap(({ kind, module, attributes }) =>
      kind === 'scale' && module !== 'blocks.5' ? [[module, attributes.by]] : [],
    );
    const constant = 0.408248;
    assert.deepEqual(
      factors.map(([module, by]) => [module, typeof by === 'number' ? Number(by.toFixed(6)) : by]),
      [
        ['blocks.0', 'rsqrt(last dimension)'],
        ['blocks.1', constant],
        ['blocks.2', constant],
        ['blocks.3', constant],
        ['blocks.4', constant],
      ],
    );
    const narrower = couple(graph).groups.flatMap(({ heads, root }) => (heads === undefined ? [] : [root]));
    assert.deepEqual(
      narrower,
      factors.map(([module]) => `${module}.qkv`),
    );
  });

  test('an operation that nobody knows stays, with its module and what it freezes', async () => {
    const place = folderOf('unknown');
    const { error } = await torch.ask({
      action: 'export',
      source,
      name: 'unknown',
      form: 'pt2',
      side: 32,
      folder: place,
    });
    assert.equal(error, undefined);
    const model = await openModel({ model: path.join(place, 'dense.pt2') });
    const said = model.notes.filter((note) => note.includes('sort'));
    assert.match(
      said.join('\n'),
      /aten\.sort\.\w+ in sorting cannot be taken over \(Espalier has no operation for it\)/,
    );
    const groups = couple(model.graph);
    assert.match(
      String(groupOf(groups, 'stem.2', 'out')?.frozen),
      /aten\.sort|sort\.\w+: Espalier has no operation for it/,
    );
    assert.equal(groupOf(groups, 'stem.0', 'out')?.frozen, undefined);
    const weights = await model.weights();
    const scores = await scoreGroups(groups, weights, { criterion: 'l1' });
    const pruned = prune(model.graph, weights, compilePlanner(groups, scores).plan({ ratio: 0.5 }), groups);
    assert.deepEqual(pruned.weights.get('stem.0.weight')?.shape, [8, 3, 3, 3]);
    assert.deepEqual(pruned.weights.get('stem.2.weight')?.shape, [12, 8, 3, 3]);
    await saveModel(path.join(place, 'pruned.pt2'), pruned.graph, pruned.weights, model.record);
    await writeSafetensors(path.join(place, 'masked.safetensors'), masked(weights, pruned), {});
    for (const action of ['masked', 'returned'])
      assert.equal((await torch.ask({ action, folder: place, file: 'pruned.pt2' })).error, undefined);
    const outputs = (name: string) => outputsIn(path.join(place, `${name}.safetensors`));
    assert.ok(difference(await outputs('returned'), await outputs('masked.outputs')) < 1e-5);
  });
});
