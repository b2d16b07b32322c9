import assert from 'node:assert/strict';
import path from 'node:path';
import { describe, test } from 'node:test';
import { OUT, openBrowser, THEMES } from './harness/browser.ts';
import { noChromium } from './harness/chromium.ts';
import { lowContrast } from './harness/contrast.ts';
import { EditorPage } from './harness/page.ts';

/** Width, height, device pixels a CSS pixel. The last is a window of 1280 × 800 at 200 % zoom. */
const SIZES: readonly (readonly [width: number, height: number, scale: number])[] = [
  [1280, 800, 1],
  [600, 800, 1],
  [320, 800, 1],
  [640, 400, 2],
];

describe('themes and sizes in a browser', { skip: noChromium }, () => {
  const opened = openBrowser();

  for (const theme of THEMES)
    for (const [width, height, scale] of SIZES)
      test(`${theme}, ${width} × ${height}${scale > 1 ? ` at ${scale * 100} %` : ''}: fits and can be read`, async () => {
        const editor = await EditorPage.open(opened, { theme, width, height, scale });
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
        const rights = await page
          .locator('.top-bar vscode-button, .top-bar button:visible, .target-text')
          .evaluateAll((all) => all.map((one) => one.getBoundingClientRect().right));
        assert.ok(rights.length > 5, `${rights.length} controls`);
        assert.ok(
          rights.every((right) => right <= width),
          `controls are cut off at the right: ${rights.join()}`,
        );
        assert.deepEqual(await lowContrast(page), []);
        await editor.close();
      });

  test('a theme that changes reaches the picture', async () => {
    const editor = await EditorPage.open(opened);
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
