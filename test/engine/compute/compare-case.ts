/** What tests of kernel cases have in common: numbers as executors take them, and how near theirs must be. */
import assert from 'node:assert/strict';
import type { Session } from '../../../src/engine/compute/executor.ts';
import { float32Tensor, type Weights } from '../../../src/engine/graph/tensor.ts';
import type { Values } from '../../support/interpreter.ts';

export const float32 = ({ data }: Values): Float32Array => Float32Array.from(data);

export const asWeights = (states: ReadonlyMap<string, Values>): Weights =>
  new Map([...states].map(([name, value]) => [name, float32Tensor(value.shape, float32(value))]));

/** Differences are measured against the largest element. */
export function assertClose(actual: ArrayLike<number>, expected: Values, what: string, tolerance: number): void {
  assert.equal(actual.length, expected.data.length, `${what}: length`);
  const scale = Math.max(1e-6, ...expected.data.map(Math.abs));
  expected.data.forEach((value, i) => {
    const difference = Math.abs(actual[i] - value);
    assert.ok(difference <= tolerance * scale, `${what}[${i}]: ${actual[i]}, should be ${value}`);
  });
}

/** A program that updates nothing leaves its states as they were assigned. */
export async function assertStates(session: Session, states: ReadonlyMap<string, Values>): Promise<void> {
  const read = await session.read();
  assert.deepEqual([...read.keys()].sort(), [...states.keys()].sort());
  for (const [name, { data, shape }] of read) {
    assert.deepEqual(shape, states.get(name)?.shape);
    assertClose(data as Float32Array, states.get(name) as Values, name, 0);
  }
}
