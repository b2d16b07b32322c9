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

/** Milliseconds. */
export interface Frames {
  /** Longest time between two frames. */
  readonly worst: number;
  readonly median: number;
  /** What the page's own drawing of a frame took, but for the slowest twentieth: other programs interrupt it. */
  readonly drawing: number;
}

/** Frames while the wheel pans or zooms over the graph. The first ones, while code warms up, are left out. */
export function frameTimes({ page }: EditorPage, gesture: 'pan' | 'zoom', frames = 60): Promise<Frames> {
  return page.evaluate(
    async ({ gesture: what, frames: count }) => {
      const canvas = document.querySelector('.pane-dense canvas') as HTMLCanvasElement;
      const { left, top, width, height } = canvas.getBoundingClientRect();
      const request = window.requestAnimationFrame.bind(window);
      const drawings: number[] = [];
      let counted = false;
      window.requestAnimationFrame = (callback) =>
        request((time) => {
          const started = performance.now();
          callback(time);
          if (counted) drawings.push(performance.now() - started);
        });
      const times: number[] = [];
      const warmUp = 8;
      let last = 0;
      for (let i = 0; i < count + warmUp; i++) {
        const direction = i % 40 < 20 ? 1 : -1;
        counted = i >= warmUp;
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
        const now = await new Promise<number>((resolve) => request(() => resolve(performance.now())));
        if (counted) times.push(now - last);
        last = now;
      }
      window.requestAnimationFrame = request;
      times.sort((a, b) => a - b);
      drawings.sort((a, b) => a - b);
      const drawing = drawings[Math.floor(drawings.length * 0.95)];
      return { worst: times[times.length - 1], median: times[times.length >> 1], drawing };
    },
    { gesture, frames },
  );
}
