/** A pickle machine for protocols 0 to 5 that never executes anything: see pickle-values.ts for what it makes. */

import { Budget } from '../../../common/budget.ts';
import { PickleMachine, type PickleOptions } from './pickle-machine.ts';
import { operations } from './pickle-operations.ts';
import type { PickleValue } from './pickle-values.ts';

const STOP = 0x2e;

/** Operations that make a dictionary, a set or a record: each is as large as several plain values. */
const COSTS: ReadonlyMap<number, number> = new Map(
  [...'}d\x8f\x91R\x81\x92oic\x93'].map((code) => [code.charCodeAt(0), 6]),
);

/** Bounds on what a pickle may cost; each operation costs bounded time and memory, so counting them is enough. */
const MAX_OPERATIONS = 8_000_000;

export interface PickleResult {
  readonly value: PickleValue;
  /** First byte after the pickle's STOP. */
  readonly end: number;
}

/**
 * Reads one pickle from `bytes`, starting at byte `start`.
 * @throws PickleError, with `truncated` set if more bytes could help
 */
export function readPickle(bytes: Uint8Array, start = 0, options: PickleOptions = {}): PickleResult {
  const { budget = new Budget('the pickle', bytes.length) } = options;
  const machine = new PickleMachine(bytes, start, { ...options, budget });
  for (let count = 0; count < MAX_OPERATIONS; count++) {
    machine.operationStart = machine.position;
    const code = machine.byte();
    if (code === STOP) return { value: machine.pop(), end: machine.position };
    const operation = operations[code];
    if (!operation) return machine.fail(`unknown pickle operation 0x${code.toString(16).padStart(2, '0')}`);
    machine.spend(COSTS.get(code) ?? 1);
    operation(machine);
  }
  return machine.fail(`the pickle has more than ${MAX_OPERATIONS.toLocaleString('en')} operations`);
}
