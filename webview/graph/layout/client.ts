/** Asks for layouts: of the worker, or on the page itself where no worker can be started. */
import type { GraphView } from '../../../src/protocol/graph-view.ts';
import { startThread } from '../../shared/host-wire.ts';
import type { FromLayoutThread, ToLayoutThread } from './protocol.ts';
import { layoutService } from './service.ts';
import type { Layout } from './types.ts';

interface Waiting {
  resolve(layout: Layout): void;
  reject(error: Error): void;
}

export class LayoutClient {
  readonly #waiting = new Map<number, Waiting>();
  #post: Promise<(message: ToLayoutThread) => void>;
  #next = 1;

  constructor() {
    this.#post = this.#start().catch(() => this.#inPage());
  }

  async #start(): Promise<(message: ToLayoutThread) => void> {
    const worker = await startThread('graph-layout-thread.js');
    worker.onmessage = (event: MessageEvent<FromLayoutThread>) => this.#receive(event.data);
    worker.onerror = (event) => this.#failAll(new Error(event.message));
    return (message) => worker.postMessage(message);
  }

  #inPage(): (message: ToLayoutThread) => void {
    const serve = layoutService();
    return (message) => {
      const answer = serve(message);
      if (answer) queueMicrotask(() => this.#receive(answer));
    };
  }

  #receive(answer: FromLayoutThread): void {
    const waiting = this.#waiting.get(answer.id);
    this.#waiting.delete(answer.id);
    if (answer.type === 'layout') waiting?.resolve(answer.layout);
    else waiting?.reject(new Error(answer.message));
  }

  #failAll(error: Error): void {
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }

  async model(name: string, view: GraphView): Promise<void> {
    (await this.#post)({ type: 'model', model: name, view });
  }

  /** @param limit pixels of height from which on containers stand in columns */
  async layout(name: string, open: ReadonlySet<string>, limit?: number): Promise<Layout> {
    const post = await this.#post;
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      post({ type: 'layout', id, model: name, open: [...open], limit });
    });
  }
}
