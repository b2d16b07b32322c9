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
 * Connects a view: `handlers` has one function for every message that the host can send, and `ready` is sent when they
 * listen, so that the host answers with the whole state.
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
  const host: Host<Out, State> = {
    send: (type, value) => api.postMessage({ type, value }),
    getState: () => api.getState() as State | undefined,
    setState: (state) => api.setState(state),
  };
  return host;
}
