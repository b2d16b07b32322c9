/** Entry point of a decode thread: makes the batches it is sent, several images in flight at a time. */
import { parentPort, workerData } from 'node:worker_threads';
import sharp from 'sharp';
import { type BatchTask, Limiter, makeBatch } from './batch-task.ts';
import { ImageCache } from './image-cache.ts';
import type { FromThread, ThreadSetup, ToThread } from './thread-messages.ts';

if (!parentPort) throw new Error('decode-thread must be started as a worker thread');
const port = parentPort;
const setup = workerData as ThreadSetup;
const cache = setup.cache && new ImageCache(setup.cache);
const limiter = new Limiter(setup.concurrency);
const generation = new Int32Array(setup.generation);

// Threads come from having several images in flight; vips's own would only fight the computation.
sharp.concurrency(1);
sharp.cache(false);

const isStale = (task: BatchTask): boolean => Atomics.load(generation, 0) !== task.generation;

async function run(task: BatchTask): Promise<void> {
  try {
    const result = await makeBatch(task, { limiter, cache, isStale });
    port.postMessage({ kind: 'result', result } satisfies FromThread, [result.images.buffer]);
  } catch (error) {
    const { message, stack } = error instanceof Error ? error : new Error(String(error));
    port.postMessage({ kind: 'failed', id: task.id, message, stack } satisfies FromThread);
  }
}

port.on('message', (message: ToThread) => {
  if (message.kind === 'close') port.close();
  else void run(message.task);
});
