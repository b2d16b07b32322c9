/** Every view in the four built-in themes, wide and narrow: pictures to look at, and what can be checked without eyes. */
import assert from 'node:assert/strict';
import path from 'node:path';
import { SCOPE_COLORS } from '../../src/protocol/scope-colors.ts';
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

const WIDE = { width: 1280, height: 800 };
/** 320 pixels for the view, side bar closed. */
const NARROW = { width: 368, height: 800 };
/** A zoom of 200 % halves the pixels that styles count. */
const ZOOMED = { width: 640, height: 400 };

export const looksFlow = (environment: Environment): Flow => ({
  name: 'themes and widths',
  async run(step) {
    const session = await Session.start(environment, async (workspace) => {
      await smallData(workspace, { train: 60, test: 30 });
    });
    setCurrent(session);
    const { workbench: wb, workspace } = session;
    const view = () => wb.webview();
    /** Tabs, and what is there when they are drawn. */
    const tabs = {
      'resnet20.pth': 'layer1',
      epoch: 'Learning rate',
      'Compare Models': 'Accuracy over MACs',
      'Data set images': 'First images',
    } as const;

    await step('a workspace with something to see in every view', async () => {
      await wb.showViews();
      await wb.run('Espalier: Select Data Set');
      await wb.answerPath(path.join(workspace, 'images'));
      await wb.tab('Data set images').waitFor();
      await wb.run('Espalier: Load Checkpoint');
      await wb.pick('resnet20.pth');
      await view().getByText('Scored by the size').waitFor();
      await wb.run('Espalier: Score Channels');
      await wb.pick('L2');
      await view().getByText('Scored with L2').first().waitFor({ timeout: LIMIT_MS });
      await wb.run('Espalier: Set FLOP Target');
      await wb.answer('50%');
      await view().getByText('reached').first().waitFor();
      await wb.run('Espalier: Prune Model');
      await wb.answerPath(path.join(workspace, 'half.safetensors'));
      await wb.notification('Saved').waitFor({ timeout: LIMIT_MS });
      await wb.clearNotifications();
      await wb.run('Espalier: Finetune');
      await wb.pick('half.safetensors');
      await wb.pick('cifar');
      await wb.pick('Start');
      await wb.tab(/epoch/).waitFor();
      await view().locator('.state', { hasText: 'done' }).waitFor({ timeout: LIMIT_MS });
      await wb.clearNotifications();
      await wb.run('Espalier: Evaluate');
      await wb.pick('half, finetuned');
      await wb.quickInput.getByText('OK', { exact: true }).click();
      await wb.tab('Compare Models').waitFor({ timeout: LIMIT_MS });
      await view().locator('tbody tr').nth(1).waitFor({ timeout: LIMIT_MS });
    });

    for (const [name, theme] of Object.entries(THEMES)) {
      await step(`${theme}: wide, narrow, zoomed`, async () => {
        await wb.theme(theme);
        for (const [size, viewport] of Object.entries({ wide: WIDE, narrow: NARROW, zoomed: ZOOMED })) {
          await wb.page.setViewportSize(viewport);
          if (size !== 'wide') await wb.run('View: Close Primary Side Bar').catch(() => undefined);
          for (const [tab, content] of Object.entries(tabs)) {
            await wb.tab(tab).first().click();
            await view().getByText(content).first().waitFor();
            await wb.page.waitForTimeout(400);
            await session.shot(`looks-${tab.split(/[ .]/)[0].toLowerCase()}-${name}-${size}`);
            await assertFits(tab);
          }
          await wb.page.setViewportSize(WIDE);
          await wb.showViews();
        }
      });
    }

    /** Nothing is cut off sideways: only what scrolls by itself may be wider than the page. */
    async function assertFits(tab: string): Promise<void> {
      const { scroll, client } = await view()
        .locator('html')
        .evaluate((html) => ({ scroll: html.scrollWidth, client: html.clientWidth }));
      assert.ok(scroll <= client + 1, `${tab} is ${scroll} px wide in ${client} px`);
    }

    await step('text stands out from its background in every theme', async () => {
      for (const theme of Object.values(THEMES)) {
        await wb.theme(theme);
        await wb.tab('Compare Models').click();
        const colors = await view()
          .locator('td.number')
          .first()
          .evaluate((cell) => [getComputedStyle(cell).color, getComputedStyle(document.body).backgroundColor] as const);
        const contrast = contrastOf(...colors);
        assert.ok(contrast >= 4.5, `${theme}: ${contrast.toFixed(1)}`);
        const scopes = await view().locator('body').evaluate(paintedColors, SCOPE_COLORS.map(cssVariable));
        for (const [index, color] of scopes.entries()) {
          const contrast = contrastOf(color, colors[1]);
          assert.ok(contrast >= 3, `${theme}, ${SCOPE_COLORS[index]} (${color}): ${contrast.toFixed(1)}`);
        }
      }
    });
    await session.stop();
    setCurrent(undefined);
  },
});

const cssVariable = (color: string): string => `--vscode-${color.replace('.', '-')}`;

/** Colours of variables, as they are painted. In the page. */
function paintedColors(body: HTMLElement, variables: readonly string[]): string[] {
  const probe = body.appendChild(document.createElement('span'));
  const found = variables.map((variable) => {
    probe.style.color = `var(${variable})`;
    return getComputedStyle(probe).color;
  });
  probe.remove();
  return found;
}

/** Relative luminance of a CSS colour (WCAG 2). */
function luminance(color: string): number {
  const channels = (color.match(/[\d.]+/g) ?? []).slice(0, 3).map((part) => {
    const share = Number(part) / 255;
    return share <= 0.03928 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * channels[0] + 0.7152 * channels[1] + 0.0722 * channels[2];
}

function contrastOf(a: string, b: string): number {
  const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y);
  return (high + 0.05) / (low + 0.05);
}
