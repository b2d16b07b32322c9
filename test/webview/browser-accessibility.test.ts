import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { afterEach, describe, test } from 'node:test';
import type axe from 'axe-core';
import type { Page } from 'playwright-core';
import { OUT, openBrowser, THEMES } from './harness/browser.ts';
import { noChromium } from './harness/chromium.ts';
import { EditorPage } from './harness/page.ts';
import { compareSnapshot, datasetSnapshot, exploredSnapshot, runSnapshot } from './harness/panel-samples.ts';
import { PAGES, type PageName } from './harness/site.ts';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/**
 * Violations in words: the rules of WCAG 2.1 A and AA and axe's best practices in the first theme, and in the others what a theme
 * can change, which is contrast.
 */
async function violations(page: Page, name: string, themes = THEMES): Promise<string[]> {
  await page.evaluate(AXE);
  const found: string[] = [];
  for (const theme of themes) {
    await page.evaluate((to) => (window as unknown as { setTheme(name: string): void }).setTheme(to), theme);
    await page.waitForTimeout(100);
    await page.screenshot({ path: path.join(OUT, `axe-${name}-${theme}.png`), fullPage: true });
    const result = await page.evaluate(async (everything) => {
      const { axe: checker } = window as unknown as { axe: typeof axe };
      const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'best-practice'];
      const runOnly = everything ? tags : { type: 'rule' as const, values: ['color-contrast'] };
      const { violations: all, passes } = await checker.run(document, {
        runOnly,
        resultTypes: ['violations', 'passes'],
      });
      const wrong = all.flatMap(({ id, nodes }) =>
        nodes.map(({ target, failureSummary }) => `${id} ${target.join(' ')}: ${failureSummary}`),
      );
      return { wrong, passed: passes.length };
    }, theme === THEMES[0]);
    assert.ok(result.passed > 0, 'axe looked at nothing');
    found.push(...result.wrong.map((text) => `${theme}: ${text}`));
  }
  return found;
}

/** The violations of a page in all themes, and in a narrow side by side editor, where more of it scrolls. */
async function anywhere(page: Page, name: string): Promise<string[]> {
  const wide = await violations(page, name);
  await page.setViewportSize({ width: 320, height: 900 });
  return [...wide, ...(await violations(page, `${name}-narrow`, [THEMES[0]])).map((text) => `narrow: ${text}`)];
}

