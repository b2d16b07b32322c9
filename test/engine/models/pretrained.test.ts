/** Weights of a name alone: what timm and torchvision keep on a machine, laid out as they do. */
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { findVariant } from '../../../src/engine/architectures/registry.ts';
import { writePth } from '../../../src/engine/checkpoint/torch/torch-write.ts';
import { openModel } from '../../../src/engine/jobs/opening/model.ts';
import { findPretrained } from '../../../src/engine/jobs/opening/pretrained.ts';
import { espalier, lastLine } from '../../cli/cli.ts';
import { fillWeights } from '../../support/detfill.ts';
import { testFolder } from '../checkpoint/files.ts';
import { assertSameWeights } from './same-weights.ts';

const folder = testFolder();
const env = { HF_HOME: `${folder.path}/hf`, TORCH_HOME: `${folder.path}/torch` };
const graph = findVariant('mobilenet_v2')?.build({ classes: 3 }) ?? assert.fail();
const weights = fillWeights(graph);

/** An empty file in huggingface_hub's layout. */
function inHub(repository: string, revision: string, file: string): string {
  const place = path.join(env.HF_HOME, 'hub', `models--timm--${repository}`, 'snapshots', revision, file);
  mkdirSync(path.dirname(place), { recursive: true });
  writeFileSync(place, '');
  return place;
}
function inTorchHub(file: string): string {
  const place = path.join(env.TORCH_HOME, 'hub/checkpoints', file);
  mkdirSync(path.dirname(place), { recursive: true });
  writeFileSync(place, '');
  return place;
}

const newest = inHub('resnet50.tv_in1k', 'bbb', 'model.safetensors');
inHub('resnet50.tv_in1k', 'aaa', 'model.safetensors');
mkdirSync(path.join(env.HF_HOME, 'hub/models--timm--resnet50.tv_in1k/refs'));
writeFileSync(path.join(env.HF_HOME, 'hub/models--timm--resnet50.tv_in1k/refs/main'), 'bbb');
const bin = inHub('resnet18.a1_in1k', 'ccc', 'pytorch_model.bin');
const torchvision = inTorchHub('resnet50-0676ba61.pth');
inTorchHub('wide_resnet50_2-95faca4d.pth');
const mobilenet = inTorchHub('mobilenet_v2-7ebf99e0.pth');

test('the name with its tag, at the revision that is current', async () => {
  assert.equal(await findPretrained('resnet50.tv_in1k', { env }), newest);
  assert.equal(await findPretrained('resnet50.a1_in1k', { env }), undefined);
});

test('a name without a tag: timm’s weights, or torchvision’s before them', async () => {
  assert.equal(await findPretrained('resnet50', { env }), newest);
  assert.equal(await findPretrained('resnet50', { env, torchvision: true }), torchvision);
  assert.equal(await findPretrained('resnet18', { env }), bin);
  assert.equal(await findPretrained('resnet18', { env, torchvision: true }), bin);
  assert.equal(await findPretrained('mobilenet_v2', { env }), mobilenet);
});

test('other folders of the environment; none at all', async () => {
  const cache = { XDG_CACHE_HOME: folder.path };
  assert.equal(await findPretrained('resnet50', { env: { ...cache, HF_HUB_CACHE: `${env.HF_HOME}/hub` } }), newest);
  assert.equal(await findPretrained('mobilenet_v2', { env: cache }), mobilenet);
  assert.equal(await findPretrained('resnet50', { env: { XDG_CACHE_HOME: `${folder.path}/nothing` } }), undefined);
});

test('a command that needs weights takes them, and says which', async () => {
  await writePth(mobilenet, weights, {});
  Object.assign(process.env, env);
  const model = await openModel({ model: 'mobilenet_v2', pretrained: 'torchvision' });
  assert.deepEqual(model.notes, [`weights from ${mobilenet}`]);
  assertSameWeights(await model.weights(), weights);
  assert.equal((await openModel({ model: 'mobilenet_v2' })).hasWeights, false);
  const line = 'prune --model mobilenet_v2 --is-torchvision --pruning-type l2 --pruning-ratio 0.3 --plan-only --json';
  const pruned = await espalier(line.split(' '));
  assert.equal(pruned.code, 0, pruned.stderr);
  assert.ok(pruned.stderr.includes(`weights from ${mobilenet}`));
  assert.ok('plan' in lastLine(pruned));
  const missing = await espalier(['evaluate', '--model', 'resnet34.tv_in1k']);
  assert.equal(missing.code, 1);
  assert.match(
    missing.stderr,
    /resnet34 has no weights: .*huggingface\.co\/timm\/resnet34\.tv_in1k\/resolve\/main\/model\.safetensors/,
  );
});
