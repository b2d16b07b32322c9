/** Batch norm statistics taken at the end of a pruning, a repair and an exploration: what the results say of them. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { before, test } from 'node:test';
import { tinyImages, tinyModel, workFolder } from '../engine/training/tiny.ts';
import { espalier, lastLine } from './cli.ts';

const work = workFolder();
let images = '';
before(async () => {
  images = await tinyImages(work);
});

const SHARED = '--backend embedded --threads 1 --bn-recalibrate 2 --bn-share 0.5';
const run = (line: string) => espalier(`${line} --data-path ${images} ${SHARED}`.split(' '), { cwd: work });

interface Divergence {
  readonly kl: number;
  readonly agreement: number;
}

interface RepairJson {
  readonly candidates: readonly { readonly outcome: string; readonly divergence: Divergence }[];
  readonly chosen: string;
  readonly heldImages: number;
}

interface Recalibration {
  readonly batches: number;
  readonly share: number;
  readonly divergence?: { readonly before: Divergence; readonly after: Divergence; readonly images: number };
}

function check(repair: RepairJson, found: unknown): void {
  const { batches, share, divergence } = found as Recalibration;
  assert.deepEqual({ batches, share }, { batches: 2, share: 0.5 });
  const chosen = repair.candidates.find(({ outcome }) => outcome === repair.chosen)?.divergence;
  assert.deepEqual(divergence?.before, chosen);
  assert.equal(divergence?.images, repair.heldImages);
  assert.ok(Number.isFinite(divergence?.after.kl) && divergence?.after.kl !== chosen?.kl);
}

test('a pruning with a repair, and a repair, say how far the network is from the dense one before and after', async () => {
  const pruned = path.join(work, 'pruned.safetensors');
  const prune = `prune --model ${tinyModel(images)} --target-macs 60% --pruning-type l1 --save-as ${pruned} --json`;
  const alone = await run(prune);
  assert.equal(alone.code, 0, alone.stderr);
  // Nothing was compared with the dense network, so nothing is said of it.
  assert.deepEqual(lastLine(alone)['recalibration'], { batches: 2, share: 0.5 });

  const both = await run(`${prune} --repair 32`);
  assert.equal(both.code, 0, both.stderr);
  check(lastLine(both)['repair'] as RepairJson, lastLine(both)['recalibration']);

  const repair = `repair --model ${pruned} --teacher ${tinyModel(images)} --images 32`;
  const figures = await run(`${repair} --json`);
  assert.equal(figures.code, 0, figures.stderr);
  check(lastLine(figures) as unknown as RepairJson, lastLine(figures)['recalibration']);
  const { stdout } = await run(repair);
  assert.match(
    stdout,
    /^at the end: batch norm statistics of up to 2 batches of training images, mixed with the old ones \(share 0\.5\)\n {2}before it KL [\d.]+, same .*; after it KL [\d.]+, same .* \(\d+ held-out images\)$/m,
  );
});

test('an exploration takes them for every pruned network, and agreement is that of the network measured', async () => {
  const output = path.join(work, 'explored');
  const explored = await run(
    `frontier --model ${tinyModel(images)} --targets 60% --criteria l1 --modes pruned repaired --images 32 --output ${output} --json`,
  );
  assert.equal(explored.code, 0, explored.stderr);
  const { points } = lastLine(explored) as { points: readonly { mode: string; top1: number; agreement?: number }[] };
  assert.deepEqual(
    points.map(({ mode }) => mode),
    ['dense', 'pruned', 'repaired'],
  );
  assert.match(
    readFileSync(path.join(output, 'frontier.md'), 'utf8'),
    /Pruned networks have batch norm statistics of up to 2 batches of training images at the end \(share 0\.5\), the dense network its own\./,
  );
  const plan = path.join(output, 'plans', 'l1-repaired-60.json');
  const alone = await run(`prune --model ${tinyModel(images)} --plan ${plan} --repair 32 --test-accuracy --json`);
  assert.equal(alone.code, 0, alone.stderr);
  const { recalibration, accuracy } = lastLine(alone) as {
    recalibration: Recalibration;
    accuracy: { after: { top1: number } };
  };
  assert.equal(points[2].agreement, recalibration.divergence?.after.agreement);
  assert.equal(points[2].top1, accuracy.after.top1);
});

test('a network without such statistics is refused before the work that would end with them', async () => {
  const vit = '--model deit_tiny_patch16_224 --num-classes 2 --input-size 32';
  const refused = /has no batch norm: there are no statistics to recalibrate/;
  const pruning = await run(`prune ${vit} --target-macs 60% --pruning-type l1 --repair 32`);
  assert.match(pruning.stderr, refused);
  assert.doesNotMatch(pruning.stderr, /Repairing/);
  const output = path.join(work, 'refused');
  const exploring = await run(`frontier ${vit} --targets 60% --criteria l1 --images 32 --output ${output}`);
  assert.match(exploring.stderr, refused);
  assert.equal(existsSync(output), false);
});