describe('axe-core finds nothing in any webview', { skip: noChromium }, () => {
  const opened = openBrowser(PAGES);
  /** Errors, and violations of the policy, on the pages of `panel`. */
  const problems: string[] = [];
  afterEach(() => assert.deepEqual(problems.splice(0), []));

  const panel = async (name: PageName, snapshot?: object): Promise<Page> => {
    const page = await opened.browser.newPage({ viewport: { width: 1000, height: 900 }, reducedMotion: 'reduce' });
    page.on('pageerror', (error) => problems.push(String(error)));
    page.on('console', (line) => {
      if (line.type() === 'error') problems.push(line.text());
    });
    await page.addInitScript('globalThis.__name = (f) => f');
    await page.goto(`${opened.site.url}/${name}`);
    if (snapshot) await page.evaluate((message) => window.postMessage(message), snapshot);
    await page.waitForTimeout(200);
    return page;
  };

  test('the model editor: a plan, a selected layer, every table', async () => {
    const editor = await EditorPage.open(opened);
    await editor.drawn();
    const { page } = editor;
    const text = page.getByRole('textbox', { name: 'Target (MACs) as text' });
    await text.fill('50%');
    await text.press('Enter');
    await page.locator('.target-reached').getByText('reached').waitFor();
    await editor.send('graph/select', { nodes: ['layer1.1.conv2'], scope: null, reveal: true });
    await page.getByRole('heading', { name: 'layer1.1.conv2' }).waitFor();
    await page.getByRole('grid', { name: 'Layers' }).focus();
    await page.keyboard.press('ArrowDown');
    assert.deepEqual(await violations(page, 'graph'), []);
    for (const name of ['Scopes', 'Plan (text)']) {
      await page.getByRole('tab', { name }).click();
      assert.deepEqual(await violations(page, `graph-${name.split(' ')[0]}`, ['dark']), [], name);
    }
    await page.locator('vscode-button[aria-label="Plan options"]').click();
    assert.deepEqual(await violations(page, 'graph-options', ['dark']), []);
    await page.getByRole('tree', { name: 'Model graph' }).focus();
    await page.keyboard.press('?');
    await page.getByRole('heading', { name: 'Keys of the graph' }).waitFor();
    assert.deepEqual(await violations(page, 'graph-keys', ['dark']), []);
    await page.keyboard.press('Escape');
    await editor.close();
  });

  test('the model editor with its sensitivity: heat map, legend, a group’s curve, the target spread by it', async () => {
    const settings = { dataPath: '/data/images', images: 500 };
    const curve = (channels: number, i: number) => ({
      widths: [0, channels / 2, channels],
      errors: [3 / (i + 1), 1 / (i + 1), 0],
    });
    const groups = opened.model.state.groups?.groups ?? [];
    const sensitivity = {
      label: '500 images of images',
      settings,
      groups: groups.map(({ scope, channels }, i) => (scope < 0 ? null : curve(channels, i))),
    };
    const editor = await EditorPage.open(opened);
    await editor.drawn();
    const { page } = editor;
    await editor.send('graph/update', { sensitivity, settings: { ...opened.model.state.settings, spread: settings } });
    await editor.send('graph/select', { nodes: ['layer1.1.conv2'], scope: null, reveal: true });
    await page.locator('.error-curve').first().waitFor();
    await page.locator('summary', { hasText: 'Legend' }).click();
    await page.getByText('Tint by').waitFor();
    assert.deepEqual(await violations(page, 'sensitivity'), []);
    await editor.close();
  });

  test('the model editor with a target in milliseconds, and with one that cannot be reached', async () => {
    const editor = await EditorPage.open(opened);
    await editor.drawn();
    const { page } = editor;
    const { range, settings } = opened.model.state;
    assert.ok(range);
    await editor.change({
      latency: { key: 'k', where: 'host; ONNX Runtime, batch 1', roundTo: 2, dense: 12, error: 0.04, heldOut: 4 },
      range: { ...range, milliseconds: { min: 3, max: 12 } },
      settings: { ...settings, target: { kind: 'ms', text: '50%' } },
    });
    const text = page.getByRole('textbox', { name: 'Target (ms) as text' });
    await text.fill('1ms');
    await text.press('Enter');
    await page.getByText('cannot be faster than').waitFor();
    await page.locator('.target-reached').getByText('predicted').waitFor();
    assert.deepEqual(await violations(page, 'times'), []);
    await editor.close();
  });

  test('the model editor while it waits, and when it has failed', async () => {
    for (const state of [
      { phase: 'loading', message: 'Reading resnet50.pth…', view: null, groups: null } as const,
      { phase: 'failed', message: 'resnet50.pth: no checkpoint', view: null, groups: null } as const,
    ]) {
      const editor = await EditorPage.open(opened, { state });
      assert.deepEqual(await violations(editor.page, state.phase), [], state.phase);
      await editor.close();
    }
  });

  test('the page of a trade-off: a network is chosen by the keyboard and by a click, and its plan is asked for', async () => {
    const page = await panel('run', exploredSnapshot);
    const sent: unknown[] = [];
    await page.exposeFunction('toHost', (message: unknown) => sent.push(message));
    const pictures = page.locator('.trade-off-pictures svg');
    assert.equal(await pictures.count(), 2);
    const take = page.getByRole('button', { name: 'Take this plan' });
    await take.waitFor({ state: 'hidden' });
    const repaired = page.getByRole('button', { name: /^repaired, 50%: 20/ });
    assert.equal(await repaired.count(), 2);
    await repaired.first().focus();
    await page.keyboard.press('Enter');
    const figures = page.locator('.trade-off-figures');
    await figures
      .getByText(
        /^repaired, 50%: 20\.\d+ M MACs, 1\.05 ms, top-1 45\.0 % of 2000 images, same class as the dense model on 65\.0 %$/,
      )
      .waitFor();
    assert.equal(await repaired.first().evaluate((mark) => mark === document.activeElement), true);
    await take.click();
    assert.deepEqual(sent.at(-1), { type: 'run/takePlan', value: 4 });
    assert.deepEqual(await anywhere(page, 'trade-off'), []);
    await page
      .getByRole('button', { name: /^dense: / })
      .nth(1)
      .click();
    await figures.getByText(/^dense: 40\.\d+ M MACs, 1\.62 ms, top-1 81\.\d % of 2000 images$/).waitFor();
    await take.waitFor({ state: 'hidden' });
    await page.close();
  });

  test('the run page', async () => {
    const page = await panel('run', runSnapshot);
    await page.locator('path.line').first().waitFor({ state: 'attached' });
    assert.deepEqual(await anywhere(page, 'run'), []);
    await page.close();
  });

  test('the comparison', async () => {
    const page = await panel('compare', compareSnapshot);
    await page.locator('tbody tr').nth(1).waitFor();
    assert.deepEqual(await anywhere(page, 'compare'), []);
    await page.close();
    const empty = await panel('compare');
    assert.deepEqual(await violations(empty, 'compare-empty'), []);
    await empty.close();
  });

  test('the data set', async () => {
    const page = await panel('dataset', datasetSnapshot);
    await page.locator('img').first().waitFor({ state: 'attached' });
    assert.deepEqual(await anywhere(page, 'dataset'), []);
    await page.close();
  });
});
