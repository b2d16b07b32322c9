/** The web worker that lays models out. */
import type { ToLayoutWorker } from './layout/protocol.ts';
import { layoutService } from './layout/service.ts';

const serve = layoutService();

self.onmessage = (event: MessageEvent<ToLayoutWorker>): void => {
  const answer = serve(event.data);
  if (answer) self.postMessage(answer);
};
