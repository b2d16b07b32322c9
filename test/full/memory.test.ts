/** Pruning a large network with given gradients takes less than three times its checkpoint's size in memory. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { findVariant } from '../../src/engine/architectures/registry.ts';
import { writeSafetensors } from '../../src/engine/checkpoint/safetensors/safetensors-write.ts';
import { writePth } from '../../src/engine/checkpoint/torch/torch-write.ts';
import { float32Tensor } from '../../src/engine/graph/tensor.ts';
import { testFolder } from '../engine/checkpoint/files.ts';
import { fillWeights, gradient } from '../support/detfill.ts';

const MOST = 3;
const noStatus = !existsSync('/proc/self/status') && 'no /proc here';
const folder = testFolder();
const writers = { safetensors: writeSafetensors, pth: writePth } as const;

for (const [name, format] of [
  ['deit_base_distilled_patch16_224', 'safetensors'],
  ['convnext_base', 'pth'],
] as const)
  test(`${name} from .${format}`, { skip: noStatus }, async (t) => {
    const graph = findVariant(name)?.build() ?? assert.fail();
    const [checkpoint, gradients, output] = [`${name}.${format}`, `${name}.gradients.safetensors`, `out.${format}`].map(
      (file) => path.join(folder.path, file),
    );
    await writers[format](checkpoint, fillWeights(graph), {});
    const trainable = graph.parameters.filter((p) => p.trainable);
    await writeSafetensors(
      gradients,
      new Map(trainable.map(({ name, shape }) => [name, float32Tensor(shape, gradient(name, shape))])),
      {},
    );
    const script = path.join(import.meta.dirname, 'prune-memory.ts');
    const args = ['--import', 'tsx', script, name, checkpoint, gradients, output];
    const { bytes, params } = JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8' }));
    const times = bytes / statSync(checkpoint).size;
    t.diagnostic(`${times.toFixed(2)} times the checkpoint's size`);
    assert.ok(times < MOST, `${times.toFixed(2)} times the checkpoint's size`);
    assert.ok(params > 0 && statSync(output).size > 4 * params);
  });
