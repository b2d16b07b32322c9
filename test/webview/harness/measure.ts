/** Times in the page, as its user sees them. */
import type { EditorPage } from './page.ts';

/** Milliseconds from the data's arrival in the page until boxes are drawn. */
export function openingTime({ page }: EditorPage, state: unknown): Promise<number> {
  return page.evaluate(async (value) => {
    const started = performance.now();
    window.postMessage({ type: 'graph/show', value });
    while (!document.querySelector('[role=treeitem]')) await new Promise((resolve) => setTimeout(resolve, 4));
    for (let i = 0; i < 2; i++) await new Promise((resolve) => requestAnimationFrame(resolve));
    return performance.now() - started;
  }, state);
}

export interface Frames {
  readonly worst: number;
  readonly median: number;
}

/** Times between frames while the wheel pans (or zooms) over the graph. The first frames, while code warms up, are left out. */
export function frameTimes({ page }: EditorPage, gesture: 'pan' | 'zoom', frames = 90): Promise<Frames> {
  return page.evaluate(
    async ({ gesture: what, frames: count }) => {
      const canvas = document.querySelector('.pane-dense canvas') as HTMLCanvasElement;
      const { left, top, width, height } = canvas.getBoundingClientRect();
      const times: number[] = [];
      let last = 0;
      const warmUp = 5;
      for (let i = 0; i < count + warmUp; i++) {
        const direction = i % 40 < 20 ? 1 : -1;
        canvas.dispatchEvent(
          new WheelEvent('wheel', {
            deltaY: 24 * direction,
            deltaX: what === 'pan' ? 6 * direction : 0,
            ctrlKey: what === 'zoom',
            clientX: left + width / 2,
            clientY: top + height / 3,
            cancelable: true,
          }),
        );
        const now = await new Promise<number>((resolve) => requestAnimationFrame(() => resolve(performance.now())));
        if (i >= warmUp) times.push(now - last);
        last = now;
      }
      times.sort((a, b) => a - b);
      return { worst: times[times.length - 1], median: times[times.length >> 1] };
    },
    { gesture, frames },
  );
}
