/** `espalier evaluate` on the published CIFAR checkpoints: what PyTorch counts, image by image. */
import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import { sharedPath, skipWithoutShared } from '../engine/data/shared.ts';
import { skipWithoutRuntime } from '../engine/training/tiny.ts';
import { readReference } from '../support/reference.ts';
import { espalier, lastLine } from './cli.ts';

interface Reference {
  readonly images: number;
  readonly checkpoints: Readonly<Record<string, { correct: number; top5: number; loss: number }>>;
}

const LOSS_TOLERANCE = 2e-4;

for (const checkpoint of ['resnet20-12fca82f', 'resnet32-d509ac18'])
  test(`${checkpoint} on all test images`, { skip: skipWithoutShared || skipWithoutRuntime }, async () => {
    const reference = readReference<Reference>('cifar.json');
    const expected = reference.checkpoints[checkpoint];
    const file = path.join(sharedPath, 'data', 'checkpoints', `${checkpoint}.th`);
    const data = path.join(sharedPath, 'data', 'cifar10');
    const result = await espalier(['evaluate', '--model', file, '--data-path', data, '--json']);
    assert.equal(result.code, 0, result.stderr);
    assert.equal(result.stdout.trimEnd().split('\n').length, 1);
    const { correct, images, skipped, top1, top5, loss, images_per_second } = lastLine(result);
    assert.deepEqual({ correct, images, skipped }, { correct: expected.correct, images: reference.images, skipped: 0 });
    assert.equal(top1, expected.correct / reference.images);
    assert.ok(Math.abs(Number(top5) - expected.top5) < 1e-6, `top-5 ${top5}`);
    assert.ok(Math.abs(Number(loss) - expected.loss) < LOSS_TOLERANCE, `loss ${loss}`);
    assert.ok(Number(images_per_second) > 0);
  });
