/**
 * How fast it is, in the real editor: printed, never asserted. Only by name: `npm run test:e2e -- measure slider`, on a quiet machine.
 *
 * Opening: from the choice in the palette until boxes are drawn, worker and all; and the editor's own part of it. Panning:
 * times between frames. Slider: from the moved slider until the new plan is drawn. Activation is printed by the flow `host`.
 */
import path from 'node:path';
import type { Frame } from 'playwright-core';
import { buildModel } from '../../src/engine/architectures/registry.ts';
import { writeSafetensors } from '../../src/engine/checkpoint/safetensors/safetensors-write.ts';
import { fillWeights } from '../support/detfill.ts';
import { type Environment, Session, setCurrent } from './lib/session.ts';
import type { Flow } from './lib/steps.ts';

const LARGE = ['deit_base_patch16_224', 'resnet152', 'swin_base_patch4_window7_224', 'densenet121'];
const LIMIT_MS = 120_000;
const FRAMES = 120;
const SLIDES = 40;

const summary = (times: readonly number[]): string => {
  const sorted = [...times].sort((a, b) => a - b);
  const at = (share: number): string =>
    sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))].toFixed(1);
  return `median ${at(0.5)} ms, 95th ${at(0.95)} ms, worst ${at(1)} ms of ${sorted.length}`;
};

export const measureFlow = (environment: Environment): Flow => ({
  name: 'measurements',
  async run(step) {
    const session = await Session.start(environment, () => undefined);
    setCurrent(session);
    const { workbench: wb } = session;

    for (const name of ['resnet20', ...LARGE]) {
      await step(name === 'resnet20' ? 'warm-up: worker and a first editor' : name, async () => {
        await wb.run('Espalier: Open Model Without Weights');
        await wb.quickInput.locator('input.input').fill(name);
        const row = wb.quickInput.locator('.monaco-list-row', { hasText: name }).first();
        await row.waitFor();
        const begin = performance.now();
        await row.click();
        await wb.tab(name).waitFor();
        await wb.webview().locator('[role=treeitem]').first().waitFor({ state: 'attached' });
        const frame = await frameOf(session);
        await frame.evaluate(
          () => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))),
        );
        console.log(`       opened in ${(performance.now() - begin).toFixed(0)} ms from the palette, worker included`);
        const drawing = await frame.evaluate(arrivedToDrawn);
        console.log(`       drawn ${drawing.toFixed(0)} ms after its graph had arrived in the editor`);
        await wb.page.waitForTimeout(1500);
        console.log(`       panning: ${summary(await frame.evaluate(pan, FRAMES))}`);
        await wb.run('Espalier: Expand All');
        await wb.page.waitForTimeout(1500);
        console.log(`       panning, all open: ${summary(await frame.evaluate(pan, FRAMES))}`);
        await wb.run('View: Close Editor');
      });
    }
    await session.stop();
    setCurrent(undefined);
  },
});

export const sliderFlow = (environment: Environment): Flow => ({
  name: 'measurements of the slider',
  async run(step) {
    const session = await Session.start(environment, async (workspace) => {
      const graph = buildModel('deit_base_patch16_224');
      if (graph) await writeSafetensors(path.join(workspace, 'deit_base.safetensors'), fillWeights(graph));
    });
    setCurrent(session);
    const { workbench: wb } = session;
    await step('DeiT-Base, scored: slider to drawn plan', async () => {
      await wb.showViews();
      await wb.run('Espalier: Load Checkpoint');
      await wb.pick('deit_base.safetensors');
      await wb.webview().getByText('Scored by the size').waitFor({ timeout: LIMIT_MS });
      await wb.run('Espalier: Score Channels');
      await wb.pick('L2');
      await wb.webview().getByText('Scored with L2').first().waitFor({ timeout: LIMIT_MS });
      await wb.page.waitForTimeout(1500);
      const frame = await frameOf(session);
      const { answers, drawn } = await frame.evaluate(slide, SLIDES);
      console.log(`       slider to plan:  ${summary(answers)}`);
      console.log(`       slider to drawn: ${summary(drawn)}`);
      await session.shot('60-deit-base');
    });
    await session.stop();
    setCurrent(undefined);
  },
});

/** The document of the webview in front. */
async function frameOf({ workbench }: Session): Promise<Frame> {
  const handle = await workbench.webview().locator('body').elementHandle();
  const frame = await handle?.ownerFrame();
  if (!frame) throw new Error('no webview');
  // Functions that run in the page were compiled with names kept by this helper.
  await frame.evaluate('globalThis.__name = (f) => f');
  return frame;
}

/** Milliseconds from the arrival of the worker's graph until its first frame has been handed on. In the page. */
async function arrivedToDrawn(): Promise<number> {
  const at = (name: string): number | undefined =>
    performance.getEntriesByName(`espalier: model ${name}`)[0]?.startTime;
  while (at('drawn') === undefined) await new Promise((resolve) => setTimeout(resolve, 20));
  return (at('drawn') as number) - (at('arrived') as number);
}

/** Milliseconds between frames while the wheel pans; the first, while code warms up, are left out. In the page. */
async function pan(count: number): Promise<number[]> {
  const canvas = document.querySelector('.pane-dense canvas') as HTMLCanvasElement;
  const { left, top, width, height } = canvas.getBoundingClientRect();
  const times: number[] = [];
  let last = 0;
  for (let i = 0; i < count + 8; i++) {
    const direction = i % 40 < 20 ? 1 : -1;
    canvas.dispatchEvent(
      new WheelEvent('wheel', {
        deltaX: 6 * direction,
        deltaY: 24 * direction,
        clientX: left + width / 2,
        clientY: top + height / 3,
        cancelable: true,
      }),
    );
    const now = await new Promise<number>((resolve) => requestAnimationFrame(resolve));
    if (i >= 8) times.push(now - last);
    last = now;
  }
  return times;
}

interface Slides {
  readonly answers: number[];
  readonly drawn: number[];
}

/** Milliseconds from a moved slider until its plan is there, and until the frame with it has been handed on. In the page. */
async function slide(count: number): Promise<Slides> {
  const slider = document.querySelector('.target-slider') as HTMLInputElement;
  const answers: number[] = [];
  const drawn: number[] = [];
  for (let i = 0; i < count + 5; i++) {
    const began = performance.now();
    const answered = new Promise<void>((resolve) => {
      const listen = ({ data }: MessageEvent): void => {
        if (data?.type !== 'graph/update' || !data.value.plan) return;
        removeEventListener('message', listen);
        resolve();
      };
      addEventListener('message', listen);
    });
    slider.value = String(300 + ((i * 37) % 500));
    slider.dispatchEvent(new Event('input'));
    await answered;
    const arrived = performance.now() - began;
    // The frame that draws it, and the task after it.
    await new Promise<void>((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
    if (i >= 5) {
      answers.push(arrived);
      drawn.push(performance.now() - began);
    }
    await new Promise((resolve) => setTimeout(resolve, 150));
  }
  return { answers, drawn };
}
