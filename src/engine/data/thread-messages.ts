/** What the loader and its decode threads say to each other. */
import type { BatchResult, BatchTask } from './batch-task.ts';
import type { SharedCache } from './image-cache.ts';

/** Handed to a thread when it starts. */
export interface ThreadSetup {
  readonly cache?: SharedCache;
  /** Images in flight at a time. */
  readonly concurrency: number;
  /** One Int32: tasks of an earlier generation are no longer wanted. */
  readonly generation: SharedArrayBuffer;
}

export type ToThread = { readonly kind: 'task'; readonly task: BatchTask } | { readonly kind: 'close' };

export type FromThread =
  | { readonly kind: 'result'; readonly result: BatchResult }
  | { readonly kind: 'failed'; readonly id: number; readonly message: string; readonly stack?: string };
