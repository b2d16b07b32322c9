import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Browser } from 'playwright-core';
import { launch, noChromium } from './harness/chromium.ts';
import { lowContrast } from './harness/contrast.ts';
import { type TestModel, testModel } from './harness/models.ts';
import { EditorPage } from './harness/page.ts';
import { type Site, serveGraph, type ThemeName } from './harness/site.ts';

const THEMES: readonly ThemeName[] = ['dark', 'light', 'hc-black', 'hc-light'];

/** Width, height, device pixels a CSS pixel. The last is a window of 1280 × 800 at 200 % zoom. */
const SIZES: readonly (readonly [width: number, height: number, scale: number])[] = [
  [1280, 800, 1],
  [600, 800, 1],
  [320, 800, 1],
  [640, 400, 2],
];

/** Screenshots to look at. */
const OUT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../out/webview');

describe('themes and sizes in a browser', { skip: noChromium }, () => {
  let browser: Browser;
  let site: Site;
  let model: TestModel;

  before(async () => {
    mkdirSync(OUT, { recursive: true });
    [browser, site, model] = await Promise.all([launch(), serveGraph(), testModel('resnet50')]);
  });
  after(async () => {
    await browser?.close();
    await site?.close();
  });

  for (const theme of THEMES)
    for (const [width, height, scale] of SIZES)
      test(`${theme}, ${width} × ${height}${scale > 1 ? ` at ${scale * 100} %` : ''}: fits and can be read`, async () => {
        const editor = await EditorPage.open(browser, site, model, { theme, width, height, scale });
        await editor.drawn();
        const { page } = editor;
        const text = page.getByRole('textbox', { name: 'Target (MACs) as text' });
        await text.fill('50%');
        await text.press('Enter');
        await page.locator('.target-reached').getByText('reached').waitFor();
        await editor.send('graph/select', { nodes: ['layer1.1.conv2'], scope: null, reveal: true });
        if (width < 720) await page.getByRole('tab', { name: 'Inspector' }).click();
        await page.getByRole('heading', { name: 'layer1.1.conv2' }).waitFor();
        await page.mouse.move(width / 2, height - 2);
        await editor.frames(3);
        await page.screenshot({ path: path.join(OUT, `${theme}-${width}x${height}.png`) });
        const wide = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
        assert.ok(wide <= 0, `the page is ${wide} px too wide`);
        const graph = (await page.locator('.graph-area').boundingBox())!;
        assert.ok(graph.height >= 110 && graph.width >= 240, `the graph has ${graph.width} × ${graph.height}`);
        const cut = await page
          .locator('.top-bar vscode-button, .top-bar button:visible, .target-text')
          .evaluateAll((all) => all.filter((one) => one.getBoundingClientRect().right > window.innerWidth).length);
        assert.equal(cut, 0, 'controls are cut off at the right');
        assert.deepEqual(await lowContrast(page), []);
        await editor.close();
      });

  test('a theme that changes reaches the picture', async () => {
    const editor = await EditorPage.open(browser, site, model);
    await editor.drawn();
    const corner = () =>
      editor.page.evaluate(() => {
        const canvas = document.querySelector('canvas') as HTMLCanvasElement;
        return [...canvas.getContext('2d')!.getImageData(2, 2, 1, 1).data];
      });
    assert.deepEqual(await corner(), [0x1f, 0x1f, 0x1f, 255]);
    await editor.page.evaluate(() => (window as unknown as { setTheme(name: string): void }).setTheme('light'));
    await editor.frames(3);
    assert.deepEqual(await corner(), [255, 255, 255, 255]);
    await editor.close();
  });
});
