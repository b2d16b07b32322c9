/**
 * A process of the sweep, which ends it where it takes too long: one request a message, one row an answer. Its argument is the number of
 * threads; without it, all cores compute.
 */
import { mkdir, rm } from 'node:fs/promises';
import { createExecutor } from '../../src/engine/compute/backends.ts';
import { examine, TorchSide } from './examine.ts';
import type { Row, SweepRequest } from './rows.ts';

const torch = new TorchSide();
const [threads] = process.argv.slice(2);
const executor = await createExecutor(threads ? { threads: Number(threads) } : {});
process.on('message', async (request: SweepRequest) => {
  const row: Row = { name: request.name };
  const start = performance.now();
  await mkdir(request.folder, { recursive: true });
  try {
    await examine(row, request, torch, executor);
  } catch (error) {
    row.problem = (error as Error).message.replaceAll(request.folder, '').slice(0, 400);
  }
  row.seconds = Math.round((performance.now() - start) / 100) / 10;
  await rm(request.folder, { recursive: true, force: true });
  process.send?.(row);
});
