/** The layout worker's work as a function of messages: the same in a worker and on the page. */
import { buildTree } from '../model/tree.ts';
import { LayoutEngine } from './layout.ts';
import type { FromLayoutThread, ToLayoutThread } from './protocol.ts';

export function layoutService(): (message: ToLayoutThread) => FromLayoutThread | undefined {
  const engines = new Map<string, LayoutEngine>();
  return (message) => {
    if (message.type === 'model') {
      engines.set(message.model, new LayoutEngine(buildTree(message.view)));
      return undefined;
    }
    try {
      const engine = engines.get(message.model);
      if (!engine) throw new Error(`no model ${message.model} to lay out`);
      return { type: 'layout', id: message.id, layout: engine.layout(new Set(message.open), message.limit) };
    } catch (error) {
      return {
        type: 'failed',
        id: message.id,
        message: error instanceof Error ? (error.stack ?? error.message) : String(error),
      };
    }
  };
}
