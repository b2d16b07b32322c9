/** The webview's end of the wire to the extension host, typed by the tables in src/protocol. */
import type { Message } from '../../src/protocol/panels.ts';

interface VsCodeApi {
  postMessage(message: unknown): void;
  getState(): unknown;
  setState(state: unknown): void;
}

declare function acquireVsCodeApi(): VsCodeApi;

export type Handlers<In> = { readonly [K in keyof In]: (value: In[K]) => void };

export interface Host<Out, State> {
  send<K extends keyof Out>(type: K, value: Out[K]): void;
  /** What the view remembers while it is hidden and after the window was closed. */
  getState(): State | undefined;
  setState(state: State): void;
}

/**
 * Connects a view: `handlers` has one function for every message that the host can send. When they can be called, the view
 * sends `ready` and the host answers with the whole state.
 */
export function connect<In extends object, Out extends { ready: null }, State>(
  handlers: Handlers<In>,
): Host<Out, State> {
  const api = acquireVsCodeApi();
  window.addEventListener('message', (event: MessageEvent<Message<In>>) => {
    const message = event.data;
    if (!message || typeof message !== 'object' || !Object.hasOwn(handlers, message.type)) return;
    handlers[message.type](message.value);
  });
  return {
    send: (type, value) => api.postMessage({ type, value }),
    getState: () => api.getState() as State | undefined,
    setState: (state) => api.setState(state),
  };
}

/**
 * Starts a web worker out of dist/webview (`graph-layout-thread.js` is built from webview/graph/layout-thread.ts).
 * Its script goes through a blob: the page may not start workers from the address that its files come from.
 */
export async function startThread(file: string): Promise<Worker> {
  const response = await fetch(`${document.body.dataset.scripts}/${file}`);
  const address = URL.createObjectURL(await response.blob());
  try {
    return new Worker(address);
  } finally {
    URL.revokeObjectURL(address);
  }
}
