/** Between the page and its layout worker. */
import type { GraphView } from '../../../src/protocol/graph-view.ts';
import type { Layout } from './types.ts';

export type ToLayoutThread =
  /** Forgets what it had under this name. */
  | { readonly type: 'model'; readonly model: string; readonly view: GraphView }
  | {
      readonly type: 'layout';
      readonly id: number;
      readonly model: string;
      readonly open: readonly string[];
      readonly limit?: number;
    };

export type FromLayoutThread =
  | { readonly type: 'layout'; readonly id: number; readonly layout: Layout }
  | { readonly type: 'failed'; readonly id: number; readonly message: string };
