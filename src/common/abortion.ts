/** A signal as something to race against. */

/** Rejects with the signal's reason when it is aborted, at once where it is already; `stop` takes the listener off. */
export function abortion(signal: AbortSignal | undefined): {
  readonly aborted: Promise<never>;
  readonly stop: () => void;
} {
  if (!signal) return { aborted: new Promise(() => undefined), stop: () => undefined };
  let listener: () => void = () => undefined;
  const aborted = new Promise<never>((_, reject) => {
    listener = () => reject(signal.reason);
    signal.addEventListener('abort', listener, { once: true });
    if (signal.aborted) listener();
  });
  // Whoever races has ended by then, or hears of it there.
  aborted.catch(() => undefined);
  return { aborted, stop: () => signal.removeEventListener('abort', listener) };
}
