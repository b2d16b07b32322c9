/**
 * Every page of ours in the four built-in themes, 1280 × 800, 320 pixels wide and at 200 %: axe-core finds nothing, nothing is cut off
 * sideways, and pictures to look at. Run by name.
 */
import assert from 'node:assert/strict';
import { axeViolations } from './lib/axe.ts';
import { pruneHalf } from './lib/pruned-model.ts';
import { PYTHON, pythonTorch } from './lib/python-torch.ts';
import { type Environment, Session, setCurrent } from './lib/session.ts';
import { smallData } from './lib/small-data.ts';
import type { Flow } from './lib/steps.ts';

const LIMIT_MS = 300_000;
const THEMES = {
  dark: 'Dark Modern',
  light: 'Light Modern',
  contrast: 'Dark High Contrast',
  'contrast-light': 'Light High Contrast',
} as const;
const SIZES = {
  wide: { width: 1280, height: 800 },
  /** 320 pixels for the view, side bar closed. */
  narrow: { width: 368, height: 800 },
  /** A zoom of 200 % halves the pixels that styles count. */
  zoomed: { width: 640, height: 400 },
} as const;

/** Tabs, and what is there when they are drawn. */
const TABS = {
  'resnet20.pth': 'layer1',
  epoch: 'Learning rate',
  'Exploring the trade-off': 'networks measured',
  'Compare Models': 'Accuracy over MACs',
  'Data set images': 'First images',
} as const;

export const pointsLooksFlow = (environment: Environment): Flow => ({
  name: 'what hurt newcomers: how it looks',
  skip: pythonTorch(),
  async run(step) {
    const session = await Session.start(environment, async (workspace) => void (await smallData(workspace)), {
      settings: { 'espalier.jobs.python': PYTHON },
      env: { OMP_NUM_THREADS: '1', CUDA_VISIBLE_DEVICES: '' },
    });
    setCurrent(session);
    const { workbench: wb } = session;
    const view = () => wb.webview();
    const rows = (text: string) => wb.quickInput.locator('.monaco-list-row', { hasText: text });

    await step('a pruned model, and images', () => pruneHalf(session));
    await step('a job by torchrun, its questions photographed', async () => {
      await wb.run('Espalier: Finetune');
      await wb.pick('half.safetensors');
      await wb.pick('cifar');
      await wb.pick('Where');
      await rows('SkyPilot').waitFor();
      for (const [name, theme] of Object.entries(THEMES)) {
        await wb.page.keyboard.press('Escape');
        await wb.theme(theme);
        await wb.run('Espalier: Finetune');
        await wb.pick('half.safetensors');
        await wb.pick('cifar');
        await wb.pick('Where');
        await rows('SkyPilot').waitFor();
        await session.shot(`points-where-${name}`);
      }
      await wb.pick('torchrun on this machine');
      await wb.answer('1');
      await rows('1 process').first().waitFor();
      await rows('Epochs').filter({ hasNotText: 'Start' }).click();
      await wb.answer('2');
      await wb.pick('Start');
      await wb.tab(/epoch/).waitFor();
      await view().locator('.state', { hasText: 'done' }).waitFor({ timeout: LIMIT_MS });
      await wb.clearNotifications();
    });
    await step('a trade-off explored, its page open; a comparison', async () => {
      await wb.tab('resnet20.pth').click();
      await wb.run('Espalier: Explore Trade-off');
      await wb.answer('50%');
      const row = wb.row('Runs', 'Exploring the trade-off');
      await row.filter({ hasText: 'networks measured' }).waitFor({ timeout: LIMIT_MS });
      await row.click();
      await view().getByText('networks measured').first().waitFor();
      await view().getByRole('button', { name: 'Open report' }).waitFor();
      await wb.clearNotifications();
      await wb.run('Espalier: Evaluate');
      await wb.quickInput.getByText('OK', { exact: true }).click();
      await wb.tab('Compare Models').waitFor({ timeout: LIMIT_MS });
      await view().locator('tbody tr').nth(1).waitFor({ timeout: LIMIT_MS });
      await wb.clearNotifications();
    });
    for (const [name, theme] of Object.entries(THEMES)) {
      await step(`13: ${theme}: axe-core finds nothing; nothing is cut off at 320 pixels and at 200 %`, async () => {
        await wb.theme(theme);
        const found: string[] = [];
        for (const [size, viewport] of Object.entries(SIZES)) {
          await wb.page.setViewportSize(viewport);
          if (size !== 'wide' && (await wb.page.locator('.part.sidebar').isVisible()))
            await wb.run('View: Close Primary Side Bar');
          for (const [tab, content] of Object.entries(TABS)) {
            await wb.tab(tab).first().click();
            await view().getByText(content).first().waitFor({ state: 'attached' });
            await wb.page.waitForTimeout(400);
            await session.shot(`points-${tab.split(/[ .]/)[0].toLowerCase()}-${name}-${size}`);
            for (const violation of await axeViolations(view())) found.push(`${tab}, ${size}: ${violation}`);
            const { scroll, client } = await view()
              .locator('html')
              .evaluate((html) => ({ scroll: html.scrollWidth, client: html.clientWidth }));
            if (scroll > client + 1) found.push(`${tab}, ${size}: ${scroll} px wide in ${client} px`);
          }
        }
        await wb.page.setViewportSize(SIZES.wide);
        await wb.showViews();
        assert.deepEqual(found, []);
      });
    }
    await step('nothing unexpected in the console, and no other host was asked', async () => {
      assert.deepEqual(wb.errors, []);
      assert.deepEqual(wb.foreignRequests, []);
    });
    await session.stop();
    setCurrent(undefined);
  },
});
