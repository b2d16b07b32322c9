/** Heads and head dimensions follow from the Graph: nobody passes them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Command } from '../../../src/cli/command.ts';
import { groups } from '../../../src/cli/commands/groups.ts';
import { info } from '../../../src/cli/commands/info.ts';
import { parseFlags } from '../../../src/common/flags.ts';
import { saveModel } from '../../../src/engine/jobs/opening/model.ts';
import { EMPTY_RECORD } from '../../../src/engine/jobs/record.ts';
import { testFolder } from '../checkpoint/files.ts';
import { makeNetwork } from '../export/exported.ts';

const folder = testFolder();

async function jsonOf<T>(command: Command, ...args: readonly string[]): Promise<T> {
  const context = { signal: new AbortController().signal, progress: () => undefined, note: () => undefined };
  return (await command.run(parseFlags(command.flags, args), context)).json as T;
}

interface GroupsJson {
  readonly groups: readonly {
    readonly root: string;
    readonly channels: number;
    readonly channel_groups: number;
    readonly heads?: number;
    readonly head_dim?: number;
    readonly members: readonly (readonly [string, string, number])[];
  }[];
}
interface InfoJson {
  readonly num_heads: Readonly<Record<string, number>>;
}

for (const [model, heads, headDim] of [
  ['deit_small_distilled_patch16_224', [...new Array<number>(12).fill(6)], 64],
  ['swin_tiny_patch4_window7_224', [3, 3, 6, 6, ...new Array<number>(6).fill(12), 24, 24], 32],
] as const)
  test(`${model}: info and groups tell heads and head dims; q, k and v are one member`, async () => {
    const { num_heads: found } = await jsonOf<InfoJson>(info, model);
    assert.deepEqual(Object.values(found), heads);
    const { groups: all } = await jsonOf<GroupsJson>(groups, model);
    const attention = all.filter((group) => group.heads !== undefined);
    assert.deepEqual(
      attention.map(({ root, heads: count }) => [root, count]),
      Object.entries(found),
    );
    for (const { root, heads: count = 0, head_dim: dims, channels, channel_groups: parts, members } of attention) {
      assert.deepEqual([dims, channels, parts], [headDim, count * headDim, count]);
      const proj = root.replace(/qkv$/, 'proj');
      const qkv = members.find(([layer, side]) => layer === root && side === 'out');
      assert.deepEqual(qkv, [root, 'out', 3 * channels]);
      assert.ok(members.some(([layer, side, size]) => layer === proj && side === 'in' && size === channels));
    }
  });

test('a pruned file: heads and dims of each layer as they are now', async () => {
  const network = { model: 'deit_tiny_distilled_patch16_224', build: { inputSize: 32 } };
  const { graph, weights } = await makeNetwork({ ...network, prune: { headRatio: 0.34, headDimRatio: 0.3 } });
  const file = `${folder.path}/pruned.safetensors`;
  await saveModel(file, graph, weights, EMPTY_RECORD);
  const { num_heads: heads } = await jsonOf<InfoJson>(info, file);
  const { groups: all } = await jsonOf<GroupsJson>(groups, file);
  const attention = all.filter((group) => group.heads !== undefined);
  assert.deepEqual(
    attention.map(({ root, heads: count }) => [root, count]),
    Object.entries(heads),
  );
  for (const { root, head_dim: dims = 0 } of attention)
    assert.equal(weights.get(`${root}.weight`)?.shape[0], 3 * heads[root] * dims);
  assert.ok(Object.values(heads).some((count) => count < 3));
});
