/**
 * Every finetuning script of the authors, run with the program's name changed: a step of an epoch on the images of ../shared. The
 * pruned networks are small ones of the same families with deterministic weights.
 */
import assert from 'node:assert/strict';
import { mkdir, symlink } from 'node:fs/promises';
import path from 'node:path';
import { before, describe, test } from 'node:test';
import { buildModel } from '../../src/engine/architectures/registry.ts';
import { writeSafetensors } from '../../src/engine/checkpoint/safetensors/safetensors-write.ts';
import { writePth } from '../../src/engine/checkpoint/torch/torch-write.ts';
import type { Graph } from '../../src/engine/graph/graph.ts';
import { RunDirectory } from '../../src/engine/training/run-directory.ts';
import { espalier, lastLine } from '../cli/cli.ts';
import { FINETUNING_SCRIPTS, type ScriptName } from '../cli/finetune-scripts.ts';
import { sharedPath, skipWithoutShared } from '../engine/data/shared.ts';
import { workFolder } from '../engine/training/tiny.ts';
import { fillWeights } from '../support/detfill.ts';
import { noTensorFlow } from '../support/logits.ts';

const STAND_INS: Readonly<Record<string, string>> = {
  deit: 'deit_tiny_distilled_patch16_224',
  resnet101: 'resnet18',
  resnet152: 'resnet18',
  mobilenet: 'mobilenet_v2',
  convnext: 'convnext_tiny',
};
const TEACHER = 'regnety_160';
/** What a machine with two cores and no network adds. */
const SHORT = '--epochs 1 --max-steps 1 --batch-size 4 --workers 1 --print-freq 1 --json';
/** The file of the pruned network: `output/pruned/NAME.pth`. */
const PRUNED = /output\/pruned\/(\S+)\.pth/;

describe('finetuning scripts, one step each', { skip: skipWithoutShared || noTensorFlow }, () => {
  const folder = workFolder();
  const teacher = path.join(folder, 'teacher.safetensors');
  before(async () => {
    const pruned = path.join(folder, 'output', 'pruned');
    await mkdir(pruned, { recursive: true });
    await mkdir(path.join(folder, 'data'));
    await symlink(path.join(sharedPath, 'data', 'imagenet-sample'), path.join(folder, 'data', 'imagenet'));
    await writeSafetensors(teacher, fillWeights(buildModel(TEACHER) as Graph), {});
    for (const line of Object.values(FINETUNING_SCRIPTS)) {
      const name = PRUNED.exec(line)?.[1] ?? assert.fail(line);
      const family = Object.keys(STAND_INS).find((key) => name.startsWith(key)) ?? assert.fail(name);
      await writePth(path.join(pruned, `${name}.pth`), fillWeights(buildModel(STAND_INS[family]) as Graph), {});
    }
  });
  for (const [script, line] of Object.entries(FINETUNING_SCRIPTS) as [ScriptName, string][])
    test(script, async () => {
      const output = path.join('runs', script);
      const weights = line.includes('--teacher-model') ? `--teacher-ckpt ${teacher}` : '';
      const args = `finetune ${line} ${weights} ${SHORT} --output-dir ${output}`.split(/\s+/);
      const result = await espalier(args, { cwd: folder });
      assert.equal(result.code, 0, result.stderr);
      const { epochs, loss } = lastLine(result);
      assert.equal(epochs, 1);
      assert.ok(Number(loss) > 0, `loss ${loss}`);
      const lines = await (await RunDirectory.open(path.join(folder, output))).metrics();
      assert.deepEqual(
        lines.map(({ kind, images }) => [kind, images]),
        [
          ['step', undefined],
          ['epoch', 40],
        ],
      );
    });
});
