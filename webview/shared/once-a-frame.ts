/** Gives a function that has `draw` called with the next frame: once, however often it was called before. */
export function onceAFrame(draw: () => void): () => void {
  let isQueued = false;
  return () => {
    if (isQueued) return;
    isQueued = true;
    requestAnimationFrame(() => {
      isQueued = false;
      draw();
    });
  };
}
