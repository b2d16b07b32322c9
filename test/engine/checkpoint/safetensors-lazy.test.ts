import assert from 'node:assert/strict';
import { truncateSync } from 'node:fs';
import test from 'node:test';
import { lazySafetensors } from '../../../src/engine/checkpoint/safetensors/safetensors-lazy.ts';
import { writeSafetensors } from '../../../src/engine/checkpoint/safetensors/safetensors-write.ts';
import { float32Tensor, type Tensor } from '../../../src/engine/graph/tensor.ts';
import { testFolder } from './files.ts';

const folder = testFolder();

test('tensors are read when asked for, as they were written', async () => {
  const file = `${folder.path}/lazy.safetensors`;
  const weights = new Map<string, Tensor>([
    ['a', float32Tensor([2, 2], Float32Array.of(1, 2, 3, 4))],
    ['count', { dtype: 'int64', shape: [], data: BigInt64Array.of(7n) }],
    ['empty', float32Tensor([0, 3])],
  ]);
  await writeSafetensors(file, weights, {});
  const lazy = await lazySafetensors(file);
  assert.deepEqual([...lazy.tensors.keys()].sort(), ['a', 'count', 'empty']);
  for (const [name, tensor] of weights) assert.deepEqual(lazy.read(name), tensor);
  assert.equal(lazy.read('b'), undefined);
});

test('a file that shrinks meanwhile is a UserError that names it', async () => {
  const file = `${folder.path}/shrinks.safetensors`;
  await writeSafetensors(file, new Map([['a', float32Tensor([4], Float32Array.of(1, 2, 3, 4))]]), {});
  const lazy = await lazySafetensors(file);
  truncateSync(file, 20);
  assert.throws(() => lazy.read('a'), { name: 'UserError', message: /shrinks\.safetensors ended at byte \d+/ });
});
