/** The paper's scripts run here with the program's name changed: every flag is taken, and acts. */
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { evaluate } from '../../../src/cli/commands/evaluate.ts';
import { prune } from '../../../src/cli/commands/prune.ts';
import { parseFlags } from '../../../src/common/flags.ts';
import { findVariant } from '../../../src/engine/architectures/registry.ts';
import { writePth } from '../../../src/engine/checkpoint/torch/torch-write.ts';
import type { Graph } from '../../../src/engine/graph/graph.ts';
import { openModel } from '../../../src/engine/jobs/opening/model.ts';
import { espalier, lastLine } from '../../cli/cli.ts';
import { fillWeights } from '../../support/detfill.ts';
import { testFolder } from '../checkpoint/files.ts';
import { EVALUATION_SCRIPTS, PRUNING_SCRIPTS } from './paper-scripts.ts';

const folder = testFolder();

for (const [command, lines] of [
  [prune, PRUNING_SCRIPTS],
  [evaluate, EVALUATION_SCRIPTS],
] as const)
  for (const line of lines)
    test(`${command === prune ? 'prune' : 'evaluate'} takes ${line}`, () => {
      const { values, positionals } = parseFlags(command.flags, line.split(' '));
      assert.deepEqual(positionals, []);
      const { model } = values as { model: string };
      assert.ok(model.endsWith('.pth') || findVariant(model), model);
    });

const build = (name: string): Graph => findVariant(name)?.build() ?? assert.fail(name);
const ratesOf = (graph: Graph, kind: 'dropPath' | 'dropout'): number[] =>
  graph.nodes.flatMap((node) => (node.kind === kind ? [node.attributes.probability] : []));

interface PlanJson {
  readonly plan: {
    readonly scopes: readonly { readonly kind: string }[];
    readonly groups: readonly { kept: number[] }[];
  };
  readonly after: { readonly macs: number };
}

describe('flags act', () => {
  const convnext = `${folder.path}/convnext.pth`;
  const mobilenet = `${folder.path}/mobilenet.pth`;
  before(async () => {
    await writePth(convnext, fillWeights(build('convnext_tiny')), {});
    await writePth(mobilenet, fillWeights(build('mobilenet_v2')), {});
  });

  test('--remove-layers, --drop and --drop-path: blocks go, rates are spread over those that stay', async () => {
    // The paper's script makes the folder too.
    const saved = `${folder.path}/output/pruned/convnext.pth`;
    const line = `prune --model convnext_tiny.fb_in1k --ckpt ${convnext} --pruning-type l2 --pruning-ratio 0.25 --global-pruning --remove-layers 4 --drop 0.1 --drop-path 0.2 --save-as ${saved} --json`;
    const ended = await espalier(line.split(' '));
    assert.equal(ended.code, 0, ended.stderr);
    const { kept_blocks: kept } = lastLine(ended) as { kept_blocks: number[] };
    assert.equal(kept.length, 5);
    const { graph } = await openModel({ model: saved });
    assert.deepEqual(ratesOf(graph, 'dropout'), [0.1]);
    const blocks = 3 + 3 + 5 + 3;
    const rates = ratesOf(graph, 'dropPath');
    // The first block's rate is 0, and so it may have no node.
    assert.ok(rates.length === blocks || rates.length === blocks - 1);
    rates.forEach((rate, i) => {
      const block = i + blocks - rates.length;
      assert.ok(Math.abs(rate - (0.2 * block) / (blocks - 1)) < 1e-9, `block ${block}: ${rate}`);
    });
  });

  test('--save-as: a name that asks for no format is refused before anything is scored', async () => {
    const line = `prune --model mobilenet_v2 --ckpt no-such.pth --save-as ${folder.path}/pruned.txt`;
    const ended = await espalier(line.split(' '));
    assert.equal(ended.code, 1);
    assert.match(
      ended.stderr,
      /^espalier: cannot save as .*pruned\.txt: name it \.safetensors, \.pth, \.pt2 or \.onnx\n$/,
    );
  });

  const planned = async (flags: string): Promise<PlanJson> => {
    const line = `prune --model mobilenet_v2 --is-torchvision --ckpt ${mobilenet} --pruning-type l1 --pruning-ratio 0.3 --plan-only --json ${flags}`;
    const ended = await espalier(line.trim().split(' '));
    assert.equal(ended.code, 0, ended.stderr);
    return lastLine(ended) as unknown as PlanJson;
  };
  const kinds = ({ plan }: PlanJson): Set<string> => new Set(plan.scopes.map(({ kind }) => kind));

  test('--global-pruning and --no-isomorphic decide what is ranked together', async () => {
    const [isomorphic, global, local] = [
      await planned('--global-pruning'),
      await planned('--global-pruning --no-isomorphic'),
      await planned(''),
    ];
    assert.deepEqual([...kinds(isomorphic)], ['isomorphic']);
    assert.deepEqual([...kinds(global), global.plan.scopes.length], ['global', 1]);
    assert.deepEqual([...kinds(local)], ['local']);
    assert.equal(new Set([isomorphic, global, local].map(({ after }) => after.macs)).size, 3);
  });

  test('--normalizer, --round-to and --max-pruning-ratio', async () => {
    const usual = await planned('--global-pruning');
    assert.notEqual((await planned('--global-pruning --normalizer max')).after.macs, usual.after.macs);
    const rounded = await planned('--global-pruning --round-to 8');
    const uneven = rounded.plan.groups.filter(({ kept }) => kept.length % 8 !== 0);
    assert.deepEqual(
      uneven.map(({ kept }) => kept.length),
      [3],
      'the channels of the image alone',
    );
    const limited = await planned('--global-pruning --max-pruning-ratio 0.1');
    assert.ok(limited.after.macs > usual.after.macs);
  });

  test('--input-size: the cost is that of images of this size', async () => {
    const [usual, small] = [await planned('--global-pruning'), await planned('--global-pruning --input-size 112')];
    assert.ok(small.after.macs < usual.after.macs / 3.5);
  });
});
