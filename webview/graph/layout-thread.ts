/** The web worker that lays models out. */
import type { ToLayoutThread } from './layout/protocol.ts';
import { layoutService } from './layout/service.ts';

const serve = layoutService();

self.onmessage = (event: MessageEvent<ToLayoutThread>): void => {
  const answer = serve(event.data);
  if (answer) self.postMessage(answer);
};
