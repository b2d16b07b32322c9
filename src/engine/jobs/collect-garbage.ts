/** Freeing memory at a moment of our choosing. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

let collect: (() => void) | undefined;

/**
 * Frees what nothing refers to any more, now. V8 counts the bytes of its own objects and lets large arrays lie for long: weights that were
 * handed to a session would stay beside its own copy through the first training steps, which need the most memory of all.
 */
export function collectGarbage(): void {
  if (!collect) {
    setFlagsFromString('--expose-gc');
    collect = runInNewContext('gc') as () => void;
  }
  collect();
}
